package alerts

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

const (
	askEvery   = time.Minute      // of one monitor, at most
	askAgain   = 10 * time.Second // after a failure
	askPause   = time.Second      // lets the monitors of several chunks share one question
	askTimeout = 10 * time.Second
	askChunk   = 1000 // what BatchGetStatuses takes
)

// uptimeAsker evaluates the conditions about uptime. Uptime is not announced, it has to be asked for; that happens beside
// the feed, so that an events service that answers slowly does not hold up the alert that something is down.
type uptimeAsker struct {
	store     Store
	status    eventsv1.StatusServiceClient
	log       *slog.Logger
	committed func()
	wake      chan struct{}

	mu    sync.Mutex
	noted map[uint32]bool      // monitors that were observed since the last question
	asked map[uint32]time.Time // when each was asked about, while that matters
}

func newUptimeAsker(store Store, status eventsv1.StatusServiceClient, log *slog.Logger, committed func()) *uptimeAsker {
	return &uptimeAsker{
		store: store, status: status, log: log, committed: committed, wake: make(chan struct{}, 1),
		noted: map[uint32]bool{}, asked: map[uint32]time.Time{},
	}
}

// note remembers the monitors that entries observed.
func (u *uptimeAsker) note(entries []Entry) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, e := range entries {
		if e.Observation != nil && time.Since(u.asked[e.MonitorID]) >= askEvery {
			u.noted[e.MonitorID] = true
		}
	}
	if len(u.noted) > 0 {
		poke(u.wake)
	}
}

// poke wakes whoever waits for c, now or next time.
func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is going to look anyway
	}
}

func (u *uptimeAsker) run(ctx context.Context) {
	for {
		select {
		case <-u.wake:
		case <-ctx.Done():
			return
		}
		pause := askPause
		if err := u.ask(ctx, u.take()); err != nil && ctx.Err() == nil {
			u.log.WarnContext(ctx, "uptime conditions were not evaluated", "error", err.Error())
			pause = askAgain
		}
		if !wait(ctx, pause) {
			return
		}
	}
}

// take empties the note.
func (u *uptimeAsker) take() []uint32 {
	u.mu.Lock()
	defer u.mu.Unlock()
	ids := slices.Sorted(maps.Keys(u.noted))
	clear(u.noted)
	maps.DeleteFunc(u.asked, func(_ uint32, at time.Time) bool { return time.Since(at) >= askEvery })
	return ids
}

func (u *uptimeAsker) ask(ctx context.Context, ids []uint32) error {
	for chunk := range slices.Chunk(ids, askChunk) {
		monitors, err := u.store.UptimeRules(ctx, chunk)
		if err != nil {
			return fmt.Errorf("find uptime rules: %w", err)
		}
		if len(monitors) == 0 {
			continue
		}
		if err := u.askAbout(ctx, monitors); err != nil {
			return err // the monitors are noted again with their next check
		}
	}
	return nil
}

func (u *uptimeAsker) askAbout(ctx context.Context, monitors []MonitorRef) error {
	owners := map[uint32]string{}
	req := &eventsv1.BatchGetStatusesRequest{}
	for _, m := range monitors {
		owners[m.ID] = m.OrganizationID
		req.MonitorIds = append(req.MonitorIds, m.ID)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	resp, err := u.status.BatchGetStatuses(ctx, req)
	if err != nil {
		return fmt.Errorf("ask for uptime: %w", err)
	}
	at := now()
	var entries []Entry
	for _, s := range resp.GetStatuses() {
		// Without data there is no uptime: the condition stays as it is, since anything else would be invented.
		if owner, asked := owners[s.GetMonitorId()]; asked && s.UptimePercentage_24H != nil {
			entries = append(entries, Entry{OrganizationID: owner, MonitorID: s.GetMonitorId(), At: at, Uptime: s.UptimePercentage_24H})
		}
	}
	if len(entries) > 0 {
		if err := u.store.Advance(ctx, refs(entries), at, func(p Progress, states map[uint32]State) Batch {
			return Fold(p, states, entries, at)
		}); err != nil {
			return fmt.Errorf("evaluate uptime: %w", err)
		}
		u.committed()
	}
	u.remember(monitors)
	return nil
}

func (u *uptimeAsker) remember(monitors []MonitorRef) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, m := range monitors {
		u.asked[m.ID] = time.Now()
	}
}
