package alerts

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// lateAfter is how long something that is due may be left undone before this service is not well.
const lateAfter = time.Minute

var (
	errNotRunning = errors.New("alerts: not running")
	errFeedLost   = errors.New("alerts: the feed of events is not followed")
	errStuck      = errors.New("alerts: messages are due and are not sent")
)

// Check reports whether this service does its work, and otherwise why not: the store has not answered before the end of ctx,
// the feed has given no sign of life for a minute, or messages have been due for a minute while nothing was sent. It is for
// readiness and for a dead-man switch, cheap enough to be asked every few seconds, from any goroutine. Before Run it fails.
func (s *Service) Check(ctx context.Context) error {
	if !s.feed.alive.begun() {
		return errNotRunning
	}
	b, err := s.store.Backlog(ctx)
	if err != nil {
		return fmt.Errorf("alerts: the store has not answered: %w", err)
	}
	if since := s.feed.alive.since(); since > lateAfter {
		return fmt.Errorf("%w for %s", errFeedLost, since.Round(time.Second))
	}
	if b.Due.IsZero() {
		return nil
	}
	// Attempts at slow receivers may keep all workers busy: that is no fault, and shows in the age of the outbox.
	if late := now().Sub(b.Due); late > lateAfter && s.courier.alive.since() > lateAfter {
		return fmt.Errorf("%w for %s", errStuck, late.Round(time.Second))
	}
	return nil
}

// pulse is when something last showed that it works, by the monotonic clock. The zero pulse has not begun.
type pulse struct{ last atomic.Pointer[time.Time] }

func (p *pulse) beat() {
	at := time.Now()
	p.last.Store(&at)
}

func (p *pulse) begun() bool { return p.last.Load() != nil }

// since is how long ago that was; 0 if it has not begun.
func (p *pulse) since() time.Duration {
	if last := p.last.Load(); last != nil {
		return time.Since(*last)
	}
	return 0
}

// lookEvery is how old the figures of the store may be.
const lookEvery = 15 * time.Second

// look reads now and then what figures show of the store.
func (s *Service) look(ctx context.Context) {
	for first := true; first || wait(ctx, lookEvery); first = false {
		asking, cancel := context.WithTimeout(ctx, askTimeout)
		b, err := s.store.Backlog(asking)
		open, nerr := s.store.OpenNotices(asking)
		cancel()
		if err := errors.Join(err, nerr); err != nil {
			if ctx.Err() == nil {
				s.log.WarnContext(ctx, "outbox and notices cannot be counted", "error", err.Error())
			}
			continue
		}
		s.courier.figures.backlog.Store(&b)
		s.courier.figures.notices.Store(int64(open))
	}
}
