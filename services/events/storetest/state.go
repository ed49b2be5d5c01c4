// Package storetest holds the stores of events to what their interfaces promise. Every engine runs both suites.
package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/frogstats/uptime/services/events"
)

// t0 is the moment that the suites count from; it lies in the middle of a month.
var t0 = time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return t0.Add(time.Duration(seconds) * time.Second) }

var ignore = cmp.Options{cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(events.RegionState{})}

// State runs the suite. open returns an empty store that is closed when the test ends.
func State(t *testing.T, open func(t *testing.T) events.StateStore) {
	tests := []struct {
		name string
		run  func(t *testing.T, s events.StateStore)
	}{
		{"an empty store", emptyState},
		{"what is committed is loaded", stateRoundTrip},
		{"a commit replaces", stateReplaces},
		{"the later of two counts", stateTwice},
		{"any text is taken", stateTexts},
		{"a whole fleet at once", stateFleet},
		{"deleted monitors are tombstones", stateTombstones},
		{"a commit that fails stores nothing", stateFailedCommit},
		{"statuses", stateStatuses},
		{"monitors in a state", stateMonitorIDs},
		{"timelines", stateTimelines},
		{"transitions", stateTransitions},
		{"a timeline is written anew", stateMended},
		{"what timelines owe", stateOwed},
		{"the feed is numbered", feedNumbers},
		{"the feed is filtered", feedFilters},
		{"the feed is pruned", feedPrunes},
		{"readers of the feed skip nothing", feedNoGaps},
		{"deleted monitors are pruned", statePrunesDeleted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, open(t)) })
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got, ignore...); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func monitor(id uint32) events.Monitor {
	return events.Monitor{
		ID: id, OrganizationID: "org-1", Name: fmt.Sprint("monitor ", id), Kind: 1, URL: "https://example.com/", Enabled: true,
		Regions: []string{"eu", "us"}, ConfirmDown: 2, ConfirmUp: 1, Interval: 30 * time.Second, Timeout: 10 * time.Second, Quorum: "majority",
		DegradedAbove: 1500 * time.Millisecond, Version: 3, CreatedAt: at(-100), UpdatedAt: at(-50),
	}
}

func state(id uint32, s events.Status) events.MonitorState {
	return events.MonitorState{MonitorID: id, OrganizationID: "org-1", UpdatedAt: at(1), Timeline: interval(s, 0, 4)}
}

func interval(s events.Status, since int, seq uint64) events.Timeline {
	return events.Timeline{
		Status: s, Since: at(since), Seq: seq, Known: events.Up,
		Before: events.Tally{Up: 1 * time.Second, Degraded: 2 * time.Second, Down: 3 * time.Second, Unknown: 4 * time.Millisecond,
			Paused: 5 * time.Hour, Maintenance: 6 * time.Minute, Outages: 7},
	}
}

func region(id uint32, name string) events.RegionState {
	return events.RegionState{
		MonitorID: id, Region: name, Timeline: interval(events.Degraded, -3, 9), Epoch: 1<<40 + 1, Verdict: events.Degraded, LastSlot: at(1), CheckedAt: at(2),
		NextAt: at(3), UnknownAt: at(4), Silent: true, GraceUntil: at(5), Failures: 6, Successes: 7, Faults: 8, FirstFailure: at(9),
		FirstSuccess: at(10), FirstFault: at(11), HasResponse: true, ResponseTime: 12 * time.Microsecond, LastErrorType: "tls_error",
		LastError: "déjà vu", Observed: events.Observed{At: at(13), Successes: 14, Sum: 15 * time.Second, Max: 16 * time.Microsecond},
	}
}

func whole(id uint32) events.Commit {
	return events.Commit{
		Monitors: []events.Monitor{monitor(id)}, States: []events.MonitorState{state(id, events.Up)},
		Regions: []events.RegionState{region(id, "eu"), region(id, "us")}, At: at(0),
	}
}

func emptyState(t *testing.T, s events.StateStore) {
	ctx := t.Context()
	snapshot, err := s.Load(ctx)
	must(t, err)
	same(t, events.Snapshot{}, snapshot)
	page, err := s.Feed(ctx, events.FeedQuery{Limit: 10})
	must(t, err)
	same(t, events.FeedPage{}, page)
	statuses, err := s.Statuses(ctx, nil)
	must(t, err)
	same(t, []events.MonitorStatus(nil), statuses)
	must(t, s.Commit(ctx, events.Commit{At: at(0)}))
	must(t, s.Prune(ctx, events.PruneBefore{Observations: at(1), Announcements: at(1), Deleted: at(1)}))
}

