package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/services/alerts"
)

var claimCases = []Case{
	{"claim/one per target, with its configuration", func(t testing.TB, s alerts.Store) {
		ch, r := newChannel(t, s, org), newRule(t, s, org, monitor, alerts.Conditions{Failures: 1})
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{
			channelMessage("c1", ch.ID, monitor), channelMessage("c2", ch.ID, monitor+1), ruleMessage("r1", r.ID),
		}})
		claims := claim(t, s, 1, "r1", "c1")
		same(t, "alert's configuration", claims[0].Config, r.Config)
		same(t, "channel's configuration", claims[1].Config, ch.Config)
		same(t, "notifier", claims[1].Via, "webhook")
		if claims[0].Lease == "" || claims[0].Lease == claims[1].Lease {
			t.Error("leases are not told apart")
		}
		claim(t, s, 2)
		delivered(t, s, claims[1], 2)
		claim(t, s, 2, "c2")
	}},
	{"claim/no more than asked for", func(t testing.TB, s alerts.Store) {
		a, b := newChannel(t, s, org), newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{channelMessage("a", a.ID, monitor), channelMessage("b", b.ID, monitor)}})
		claims, _, err := s.Claim(ctx(t), at(1), lease, 1)
		check(t, err)
		same(t, "claims", len(claims), 1)
		claim(t, s, 1, "b")
	}},
	{"claim/order within target and monitor", func(t testing.TB, s alerts.Store) {
		ch := newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{
			channelMessage("a1", ch.ID, monitor), channelMessage("a2", ch.ID, monitor), channelMessage("b1", ch.ID, monitor+1),
		}})
		failed(t, s, claim(t, s, 1, "a1")[0], 1, 100)
		delivered(t, s, claim(t, s, 2, "b1")[0], 2) // another monitor's need not wait
		// The receiver is back: what failed before is due at once, and what stands behind it still waits.
		delivered(t, s, claim(t, s, 3, "a1")[0], 3)
		delivered(t, s, claim(t, s, 3, "a2")[0], 3)
		claim(t, s, 1000)
	}},
	{"claim/after a delivery one message is tried again, the least tried", func(t testing.TB, s alerts.Store) {
		ch := newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{
			channelMessage("a", ch.ID, monitor), channelMessage("b", ch.ID, monitor+1), channelMessage("c", ch.ID, monitor+2),
		}})
		failed(t, s, claim(t, s, 1, "a")[0], 1, 10)
		failed(t, s, claim(t, s, 10, "a")[0], 10, 900)
		failed(t, s, claim(t, s, 10, "b")[0], 10, 900)
		delivered(t, s, claim(t, s, 11, "c")[0], 11)
		delivered(t, s, claim(t, s, 12, "b")[0], 12)
		delivered(t, s, claim(t, s, 13, "a")[0], 13)
	}},
	{"claim/a new message hurries the one before it", func(t testing.TB, s alerts.Store) {
		ch := newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{channelMessage("a1", ch.ID, monitor)}})
		failed(t, s, claim(t, s, 1, "a1")[0], 1, 3600)
		put(t, s, at(60), alerts.Batch{Messages: []alerts.Message{channelMessage("a2", ch.ID, monitor)}})
		claim(t, s, 60, "a1")
	}},
	{"claim/when to look again", func(t testing.TB, s alerts.Store) {
		look := func(seconds int) time.Time {
			t.Helper()
			claims, next, err := s.Claim(ctx(t), at(seconds), lease, 16)
			check(t, err)
			same(t, "claims", len(claims), 0)
			return next
		}
		if next := look(0); !next.IsZero() {
			t.Errorf("an empty outbox is due at %s", next)
		}
		ch := newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{channelMessage("a1", ch.ID, monitor), channelMessage("a2", ch.ID, monitor)}})
		c := claim(t, s, 1, "a1")[0]
		same(t, "while it is being sent", look(2), at(1).Add(lease))
		failed(t, s, c, 3, 50)
		same(t, "after a failure", look(4), at(50)) // not now, although a2 is due: it stands behind
	}},
	{"claim/a lease ends by itself", func(t testing.TB, s alerts.Store) {
		ch := newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{channelMessage("a", ch.ID, monitor)}})
		stale := claim(t, s, 1, "a")[0]
		claim(t, s, 60)
		fresh := claim(t, s, 62, "a")[0]
		verdict := alerts.Verdict{State: alerts.DeliveryDelivered}
		wantErr(t, s.Settle(ctx(t), stale, alerts.Attempt{At: at(62)}, verdict), alerts.ErrLeaseLost)
		wantErr(t, s.Release(ctx(t), stale), alerts.ErrLeaseLost)
		same(t, "attempts", deliveries(t, s)["a"].Attempts, 0)
		delivered(t, s, fresh, 63)
		wantErr(t, s.Settle(ctx(t), fresh, alerts.Attempt{At: at(64)}, verdict), alerts.ErrLeaseLost)
		claim(t, s, 1000)
	}},
	{"claim/a released message is due again", func(t testing.TB, s alerts.Store) {
		ch := newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{channelMessage("a", ch.ID, monitor)}})
		check(t, s.Release(ctx(t), claim(t, s, 1, "a")[0]))
		c := claim(t, s, 1, "a")[0]
		same(t, "attempts", c.Attempts, 0)
	}},
	{"claim/a hold keeps the whole target quiet", func(t testing.TB, s alerts.Store) {
		a, b := newChannel(t, s, org), newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{
			channelMessage("a1", a.ID, monitor), channelMessage("a2", a.ID, monitor+1), channelMessage("b1", b.ID, monitor),
		}})
		claims := claim(t, s, 1, "a1", "b1")
		check(t, s.Settle(ctx(t), claims[0], alerts.Attempt{At: at(1), StatusCode: 429, Error: "429"},
			alerts.Verdict{State: alerts.DeliveryPending, NextAttemptAt: at(5), HoldUntil: at(30)}))
		delivered(t, s, claims[1], 2)
		claims, next, err := s.Claim(ctx(t), at(10), lease, 16)
		check(t, err)
		if len(claims) != 0 {
			t.Errorf("claimed during a hold: %v", claims[0].ID)
		}
		same(t, "next", next, at(30))
		claim(t, s, 30, "a1")
	}},
	{"claim/what settling records", func(t testing.TB, s alerts.Store) {
		ch := newChannel(t, s, org)
		m := channelMessage("a", ch.ID, monitor)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{m}})
		c := claim(t, s, 1, "a")[0]
		check(t, s.Settle(ctx(t), c, alerts.Attempt{At: at(2), Duration: time.Second, StatusCode: 404, Error: "404"},
			alerts.Verdict{State: alerts.DeliveryPending, Refused: true, NextAttemptAt: at(9)}))
		want := c.Delivery
		want.Attempts, want.Refusals, want.NextAttemptAt, want.LastStatusCode, want.LastError = 1, 1, at(9), 404, "404"
		same(t, "after a refusal", deliveries(t, s)["a"], want)
		c = claim(t, s, 9, "a")[0]
		if diff := cmp.Diff(2, c.Attempts+1); diff != "" {
			t.Error(diff)
		}
		check(t, s.Settle(ctx(t), c, alerts.Attempt{At: at(9), Duration: 2 * time.Second, StatusCode: 200}, alerts.Verdict{State: alerts.DeliveryDelivered}))
		want.State, want.Attempts, want.LastStatusCode, want.LastError, want.DeliveredAt = alerts.DeliveryDelivered, 2, 200, "", at(11)
		same(t, "after a delivery", deliveries(t, s)["a"], want)
	}},
}
