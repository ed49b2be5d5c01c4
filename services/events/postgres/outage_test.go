package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/postgres"
)

// While the server is away, everything is answered as unavailable, to be tried again; afterwards all goes on, and a commit
// that was refused is not stored until it is repeated.
func TestServerAway(t *testing.T) {
	server := postgrestest.Start(t)
	s := openState(t, server.DSN())
	own(t, s)
	commit(t, s, some(1, "before"))
	now := time.Now()
	all := map[string]func() error{
		"load":        func() error { _, err := s.Load(t.Context()); return err },
		"commit":      func() error { return s.Commit(t.Context(), some(1, "meanwhile")) },
		"prune":       func() error { return s.Prune(t.Context(), events.PruneBefore{Deleted: now}) },
		"statuses":    func() error { _, err := s.Statuses(t.Context(), []uint32{1}); return err },
		"monitor ids": func() error { _, err := s.MonitorIDs(t.Context(), "o", events.Up); return err },
		"timelines":   func() error { _, err := s.Timelines(t.Context(), []uint32{1}, "", []time.Time{now}); return err },
		"transitions": func() error {
			_, err := s.Transitions(t.Context(), events.TransitionQuery{MonitorID: 1, To: now, Limit: 1})
			return err
		},
		"feed": func() error { _, err := s.Feed(t.Context(), events.FeedQuery{Limit: 1}); return err },
	}
	for name, end := range map[string]func(){"killed": server.Kill, "stopped": server.Stop} {
		end()
		for call, do := range all {
			err := do()
			var f *fault.Error
			if !errors.As(err, &f) || f.Kind != fault.KindUnavailable || f.Public != "" {
				t.Errorf("%s, %s: %v, want unavailable", name, call, err)
			}
			if errors.Is(err, postgres.ErrSuperseded) || errors.Is(err, postgres.ErrNotOwner) {
				t.Errorf("%s, %s: %v, and nobody else owns it", name, call, err)
			}
		}
		server.Start()
		retry(t, func() error { return s.Commit(t.Context(), some(1, "after")) })
		retry(t, func() error { _, err := s.Load(t.Context()); return err })
		for call, do := range all {
			if call != "commit" {
				retry(t, do)
			}
		}
	}
	if got := told(t, s); len(got) != 3 || got[0] != "before" || got[1] != "after" || got[2] != "after" {
		t.Errorf("announced: %q", got)
	}
}

// Those errors of the owner that tell it to stop are no outage, which would have it try again.
func TestOwnersErrorsAreNoOutage(t *testing.T) {
	s := openState(t, postgrestest.DSN(t))
	for what, err := range map[string]error{
		"commit": s.Commit(t.Context(), some(1, "a")), "prune": s.Prune(t.Context(), events.PruneBefore{Deleted: time.Now()}),
	} {
		if !errors.Is(err, postgres.ErrNotOwner) || !fault.Is(err, fault.KindInternal) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A commit whose answer is lost may be stored, so it is not called unavailable.
func TestLostCommitIsNoOutage(t *testing.T) {
	r, through := newRelay(t, postgrestest.DSN(t))
	s := openState(t, through)
	own(t, s)
	r.cut.Store(afterCommit)
	if err := s.Commit(t.Context(), some(1, "a")); !fault.Is(err, fault.KindInternal) {
		t.Errorf("got %v, want internal", err)
	}
	commit(t, s, some(1, "a"))
	if got := told(t, s); len(got) != 1 {
		t.Errorf("announced: %q", got)
	}
}
