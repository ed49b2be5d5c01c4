package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/alerts"
)

const lease = time.Minute

// message is one about an outage.
func message(id string, to alerts.Target, monitorID uint32) alerts.Message {
	return alerts.Message{
		ID: id, OrganizationID: org, MonitorID: monitorID, Target: to, Type: alerts.TypeDegraded, Thread: "state:" + id, OccurredAt: at(-3),
		Content: alerts.Content{
			OrganizationID: org, Monitor: alerts.ContentMonitor{ID: monitorID, Name: "api"}, Status: alerts.StatusDown, OccurredAt: alerts.Stamp(at(-3)),
		},
	}
}

func channelMessage(id string, channel, monitorID uint32) alerts.Message {
	return message(id, alerts.Target{Kind: alerts.TargetChannel, ID: channel}, monitorID)
}

func ruleMessage(id string, rule uint32) alerts.Message {
	return message(id, alerts.Target{Kind: alerts.TargetAlert, ID: rule}, monitor)
}

// story is a message that opens or closes a thread.
func story(id, kind, thread string, channel uint32) alerts.Message {
	m := channelMessage(id, channel, monitor)
	m.Type, m.Thread, m.IncidentID = kind, thread, 5
	return m
}

// states are the messages of the organization.
func states(t testing.TB, s alerts.Store) map[string]alerts.DeliveryState {
	t.Helper()
	out := map[string]alerts.DeliveryState{}
	for id, d := range deliveries(t, s) {
		out[id] = d.State
	}
	return out
}

func deliveries(t testing.TB, s alerts.Store) map[string]alerts.Delivery {
	t.Helper()
	rows, _, err := s.Deliveries(ctx(t), alerts.DeliveryFilter{Organization: org, Window: alerts.Window{Limit: 1000}})
	check(t, err)
	out := map[string]alerts.Delivery{}
	for _, d := range rows {
		out[d.ID] = d
	}
	return out
}

// claim expects just these messages.
func claim(t testing.TB, s alerts.Store, seconds int, want ...string) []alerts.Claim {
	t.Helper()
	claims, _, err := s.Claim(ctx(t), at(seconds), lease, 16)
	check(t, err)
	var got []string
	for _, c := range claims {
		got = append(got, c.ID)
	}
	same(t, fmt.Sprintf("claims at %d s", seconds), got, want)
	if t.Failed() {
		t.FailNow()
	}
	return claims
}

func delivered(t testing.TB, s alerts.Store, c alerts.Claim, seconds int) {
	t.Helper()
	check(t, s.Settle(ctx(t), c, alerts.Attempt{At: at(seconds), StatusCode: 200}, alerts.Verdict{State: alerts.DeliveryDelivered}))
}

// failed puts the message off until a time.
func failed(t testing.TB, s alerts.Store, c alerts.Claim, seconds, next int) {
	t.Helper()
	check(t, s.Settle(ctx(t), c, alerts.Attempt{At: at(seconds), StatusCode: 500, Error: "the receiver answered 500"},
		alerts.Verdict{State: alerts.DeliveryPending, NextAttemptAt: at(next)}))
}

