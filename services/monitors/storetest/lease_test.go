package storetest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/monitors"
	"github.com/frogstats/uptime/services/monitors/storetest"
)

// As TestSuiteNoticesABrokenStore, for leases and placements.
func TestSuiteNoticesBrokenLeases(t *testing.T) {
	for promise, sabotage := range map[string]func(monitors.Store) monitors.Store{
		"sessions open, go on and give way":                    func(s monitors.Store) monitors.Store { return yielding{s} },
		"sessions renew and end":                               func(s monitors.Store) monitors.Store { return anyBeat{s} },
		"a prober that was removed holds nothing":              func(s monitors.Store) monitors.Store { return unmarked{s} },
		"one session of several wins":                          func(s monitors.Store) monitors.Store { return gullible{s} },
		"a session that has lost something does not come back": inPlace(func(tx monitors.PlaceTx) monitors.PlaceTx { return endless{tx} }),
		"assignments are stored and read":                      func(s monitors.Store) monitors.Store { return anyHolder{s} },
		"candidates":                                           inPlace(func(tx monitors.PlaceTx) monitors.PlaceTx { return onlyWanted{tx} }),
		"one places at a time":                                 inPlace(func(tx monitors.PlaceTx) monitors.PlaceTx { return oldEpoch{tx} }),
		"losses are told once to each session":                 func(s monitors.Store) monitors.Store { return retelling{s} },
	} {
		t.Run(promise, func(t *testing.T) {
			i := slices.IndexFunc(storetest.Cases(), func(c storetest.Case) bool { return c.Name == promise })
			if i < 0 {
				t.Fatal("there is no such case")
			}
			if !fails(t, storetest.Cases()[i], sabotage(open(t))) {
				t.Error("it passes a store that breaks it")
			}
		})
	}
}

// inPlace breaks what happens inside placements.
func inPlace(wrap func(monitors.PlaceTx) monitors.PlaceTx) func(monitors.Store) monitors.Store {
	return func(s monitors.Store) monitors.Store { return brokenPlace{s, wrap} }
}

type brokenPlace struct {
	monitors.Store
	wrap func(monitors.PlaceTx) monitors.PlaceTx
}

func (b brokenPlace) Place(ctx context.Context, region string, fn func(monitors.PlaceTx) error) error {
	return b.Store.Place(ctx, region, func(tx monitors.PlaceTx) error { return fn(b.wrap(tx)) })
}

// yielding lets any session follow any other.
type yielding struct{ monitors.Store }

func (b yielding) OpenSession(ctx context.Context, o monitors.Opening) (monitors.Session, error) {
	all, err := b.Sessions(ctx)
	for _, s := range all {
		if s.ProberID == o.ProberID {
			o.Previous = s.Name
		}
	}
	if err != nil {
		return monitors.Session{}, err
	}
	return b.Store.OpenSession(ctx, o)
}

// gullible tells everybody that the prober is theirs.
type gullible struct{ monitors.Store }

func (b gullible) OpenSession(ctx context.Context, o monitors.Opening) (monitors.Session, error) {
	got, err := b.Store.OpenSession(ctx, o)
	if errors.Is(err, monitors.ErrSessionBusy) {
		return o.Session, nil
	}
	return got, err
}

// anyBeat ends sessions that have renewed meanwhile.
type anyBeat struct{ monitors.Store }

func (b anyBeat) EndSession(ctx context.Context, e monitors.Ending) (bool, error) {
	e.Beat = 0
	return b.Store.EndSession(ctx, e)
}

// unmarked does not say that probers were removed.
type unmarked struct{ monitors.Store }

func (b unmarked) Sessions(ctx context.Context) ([]monitors.Session, error) {
	all, err := b.Store.Sessions(ctx)
	for i := range all {
		all[i].Marked = false
	}
	return all, err
}

type endless struct{ monitors.PlaceTx }

func (endless) End(context.Context, []string) error { return nil }

type anyHolder struct{ monitors.Store }

func (b anyHolder) Assignments(ctx context.Context, region, _ string, rev int64, limit int) ([]monitors.Assigned, error) {
	return b.Store.Assignments(ctx, region, "", rev, limit)
}

// onlyWanted hides what is to be taken away.
type onlyWanted struct{ monitors.PlaceTx }

func (b onlyWanted) Candidates(ctx context.Context, rev int64, limit int) ([]monitors.Candidate, error) {
	cs, err := b.PlaceTx.Candidates(ctx, rev, limit)
	return slices.DeleteFunc(cs, func(c monitors.Candidate) bool { return !c.Wanted }), err
}

// oldEpoch shows the epoch as before anybody else placed.
type oldEpoch struct{ monitors.PlaceTx }

func (b oldEpoch) Placement() monitors.Placement {
	p := b.PlaceTx.Placement()
	p.Epoch = 1
	return p
}

type retelling struct{ monitors.Store }

func (retelling) TellLosses(context.Context, string, string, string, int64, time.Time, time.Time) error {
	return nil
}
