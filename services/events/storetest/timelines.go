package storetest

import (
	"testing"
	"time"

	"github.com/frogstats/uptime/services/events"
)

func transition(id uint32, region string, s events.Status, since int, seq uint64) events.Transition {
	return events.Transition{
		MonitorID: id, Region: region, Timeline: interval(s, since, seq), From: events.Unknown, NotedAt: at(since + 10), CauseAt: at(since + 5),
		Regions: []string{"eu", "us"}, ErrorType: "dns_failure", ErrorMessage: "no such host", ConsecutiveFailures: 3, Reason: "why",
	}
}

func stateTimelines(t *testing.T, s events.StateStore) {
	must(t, s.Commit(t.Context(), events.Commit{Transitions: []events.Transition{
		transition(7, "", events.Unknown, 0, 0), transition(7, "", events.Up, 10, 1), transition(7, "", events.Down, 20, 2),
		transition(7, "", events.Unknown, 20, 3), transition(7, "", events.Up, 30, 4),
		transition(7, "eu", events.Paused, 5, 0), transition(8, "", events.Maintenance, 15, 0),
	}}))
	moments := []time.Time{at(0), at(0).Add(time.Millisecond), at(10), at(11), at(21), at(1000), at(20)}
	got, err := s.Timelines(t.Context(), []uint32{7, 8, 9}, "", moments)
	must(t, err)
	none := events.Timeline{}
	unknown, up, last := interval(events.Unknown, 0, 0), interval(events.Up, 10, 1), interval(events.Up, 30, 4)
	maintenance := interval(events.Maintenance, 15, 0)
	same(t, map[uint32][]events.Timeline{
		7: {none, unknown, unknown, up, interval(events.Unknown, 20, 3), last, up},
		8: {none, none, none, none, maintenance, maintenance, maintenance},
		9: {none, none, none, none, none, none, none},
	}, got)
	got, err = s.Timelines(t.Context(), []uint32{7}, "eu", moments[4:5])
	must(t, err)
	same(t, map[uint32][]events.Timeline{7: {interval(events.Paused, 5, 0)}}, got)
}

func stateTransitions(t *testing.T, s events.StateStore) {
	all := []events.Transition{
		transition(7, "", events.Unknown, 0, 0), transition(7, "", events.Up, 10, 1), transition(7, "", events.Down, 20, 2),
		transition(7, "", events.Up, 30, 3), transition(7, "eu", events.Up, 12, 0), transition(8, "", events.Up, 12, 0),
	}
	all[0].Regions, all[0].ErrorType, all[0].Reason = nil, "", ""
	must(t, s.Commit(t.Context(), events.Commit{Transitions: all}))
	tests := []struct {
		name string
		q    events.TransitionQuery
		want []events.Transition
	}{
		{"all", events.TransitionQuery{To: at(100), Limit: 10}, []events.Transition{all[3], all[2], all[1], all[0]}},
		{"the newest", events.TransitionQuery{To: at(100), Limit: 2}, []events.Transition{all[3], all[2]}},
		{"from the middle of one", events.TransitionQuery{From: at(15), To: at(100), Limit: 10}, []events.Transition{all[3], all[2], all[1]}},
		{"from the start of one", events.TransitionQuery{From: at(20), To: at(100), Limit: 10}, []events.Transition{all[3], all[2]}},
		{"to the start of one", events.TransitionQuery{From: at(15), To: at(20), Limit: 10}, []events.Transition{all[1]}},
		{"before the first", events.TransitionQuery{From: at(-20), To: at(-10), Limit: 10}, nil},
		{"from before the first", events.TransitionQuery{From: at(-20), To: at(5), Limit: 10}, []events.Transition{all[0]}},
		{"of one state", events.TransitionQuery{To: at(100), Status: events.Down, Limit: 10}, []events.Transition{all[2]}},
		{"of a region", events.TransitionQuery{Region: "eu", To: at(100), Limit: 10}, []events.Transition{all[4]}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.q.MonitorID = 7
			got, err := s.Transitions(t.Context(), tt.q)
			must(t, err)
			same(t, tt.want, got)
		})
	}
	again := transition(7, "", events.Degraded, 30, 3)
	must(t, s.Commit(t.Context(), events.Commit{Transitions: []events.Transition{again}}))
	got, err := s.Transitions(t.Context(), events.TransitionQuery{MonitorID: 7, To: at(100), Limit: 1})
	must(t, err)
	same(t, []events.Transition{again}, got)
}

// stateMended replaces the end of two timelines of a monitor, and leaves everything else.
func stateMended(t *testing.T, s events.StateStore) {
	old := []events.Transition{
		transition(7, "", events.Unknown, 0, 0), transition(7, "", events.Up, 10, 1), transition(7, "", events.Unknown, 20, 2),
		transition(7, "", events.Up, 20, 3), transition(7, "", events.Down, 30, 4), transition(7, "eu", events.Up, 12, 0),
		transition(7, "eu", events.Down, 12, 1), transition(7, "us", events.Up, 12, 0), transition(8, "", events.Up, 25, 9),
	}
	must(t, s.Commit(t.Context(), events.Commit{Transitions: old}))
	anew := []events.Transition{transition(7, "", events.Degraded, 20, 2), transition(7, "", events.Up, 25, 7), transition(7, "eu", events.Up, 12, 3)}
	mended := events.Commit{
		Mended: []events.Mended{
			{MonitorID: 7, First: 2, From: at(10)}, {MonitorID: 7, Region: "eu", First: 0, From: at(12)}, {MonitorID: 9, First: 0, From: at(0)},
		},
		Transitions: anew,
	}
	for range 2 { // a commit that was thought to have failed is repeated
		must(t, s.Commit(t.Context(), mended))
		for region, want := range map[string][]events.Transition{"": {anew[1], anew[0], old[1], old[0]}, "eu": {anew[2]}, "us": {old[7]}} {
			got, err := s.Transitions(t.Context(), events.TransitionQuery{MonitorID: 7, Region: region, To: at(100), Limit: 10})
			must(t, err)
			same(t, want, got)
		}
		got, err := s.Transitions(t.Context(), events.TransitionQuery{MonitorID: 8, To: at(100), Limit: 10})
		must(t, err)
		same(t, old[8:], got)
	}
}

func statePrunesDeleted(t *testing.T, s events.StateStore) {
	for _, id := range []uint32{5, 6, 7} {
		c := whole(id)
		c.Transitions = []events.Transition{transition(id, "", events.Up, 0, 0), transition(id, "eu", events.Up, 0, 0)}
		must(t, s.Commit(t.Context(), c))
	}
	old, young := monitor(5), monitor(6)
	old.Deleted, old.UpdatedAt = true, at(10)
	young.Deleted, young.UpdatedAt = true, at(20)
	must(t, s.Commit(t.Context(), events.Commit{Monitors: []events.Monitor{old, young}}))
	must(t, s.Prune(t.Context(), events.PruneBefore{Deleted: at(15)}))
	for id, want := range map[uint32]int{5: 0, 6: 1, 7: 1} {
		for _, region := range []string{"", "eu"} {
			got, err := s.Transitions(t.Context(), events.TransitionQuery{MonitorID: id, Region: region, To: at(100), Limit: 10})
			must(t, err)
			if len(got) != want {
				t.Errorf("monitor %d, region %q: %d transitions, want %d", id, region, len(got), want)
			}
		}
	}
	snapshot, err := s.Load(t.Context())
	must(t, err)
	same(t, []uint32{5, 6}, snapshot.Deleted)
}
