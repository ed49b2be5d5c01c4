package events

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/frogstats/uptime/internal/fault"
)

// The history may be away when the service starts. Then states go on from what is stored of them, and results that were stored
// but not judged are judged once it can be read: as results of the past are, see mend.go. Until it has been asked which those
// are nothing is appended, for the question is what lies beyond the newest slot that was judged.

const (
	// firstAnswer is how long a start waits for the history to tell the newest slots.
	firstAnswer = 15 * time.Second
	// recallWait is how long the catalogue waits for the results of a monitor that is new to us.
	recallWait = 5 * time.Second
)

// unread is what could not be read of the history: monitors, and by region up to where they are judged.
type unread struct {
	mu    sync.Mutex
	slots map[uint32]map[string]time.Time
	over  bool
}

// note adds a monitor; false if nobody looks at the list any more.
func (u *unread) note(id uint32, judged map[string]time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over {
		return false
	}
	if u.slots == nil {
		u.slots = map[uint32]map[string]time.Time{}
	}
	u.slots[id] = judged
	return true
}

func (u *unread) read() map[uint32]map[string]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.slots)
}

// close ends the list if it has n monitors still.
func (u *unread) close(n int) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.slots) != n {
		return false
	}
	u.slots, u.over = nil, true
	return true
}

// away reports whether err, of a question whose time limit limited carries, says that the history cannot answer at the moment.
func away(ctx, limited context.Context, err error) bool {
	return err != nil && ctx.Err() == nil && (fault.Is(err, fault.KindUnavailable) || limited.Err() != nil)
}

// aheadAtOnce is ahead for who does not wait for a history that is away; known tells which it was.
func (s *Service) aheadAtOnce(ctx context.Context, judged map[uint32]map[string]time.Time) (found past, known bool, err error) {
	limited, cancel := context.WithTimeout(ctx, firstAnswer)
	defer cancel()
	found, err = s.ahead(limited, judged)
	if away(ctx, limited, err) {
		s.log.WarnContext(ctx, "the history is away: judging goes on from the stored states, and what was stored after them is judged when it is back", "error", err)
		return nil, false, nil
	}
	return found, err == nil, err
}

// catchUp has judged what could not be read before, and returns when results may be appended; at once, if there is none. It is
// false if ctx ended before.
func (s *Service) catchUp(ctx context.Context) bool {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 100*time.Millisecond, 3*time.Second
	for {
		slots := s.unread.read()
		found, err := s.ahead(ctx, slots)
		if err == nil {
			if !s.unread.close(len(slots)) {
				continue
			}
			owed := past{}
			for id, judged := range found {
				owed[id] = s.owedFrom(id, judged)
			}
			s.mender.submit(owed)
			s.archive.resume()
			if len(slots) > 0 {
				s.log.InfoContext(ctx, "the history is back", "monitors", len(slots), "to_judge", len(owed))
			}
			return true
		}
		s.archive.pause(time.Now())
		select {
		case <-time.After(pause.NextBackOff()):
		case <-ctx.Done():
			return false
		}
	}
}

// owedFrom is where the results of a monitor may begin that were not judged.
func (s *Service) owedFrom(id uint32, judged time.Time) time.Time {
	m, _ := s.known.get(id)
	return later(judged.Add(time.Millisecond), m.CreatedAt)
}

// errDelayed is what Service.History's error wraps.
var errDelayed = errors.New("history delayed")

// historyUnwell is how long nothing may be stored, though something waits, before History says so.
const historyUnwell = 10 * time.Second

// History is nil while results are stored as they come. It is no part of Check: without a history everything else goes on.
func (s *Service) History(context.Context) error {
	if since := s.archive.stalled(); !since.IsZero() {
		if d := time.Since(since); d > historyUnwell {
			return fault.Unavailable(fmt.Sprintf("results could not be stored for %v", d.Round(time.Second))).Wrap(errDelayed)
		}
	}
	return nil
}

// retryDelayed is what clients are told to wait before they ask again for what the history does not answer.
const retryDelayed = 10 * time.Second

// delayed tells who asked for results that the history does not answer, and what that means; other errors stay as they are.
func delayed(err error) error {
	if !fault.Is(err, fault.KindUnavailable) {
		return err
	}
	return fault.Unavailable("The history is delayed: charts and lists of checks cannot be read at the moment. Checks, states and alerts go on, and no result is lost.").
		Because("HISTORY_DELAYED").After(retryDelayed).Wrap(err)
}
