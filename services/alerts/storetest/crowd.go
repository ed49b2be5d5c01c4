package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/frogstats/uptime/services/alerts"
)

// crowdCase lets each writer write so many batches.
func crowdCase(rounds int) ReplicaCase {
	return ReplicaCase{"replicas/many claim, settle, write and read at once", func(t testing.TB, replicas []alerts.Store) {
		newCrowd(t, replicas, rounds).run()
	}}
}

// The size of the crowd.
const (
	crowdTargets  = 12
	crowdMonitors = 4
	crowdWriters  = 2  // for each replica
	crowdClaimers = 3  // for each replica
	crowdBatch    = 12 // messages of one batch
)

// crowd is workers of several replicas at one outbox, and a referee who knows what each of them holds.
type crowd struct {
	t        testing.TB
	ctx      context.Context // ends with the first failure
	replicas []alerts.Store
	rounds   int // batches of each writer
	targets  []alerts.Target
	clock    atomic.Int64 // milliseconds after base

	mu        sync.Mutex
	changed   *sync.Cond
	held      map[alerts.Target]time.Time // end of the lease
	writing   int                         // writers that are not done
	busy      int                         // workers that look for messages or have some
	empty     bool                        // everything that was written is final
	lines     map[line]string             // last message of each line that was delivered
	delivered map[string]bool
	attempts  map[string]int
	passes    []pass
}

// line is what has to be sent in order.
type line struct {
	target  alerts.Target
	monitor uint32
}

// pass is what a reader saw who paged through all deliveries.
type pass []uint64

func newCrowd(t testing.TB, replicas []alerts.Store, rounds int) *crowd {
	c := &crowd{
		t: t, replicas: replicas, rounds: rounds, held: map[alerts.Target]time.Time{}, lines: map[line]string{}, delivered: map[string]bool{},
		attempts: map[string]int{},
	}
	c.changed = sync.NewCond(&c.mu)
	for range crowdTargets {
		c.targets = append(c.targets, alerts.Target{Kind: alerts.TargetChannel, ID: newChannel(t, replicas[0], org).ID})
	}
	return c
}

func (c *crowd) run() {
	c.t.Helper()
	g, ctx := errgroup.WithContext(ctx(c.t))
	c.ctx = ctx
	defer context.AfterFunc(ctx, c.tell)()
	c.writing = crowdWriters * len(c.replicas)
	for i, s := range c.replicas {
		skew := time.Duration(2*i) * time.Second // their clocks differ
		for w := range crowdWriters {
			g.Go(func() error {
				defer c.written()
				return c.write(s, skew, rand.New(rand.NewPCG(uint64(i), uint64(w))))
			})
		}
		for w := range crowdClaimers {
			g.Go(func() error { return c.claim(s, skew, rand.New(rand.NewPCG(uint64(i), uint64(100+w)))) })
		}
		g.Go(func() error { return c.read(s) })
	}
	check(c.t, g.Wait())
	c.judge()
}

func (c *crowd) now(skew time.Duration) time.Time {
	return base.Add(time.Duration(c.clock.Add(1))*time.Millisecond + skew)
}

// write adds messages whose ids rise in the order in which they were written.
func (c *crowd) write(s alerts.Store, skew time.Duration, rng *rand.Rand) error {
	return repeat(c.rounds, func(int) error {
		seed := rng.Uint64()
		defer c.tell()
		return s.Advance(c.ctx, nil, c.now(skew), func(p alerts.Progress, _ map[uint32]alerts.State) alerts.Batch {
			pick := rand.New(rand.NewPCG(seed, 0)) // the same when this runs again
			p.Seq++
			b := alerts.Batch{Progress: p}
			for i := range crowdBatch {
				id := fmt.Sprintf("m%06d-%02d", p.Seq, i)
				b.Messages = append(b.Messages, message(id, c.targets[pick.IntN(crowdTargets)], monitor+pick.Uint32N(crowdMonitors)))
			}
			return b
		})
	})
}

// claim works until everything that was written is delivered.
func (c *crowd) claim(s alerts.Store, skew time.Duration, rng *rand.Rand) error {
	for !c.done() {
		writing := c.enter()
		at := c.now(skew)
		claims, next, err := s.Claim(c.ctx, at, lease, 1+rng.IntN(4))
		if err != nil {
			return err
		}
		for _, claim := range claims {
			if err := c.take(claim, at); err != nil {
				return err
			}
		}
		for _, claim := range claims {
			if err := c.finish(s, claim, at, rng.IntN(20)); err != nil {
				return err
			}
		}
		c.leave(len(claims) == 0, writing, next)
	}
	return nil
}

// tell wakes those who wait for a change.
func (c *crowd) tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed.Broadcast()
}

// written says that a writer is done.
func (c *crowd) written() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing--
	c.changed.Broadcast()
}

// enter reports whether more may be written.
func (c *crowd) enter() (writing bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy++
	return c.writing > 0
}

// leave lets the others know that something changed. Whoever found nothing waits for that; if nobody is at work, it moves
// the clock on to when there may be something.
func (c *crowd) leave(idle, writing bool, next time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy--
	if !idle || c.over() {
		c.changed.Broadcast()
		return
	}
	if c.busy > 0 || next.IsZero() && c.writing > 0 {
		c.changed.Wait()
		return
	}
	c.empty = next.IsZero() && !writing
	c.clock.Add(max(next.Sub(base).Milliseconds()-c.clock.Load(), 0))
	c.changed.Broadcast()
}

