package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/services/alerts"
)

var errStop = errors.New("stop")

var ruleCases = []Case{
	{"rule/round trip", func(t testing.TB, s alerts.Store) {
		full := alerts.Conditions{Failures: 3, ResponseTime: 1500 * time.Millisecond, Uptime: 99.95, Certificate: 14, Regions: 2, NoData: time.Hour}
		made := newRule(t, s, org, monitor, full)
		if made.ID == 0 {
			t.Error("the rule has no id")
		}
		same(t, "rule", must(s.Rule(ctx(t), org, monitor, made.ID))(t), made)
		second := newRule(t, s, org, monitor, alerts.Conditions{Failures: 1})
		newRule(t, s, org, monitor+1, alerts.Conditions{Failures: 1})
		newRule(t, s, other, monitor, alerts.Conditions{Failures: 1})
		same(t, "rules", must(s.Rules(ctx(t), org, monitor))(t), []alerts.Rule{made, second})
	}},
	{"rule/another organization's is not there", func(t testing.TB, s alerts.Store) {
		r := newRule(t, s, org, monitor, alerts.Conditions{Failures: 1})
		_, err := s.Rule(ctx(t), other, monitor, r.ID)
		wantErr(t, err, alerts.ErrRuleNotFound)
		_, err = s.Rule(ctx(t), org, monitor+1, r.ID)
		wantErr(t, err, alerts.ErrRuleNotFound)
		_, err = s.UpdateRule(ctx(t), other, monitor, r.ID, at(1), func(*alerts.Rule) (audit.Row, error) { return row(t, "x"), nil })
		wantErr(t, err, alerts.ErrRuleNotFound)
		_, err = s.DeleteRule(ctx(t), other, monitor, r.ID, func(alerts.Rule) (audit.Row, error) { return row(t, "x"), nil })
		wantErr(t, err, alerts.ErrRuleNotFound)
		same(t, "rule", must(s.Rule(ctx(t), org, monitor, r.ID))(t), r)
	}},
	{"rule/change and audit row are one", func(t testing.TB, s alerts.Store) {
		r := newRule(t, s, org, monitor, alerts.Conditions{Failures: 1})
		_, err := s.UpdateRule(ctx(t), org, monitor, r.ID, at(1), func(r *alerts.Rule) (audit.Row, error) {
			r.Conditions.Failures = 9
			return audit.Row{}, errStop
		})
		wantErr(t, err, errStop)
		same(t, "rule after a refused change", must(s.Rule(ctx(t), org, monitor, r.ID))(t), r)
		_, err = s.CreateRule(ctx(t), r, func(*alerts.Rule) (audit.Row, error) { return audit.Row{}, errStop })
		wantErr(t, err, errStop)
		_, err = s.DeleteRule(ctx(t), org, monitor, r.ID, func(alerts.Rule) (audit.Row, error) { return audit.Row{}, errStop })
		wantErr(t, err, errStop)
		same(t, "rules", must(s.Rules(ctx(t), org, monitor))(t), []alerts.Rule{r})
		got := must(s.UpdateRule(ctx(t), org, monitor, r.ID, at(1), func(r *alerts.Rule) (audit.Row, error) {
			r.Conditions = alerts.Conditions{Uptime: 50, NoData: time.Minute}
			r.Severity = alerts.SeverityCritical
			r.Config.Sealed = []byte("new")
			r.UpdatedAt = at(1)
			return row(t, "alert.update"), nil
		}))(t)
		same(t, "rule after a change", must(s.Rule(ctx(t), org, monitor, r.ID))(t), got)
		check(t, discard(s.DeleteRule(ctx(t), org, monitor, r.ID, func(alerts.Rule) (audit.Row, error) { return row(t, "alert.delete"), nil })))
		_, err = s.Rule(ctx(t), org, monitor, r.ID)
		wantErr(t, err, alerts.ErrRuleNotFound)
		same(t, "audit", actions(t, s), []string{"alert.delete", "alert.update", "alert.create"})
	}},
	{"rule/ids are not used twice", func(t testing.TB, s alerts.Store) {
		r := newRule(t, s, org, monitor, alerts.Conditions{Failures: 1})
		check(t, discard(s.DeleteRule(ctx(t), org, monitor, r.ID, func(alerts.Rule) (audit.Row, error) { return row(t, "x"), nil })))
		if again := newRule(t, s, org, monitor, alerts.Conditions{Failures: 1}); again.ID <= r.ID {
			t.Errorf("id %d was given after %d", again.ID, r.ID)
		}
	}},
	{"rule/at most so many", func(t testing.TB, s alerts.Store) {
		for range alerts.MaxRulesPerMonitor {
			newRule(t, s, org, monitor, alerts.Conditions{Failures: 1})
		}
		_, err := s.CreateRule(ctx(t), alerts.Rule{OrganizationID: org, MonitorID: monitor}, func(*alerts.Rule) (audit.Row, error) {
			return row(t, "x"), nil
		})
		wantErr(t, err, alerts.ErrTooManyRules)
		newRule(t, s, org, monitor+1, alerts.Conditions{Failures: 1})
	}},
	{"rule/triggered while a trigger is open", func(t testing.TB, s alerts.Store) {
		r := newRule(t, s, org, monitor, alerts.Conditions{Failures: 1})
		tr := trigger(1, r, 10)
		put(t, s, at(10), alerts.Batch{Triggers: []alerts.Trigger{tr}, Messages: []alerts.Message{ruleMessage("m1", r.ID)}})
		if !must(s.Rule(ctx(t), org, monitor, r.ID))(t).Triggered {
			t.Error("the rule is not triggered")
		}
		got := must(s.UpdateRule(ctx(t), org, monitor, r.ID, at(20), func(r *alerts.Rule) (audit.Row, error) {
			r.Enabled = false
			return row(t, "alert.update"), nil
		}))(t)
		if got.Triggered {
			t.Error("a disabled rule is triggered")
		}
		rows, _ := history(t, s, alerts.TriggerFilter{Organization: org, Window: alerts.Window{Limit: 10}})
		tr.ResolvedAt, tr.Holding = at(20), alerts.Holding{}
		same(t, "history", rows, []alerts.Trigger{tr})
		same(t, "delivery", states(t, s), map[string]alerts.DeliveryState{"m1": alerts.DeliveryDead})
	}},
	{"history/newest first, filtered, by page and offset", func(t testing.TB, s alerts.Store) {
		r := newRule(t, s, org, monitor, alerts.Conditions{Failures: 1})
		r2 := newRule(t, s, org, monitor+1, alerts.Conditions{Failures: 1})
		foreign := newRule(t, s, other, monitor+2, alerts.Conditions{Failures: 1})
		var b alerts.Batch
		var all []alerts.Trigger
		for i := range 5 {
			tr := trigger(uint32(i+1), r, 100-10*(i/2)) // pairs at one time
			tr.ResolvedAt, tr.Holding = at(200), alerts.Holding{}
			all = append(all, tr)
		}
		all = append(all, trigger(6, r2, 50), trigger(7, foreign, 60))
		b.Triggers = all
		put(t, s, at(200), b)
		want := []uint32{2, 1, 4, 3, 5, 6}
		rows, total := history(t, s, alerts.TriggerFilter{Organization: org, Window: alerts.Window{Limit: 100}})
		same(t, "order", ids(rows), want)
		same(t, "total", total, 6)
		rows, total = history(t, s, alerts.TriggerFilter{Organization: org, Window: alerts.Window{Limit: 2, Offset: 3}})
		same(t, "offset", ids(rows), want[3:5])
		same(t, "total", total, 6)
		after := alerts.Place{At: at(100), ID: 1}
		rows, total = history(t, s, alerts.TriggerFilter{Organization: org, Window: alerts.Window{Limit: 2, After: after}})
		same(t, "page", ids(rows), want[2:4])
		same(t, "total", total, 6)
		rows, total = history(t, s, alerts.TriggerFilter{Organization: org, MonitorID: monitor + 1, Window: alerts.Window{Limit: 9}})
		same(t, "monitor's", rows, []alerts.Trigger{all[5]})
		same(t, "total", total, 1)
		check(t, discard(s.DeleteRule(ctx(t), org, monitor, r.ID, func(alerts.Rule) (audit.Row, error) { return row(t, "x"), nil })))
		rows, _ = history(t, s, alerts.TriggerFilter{Organization: org, Window: alerts.Window{Limit: 100}})
		same(t, "after the rule is gone", ids(rows), []uint32{6})
	}},
}

func discard[T any](_ T, err error) error { return err }

// trigger is an open row of history.
func trigger(id uint32, r alerts.Rule, seconds int) alerts.Trigger {
	failures := uint32(4)
	return alerts.Trigger{
		ID: id, RuleID: r.ID, OrganizationID: r.OrganizationID, MonitorID: r.MonitorID, TriggeredAt: at(seconds),
		Data:    alerts.TriggerData{Condition: "consecutive_failures", Value: 4, Threshold: 1, ConsecutiveFailures: &failures},
		Holding: alerts.Holding{Failures: true, Slow: []string{"eu"}},
	}
}

func history(t testing.TB, s alerts.Store, f alerts.TriggerFilter) ([]alerts.Trigger, int) {
	t.Helper()
	rows, total, err := s.Triggers(ctx(t), f)
	check(t, err)
	return rows, total
}

func ids(rows []alerts.Trigger) []uint32 {
	var out []uint32
	for _, r := range rows {
		out = append(out, r.ID)
	}
	return out
}