var outboxCases = []Case{
	{"outbox/a message is written once", func(t testing.TB, s alerts.Store) {
		ch := newChannel(t, s, org)
		m := channelMessage("m1", ch.ID, monitor)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{m}})
		put(t, s, at(2), alerts.Batch{Messages: []alerts.Message{m}})
		rows, total, err := s.Deliveries(ctx(t), alerts.DeliveryFilter{Organization: org, Window: alerts.Window{Limit: 10}})
		check(t, err)
		same(t, "total", total, 1)
		same(t, "rows", rows, []alerts.Delivery{{
			Message: m, Position: rows[0].Position, State: alerts.DeliveryPending, CreatedAt: at(1), NextAttemptAt: at(1),
		}})
	}},
	{"outbox/list", func(t testing.TB, s alerts.Store) {
		ch, r := newChannel(t, s, org), newRule(t, s, org, monitor, alerts.Conditions{Failures: 1})
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{
			channelMessage("m1", ch.ID, monitor), channelMessage("m2", ch.ID, monitor+1), ruleMessage("m3", r.ID),
		}})
		delivered(t, s, claim(t, s, 1, "m3", "m1")[0], 2)
		list := func(f alerts.DeliveryFilter) (out []string, total int) {
			f.Organization = org
			rows, total, err := s.Deliveries(ctx(t), f)
			check(t, err)
			for _, d := range rows {
				out = append(out, d.ID)
			}
			return out, total
		}
		got, total := list(alerts.DeliveryFilter{Window: alerts.Window{Limit: 2}})
		same(t, "newest first", got, []string{"m3", "m2"})
		same(t, "total", total, 3)
		got, _ = list(alerts.DeliveryFilter{Window: alerts.Window{Limit: 2, After: alerts.Place{ID: deliveries(t, s)["m2"].Position}}})
		same(t, "next page", got, []string{"m1"})
		got, total = list(alerts.DeliveryFilter{States: []alerts.DeliveryState{alerts.DeliveryDelivered}, Window: alerts.Window{Limit: 9}})
		same(t, "delivered", got, []string{"m3"})
		same(t, "total", total, 1)
		got, _ = list(alerts.DeliveryFilter{MonitorID: monitor + 1, Window: alerts.Window{Limit: 9}})
		same(t, "monitor's", got, []string{"m2"})
		_, total, err := s.Deliveries(ctx(t), alerts.DeliveryFilter{Organization: other, Window: alerts.Window{Limit: 9}})
		check(t, err)
		same(t, "another organization's", total, 0)
	}},
	{"outbox/one that closes takes the place of one that failed", func(t testing.TB, s alerts.Store) {
		ch := newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{story("down", alerts.TypeDown, "incident:5", ch.ID)}})
		failed(t, s, claim(t, s, 1, "down")[0], 1, 500)
		put(t, s, at(60), alerts.Batch{Messages: []alerts.Message{story("up", alerts.TypeRecovered, "incident:5", ch.ID)}})
		same(t, "states", states(t, s), map[string]alerts.DeliveryState{"down": alerts.DeliverySuperseded, "up": alerts.DeliveryPending})
		c := claim(t, s, 60, "up")[0]
		same(t, "supersedes", c.Content.Supersedes, []string{"down"})
		delivered(t, s, c, 61)
	}},
	{"outbox/one that is being sent is not replaced before it has failed", func(t testing.TB, s alerts.Store) {
		ch := newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{story("down", alerts.TypeDown, "incident:5", ch.ID)}})
		failed(t, s, claim(t, s, 1, "down")[0], 1, 20)
		c := claim(t, s, 20, "down")[0]
		put(t, s, at(21), alerts.Batch{Messages: []alerts.Message{story("up", alerts.TypeRecovered, "incident:5", ch.ID)}})
		same(t, "states", states(t, s), map[string]alerts.DeliveryState{"down": alerts.DeliveryPending, "up": alerts.DeliveryPending})
		failed(t, s, c, 22, 500)
		same(t, "states", states(t, s), map[string]alerts.DeliveryState{"down": alerts.DeliverySuperseded, "up": alerts.DeliveryPending})
	}},
	{"outbox/a receiver that works gets both", func(t testing.TB, s alerts.Store) {
		ch := newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{
			story("down", alerts.TypeDown, "incident:5", ch.ID), story("up", alerts.TypeRecovered, "incident:5", ch.ID),
		}})
		delivered(t, s, claim(t, s, 1, "down")[0], 2)
		delivered(t, s, claim(t, s, 2, "up")[0], 3)
	}},
	{"outbox/other stories and targets are left alone", func(t testing.TB, s alerts.Store) {
		a, b := newChannel(t, s, org), newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{
			story("a", alerts.TypeDown, "incident:5", a.ID), story("b", alerts.TypeDown, "incident:5", b.ID),
		}})
		for _, c := range claim(t, s, 1, "a", "b") {
			failed(t, s, c, 1, 500)
		}
		put(t, s, at(60), alerts.Batch{Messages: []alerts.Message{
			story("up", alerts.TypeRecovered, "incident:5", a.ID), story("tale", alerts.TypeRecovered, "incident:6", b.ID),
		}})
		same(t, "states", states(t, s), map[string]alerts.DeliveryState{
			"a": alerts.DeliverySuperseded, "b": alerts.DeliveryPending, "up": alerts.DeliveryPending, "tale": alerts.DeliveryPending,
		})
	}},
	{"outbox/pruning takes what is final and old", func(t testing.TB, s alerts.Store) {
		ch := newChannel(t, s, org)
		var b alerts.Batch
		for i := range 4 {
			b.Messages = append(b.Messages, channelMessage(fmt.Sprint("m", i), ch.ID, monitor+uint32(i)))
		}
		put(t, s, at(1), b)
		delivered(t, s, claim(t, s, 1, "m0")[0], 1)
		check(t, s.Settle(ctx(t), claim(t, s, 2, "m1")[0], alerts.Attempt{At: at(2)}, alerts.Verdict{State: alerts.DeliveryDead}))
		delivered(t, s, claim(t, s, 3, "m2")[0], 3)
		same(t, "pruned", must(s.Prune(ctx(t), at(1), at(1), 10))(t), 0)
		same(t, "pruned", must(s.Prune(ctx(t), at(5), at(1), 1))(t), 1)
		same(t, "pruned", must(s.Prune(ctx(t), at(5), at(1), 10))(t), 1)
		same(t, "left", states(t, s), map[string]alerts.DeliveryState{"m1": alerts.DeliveryDead, "m3": alerts.DeliveryPending})
		same(t, "pruned", must(s.Prune(ctx(t), at(1), at(5), 10))(t), 1)
		same(t, "left", states(t, s), map[string]alerts.DeliveryState{"m3": alerts.DeliveryPending})
	}},
}
