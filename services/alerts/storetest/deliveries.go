package storetest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/services/alerts"
)

var errNo = errors.New("no")

// dead gives the message up.
func dead(t testing.TB, s alerts.Store, c alerts.Claim, seconds int) {
	t.Helper()
	check(t, s.Settle(ctx(t), c, alerts.Attempt{At: at(seconds), StatusCode: 410, Error: "gone"},
		alerts.Verdict{State: alerts.DeliveryDead, Refused: true}))
}

// replay makes a message pending again and says what its target was.
func replay(t testing.TB, s alerts.Store, id string, seconds int) (alerts.Delivery, alerts.TargetState) {
	t.Helper()
	var target alerts.TargetState
	d := must(s.Replay(ctx(t), org, id, at(seconds), func(_ alerts.Delivery, state alerts.TargetState) (audit.Row, error) {
		target = state
		return row(t, "delivery.replay"), nil
	}))(t)
	return d, target
}

var deliveryCases = []Case{
	{"delivery/attempts", func(t testing.TB, s alerts.Store) {
		ch := newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{channelMessage("a", ch.ID, monitor)}})
		got, total, err := s.Attempts(ctx(t), org, "a")
		check(t, err)
		same(t, "attempts of a new message", len(got)+total, 0)
		c := claim(t, s, 1, "a")[0]
		first := alerts.Attempt{Number: 1, At: at(2), Duration: 1500 * time.Millisecond, StatusCode: 503, Error: "busy", Response: "come\nback"}
		check(t, s.Settle(ctx(t), c, first, alerts.Verdict{State: alerts.DeliveryPending, NextAttemptAt: at(9)}))
		second := alerts.Attempt{Number: 2, At: at(9), Error: "no answer"}
		check(t, s.Settle(ctx(t), claim(t, s, 9, "a")[0], second, alerts.Verdict{State: alerts.DeliveryPending, NextAttemptAt: at(20)}))
		got, total, err = s.Attempts(ctx(t), org, "a")
		check(t, err)
		same(t, "attempts", got, []alerts.Attempt{first, second})
		same(t, "total", total, 2)
		for _, who := range []string{other, org} {
			_, _, err = s.Attempts(ctx(t), who, map[string]string{other: "a", org: "b"}[who])
			wantErr(t, err, alerts.ErrDeliveryNotFound)
		}
	}},
	{"delivery/the last attempts are kept", func(t testing.TB, s alerts.Store) {
		ch := newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{channelMessage("a", ch.ID, monitor)}})
		const made = alerts.KeptAttempts + 3
		for i := range made {
			failed(t, s, claim(t, s, i+1, "a")[0], i+1, i+2)
		}
		got, total, err := s.Attempts(ctx(t), org, "a")
		check(t, err)
		same(t, "total", total, made)
		var numbers, want []int
		for i, a := range got {
			numbers, want = append(numbers, a.Number), append(want, i+4)
		}
		same(t, "numbers", numbers, want)
		same(t, "kept", len(got), alerts.KeptAttempts)
	}},
	{"delivery/replay", func(t testing.TB, s alerts.Store) {
		ch := newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{channelMessage("a", ch.ID, monitor), channelMessage("b", ch.ID, monitor)}})
		failed(t, s, claim(t, s, 1, "a")[0], 1, 2)
		dead(t, s, claim(t, s, 2, "a")[0], 2)
		delivered(t, s, claim(t, s, 3, "b")[0], 3)
		claim(t, s, 1000)
		was := deliveries(t, s)["a"]
		d, target := replay(t, s, "a", 5000)
		same(t, "target", target, alerts.TargetEnabled)
		want := was
		want.State, want.BegunAt, want.NextAttemptAt, want.AttemptsBefore, want.Refusals = alerts.DeliveryPending, at(5000), at(5000), 2, 0
		same(t, "replayed", d, want)
		same(t, "stored", deliveries(t, s)["a"], want)
		same(t, "audit", actions(t, s)[0], "delivery.replay")
		c := claim(t, s, 5000, "a")[0]
		same(t, "claimed", c.Delivery, want)
		delivered(t, s, c, 5001)
		got, total, err := s.Attempts(ctx(t), org, "a")
		check(t, err)
		same(t, "attempts", []int{len(got), total}, []int{3, 3})
		claim(t, s, 9000)
	}},
	{"delivery/a replay that is refused changes nothing", func(t testing.TB, s alerts.Store) {
		ch := newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{channelMessage("a", ch.ID, monitor)}})
		dead(t, s, claim(t, s, 1, "a")[0], 1)
		was := deliveries(t, s)["a"]
		_, err := s.Replay(ctx(t), org, "a", at(2), func(d alerts.Delivery, _ alerts.TargetState) (audit.Row, error) {
			same(t, "shown", d, was)
			return audit.Row{}, errNo
		})
		wantErr(t, err, errNo)
		for _, who := range []string{other, org} {
			_, err = s.Replay(ctx(t), who, map[string]string{other: "a", org: "b"}[who], at(2), func(alerts.Delivery, alerts.TargetState) (audit.Row, error) {
				t.Error("asked about a message that is not there")
				return audit.Row{}, nil
			})
			wantErr(t, err, alerts.ErrDeliveryNotFound)
		}
		same(t, "stored", deliveries(t, s)["a"], was)
		claim(t, s, 100)
	}},
	{"delivery/what became of the target of a replay", func(t testing.TB, s alerts.Store) {
		off, gone, rule := newChannel(t, s, org), newChannel(t, s, org), newRule(t, s, org, monitor, alerts.Conditions{Failures: 1})
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{
			channelMessage("off", off.ID, monitor), channelMessage("gone", gone.ID, monitor), ruleMessage("rule", rule.ID),
		}})
		must(s.UpdateChannel(ctx(t), org, off.ID, func(c *alerts.Channel) (audit.Row, error) {
			c.Enabled = false
			return row(t, "channel.update"), nil
		}))(t)
		check(t, discard(s.DeleteChannel(ctx(t), org, gone.ID, func(alerts.Channel) (audit.Row, error) { return row(t, "channel.delete"), nil })))
		check(t, discard(s.DeleteRule(ctx(t), org, monitor, rule.ID, func(alerts.Rule) (audit.Row, error) { return row(t, "alert.delete"), nil })))
		for id, want := range map[string]alerts.TargetState{"off": alerts.TargetDisabled, "gone": alerts.TargetGone, "rule": alerts.TargetGone} {
			_, err := s.Replay(ctx(t), org, id, at(2), func(d alerts.Delivery, got alerts.TargetState) (audit.Row, error) {
				same(t, id, got, want)
				same(t, id, d.State, alerts.DeliveryDead)
				return audit.Row{}, errNo
			})
			wantErr(t, err, errNo)
		}
	}},
	{"delivery/a replayed message goes before what waits behind it", func(t testing.TB, s alerts.Store) {
		ch := newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{channelMessage("a", ch.ID, monitor), channelMessage("b", ch.ID, monitor)}})
		dead(t, s, claim(t, s, 1, "a")[0], 1)
		failed(t, s, claim(t, s, 2, "b")[0], 2, 100)
		replay(t, s, "a", 50)
		failed(t, s, claim(t, s, 50, "a")[0], 50, 60)
		delivered(t, s, claim(t, s, 60, "a")[0], 60)
		delivered(t, s, claim(t, s, 60, "b")[0], 60)
	}},
	{"delivery/text that no engine may choke on", func(t testing.TB, s alerts.Store) {
		ch := newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{channelMessage("a", ch.ID, monitor)}})
		check(t, s.Settle(ctx(t), claim(t, s, 1, "a")[0], alerts.Attempt{At: at(1), StatusCode: 500, Error: "x", Response: "a\x00b\xff"},
			alerts.Verdict{State: alerts.DeliveryPending, NextAttemptAt: at(9)}))
		got, _, err := s.Attempts(ctx(t), org, "a")
		check(t, err)
		if len(got) != 1 || !strings.HasPrefix(got[0].Response, "a") {
			t.Errorf("attempts = %+v", got)
		}
		_, _, err = s.Attempts(ctx(t), org, "a\x00\xff")
		wantErr(t, err, alerts.ErrDeliveryNotFound)
	}},
}
