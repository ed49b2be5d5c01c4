package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/maintenance"
	"github.com/frogstats/uptime/services/alerts"
)

// newGroup stores a group of the organization: of the monitors, and of those with the label team=db.
func newGroup(t testing.TB, s alerts.Store, organization string, level alerts.AlertLevel, monitors ...uint32) alerts.GroupView {
	t.Helper()
	g := alerts.Group{
		OrganizationID: organization, Name: "shop", Description: "all of it", Target: maintenance.Target{MonitorIDs: monitors, Labels: []string{"team=db"}},
		Rule: alerts.GroupRule{Kind: alerts.RuleCount, Value: 2}, Level: level, CreatedAt: at(0), UpdatedAt: at(0),
	}
	return must(s.CreateGroup(ctx(t), g, at(1), func(g alerts.Group) (audit.Row, error) {
		if g.ID == 0 {
			t.Error("the group is recorded without its identifier")
		}
		return row(t, "group.create"), nil
	}))(t)
}

// folds is a step that evaluates the entries.
func folds(entries ...alerts.Entry) func(alerts.Progress, map[uint32]alerts.State) alerts.Batch {
	return func(p alerts.Progress, states map[uint32]alerts.State) alerts.Batch {
		return alerts.Fold(p, states, entries, at(500))
	}
}

func turns(seq uint64, id uint32, to alerts.Status, seconds int) alerts.Entry {
	return alerts.Entry{
		Seq: seq, OrganizationID: org, MonitorID: id, At: at(seconds), Transition: &alerts.Transition{To: to, Since: at(seconds), Failures: 2},
	}
}

// three are monitors of the organization: the third has the label.
func three(t testing.TB, s alerts.Store) []alerts.MonitorRef {
	t.Helper()
	var monitors []alerts.Monitor
	var refs []alerts.MonitorRef
	for id := uint32(1); id <= 3; id++ {
		m := alerts.Monitor{ID: id, OrganizationID: org, Name: fmt.Sprint("m", id), Enabled: true, DetectsDown: time.Minute}
		if id == 3 {
			m.Labels = map[string]string{"team": "db"}
		}
		monitors, refs = append(monitors, m), append(refs, alerts.MonitorRef{ID: id, OrganizationID: org})
	}
	check(t, s.PutMonitors(ctx(t), append(monitors, alerts.Monitor{ID: 9, OrganizationID: other, Name: "foreign", Enabled: true, Labels: map[string]string{"team": "db"}})))
	return refs
}

// queued are the types of the messages that wait, the oldest first.
func queued(t testing.TB, s alerts.Store) (types []string) {
	t.Helper()
	rows, _, err := s.Deliveries(ctx(t), alerts.DeliveryFilter{Organization: org, Window: alerts.Window{Limit: 100}})
	check(t, err)
	for _, d := range rows {
		types = append([]string{d.Type}, types...)
	}
	return types
}

