package storetest

import (
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/maintenance"
	"github.com/frogstats/uptime/services/alerts"
)

// window is a version of a window for the suite's monitor and for a label.
func window(id, version uint32, organization string) alerts.MaintenanceWindow {
	return alerts.MaintenanceWindow{
		ID: id, Version: version, OrganizationID: organization,
		Target: maintenance.Target{MonitorIDs: []uint32{monitor}, Labels: []string{"team=db"}},
		Spec:   maintenance.Spec{Start: at(10), RRule: "FREQ=DAILY", Timezone: "Europe/Berlin", Length: 600},
		From:   at(1),
	}
}

// stateOf is what evaluation would be given.
func stateOf(t testing.TB, s alerts.Store, id uint32, organization string) (got alerts.State) {
	t.Helper()
	check(t, s.Advance(ctx(t), []alerts.MonitorRef{{ID: id, OrganizationID: organization}}, at(0), func(p alerts.Progress, states map[uint32]alerts.State) alerts.Batch {
		got = states[id]
		return alerts.Batch{Progress: p}
	}))
	return got
}

func due(t testing.TB, s alerts.Store, now time.Time, limit int) (ids []uint32) {
	t.Helper()
	for _, m := range must(s.DueMaintenance(ctx(t), now, limit))(t) {
		ids = append(ids, m.ID)
	}
	return ids
}

var maintenanceCases = []Case{
	{"maintenance/windows", func(t testing.TB, s alerts.Store) {
		check(t, s.PutMonitors(ctx(t), []alerts.Monitor{
			{ID: monitor, OrganizationID: org, Labels: map[string]string{"a": "b"}}, {ID: 8, OrganizationID: org, Labels: map[string]string{"team": "db"}},
			{ID: 9, OrganizationID: org}, {ID: 10, OrganizationID: other, Labels: map[string]string{"team": "db"}},
		}))
		first, second, once := window(1, 1, org), window(1, 2, org), window(2, 1, other)
		second.From, once.Spec = at(20), maintenance.Spec{Start: at(1), End: at(500)}
		check(t, s.PutWindows(ctx(t), []alerts.MaintenanceWindow{first, once}, at(2)))
		first.Until = at(20)
		check(t, s.PutWindows(ctx(t), []alerts.MaintenanceWindow{first, second}, at(20)))
		same(t, "those that hold", must(s.HoldingWindows(ctx(t)))(t), []alerts.MaintenanceWindow{second, once})
		for id, want := range map[uint32][]alerts.MaintenanceWindow{monitor: {first, second}, 8: {first, second}, 9: nil} {
			same(t, "of a monitor", stateOf(t, s, id, org).Windows, want)
		}
		same(t, "of another organization", stateOf(t, s, 10, other).Windows, []alerts.MaintenanceWindow{once})
		same(t, "labels", stateOf(t, s, 8, org).Monitor.Labels, map[string]string{"team": "db"})
		check(t, s.PruneWindows(ctx(t), at(20)))
		same(t, "pruned too early", len(stateOf(t, s, monitor, org).Windows), 2)
		check(t, s.PruneWindows(ctx(t), at(21)))
		same(t, "pruned", stateOf(t, s, monitor, org).Windows, []alerts.MaintenanceWindow{second})
	}},
	{"maintenance/overlay", func(t testing.TB, s alerts.Store) {
		if got := stateOf(t, s, monitor, org); got.Overlay != nil {
			t.Errorf("overlay of a new store %+v", got.Overlay)
		}
		ended := incident(1, org, monitor, 3)
		o := &alerts.Overlay{
			From: at(1), Until: at(50), Known: alerts.StatusDown, Outage: &alerts.Told{ID: 3, At: at(2)}, Ended: &ended,
			Last: &alerts.Transition{From: alerts.StatusDown, To: alerts.StatusUp, Since: at(4), Regions: []string{"eu"}}, LastSeq: 1 << 40,
			Rules: map[uint32]alerts.ToldRule{4: {Told: alerts.Told{ID: 5, At: at(3)}, Trigger: 6}}, OutageAs: &alerts.Told{ID: 9, At: at(1)},
			RuleAs: map[uint32]alerts.Told{4: {ID: 1, At: at(2)}},
		}
		put(t, s, at(4), alerts.Batch{Overlays: map[uint32]*alerts.Overlay{monitor: o}})
		same(t, "overlay", stateOf(t, s, monitor, org).Overlay, o)
		put(t, s, at(4), alerts.Batch{Known: map[uint32]alerts.Status{monitor: alerts.StatusUp}})
		same(t, "overlay after another change", stateOf(t, s, monitor, org).Overlay, o)
		put(t, s, at(5), alerts.Batch{Overlays: map[uint32]*alerts.Overlay{monitor: nil}})
		if got := stateOf(t, s, monitor, org); got.Overlay != nil || got.Known != alerts.StatusUp {
			t.Errorf("after the end %+v", got)
		}
	}},
	{"maintenance/due", func(t testing.TB, s alerts.Store) {
		overlays := map[uint32]*alerts.Overlay{}
		var monitors []alerts.Monitor
		for i, id := range []uint32{monitor, 8, 9, 10, 11} {
			owner := org
			if id == 10 {
				owner = other
			}
			monitors = append(monitors, alerts.Monitor{ID: id, OrganizationID: owner})
			overlays[id] = &alerts.Overlay{From: at(1), Until: at(50 + i)}
		}
		overlays[11] = &alerts.Overlay{OutageAs: &alerts.Told{ID: 1, At: at(1)}} // not in maintenance
		check(t, s.PutMonitors(ctx(t), monitors))
		put(t, s, at(2), alerts.Batch{Overlays: overlays})
		same(t, "before the end", due(t, s, at(49), 10), []uint32(nil))
		same(t, "at the end", due(t, s, at(50), 10), []uint32{monitor})
		same(t, "later", due(t, s, at(90), 10), []uint32{monitor, 8, 9, 10})
		same(t, "at most", due(t, s, at(90), 2), []uint32{monitor, 8})
		check(t, s.LookAgain(ctx(t), []uint32{9, 11, 99}, at(20)))
		same(t, "to be looked at again", due(t, s, at(20), 10), []uint32{9})
		check(t, s.LookAgain(ctx(t), []uint32{9}, at(30)))
		same(t, "no later", due(t, s, at(20), 10), []uint32{9})
		if got := stateOf(t, s, 9, org).Overlay; !got.Until.Equal(at(20)) {
			t.Errorf("the state says %v", got.Until)
		}
		check(t, s.PutWindows(ctx(t), []alerts.MaintenanceWindow{window(1, 1, org)}, at(30)))
		same(t, "after a change of the organization's windows", due(t, s, at(30), 10), []uint32{9, monitor, 8})
		refs := []alerts.MonitorRef{{ID: 8, OrganizationID: org}}
		check(t, s.RemoveMonitors(ctx(t), refs, at(31), func(p alerts.Progress, _ map[uint32]alerts.State) alerts.Batch {
			return alerts.Batch{Progress: p}
		}))
		same(t, "without those that were deleted", due(t, s, at(30), 10), []uint32{9, monitor})
	}},
	{"maintenance/incident", func(t testing.TB, s alerts.Store) {
		i := incident(1, org, monitor, 3)
		i.Maintenance = true
		put(t, s, at(4), alerts.Batch{Incidents: []alerts.Incident{i}})
		same(t, "incident", must(s.Incident(ctx(t), org, 1))(t), i)
	}},
}