func stateRoundTrip(t *testing.T, s events.StateStore) {
	must(t, s.Commit(t.Context(), whole(7)))
	got, err := s.Load(t.Context())
	must(t, err)
	c := whole(7)
	same(t, events.Snapshot{Monitors: c.Monitors, States: c.States, Regions: c.Regions}, got)

	bare := events.RegionState{MonitorID: 7, Region: "eu", Timeline: events.Timeline{Status: events.Unknown, Since: at(0)}}
	must(t, s.Commit(t.Context(), events.Commit{Regions: []events.RegionState{bare}}))
	got, err = s.Load(t.Context())
	must(t, err)
	same(t, []events.RegionState{bare, region(7, "us")}, got.Regions)
}

func stateReplaces(t *testing.T, s events.StateStore) {
	must(t, s.Commit(t.Context(), whole(7)))
	m, st, r := monitor(7), state(7, events.Down), region(7, "us")
	m.Name, m.Enabled, m.Regions = "other", false, []string{"us"}
	st.Before.Down = time.Hour
	r.Failures, r.HasResponse, r.ResponseTime = 99, false, 0
	must(t, s.Commit(t.Context(), events.Commit{
		Monitors: []events.Monitor{m}, States: []events.MonitorState{st}, Regions: []events.RegionState{r},
	}))
	got, err := s.Load(t.Context())
	must(t, err)
	same(t, events.Snapshot{
		Monitors: []events.Monitor{m}, States: []events.MonitorState{st}, Regions: []events.RegionState{region(7, "eu"), r},
	}, got)
}

// stateTwice commits different versions of the same things at once, as a judge does that takes up again what could not be
// stored.
func stateTwice(t *testing.T, s events.StateStore) {
	first, last := whole(7), whole(7)
	first.Monitors[0].Name, first.States[0], first.Regions[0].Failures = "earlier", state(7, events.Down), 99
	first.Transitions = []events.Transition{transition(7, "", events.Down, 0, 1)}
	last.Transitions = []events.Transition{transition(7, "", events.Up, 0, 1)}
	both := first
	both.Monitors = append(both.Monitors, last.Monitors...)
	both.States = append(both.States, last.States...)
	both.Regions = append(both.Regions, last.Regions...)
	both.Transitions = append(both.Transitions, last.Transitions...)
	must(t, s.Commit(t.Context(), both))
	got, err := s.Load(t.Context())
	must(t, err)
	same(t, events.Snapshot{Monitors: last.Monitors, States: last.States, Regions: last.Regions}, got)
	transitions, err := s.Transitions(t.Context(), events.TransitionQuery{MonitorID: 7, To: at(100), Limit: 10})
	must(t, err)
	same(t, last.Transitions, transitions)
}

// stateTexts commits what a target may put into a message. A store may put U+FFFD for what it cannot keep.
func stateTexts(t *testing.T, s events.StateStore) {
	for _, odd := range []string{"a\x00b", "a\xffb", "a\uFFFDb", "{\"}',\\N", "日本 \U0001F438"} {
		kept := strings.ReplaceAll(strings.ToValidUTF8(odd, "\uFFFD"), "\x00", "\uFFFD")
		c := whole(7)
		c.Monitors[0].Name, c.Regions[0].LastError, c.Regions[1].LastErrorType = odd, odd, odd
		c.Transitions = []events.Transition{transition(7, "", events.Down, 0, 1)}
		c.Transitions[0].ErrorMessage, c.Transitions[0].Regions = odd, []string{odd}
		must(t, s.Commit(t.Context(), c))
		got, err := s.Load(t.Context())
		must(t, err)
		transitions, err := s.Transitions(t.Context(), events.TransitionQuery{MonitorID: 7, To: at(100), Limit: 10})
		must(t, err)
		if len(got.Monitors) != 1 || len(got.Regions) != 2 || len(transitions) != 1 || len(transitions[0].Regions) != 1 {
			t.Fatalf("%q: %+v, %+v", odd, got, transitions)
		}
		for _, text := range []string{
			got.Monitors[0].Name, got.Regions[0].LastError, got.Regions[1].LastErrorType, transitions[0].ErrorMessage, transitions[0].Regions[0],
		} {
			if text != odd && text != kept {
				t.Errorf("%q was kept as %q", odd, text)
			}
		}
	}
}

