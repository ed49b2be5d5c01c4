package storetest

import (
	"testing"
	"time"

	"github.com/frogstats/uptime/services/alerts"
)

// hold is an overlay of a monitor that depends on another.
func hold() *alerts.Overlay {
	return &alerts.Overlay{Hold: &alerts.Hold{
		Since: at(1), By: 3, Wait: []alerts.Suspect{{ID: 4, Until: at(60)}}, Until: at(90), Look: at(50),
	}, Unstable: &alerts.Unstable{Since: at(1), Until: at(400), Changes: 7}, Known: alerts.StatusUp}
}

func familyOf(t testing.TB, s alerts.Store, refs ...alerts.MonitorRef) (got map[uint32]alerts.State) {
	t.Helper()
	check(t, s.Advance(ctx(t), refs, at(0), func(p alerts.Progress, states map[uint32]alerts.State) alerts.Batch {
		got = states
		return alerts.Batch{Progress: p}
	}))
	return got
}

var familyCases = []Case{
	{"family/dependencies", func(t testing.TB, s alerts.Store) {
		m := alerts.Monitor{ID: 1, OrganizationID: org, Name: "a", Regions: []string{"eu"}, DependsOn: []uint32{2, 9}, DetectsDown: 90 * time.Second, DetectsUp: time.Millisecond}
		check(t, s.PutMonitors(ctx(t), []alerts.Monitor{m}))
		same(t, "monitor", must(s.Monitor(ctx(t), 1))(t), m)
		m.DependsOn = []uint32{3, 9}
		check(t, s.PutMonitors(ctx(t), []alerts.Monitor{m}))
		same(t, "after a change", must(s.Monitor(ctx(t), 1))(t), m)
		m.DependsOn = nil
		check(t, s.PutMonitors(ctx(t), []alerts.Monitor{m}))
		same(t, "without any", must(s.Monitor(ctx(t), 1))(t), m)
	}},
	{"family/relatives", func(t testing.TB, s alerts.Store) {
		check(t, s.PutMonitors(ctx(t), []alerts.Monitor{
			{ID: 1, OrganizationID: org, Name: "router", Enabled: true, DetectsDown: time.Minute},
			{ID: 2, OrganizationID: org, Name: "switch", Enabled: true, DependsOn: []uint32{1, 77}, DetectsDown: 2 * time.Minute},
			{ID: 3, OrganizationID: org, Name: "host", Enabled: true, DependsOn: []uint32{1, 2}},
			{ID: 4, OrganizationID: org, Name: "off", DependsOn: []uint32{1}},
			{ID: 5, OrganizationID: other, Name: "stranger", Enabled: true, DependsOn: []uint32{1}},
		}))
		past, now, child := incident(1, org, 1, 1), incident(2, org, 1, 10), incident(3, org, 3, 12)
		past.Status, past.Settled, past.EndTime, past.ResolvedAt = alerts.IncidentResolved, true, at(5), at(5)
		put(t, s, at(12), alerts.Batch{Incidents: []alerts.Incident{past, now, child}})
		router := alerts.Relative{ID: 1, Name: "router", Enabled: true, Down: true, Ended: at(5), DetectsDown: time.Minute}
		uplink := alerts.Relative{ID: 2, Name: "switch", Enabled: true, DetectsDown: 2 * time.Minute}
		got := familyOf(t, s, alerts.MonitorRef{ID: 1, OrganizationID: org, Family: true}, alerts.MonitorRef{ID: 3, OrganizationID: org}, alerts.MonitorRef{ID: 5, OrganizationID: other})
		same(t, "parents of the host", got[3].Parents, []alerts.Relative{router, uplink})
		same(t, "parents of the router", len(got[1].Parents), 0)
		same(t, "parents of a stranger", len(got[5].Parents), 0)
		uplink.DetectsDown = 0
		same(t, "dependents of the router", got[1].Children, []alerts.Relative{uplink, {ID: 3, Name: "host", Enabled: true, Down: true}})
		same(t, "dependents that nobody asked for", len(familyOf(t, s, alerts.MonitorRef{ID: 1, OrganizationID: org})[1].Children), 0)
	}},
	{"family/held", func(t testing.TB, s alerts.Store) {
		check(t, s.PutMonitors(ctx(t), []alerts.Monitor{
			{ID: 1, OrganizationID: org, Name: "router", Enabled: true}, {ID: 2, OrganizationID: org, Name: "a", Enabled: true, DependsOn: []uint32{1}},
			{ID: 3, OrganizationID: org, Name: "b", Enabled: true, DependsOn: []uint32{1}},
		}))
		put(t, s, at(2), alerts.Batch{Overlays: map[uint32]*alerts.Overlay{2: hold(), 3: {From: at(1), Until: at(500)}}})
		ref := alerts.MonitorRef{ID: 1, OrganizationID: org}
		got := familyOf(t, s, ref)
		if len(got) != 2 || got[3].Monitor.ID != 0 {
			t.Errorf("%d states, want those of the router and of what is held", len(got))
		}
		same(t, "overlay", got[2].Overlay, hold())
		same(t, "its parents", len(got[2].Parents), 1)
		same(t, "due before", due(t, s, at(49), 10), []uint32(nil))
		same(t, "due", due(t, s, at(50), 10), []uint32{2})
		check(t, s.LookAgain(ctx(t), []uint32{2}, at(20)))
		again := hold()
		again.Hold.Look = at(20)
		same(t, "to be looked at earlier", familyOf(t, s, ref)[2].Overlay, again)
		put(t, s, at(3), alerts.Batch{Overlays: map[uint32]*alerts.Overlay{2: nil}})
		same(t, "after its end", len(familyOf(t, s, ref)), 1)
	}},
	{"family/incident", func(t testing.TB, s alerts.Store) {
		i := incident(1, org, monitor, 3)
		put(t, s, at(4), alerts.Batch{Incidents: []alerts.Incident{i}})
		i.AffectedBy = 9
		put(t, s, at(5), alerts.Batch{Incidents: []alerts.Incident{i}})
		same(t, "incident", must(s.Incident(ctx(t), org, 1))(t), i)
	}},
}
