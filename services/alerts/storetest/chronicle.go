package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/alerts"
)

// about is a message about the incident.
func about(id string, channel, incidentID uint32) alerts.Message {
	m := channelMessage(id, channel, monitor)
	m.IncidentID = incidentID
	return m
}

func stepOf(incidentID, number uint32, kind alerts.StepKind, seconds int) alerts.Step {
	return alerts.Step{IncidentID: incidentID, Number: number, Kind: kind, At: at(seconds)}
}

func messageIDs(c alerts.Chronicle) (out []string) {
	for _, m := range c.Messages {
		out = append(out, m.ID)
	}
	return out
}

var chronicleCases = []Case{
	{"chronicle/steps", func(t testing.TB, s alerts.Store) {
		confirmed := alerts.Stamp(at(40))
		first := stepOf(1, 1, alerts.StepConfirmed, 9)
		first.Facts = alerts.StepFacts{
			Regions: []string{"eu", "us"}, ErrorType: "connection_refused", Error: "it \x00 refused", Failures: 2, Changes: 3, MonitorID: 4, Confirmed: &confirmed,
		}
		i := incident(1, org, monitor, 5)
		put(t, s, at(9), alerts.Batch{Incidents: []alerts.Incident{i, incident(2, org, monitor+1, 5)}, Steps: []alerts.Step{
			first, stepOf(2, 1, alerts.StepConfirmed, 9), stepOf(1, 2, alerts.StepRegionsUp, 12),
		}})
		put(t, s, at(20), alerts.Batch{Steps: []alerts.Step{stepOf(1, 3, alerts.StepRecovered, 3)}})
		got := must(s.Chronicle(ctx(t), org, 1, at(30)))(t)
		same(t, "incident", got.Incident, i)
		if len(got.Steps) == 3 && got.Steps[0].Facts.Error == "it � refused" { // what PostgreSQL cannot keep
			got.Steps[0].Facts.Error = first.Facts.Error
		}
		same(t, "steps", got.Steps, []alerts.Step{first, stepOf(1, 2, alerts.StepRegionsUp, 12), stepOf(1, 3, alerts.StepRecovered, 3)})
		for _, c := range []struct {
			organization string
			id           uint32
		}{{other, 1}, {org, 9}} {
			_, err := s.Chronicle(ctx(t), c.organization, c.id, at(30))
			wantErr(t, err, alerts.ErrIncidentNotFound)
		}
	}},
	{"chronicle/notes and messages of the incident, with the last attempt at each", func(t testing.TB, s alerts.Store) {
		ch, slow := newChannel(t, s, org), newChannel(t, s, org)
		withIncidents(t, s)
		mine := note(t, s, 1, "mine", 8)
		note(t, s, 2, "not mine", 8)
		put(t, s, at(10), alerts.Batch{Messages: []alerts.Message{
			about("told", ch.ID, 1), about("elsewhere", ch.ID, 2), about("tried", slow.ID, 1), channelMessage("none", ch.ID, monitor),
		}})
		claims := claim(t, s, 10, "told", "tried")
		delivered(t, s, claims[0], 11)
		check(t, s.Settle(ctx(t), claims[1], alerts.Attempt{At: at(12), Duration: 1500 * time.Millisecond, StatusCode: 503, Error: "busy"},
			alerts.Verdict{State: alerts.DeliveryPending, NextAttemptAt: at(20)}))
		got := must(s.Chronicle(ctx(t), org, 1, at(30)))(t)
		same(t, "notes", got.Notes, []alerts.Note{mine})
		same(t, "messages", messageIDs(got), []string{"told", "tried"})
		same(t, "delivered", []time.Time{got.Messages[0].DeliveredAt, got.Messages[0].LastAttempt}, []time.Time{at(11), at(11)})
		same(t, "tried", got.Messages[1].LastAttempt, at(13).Add(500*time.Millisecond))
		same(t, "state", []any{got.Messages[1].State, got.Messages[1].Attempts, got.Messages[1].LastError}, []any{alerts.DeliveryPending, 1, "busy"})
		same(t, "truncated", got.Truncated, false)
	}},
	{"chronicle/rules that triggered in its course", func(t testing.TB, s alerts.Store) {
		r, foreign := newRule(t, s, org, monitor, alerts.Conditions{Failures: 1}), newRule(t, s, org, monitor+1, alerts.Conditions{Failures: 1})
		trigger := func(id uint32, rule alerts.Rule, from, to int) alerts.Trigger {
			return alerts.Trigger{
				ID: id, RuleID: rule.ID, OrganizationID: org, MonitorID: rule.MonitorID, TriggeredAt: at(from), ResolvedAt: at(to),
				Data: alerts.TriggerData{Condition: "consecutive_failures", Value: 1, Threshold: 1},
			}
		}
		i := incident(1, org, monitor, 10)
		before, first, second, after := trigger(1, r, 4, 9), trigger(2, r, 10, 11), trigger(3, r, 20, 30), trigger(4, r, 31, 32)
		put(t, s, at(32), alerts.Batch{Incidents: []alerts.Incident{i}, Triggers: []alerts.Trigger{before, first, second, after, trigger(5, foreign, 12, 13)}})
		same(t, "so far", must(s.Chronicle(ctx(t), org, 1, at(30)))(t).Triggers, []alerts.Trigger{first, second})
		i.Status, i.Settled, i.EndTime, i.ResolvedAt = alerts.IncidentResolved, true, at(15), at(19)
		put(t, s, at(33), alerts.Batch{Incidents: []alerts.Incident{i}})
		same(t, "in all", must(s.Chronicle(ctx(t), org, 1, at(90)))(t).Triggers, []alerts.Trigger{first})
	}},
	{"chronicle/of many messages the first and the last", func(t testing.TB, s alerts.Store) {
		const more = 7
		ch := newChannel(t, s, org)
		withIncidents(t, s)
		var b alerts.Batch
		var all []string
		for n := range 2*alerts.TimelineAtMost + more {
			all = append(all, fmt.Sprintf("m%04d", n))
			b.Messages = append(b.Messages, about(all[n], ch.ID, 1))
		}
		put(t, s, at(10), b)
		got := must(s.Chronicle(ctx(t), org, 1, at(30)))(t)
		same(t, "messages", messageIDs(got), slices.Delete(slices.Clone(all), alerts.TimelineAtMost, alerts.TimelineAtMost+more))
		same(t, "truncated", got.Truncated, true)
	}},
}
