package storetest

import (
	"testing"
	"time"

	"github.com/frogstats/uptime/services/alerts"
)

// unstable is an open incident of a monitor that goes down and comes up again and again.
func unstable(id, monitorID uint32, seconds int) alerts.Incident {
	i := incident(id, org, monitorID, seconds)
	i.UnstableSince, i.Changes, i.DownSince = at(seconds), 7, at(seconds+20)
	return i
}

// monitorState is the state of the monitor.
func monitorState(t testing.TB, s alerts.Store) alerts.State {
	t.Helper()
	return familyOf(t, s, alerts.MonitorRef{ID: monitor, OrganizationID: org})[monitor]
}

var unstableCases = []Case{
	{"unstable/incident", func(t testing.TB, s alerts.Store) {
		i := unstable(1, monitor, 3)
		put(t, s, at(4), alerts.Batch{Incidents: []alerts.Incident{i}})
		same(t, "while it is down", must(s.Incident(ctx(t), org, 1))(t), i)
		same(t, "of the state", *monitorState(t, s).Incident, i)
		i.UpSince, i.Changes = at(40), 8
		put(t, s, at(41), alerts.Batch{Incidents: []alerts.Incident{i}})
		same(t, "while it is up", must(s.Incident(ctx(t), org, 1))(t), i)
		same(t, "of the state", *monitorState(t, s).Incident, i)
		i.UpSince, i.DownSince = time.Time{}, at(50)
		put(t, s, at(51), alerts.Batch{Incidents: []alerts.Incident{i}})
		same(t, "down again", must(s.Incident(ctx(t), org, 1))(t), i)
		i.UpSince, i.UnstableUntil, i.Settled, i.Status, i.EndTime, i.ResolvedAt = at(60), at(90), true, alerts.IncidentResolved, at(60), at(91)
		put(t, s, at(91), alerts.Batch{Incidents: []alerts.Incident{i}})
		same(t, "in the end", must(s.Incident(ctx(t), org, 1))(t), i)
		if open := monitorState(t, s).Incident; open != nil {
			t.Errorf("it goes on: %+v", open)
		}
	}},
	{"unstable/one that ends and an outage that begins in one batch", func(t testing.TB, s alerts.Store) {
		i := unstable(1, monitor, 3)
		put(t, s, at(4), alerts.Batch{Incidents: []alerts.Incident{i}})
		i.UpSince, i.UnstableUntil, i.Settled, i.Status, i.EndTime, i.ResolvedAt = at(60), at(90), true, alerts.IncidentResolved, at(60), at(91)
		next := incident(2, org, monitor, 91)
		put(t, s, at(91), alerts.Batch{Incidents: []alerts.Incident{i, next}})
		same(t, "of the state", *monitorState(t, s).Incident, next)
	}},
	{"unstable/overlay", func(t testing.TB, s alerts.Store) {
		check(t, s.PutMonitors(ctx(t), []alerts.Monitor{{ID: monitor, OrganizationID: org, Name: "api", Enabled: true}}))
		i := unstable(1, monitor, 3)
		i.DownRegions = []string{"eu"}
		u := alerts.Unstable{Since: at(3), Until: at(90), Changes: 8, Look: at(120), Over: true, Incident: &i}
		o := &alerts.Overlay{Unstable: &u, Known: alerts.StatusUp}
		put(t, s, at(4), alerts.Batch{Overlays: map[uint32]*alerts.Overlay{monitor: o}})
		same(t, "overlay", monitorState(t, s).Overlay, o)
		same(t, "due before", due(t, s, at(119), 10), []uint32(nil))
		same(t, "due", due(t, s, at(120), 10), []uint32{monitor})
		o.From, o.Until = at(1), at(500) // it is told after the window
		put(t, s, at(5), alerts.Batch{Overlays: map[uint32]*alerts.Overlay{monitor: o}})
		same(t, "due in the window", due(t, s, at(499), 10), []uint32(nil))
	}},
	{"unstable/what depends on it asks whether it is down", func(t testing.TB, s alerts.Store) {
		check(t, s.PutMonitors(ctx(t), []alerts.Monitor{
			{ID: 1, OrganizationID: org, Name: "router", Enabled: true, DetectsDown: time.Minute},
			{ID: 2, OrganizationID: org, Name: "host", Enabled: true, DependsOn: []uint32{1}},
		}))
		past, now, child := incident(1, org, 1, 1), unstable(2, 1, 10), unstable(3, 2, 12)
		past.Status, past.Settled, past.EndTime, past.ResolvedAt = alerts.IncidentResolved, true, at(5), at(5)
		refs := []alerts.MonitorRef{{ID: 1, OrganizationID: org, Family: true}, {ID: 2, OrganizationID: org}}
		router := alerts.Relative{ID: 1, Name: "router", Enabled: true, DetectsDown: time.Minute}
		for _, tt := range []struct {
			name  string
			up    time.Time
			down  bool
			ended time.Time
		}{{"down", time.Time{}, true, at(5)}, {"up", at(40), false, at(40)}, {"down again", time.Time{}, true, at(5)}} {
			now.UpSince, child.UpSince = tt.up, tt.up
			put(t, s, at(41), alerts.Batch{Incidents: []alerts.Incident{past, now, child}})
			got := familyOf(t, s, refs...)
			router.Down, router.Ended = tt.down, tt.ended
			same(t, "parent that is "+tt.name, got[2].Parents, []alerts.Relative{router})
			same(t, "dependent that is "+tt.name, got[1].Children, []alerts.Relative{{ID: 2, Name: "host", Enabled: true, Down: tt.down}})
		}
		now.UpSince, now.UnstableUntil, now.Settled, now.Status, now.EndTime, now.ResolvedAt, now.ResolvedBy = at(60), at(90), true, alerts.IncidentResolved, at(20), at(20), "ann"
		put(t, s, at(91), alerts.Batch{Incidents: []alerts.Incident{now}})
		router.Down, router.Ended = false, at(60)
		same(t, "parent that is over, and was resolved by hand before", familyOf(t, s, refs...)[2].Parents, []alerts.Relative{router})
	}},
	{"unstable/member of a group", func(t testing.TB, s alerts.Store) {
		three(t, s)
		g := newGroup(t, s, org, alerts.LevelBoth, 1)
		i := unstable(1, 1, 10)
		put(t, s, at(31), alerts.Batch{Incidents: []alerts.Incident{i}, Known: map[uint32]alerts.Status{1: alerts.StatusDown}})
		same(t, "since when it is down", must(s.Group(ctx(t), org, g.ID))(t).Members[0].Since, at(30))
		i.UpSince = at(40)
		put(t, s, at(41), alerts.Batch{Incidents: []alerts.Incident{i}, Known: map[uint32]alerts.Status{1: alerts.StatusUp}})
		same(t, "while it is up", must(s.Group(ctx(t), org, g.ID))(t).Members[0].Since, time.Time{})
	}},
}
