package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/services/alerts"
)

// crowdRounds is how often each of those that work at the same time does what it does.
const crowdRounds = 25

// Members change their states while groups, labels and channels are changed, messages are sent, and what is due is looked at: nobody
// fails, what is told of a group begins and ends by turns, and in the end each is what its members make of it.
var groupCrowd = Case{"group/crowd", func(t testing.TB, s alerts.Store) {
	refs := three(t, s)
	newChannel(t, s, org)
	groups := []alerts.GroupView{newGroup(t, s, org, alerts.LevelGroup, 1, 2), newGroup(t, s, org, alerts.LevelBoth, 1)}
	var all sync.WaitGroup
	work := func(do func(round int) error) {
		all.Go(func() {
			for round := range crowdRounds {
				if err := do(round); err != nil {
					t.Errorf("round %d: %v", round, err)
					return
				}
			}
		})
	}
	for _, ref := range refs {
		work(func(round int) error {
			to := []alerts.Status{alerts.StatusUp, alerts.StatusDown, alerts.StatusDown, alerts.StatusUnknown, alerts.StatusUp}[(round+int(ref.ID))%5]
			return s.Advance(ctx(t), []alerts.MonitorRef{ref}, at(round), func(p alerts.Progress, states map[uint32]alerts.State) alerts.Batch {
				return alerts.Fold(p, states, []alerts.Entry{turns(p.Seq+1, ref.ID, to, round)}, at(round))
			})
		})
	}
	work(func(round int) error {
		_, err := s.UpdateGroup(ctx(t), org, groups[round%2].ID, at(round), func(g *alerts.Group) (audit.Row, error) {
			g.Level = []alerts.AlertLevel{alerts.LevelGroup, alerts.LevelBoth}[round/2%2]
			g.Rule = alerts.GroupRule{Kind: alerts.RuleCount, Value: 1 + round/4%2}
			return row(t, "group.update"), nil
		})
		return err
	})
	work(func(round int) error {
		m := alerts.Monitor{ID: 3, OrganizationID: org, Name: "m3", Enabled: round%3 != 0, DetectsDown: time.Second, Labels: map[string]string{"team": []string{"db", "web"}[round%2]}}
		if err := s.PutMonitors(ctx(t), []alerts.Monitor{m}); err != nil {
			return err
		}
		_, err := s.Regroup(ctx(t), []uint32{1, 2, 3}, at(round))
		return err
	})
	work(func(round int) error {
		claims, _, err := s.Claim(ctx(t), at(round), time.Minute, 5)
		for _, c := range claims {
			err = s.Settle(ctx(t), c, alerts.Attempt{At: at(round), StatusCode: 204}, alerts.Verdict{State: alerts.DeliveryDelivered})
		}
		return err
	})
	work(func(round int) error {
		due, err := s.DueGroups(ctx(t), at(round), 10)
		if err == nil {
			_, err = s.EvaluateGroups(ctx(t), due, at(round))
		}
		return err
	})
	all.Wait()
	for _, g := range groups {
		v := must(s.Group(ctx(t), org, g.ID))(t)
		for _, next := range alerts.FoldGroups([]alerts.GroupView{v}, nil, nil, at(100)).Groups {
			if next.State.Status != v.State.Status {
				t.Errorf("group %d is kept as %s and is %s", g.ID, v.State.Status, next.State.Status)
			}
		}
		byTurns(t, s, g.ID)
	}
}}

// byTurns wants what was told of a group to begin and to end by turns, by one name.
func byTurns(t testing.TB, s alerts.Store, group uint32) {
	t.Helper()
	rows, _, err := s.Deliveries(ctx(t), alerts.DeliveryFilter{Organization: org, Window: alerts.Window{Limit: 10_000}})
	check(t, err)
	slices.Reverse(rows)
	open := ""
	for _, d := range rows {
		g := d.Content.Group
		switch {
		case g == nil || g.ID != group || g.StartedAt == nil:
		case d.Opens() && open != "":
			t.Errorf("group %d: %s begins while %s goes on", group, d.Thread, open)
		case d.Opens():
			open = d.Thread
		case d.Thread != open:
			t.Errorf("group %d: %s ends while %s goes on", group, d.Thread, fmt.Sprintf("%q", open))
		default:
			open = ""
		}
	}
}
