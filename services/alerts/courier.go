package alerts

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

const (
	// maxSending is how many messages are sent at once, each to another target.
	maxSending = 16
	// leaseTime is twice what an attempt and the recording of it may take; after it, a worker that died is replaced. It is by each
	// replica's own clock, and the rest of it is how far those may be apart.
	leaseTime = 30 * time.Second
	// drainTime is how long attempts that run when the service stops may take to finish.
	drainTime = 5 * time.Second
	// settleTime bounds the recording of an attempt, which goes on while the service stops.
	settleTime = 3 * time.Second

	idlePause  = time.Minute            // look at least so often
	sharePause = time.Second            // the same, where other replicas write messages that may be left to this one
	busyPause  = time.Second            // while something is being sent; its end is a reason to look, too
	brokePause = time.Second            // after the store failed
	leastPause = 100 * time.Millisecond // between two looks that found nothing
)

// courier takes messages from the outbox and sends them. One goroutine claims; each claim is sent by a goroutine of its
// own, at most maxSending of them, and since a claim excludes all others of the same target, a slow receiver holds up
// nobody but itself.
type courier struct {
	store   OutboxStore
	log     *slog.Logger
	figures *figures
	tracer  trace.Tracer
	send    func(ctx context.Context, c Claim, at time.Time) Result
	wake    chan struct{}
	idle    time.Duration // idlePause or sharePause
	alive   pulse         // beats with each attempt
}

func newCourier(store OutboxStore, log *slog.Logger, f *figures, send func(context.Context, Claim, time.Time) Result) *courier {
	return &courier{store: store, log: log, figures: f, tracer: newTracer(nil), send: send, wake: make(chan struct{}, 1), idle: idlePause}
}

// nudge says that there may be new messages.
func (c *courier) nudge() { poke(c.wake) }

// run delivers until ctx ends, and then waits for what is being sent.
func (c *courier) run(ctx context.Context) {
	sending, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(drainTime, cut) })()
	var workers sync.WaitGroup
	defer workers.Wait()
	done := make(chan struct{}, maxSending)
	for free := maxSending; ; {
		claims, pause := c.claim(ctx, free)
		for _, claim := range claims {
			free--
			workers.Go(func() {
				c.deliver(sending, claim)
				done <- struct{}{}
			})
		}
		if !c.rest(ctx, pause, done, &free) {
			return
		}
	}
}

// rest waits until it makes sense to claim again; false when the service stops.
func (c *courier) rest(ctx context.Context, pause time.Duration, done <-chan struct{}, free *int) bool {
	t := time.NewTimer(pause)
	defer t.Stop()
	wake := c.wake
	if *free == 0 {
		wake = nil // nobody could carry what came
	}
	select {
	case <-ctx.Done():
		return false
	case <-done:
		*free++
	case <-wake:
	case <-t.C:
	}
	return ctx.Err() == nil
}

// claim returns messages for at most free workers, and how long to wait before asking again.
func (c *courier) claim(ctx context.Context, free int) ([]Claim, time.Duration) {
	if free == 0 {
		return nil, idlePause // the end of an attempt is a reason to look
	}
	at := now()
	claims, next, err := c.store.Claim(ctx, at, leaseTime, free)
	switch {
	case err != nil:
		if ctx.Err() == nil {
			c.log.ErrorContext(ctx, "outbox cannot be read", "error", err.Error())
		}
		return nil, brokePause
	case len(claims) > 0:
		for _, claim := range claims {
			c.figures.claimed(ctx, claim, at)
		}
		return claims, busyPause
	case next.IsZero():
		return nil, c.idle
	}
	return nil, min(max(next.Sub(at), leastPause), c.idle)
}

// deliver makes one attempt and records it. An attempt that the end of the service cut off is no attempt.
func (c *courier) deliver(ctx context.Context, claim Claim) {
	c.alive.beat()
	ctx, end := c.attempting(ctx, claim)
	began := now()
	try, cancel := context.WithTimeout(ctx, SendTimeout)
	defer cancel()
	r := c.send(try, claim, began)
	ended := now()
	settling, stop := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer stop()
	if !r.OK && ctx.Err() != nil {
		defer end(nil)
		c.note(settling, claim, c.store.Release(settling, claim))
		return
	}
	defer end(&r)
	v := judgeAttempt(claim.Delivery, r, ended, rand.Float64())
	err := c.store.Settle(settling, claim, Attempt{
		At: began, Duration: ended.Sub(began), StatusCode: r.StatusCode, Error: r.Error, Response: r.Response,
	}, v)
	if err != nil {
		c.note(settling, claim, err)
		return
	}
	c.report(settling, claim, r, v, ended)
}

// note logs that an attempt was not recorded: it will be made again, under the same id.
func (c *courier) note(ctx context.Context, claim Claim, err error) {
	if err == nil || errors.Is(err, ErrLeaseLost) { // lost: the target was deleted meanwhile, or we were too slow
		return
	}
	c.log.ErrorContext(ctx, "attempt was not recorded", "message_id", claim.ID, "error", err.Error())
}

func (c *courier) report(ctx context.Context, claim Claim, r Result, v Verdict, at time.Time) {
	if r.OK {
		c.figures.delay.Record(ctx, at.Sub(claim.OccurredAt).Seconds())
	}
	c.figures.attempts.Add(ctx, 1, metric.WithAttributes(attribute.String("result", resultName(r))))
	attrs := []any{
		"message_id", claim.ID, "type", claim.Message.Type, "monitor_id", claim.MonitorID,
		"target_kind", string(claim.Target.Kind), "target_id", claim.Target.ID,
		"attempt", claim.Attempts + 1, "status_code", r.StatusCode,
	}
	switch {
	case v.State == DeliveryDead:
		c.figures.dead.Add(ctx, 1)
		c.log.ErrorContext(ctx, "notification given up", append(attrs, "error", r.Error)...)
	case !r.OK:
		c.log.WarnContext(ctx, "notification not delivered yet", append(attrs, "error", r.Error, "next_attempt_at", v.NextAttemptAt)...)
	default:
		c.log.InfoContext(ctx, "notification delivered", attrs...)
	}
}