// grouped says of which of the monitors a group is told in their place.
func grouped(t testing.TB, s alerts.Store, refs ...alerts.MonitorRef) (ids []uint32) {
	t.Helper()
	states := familyOf(t, s, refs...)
	for _, r := range refs {
		if states[r.ID].Grouped {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

func membersIn(g alerts.GroupView) (ids []uint32) {
	for _, m := range g.Members {
		ids = append(ids, m.ID)
	}
	return ids
}

var groupCases = []Case{
	{"group/kept", func(t testing.TB, s alerts.Store) {
		three(t, s)
		g := newGroup(t, s, org, alerts.LevelGroup, 1)
		same(t, "members", membersIn(g), []uint32{1, 3})
		same(t, "state", g.State, alerts.GroupState{Status: alerts.StatusUnknown, Since: at(1)})
		same(t, "member", g.Members[1], alerts.GroupMember{ID: 3, Name: "m3", Member: alerts.Member{Status: alerts.StatusUnknown}, DetectsDown: time.Minute})
		same(t, "read", must(s.Group(ctx(t), org, g.ID))(t), g)
		second := newGroup(t, s, org, alerts.LevelBoth)
		foreign := newGroup(t, s, other, alerts.LevelBoth, 1)
		same(t, "members of another organization", membersIn(foreign), []uint32{9})
		same(t, "list", must(s.Groups(ctx(t), org))(t), []alerts.GroupView{g, second})
		_, err := s.Group(ctx(t), other, g.ID)
		wantErr(t, err, alerts.ErrGroupNotFound)
		changed := must(s.UpdateGroup(ctx(t), org, g.ID, at(5), func(g *alerts.Group) (audit.Row, error) {
			g.Name, g.Target, g.Rule, g.Level = "others", maintenance.Target{MonitorIDs: []uint32{2, 9}}, alerts.GroupRule{Kind: alerts.RulePercent, Value: 40}, alerts.LevelMembers
			g.UpdatedAt = at(5)
			return row(t, "group.update"), nil
		}))(t)
		same(t, "after a change", must(s.Group(ctx(t), org, g.ID))(t), changed)
		same(t, "members after a change", membersIn(changed), []uint32{2})
		if changed.Name != "others" || changed.Rule.Value != 40 || changed.Level != alerts.LevelMembers || !changed.UpdatedAt.Equal(at(5)) || !changed.CreatedAt.Equal(at(0)) {
			t.Errorf("changed %+v", changed.Group)
		}
		refused := errors.New("no")
		_, err = s.UpdateGroup(ctx(t), org, g.ID, at(6), func(g *alerts.Group) (audit.Row, error) {
			g.Name = "never"
			return audit.Row{}, refused
		})
		wantErr(t, err, refused)
		same(t, "after a refusal", must(s.Group(ctx(t), org, g.ID))(t), changed)
		_, err = s.UpdateGroup(ctx(t), other, g.ID, at(6), func(*alerts.Group) (audit.Row, error) { return row(t, "never"), nil })
		wantErr(t, err, alerts.ErrGroupNotFound)
		never := func(alerts.Group) (audit.Row, error) { return row(t, "never"), nil }
		wantErr(t, s.DeleteGroup(ctx(t), other, g.ID, at(7), never), alerts.ErrGroupNotFound)
		check(t, s.DeleteGroup(ctx(t), org, g.ID, at(7), func(alerts.Group) (audit.Row, error) { return row(t, "group.delete"), nil }))
		_, err = s.Group(ctx(t), org, g.ID)
		wantErr(t, err, alerts.ErrGroupNotFound)
		same(t, "audit", actions(t, s), []string{"group.delete", "group.update", "group.create", "group.create", "group.create"})
		if next := newGroup(t, s, org, alerts.LevelBoth); next.ID <= foreign.ID {
			t.Errorf("identifier %d was given before", next.ID)
		}
	}},
	{"group/limit", func(t testing.TB, s alerts.Store) {
		for range alerts.MaxGroups {
			newGroup(t, s, org, alerts.LevelBoth, 1)
		}
		_, err := s.CreateGroup(ctx(t), alerts.Group{OrganizationID: org, CreatedAt: at(0), UpdatedAt: at(0)}, at(1), func(alerts.Group) (audit.Row, error) { return row(t, "never"), nil })
		wantErr(t, err, alerts.ErrTooManyGroups)
		newGroup(t, s, other, alerts.LevelBoth, 1)
	}},
	{"group/evaluated", func(t testing.TB, s alerts.Store) {
		refs := three(t, s)
		newChannel(t, s, org)
		newChannel(t, s, other)
		g := newGroup(t, s, org, alerts.LevelBoth, 1, 2)
		check(t, s.Advance(ctx(t), refs, at(10), folds(turns(1, 1, alerts.StatusUp, 2), turns(2, 2, alerts.StatusUp, 3), turns(3, 3, alerts.StatusUp, 4))))
		same(t, "state", must(s.Group(ctx(t), org, g.ID))(t).State, alerts.GroupState{Status: alerts.StatusUp, Since: at(2), Told: alerts.StatusUp})
		check(t, s.Advance(ctx(t), refs, at(20), folds(turns(4, 1, alerts.StatusDown, 12), turns(5, 3, alerts.StatusDown, 14))))
		v := must(s.Group(ctx(t), org, g.ID))(t)
		same(t, "down", v.State, alerts.GroupState{Status: alerts.StatusDown, Since: at(14), Told: alerts.StatusDown, Outage: at(14), Changes: 2})
		same(t, "a member that is down", v.Members[2], alerts.GroupMember{ID: 3, Name: "m3", Member: alerts.Member{Status: alerts.StatusDown}, Since: at(14), DetectsDown: time.Minute})
		check(t, s.Advance(ctx(t), refs, at(20), folds(turns(4, 1, alerts.StatusDown, 12), turns(5, 3, alerts.StatusDown, 14)))) // the feed repeats itself
		check(t, s.Advance(ctx(t), refs, at(30), folds(turns(6, 3, alerts.StatusUp, 30))))
		same(t, "told", queued(t, s), []string{"monitor.down", "monitor.down", "group.down", "monitor.recovered", "group.recovered"})
		same(t, "since", must(s.Group(ctx(t), org, g.ID))(t).State, alerts.GroupState{Status: alerts.StatusDegraded, Since: at(30), Told: alerts.StatusDegraded, Changes: 3})
		foreign, _, err := s.Deliveries(ctx(t), alerts.DeliveryFilter{Organization: other, Window: alerts.Window{Limit: 10}})
		check(t, err)
		same(t, "told to another organization", len(foreign), 0)
	}},
	{"group/regroup", func(t testing.TB, s alerts.Store) {
		refs := three(t, s)
		newChannel(t, s, org)
		g := newGroup(t, s, org, alerts.LevelGroup)
		same(t, "grouped", grouped(t, s, refs...), []uint32{3})
		check(t, s.Advance(ctx(t), refs, at(10), folds(turns(1, 1, alerts.StatusDown, 2), turns(2, 3, alerts.StatusDown, 3))))
		same(t, "told of what is not in the group", queued(t, s), []string{"monitor.down"})
		put := func(id uint32, enabled bool, team string) {
			check(t, s.PutMonitors(ctx(t), []alerts.Monitor{{ID: id, OrganizationID: org, Name: fmt.Sprint("m", id), Enabled: enabled, Labels: map[string]string{"team": team}}}))
		}
		put(1, true, "db")
		told := must(s.Regroup(ctx(t), []uint32{1}, at(12)))(t)
		v := must(s.Group(ctx(t), org, g.ID))(t)
		if same(t, "members", membersIn(v), []uint32{1, 3}); !told || v.State.Status != alerts.StatusDown {
			t.Errorf("after a change of labels: told %t, state %+v", told, v.State)
		}
		if told := must(s.Regroup(ctx(t), []uint32{1, 2, 3, 9}, at(13)))(t); told {
			t.Error("told, although nothing has changed")
		}
		put(3, false, "db")
		must(s.Regroup(ctx(t), []uint32{3}, at(14)))(t)
		same(t, "with one that is paused", must(s.Group(ctx(t), org, g.ID))(t).State.Status, alerts.StatusDegraded)
		// Who leaves is looked at again: it may be down, and nobody was told.
		same(t, "due before", due(t, s, at(100), 10), []uint32(nil))
		put(3, true, "web")
		must(s.Regroup(ctx(t), []uint32{3}, at(15)))(t)
		same(t, "grouped after that", grouped(t, s, refs...), []uint32{1})
		same(t, "due", due(t, s, at(15), 10), []uint32{3})
		check(t, s.Advance(ctx(t), refs[2:], at(16), folds(alerts.Entry{OrganizationID: org, MonitorID: 3, At: at(16)})))
		same(t, "due after that", due(t, s, at(100), 10), []uint32(nil))
		same(t, "told", queued(t, s), []string{"monitor.down", "group.down", "group.recovered", "monitor.down"})
	}},
	{"group/looked at", func(t testing.TB, s alerts.Store) {
		refs := three(t, s)
		newChannel(t, s, org)
		one, two := newGroup(t, s, org, alerts.LevelGroup), newGroup(t, s, org, alerts.LevelGroup)
		check(t, s.Advance(ctx(t), refs, at(10), folds(turns(1, 3, alerts.StatusDown, 3))))
		remove := func(g alerts.GroupView, seconds int) {
			check(t, s.DeleteGroup(ctx(t), org, g.ID, at(seconds), func(alerts.Group) (audit.Row, error) { return row(t, "group.delete"), nil }))
		}
		tick := folds(alerts.Entry{OrganizationID: org, MonitorID: 3, At: at(30)})
		remove(one, 20)
		same(t, "due, though it is in another", due(t, s, at(20), 10), []uint32{3})
		check(t, s.Advance(ctx(t), refs[2:], at(30), tick))
		same(t, "due no more", due(t, s, at(100), 10), []uint32(nil))
		same(t, "told", queued(t, s), []string(nil))
		remove(two, 40)
		check(t, s.Advance(ctx(t), refs[2:], at(41), tick))
		same(t, "told for itself", queued(t, s), []string{"monitor.down"})
	}},
	{"group/due", func(t testing.TB, s alerts.Store) {
		refs := three(t, s)
		newChannel(t, s, org)
		g := newGroup(t, s, org, alerts.LevelGroup, 1, 2)
		must(s.UpdateGroup(ctx(t), org, g.ID, at(2), func(g *alerts.Group) (audit.Row, error) {
			g.Rule = alerts.GroupRule{Kind: alerts.RuleAll}
			return row(t, "group.update"), nil
		}))(t)
		check(t, s.Advance(ctx(t), refs, at(10), folds(turns(1, 1, alerts.StatusDown, 3))))
		same(t, "due before", must(s.DueGroups(ctx(t), at(67), 10))(t), []uint32(nil))
		same(t, "due", must(s.DueGroups(ctx(t), at(68), 10))(t), []uint32{g.ID})
		same(t, "at most", len(must(s.DueGroups(ctx(t), at(68), 0))(t)), 0)
		if told := must(s.EvaluateGroups(ctx(t), []uint32{g.ID, g.ID + 1}, at(68)))(t); !told {
			t.Error("nothing is told")
		}
		same(t, "told", queued(t, s), []string{"group.down"})
		same(t, "due after that", must(s.DueGroups(ctx(t), at(1000), 10))(t), []uint32(nil))
	}},
	{"group/removed", func(t testing.TB, s alerts.Store) {
		refs := three(t, s)
		newChannel(t, s, org)
		g := newGroup(t, s, org, alerts.LevelGroup, 1, 2)
		check(t, s.Advance(ctx(t), refs, at(10), folds(turns(1, 1, alerts.StatusDown, 2), turns(2, 2, alerts.StatusDown, 3), turns(3, 3, alerts.StatusUp, 4))))
		gone := alerts.Entry{OrganizationID: org, MonitorID: 2, At: at(20), Transition: &alerts.Transition{To: alerts.StatusPaused, Since: at(20)}}
		check(t, s.RemoveMonitors(ctx(t), refs[1:2], at(20), folds(gone)))
		v := must(s.Group(ctx(t), org, g.ID))(t)
		same(t, "members", membersIn(v), []uint32{1, 3})
		same(t, "state", v.State.Status, alerts.StatusDegraded)
		same(t, "told", queued(t, s), []string{"group.down", "group.recovered"})
	}},
	{"group/reminders", func(t testing.TB, s alerts.Store) {
		refs := three(t, s)
		c := newChannel(t, s, org)
		must(s.UpdateChannel(ctx(t), org, c.ID, func(c *alerts.Channel) (audit.Row, error) {
			c.Reminder = 5 * time.Minute
			return row(t, "channel.update"), nil
		}))(t)
		check(t, s.Advance(ctx(t), refs, at(10), folds(turns(1, 3, alerts.StatusDown, 2))))
		claims, _, err := s.Claim(ctx(t), at(10), time.Minute, 10)
		check(t, err)
		for _, c := range claims {
			check(t, s.Settle(ctx(t), c, alerts.Attempt{At: at(10), StatusCode: 204}, alerts.Verdict{State: alerts.DeliveryDelivered}))
		}
		same(t, "due", len(must(s.DueReminders(ctx(t), at(900), 0, 10))(t)), 1)
		newGroup(t, s, org, alerts.LevelGroup)
		check(t, s.Advance(ctx(t), refs, at(20), folds(alerts.Entry{OrganizationID: org, MonitorID: 3, At: at(20)})))
		same(t, "due of one in a group", len(must(s.DueReminders(ctx(t), at(900), 0, 10))(t)), 0)
	}},
}
