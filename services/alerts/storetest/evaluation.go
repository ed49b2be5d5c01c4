package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/services/alerts"
)

var evaluationCases = []Case{
	{"evaluation/progress", func(t testing.TB, s alerts.Store) {
		same(t, "progress of a new store", must(s.Progress(ctx(t)))(t), alerts.Progress{})
		want := alerts.Progress{Seq: 1 << 40, IDs: alerts.IDs{Incident: 3, Trigger: 4}}
		put(t, s, at(1), alerts.Batch{Progress: want})
		same(t, "progress", must(s.Progress(ctx(t)))(t), want)
		check(t, s.Advance(ctx(t), nil, at(2), func(p alerts.Progress, _ map[uint32]alerts.State) alerts.Batch {
			same(t, "progress in a step", p, want)
			return alerts.Batch{Progress: p}
		}))
		want.Seq = 5 // a feed that began anew
		put(t, s, at(3), alerts.Batch{Progress: want})
		same(t, "progress", must(s.Progress(ctx(t)))(t), want)
	}},
	{"evaluation/states", func(t testing.TB, s alerts.Store) {
		m := alerts.Monitor{ID: monitor, OrganizationID: org, Name: "api", URL: "tcp://h:1", Enabled: true, Regions: []string{"eu", "us"}, Version: 4}
		check(t, s.PutMonitors(ctx(t), []alerts.Monitor{m}))
		calm := newRule(t, s, org, monitor, alerts.Conditions{Failures: 1})
		loud := newRule(t, s, org, monitor, alerts.Conditions{ResponseTime: time.Second})
		off := newRule(t, s, org, monitor, alerts.Conditions{Uptime: 9})
		must(s.UpdateRule(ctx(t), org, monitor, off.ID, at(1), func(r *alerts.Rule) (audit.Row, error) {
			r.Enabled = false
			return row(t, "x"), nil
		}))(t)
		ch := newChannel(t, s, org)
		foreign := newChannel(t, s, other)
		silent := newChannel(t, s, org)
		must(s.UpdateChannel(ctx(t), org, silent.ID, func(c *alerts.Channel) (audit.Row, error) {
			c.Enabled = false
			return row(t, "x"), nil
		}))(t)
		closed := trigger(1, loud, 1)
		closed.ResolvedAt, closed.Holding = at(2), alerts.Holding{}
		open := trigger(2, loud, 3)
		past := incident(1, org, monitor, 1)
		past.Status, past.Settled, past.EndTime, past.ResolvedAt = alerts.IncidentResolved, true, at(2), at(2)
		now := incident(2, org, monitor, 3)
		samples := &alerts.Samples{
			Above: time.Second, Window: time.Minute, Last: at(1), At: at(2), Slots: []alerts.SampleSlot{{At: 1 << 40, N: 9, Over: map[int]uint32{-3: 1, 400: 7}}, {At: 1<<40 + 1, N: 1}},
		}
		put(t, s, at(4), alerts.Batch{
			Known: map[uint32]alerts.Status{monitor: alerts.StatusDown}, Blind: map[uint32]time.Time{monitor: at(3)},
			Incidents: []alerts.Incident{past, now},
			Triggers:  []alerts.Trigger{closed, open}, Samples: map[uint32]*alerts.Samples{calm.ID: samples},
			Changes: map[uint32][]time.Time{monitor: {at(1), at(2)}},
		})
		loud.Triggered = true
		want := map[uint32]alerts.State{
			monitor: {
				Monitor: m, Known: alerts.StatusDown, Blind: at(3), Changes: []time.Time{at(1), at(2)}, Incident: &now,
				Rules:    []alerts.RuleState{{Rule: calm, Samples: samples}, {Rule: loud, Open: &open}},
				Channels: []alerts.Channel{ch},
			},
			99: {Monitor: alerts.Monitor{ID: 99, OrganizationID: other}, Channels: []alerts.Channel{foreign}},
		}
		refs := []alerts.MonitorRef{{ID: monitor, OrganizationID: org}, {ID: 99, OrganizationID: other}}
		ended, done := now, open
		ended.Settled, ended.Status, ended.EndTime, ended.ResolvedAt = true, alerts.IncidentResolved, at(5), at(5)
		done.ResolvedAt, done.Holding = at(5), alerts.Holding{}
		check(t, s.Advance(ctx(t), refs, at(5), func(p alerts.Progress, got map[uint32]alerts.State) alerts.Batch {
			same(t, "states", got, want)
			return alerts.Batch{
				Progress: p, Known: map[uint32]alerts.Status{monitor: alerts.StatusUp}, Blind: map[uint32]time.Time{monitor: {}},
				Incidents: []alerts.Incident{ended}, Triggers: []alerts.Trigger{done}, Samples: map[uint32]*alerts.Samples{calm.ID: nil},
				Changes: map[uint32][]time.Time{monitor: nil},
			}
		}))
		check(t, s.Advance(ctx(t), refs, at(6), func(p alerts.Progress, got map[uint32]alerts.State) alerts.Batch {
			if st := got[monitor]; st.Incident != nil || st.Rules[0].Samples != nil || len(st.Changes) != 0 || st.Rules[1].Open != nil || st.Known != alerts.StatusUp || !st.Blind.IsZero() {
				t.Errorf("after the end the state is %+v", st)
			}
			return alerts.Batch{Progress: p}
		}))
	}},
	{"evaluation/a batch is written whole or not at all", func(t testing.TB, s alerts.Store) {
		one, two := incident(1, org, monitor, 1), incident(2, org, monitor, 2)
		// Two outages of one monitor at the same time cannot be: the store itself refuses them.
		err := s.Advance(ctx(t), nil, at(3), func(alerts.Progress, map[uint32]alerts.State) alerts.Batch {
			return alerts.Batch{
				Progress:  alerts.Progress{Seq: 9, IDs: alerts.IDs{Incident: 2}},
				Known:     map[uint32]alerts.Status{monitor: alerts.StatusDown},
				Incidents: []alerts.Incident{one, two}, Messages: []alerts.Message{channelMessage("m1", 1, monitor)},
			}
		})
		if err == nil {
			t.Error("two unsettled incidents of a monitor were stored")
		}
		same(t, "progress", must(s.Progress(ctx(t)))(t), alerts.Progress{})
		_, err = s.Incident(ctx(t), org, 1)
		wantErr(t, err, alerts.ErrIncidentNotFound)
		same(t, "outbox", states(t, s), map[string]alerts.DeliveryState{})
	}},
	{"evaluation/steps do not overlap", func(t testing.TB, s alerts.Store) {
		const steps = 20
		done := make(chan error)
		for range steps {
			go func() {
				done <- s.Advance(ctx(t), nil, at(1), func(p alerts.Progress, _ map[uint32]alerts.State) alerts.Batch {
					p.Seq++
					return alerts.Batch{Progress: p}
				})
			}()
		}
		for range steps {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		same(t, "seq", must(s.Progress(ctx(t)))(t).Seq, uint64(steps))
	}},
	{"evaluation/silences that are due", func(t testing.TB, s alerts.Store) {
		newRule(t, s, org, monitor, alerts.Conditions{NoData: 20 * time.Second})
		long := newRule(t, s, org, monitor, alerts.Conditions{NoData: 60 * time.Second, Failures: 1})
		newRule(t, s, other, monitor+1, alerts.Conditions{NoData: 10 * time.Second})
		newRule(t, s, org, monitor+2, alerts.Conditions{Failures: 1})
		off := newRule(t, s, org, monitor+3, alerts.Conditions{NoData: time.Second})
		must(s.UpdateRule(ctx(t), org, monitor+3, off.ID, at(1), func(r *alerts.Rule) (audit.Row, error) {
			r.Enabled = false
			return row(t, "x"), nil
		}))(t)
		one, two := alerts.MonitorRef{ID: monitor, OrganizationID: org}, alerts.MonitorRef{ID: monitor + 1, OrganizationID: other}
		due := func(what string, sec, limit int, want ...alerts.MonitorRef) {
			t.Helper()
			same(t, what, must(s.DueSilences(ctx(t), at(sec), limit))(t), want)
		}
		due("of monitors that are seen", 1000, 9)
		put(t, s, at(1), alerts.Batch{Blind: map[uint32]time.Time{monitor: at(100), monitor + 1: at(105), monitor + 2: at(100), monitor + 3: at(100)}})
		due("before the first", 114, 9)
		due("the first", 115, 9, two)
		due("both", 120, 9, one, two)
		due("as many as are wanted", 120, 1, one)
		held := trigger(1, alerts.Rule{ID: long.ID - 1, OrganizationID: org, MonitorID: monitor}, 120)
		held.Holding = alerts.Holding{NoData: true}
		other := trigger(2, long, 121)
		other.Holding = alerts.Holding{Failures: true}
		put(t, s, at(1), alerts.Batch{Blind: map[uint32]time.Time{monitor + 1: {}}, Triggers: []alerts.Trigger{held, other}})
		due("told, and seen again", 159, 9)
		due("triggered by something else", 160, 9, one)
	}},
	{"evaluation/rules about uptime", func(t testing.TB, s alerts.Store) {
		newRule(t, s, org, monitor, alerts.Conditions{Uptime: 99})
		newRule(t, s, org, monitor, alerts.Conditions{Uptime: 98})
		newRule(t, s, org, monitor+1, alerts.Conditions{Failures: 2})
		gone := newRule(t, s, org, monitor+2, alerts.Conditions{Uptime: 90})
		must(s.UpdateRule(ctx(t), org, monitor+2, gone.ID, at(1), func(r *alerts.Rule) (audit.Row, error) {
			r.Conditions = alerts.Conditions{Failures: 1}
			return row(t, "x"), nil
		}))(t)
		newRule(t, s, other, monitor+3, alerts.Conditions{Uptime: 99})
		got := must(s.UptimeRules(ctx(t), []uint32{monitor, monitor + 1, monitor + 2, monitor + 3, 1000}))(t)
		want := []alerts.MonitorRef{{ID: monitor, OrganizationID: org}, {ID: monitor + 3, OrganizationID: other}}
		slices.SortFunc(got, func(a, b alerts.MonitorRef) int { return int(a.ID) - int(b.ID) })
		same(t, "monitors", got, want)
		same(t, "of none", must(s.UptimeRules(ctx(t), nil))(t), []alerts.MonitorRef(nil))
	}},
}

var catalogCases = []Case{
	{"catalog/put, find, list", func(t testing.TB, s alerts.Store) {
		_, err := s.Monitor(ctx(t), 1)
		wantErr(t, err, alerts.ErrMonitorNotFound)
		a := alerts.Monitor{ID: 1, OrganizationID: org, Name: "a", URL: "https://a/", Enabled: true, Regions: []string{"eu"}, Version: 1}
		b := alerts.Monitor{ID: 2, OrganizationID: org, Name: "b", URL: "https://b/", Regions: []string{"us"}, Version: 1 << 50}
		c := alerts.Monitor{ID: 3, OrganizationID: other, Name: "c", URL: "https://c/", Regions: []string{"us"}}
		check(t, s.PutMonitors(ctx(t), []alerts.Monitor{a, b, c}))
		a.Name, a.Version, a.Enabled = "aa", 2, false
		check(t, s.PutMonitors(ctx(t), []alerts.Monitor{a}))
		same(t, "monitor", must(s.Monitor(ctx(t), 1))(t), a)
		same(t, "monitors", must(s.Monitors(ctx(t), 0, 2))(t), []alerts.Monitor{a, b})
		same(t, "monitors", must(s.Monitors(ctx(t), 2, 2))(t), []alerts.Monitor{c})
		same(t, "unknown", must(s.UnknownMonitors(ctx(t), org, []uint32{4, 3, 2, 1}))(t), []uint32{3, 4})
		same(t, "except", must(s.MonitorsExcept(ctx(t), []uint32{1, 9}))(t), []alerts.MonitorRef{{ID: 2, OrganizationID: org}, {ID: 3, OrganizationID: other}})
		same(t, "except none", len(must(s.MonitorsExcept(ctx(t), nil))(t)), 3)
	}},
	{"catalog/removal goes with what it ends", func(t testing.TB, s alerts.Store) {
		m := alerts.Monitor{ID: monitor, OrganizationID: org, Name: "a", Regions: []string{"eu"}}
		check(t, s.PutMonitors(ctx(t), []alerts.Monitor{m}))
		i := incident(1, org, monitor, 1)
		put(t, s, at(1), alerts.Batch{Incidents: []alerts.Incident{i}})
		refs := []alerts.MonitorRef{{ID: monitor, OrganizationID: org}}
		check(t, s.RemoveMonitors(ctx(t), refs, at(2), func(p alerts.Progress, states map[uint32]alerts.State) alerts.Batch {
			st := states[monitor]
			if st.Incident == nil || st.Monitor.Deleted {
				t.Errorf("state in a removal = %+v", st)
				return alerts.Batch{Progress: p}
			}
			done := *st.Incident
			done.Settled, done.Status, done.EndTime, done.ResolvedAt = true, alerts.IncidentResolved, at(2), at(2)
			return alerts.Batch{Progress: p, Incidents: []alerts.Incident{done}}
		}))
		m.Deleted = true
		same(t, "monitor", must(s.Monitor(ctx(t), monitor))(t), m)
		same(t, "live monitors", len(must(s.Monitors(ctx(t), 0, 9))(t)), 0)
		same(t, "unknown", must(s.UnknownMonitors(ctx(t), org, []uint32{monitor}))(t), []uint32{monitor})
		same(t, "except", len(must(s.MonitorsExcept(ctx(t), nil))(t)), 0)
		same(t, "incident", must(s.Incident(ctx(t), org, 1))(t).Settled, true)
		check(t, s.PutMonitors(ctx(t), []alerts.Monitor{{ID: monitor, OrganizationID: org, Name: "back"}}))
		same(t, "deleted", must(s.Monitor(ctx(t), monitor))(t).Deleted, false)
	}},
}