// stateFleet commits more rows than a statement may have parameters for, twice.
func stateFleet(t *testing.T, s events.StateStore) {
	const monitors = 2500
	var c events.Commit
	for id := range uint32(monitors) {
		one := whole(id + 1)
		c.Monitors, c.States, c.Regions = append(c.Monitors, one.Monitors...), append(c.States, one.States...), append(c.Regions, one.Regions...)
		c.Feed = append(c.Feed, events.FeedRow{OrganizationID: "org-1", MonitorID: id + 1, Kind: events.FeedObservation, Body: fmt.Append(nil, id)})
	}
	for round := range uint32(2) {
		for i := range c.Regions {
			c.Regions[i].Failures = round + uint32(i)
		}
		must(t, s.Commit(t.Context(), c))
		got, err := s.Load(t.Context())
		must(t, err)
		same(t, events.Snapshot{Monitors: c.Monitors, States: c.States, Regions: c.Regions}, got)
	}
	page, err := s.Feed(t.Context(), events.FeedQuery{Limit: 2*monitors + 1})
	must(t, err)
	if len(page.Rows) != 2*monitors {
		t.Fatalf("%d entries, want %d", len(page.Rows), 2*monitors)
	}
	for i, r := range page.Rows {
		if want := fmt.Sprint(i % monitors); string(r.Body) != want || i > 0 && r.Seq <= page.Rows[i-1].Seq {
			t.Fatalf("entry %d: number %d, body %s, want %s", i, r.Seq, r.Body, want)
		}
	}
}

func stateTombstones(t *testing.T, s events.StateStore) {
	must(t, s.Commit(t.Context(), whole(7)))
	must(t, s.Commit(t.Context(), whole(8)))
	gone := monitor(7)
	gone.Deleted = true
	must(t, s.Commit(t.Context(), events.Commit{Monitors: []events.Monitor{gone}}))
	got, err := s.Load(t.Context())
	must(t, err)
	c := whole(8)
	same(t, events.Snapshot{Monitors: c.Monitors, States: c.States, Regions: c.Regions, Deleted: []uint32{7}}, got)
}

func stateFailedCommit(t *testing.T, s events.StateStore) {
	must(t, s.Commit(t.Context(), whole(7)))
	before, err := s.Load(t.Context())
	must(t, err)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	c := whole(8)
	c.Feed = []events.FeedRow{{OrganizationID: "org-1", MonitorID: 8, Kind: events.FeedTransition, Body: []byte("x")}}
	if err := s.Commit(ended, c); err == nil {
		t.Fatal("commit under an ended context succeeded")
	}
	after, err := s.Load(t.Context())
	must(t, err)
	same(t, before, after)
	page, err := s.Feed(t.Context(), events.FeedQuery{Limit: 1})
	must(t, err)
	same(t, events.FeedPage{}, page)
}

func stateStatuses(t *testing.T, s events.StateStore) {
	for _, id := range []uint32{5, 6, 7} {
		must(t, s.Commit(t.Context(), whole(id)))
	}
	gone := monitor(6)
	gone.Deleted = true
	must(t, s.Commit(t.Context(), events.Commit{Monitors: []events.Monitor{gone}}))
	got, err := s.Statuses(t.Context(), []uint32{7, 6, 5, 7, 99})
	must(t, err)
	slices.SortFunc(got, func(a, b events.MonitorStatus) int { return int(a.MonitorID) - int(b.MonitorID) })
	same(t, []events.MonitorStatus{
		{MonitorState: state(5, events.Up), Regions: []events.RegionState{region(5, "eu"), region(5, "us")}},
		{MonitorState: state(7, events.Up), Regions: []events.RegionState{region(7, "eu"), region(7, "us")}},
	}, got)
}

func stateMonitorIDs(t *testing.T, s events.StateStore) {
	for _, id := range []uint32{9, 5, 6, 7} {
		must(t, s.Commit(t.Context(), whole(id)))
	}
	other, gone := state(7, events.Up), monitor(6)
	other.OrganizationID, gone.Deleted = "org-2", true
	must(t, s.Commit(t.Context(), events.Commit{States: []events.MonitorState{other, state(5, events.Down)}, Monitors: []events.Monitor{gone}}))
	must(t, s.Commit(t.Context(), whole(10)))
	for _, tt := range []struct {
		org    string
		status events.Status
		want   []uint32
	}{{"org-1", events.Up, []uint32{9, 10}}, {"org-1", events.Down, []uint32{5}}, {"org-2", events.Up, []uint32{7}}, {"org-2", events.Down, nil}} {
		got, err := s.MonitorIDs(t.Context(), tt.org, tt.status)
		must(t, err)
		same(t, tt.want, got)
	}
}