// done reports whether there is nothing left to do, or no use in it.
func (c *crowd) done() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over()
}

func (c *crowd) over() bool { return c.ctx.Err() != nil || c.empty }

// take judges a claim that was given at a time.
func (c *crowd) take(claim alerts.Claim, at time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := line{claim.Target, claim.MonitorID}
	switch until, held := c.held[claim.Target]; {
	case held && at.Before(until):
		return fmt.Errorf("%s was claimed although %v is held until %s", claim.ID, claim.Target, until)
	case c.delivered[claim.ID]:
		return fmt.Errorf("%s was claimed after it was delivered", claim.ID)
	case claim.ID <= c.lines[l]:
		return fmt.Errorf("%s was claimed after %s of the same line was delivered", claim.ID, c.lines[l])
	case claim.State != alerts.DeliveryPending || claim.Attempts != c.attempts[claim.ID]:
		return fmt.Errorf("%s was claimed as %s after %d attempts, want %d", claim.ID, claim.State, claim.Attempts, c.attempts[claim.ID])
	}
	c.held[claim.Target] = at.Add(lease)
	return nil
}

// finish ends a claim in one of the ways that there are. The referee hears of it first, because when the store knows, the
// next one may claim.
func (c *crowd) finish(s alerts.Store, claim alerts.Claim, at time.Time, how int) (err error) {
	died := how == 0
	c.mu.Lock()
	if !died {
		delete(c.held, claim.Target)
	}
	if how > 1 {
		c.attempts[claim.ID]++
	}
	if how > 3 {
		c.lines[line{claim.Target, claim.MonitorID}] = claim.ID
	}
	c.mu.Unlock()
	v := alerts.Verdict{State: alerts.DeliveryDelivered}
	switch how {
	case 0: // its worker died
	case 1:
		err = s.Release(c.ctx, claim)
	case 2:
		v = alerts.Verdict{State: alerts.DeliveryPending, NextAttemptAt: at.Add(time.Second)}
		err = s.Settle(c.ctx, claim, alerts.Attempt{At: at, StatusCode: 500, Error: "500"}, v)
	case 3:
		v = alerts.Verdict{State: alerts.DeliveryPending, NextAttemptAt: at.Add(time.Second), HoldUntil: at.Add(2 * time.Second)}
		err = s.Settle(c.ctx, claim, alerts.Attempt{At: at, StatusCode: 429, Error: "429"}, v)
	default:
		err = s.Settle(c.ctx, claim, alerts.Attempt{At: at, StatusCode: 200}, v)
		if again := s.Settle(c.ctx, claim, alerts.Attempt{At: at}, v); !errors.Is(again, alerts.ErrLeaseLost) {
			err = errors.Join(err, fmt.Errorf("%s was settled twice: %w", claim.ID, again))
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if how > 3 {
		c.delivered[claim.ID] = true
	}
	if err != nil {
		return fmt.Errorf("%s: %w", claim.ID, err)
	}
	return nil
}

// read pages through the deliveries from the newest to the oldest, again after so many more were delivered.
func (c *crowd) read(s alerts.Store) error {
	for n := 0; c.reached(n); n += crowdBatch * c.rounds / 10 {
		var seen pass
		f := alerts.DeliveryFilter{Organization: org, Window: alerts.Window{Limit: 50}}
		for {
			rows, _, err := s.Deliveries(c.ctx, f)
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				break
			}
			for _, d := range rows {
				seen = append(seen, d.Position)
			}
			f.Window.After.ID = rows[len(rows)-1].Position
		}
		c.mu.Lock()
		c.passes = append(c.passes, seen)
		c.mu.Unlock()
	}
	return nil
}

// reached waits until n messages are delivered; false when that will not be.
func (c *crowd) reached(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.over() && len(c.delivered) < n {
		c.changed.Wait()
	}
	return !c.over()
}

// judge looks at what there is when everybody is done.
func (c *crowd) judge() {
	c.t.Helper()
	all, total, err := c.replicas[0].Deliveries(ctx(c.t), alerts.DeliveryFilter{Organization: org, Window: alerts.Window{Limit: 100_000}})
	check(c.t, err)
	same(c.t, "messages", total, crowdWriters*len(c.replicas)*c.rounds*crowdBatch)
	var positions pass
	for i, d := range all {
		positions = append(positions, d.Position)
		if d.State != alerts.DeliveryDelivered || d.Attempts != c.attempts[d.ID] {
			c.t.Errorf("%s is %s after %d attempts, want %d", d.ID, d.State, d.Attempts, c.attempts[d.ID])
		}
		if i > 0 && all[i-1].ID <= d.ID {
			c.t.Errorf("%s stands before %s", d.ID, all[i-1].ID)
		}
	}
	for _, p := range c.passes {
		if len(p) == 0 {
			continue
		}
		if first := slices.Index(positions, p[0]); first < 0 || !slices.Equal(p, positions[first:]) {
			c.t.Errorf("who read %d messages from position %d on should have read %d", len(p), p[0], len(positions)-first)
		}
	}
}
