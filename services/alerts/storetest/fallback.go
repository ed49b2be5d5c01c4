package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/services/alerts"
)

// change changes a channel.
func change(t testing.TB, s alerts.Store, id uint32, with func(*alerts.Channel)) (alerts.Channel, error) {
	t.Helper()
	return s.UpdateChannel(ctx(t), org, id, func(c *alerts.Channel) (audit.Row, error) {
		with(c)
		return row(t, "channel.update"), nil
	})
}

// behind is a channel that falls back to another, after so many seconds.
func behind(t testing.TB, s alerts.Store, fallback uint32, seconds int) alerts.Channel {
	t.Helper()
	c := newChannel(t, s, org)
	return must(change(t, s, c.ID, func(c *alerts.Channel) {
		c.FallbackID, c.FallbackAfter = fallback, time.Duration(seconds)*time.Second
	}))(t)
}

// fallBack wants just these messages to be copied, and returns the copies.
func fallBack(t testing.TB, s alerts.Store, seconds int, want ...string) []alerts.Delivery {
	t.Helper()
	before := deliveries(t, s)
	n := must(s.FallBack(ctx(t), at(seconds), 100))(t)
	var copies []alerts.Delivery
	var of []string
	after := deliveries(t, s)
	for id, d := range after {
		if _, known := before[id]; !known {
			copies = append(copies, d)
		}
	}
	slices.SortFunc(copies, func(a, b alerts.Delivery) int { return int(a.Position) - int(b.Position) })
	for _, d := range copies {
		of = append(of, d.FallbackOf)
		if o := after[d.FallbackOf]; o.FallbackID != d.ID {
			t.Errorf("%s is a copy of %s, whose copy is %q", d.ID, d.FallbackOf, o.FallbackID)
		}
	}
	same(t, "copied", of, want)
	same(t, "said to be copied", n, len(want))
	if t.Failed() {
		t.FailNow()
	}
	return copies
}

var fallbackCases = []Case{
	{"fallback/what is not delivered in time goes there once, and is tried on", func(t testing.TB, s alerts.Store) {
		there := newChannel(t, s, org)
		ch := behind(t, s, there.ID, 300)
		same(t, "channel", must(s.Channel(ctx(t), org, ch.ID))(t), ch)
		m := channelMessage("a", ch.ID, monitor)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{m, channelMessage("other", newChannel(t, s, org).ID, monitor)}})
		claims := claim(t, s, 1, "a", "other")
		failed(t, s, claims[0], 1, 400)
		delivered(t, s, claims[1], 1)
		fallBack(t, s, 300)
		got := fallBack(t, s, 301, "a")[0]
		want := m
		want.ID, want.Target.ID, want.Thread = got.ID, there.ID, got.Thread
		want.Content.InsteadOf = []alerts.ContentChannel{{ID: ch.ID, Name: ch.Name, MessageID: "a"}}
		same(t, "copy", got.Message, want)
		same(t, "due", got.NextAttemptAt, at(301))
		if got.ID == "a" || got.Thread == m.Thread {
			t.Errorf("the copy is called %s and belongs to %s", got.ID, got.Thread)
		}
		fallBack(t, s, 5000)
		delivered(t, s, claim(t, s, 400, got.ID, "a")[1], 401)
		same(t, "the original", deliveries(t, s)["a"].State, alerts.DeliveryDelivered)
		fallBack(t, s, 5000)
	}},
	{"fallback/what was given up goes there at once", func(t testing.TB, s alerts.Store) {
		ch := behind(t, s, newChannel(t, s, org).ID, 300)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{channelMessage("a", ch.ID, monitor)}})
		dead(t, s, claim(t, s, 1, "a")[0], 2)
		fallBack(t, s, 2, "a")
		fallBack(t, s, 5000)
		replay(t, s, "a", 6000)
		dead(t, s, claim(t, s, 6000, deliveries(t, s)["a"].FallbackID, "a")[1], 6001)
		fallBack(t, s, 9000)
	}},
	{"fallback/what arrives in time, or has nowhere to go, does not", func(t testing.TB, s alerts.Store) {
		there := newChannel(t, s, org)
		ch, none := behind(t, s, there.ID, 300), newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{
			channelMessage("ok", ch.ID, monitor), channelMessage("lost", ch.ID, monitor+1), channelMessage("none", none.ID, monitor),
		}})
		claims := claim(t, s, 1, "ok", "none")
		delivered(t, s, claims[0], 2)
		dead(t, s, claims[1], 2)
		must(change(t, s, there.ID, func(c *alerts.Channel) { c.Enabled = false }))(t)
		dead(t, s, claim(t, s, 3, "lost")[0], 3)
		fallBack(t, s, 4)
		// One that is named, or enabled, later is not told what was lost before.
		must(change(t, s, there.ID, func(c *alerts.Channel) { c.Enabled = true }))(t)
		must(change(t, s, none.ID, func(c *alerts.Channel) { c.FallbackID = there.ID }))(t)
		fallBack(t, s, 5000)
		// Nor what was dropped with its channel.
		put(t, s, at(5000), alerts.Batch{Messages: []alerts.Message{channelMessage("dropped", ch.ID, monitor)}})
		must(change(t, s, ch.ID, func(c *alerts.Channel) { c.Enabled = false }))(t)
		must(change(t, s, ch.ID, func(c *alerts.Channel) { c.Enabled = true }))(t)
		fallBack(t, s, 9000)
	}},
	{"fallback/the end follows the beginning, whatever became of it", func(t testing.TB, s alerts.Store) {
		ch := behind(t, s, newChannel(t, s, org).ID, 300)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{story("down", alerts.TypeDown, "incident:1", ch.ID)}})
		failed(t, s, claim(t, s, 1, "down")[0], 1, 400)
		fallBack(t, s, 301, "down")
		copied := deliveries(t, s)["down"].FallbackID
		delivered(t, s, claim(t, s, 400, copied, "down")[1], 400)
		put(t, s, at(410), alerts.Batch{Messages: []alerts.Message{story("up", alerts.TypeRecovered, "incident:1", ch.ID)}})
		delivered(t, s, claim(t, s, 410, "up")[0], 410)
		up := fallBack(t, s, 411, "up")[0]
		same(t, "thread", up.Thread, deliveries(t, s)[copied].Thread)
		fallBack(t, s, 9000)
	}},
	{"fallback/the end that waited already when the beginning went", func(t testing.TB, s alerts.Store) {
		ch := behind(t, s, newChannel(t, s, org).ID, 300)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{
			story("down", alerts.TypeDown, "incident:1", ch.ID), story("up", alerts.TypeRecovered, "incident:1", ch.ID),
			story("down 2", alerts.TypeDown, "incident:2", ch.ID),
		}})
		dead(t, s, claim(t, s, 1, "down")[0], 1)
		fallBack(t, s, 1, "down")
		fallBack(t, s, 1, "up")
		fallBack(t, s, 300)
		fallBack(t, s, 301, "down 2")
	}},
	{"fallback/a beginning that was superseded takes nothing along", func(t testing.TB, s alerts.Store) {
		ch := behind(t, s, newChannel(t, s, org).ID, 300)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{story("down", alerts.TypeDown, "incident:1", ch.ID)}})
		failed(t, s, claim(t, s, 1, "down")[0], 1, 400)
		put(t, s, at(100), alerts.Batch{Messages: []alerts.Message{story("up", alerts.TypeRecovered, "incident:1", ch.ID)}})
		fallBack(t, s, 399)
		got := fallBack(t, s, 400, "up")[0]
		same(t, "supersedes", got.Content.Supersedes, []string{"down"})
	}},
	{"fallback/a monitor that is no longer degraded", func(t testing.TB, s alerts.Store) {
		ch := behind(t, s, newChannel(t, s, org).ID, 300)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{story("degraded", alerts.TypeDegraded, "state:1", ch.ID)}})
		dead(t, s, claim(t, s, 1, "degraded")[0], 1)
		fallBack(t, s, 1, "degraded")
		fine := story("fine", alerts.TypeRecovered, "state:2", ch.ID)
		fine.IncidentID = 0
		again := fine
		again.ID, again.Thread = "again", "state:3"
		put(t, s, at(2), alerts.Batch{Messages: []alerts.Message{fine}})
		fallBack(t, s, 2, "fine")
		put(t, s, at(3), alerts.Batch{Messages: []alerts.Message{story("degraded 2", alerts.TypeDegraded, "state:3", ch.ID), again}})
		fallBack(t, s, 3)
	}},
	{"fallback/a monitor that is no longer degraded, but down", func(t testing.TB, s alerts.Store) {
		there := newChannel(t, s, org)
		for i, together := range []bool{false, true} { // whether all is written before the beginning goes there
			ch := behind(t, s, there.ID, 300)
			name := func(what string) string { return fmt.Sprint(what, " ", i) }
			degraded := story(name("degraded"), alerts.TypeDegraded, "state:1", ch.ID)
			over := story(name("over"), alerts.TypeRecovered, "state:2", ch.ID)
			over.IncidentID = 0
			ends := []alerts.Message{story(name("down"), alerts.TypeDown, "incident:1", ch.ID), over}
			if together {
				put(t, s, at(1), alerts.Batch{Messages: append([]alerts.Message{degraded}, ends...)})
				ends = nil
			} else {
				put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{degraded}})
			}
			claims, _, err := s.Claim(ctx(t), at(1), lease, 16)
			check(t, err)
			for _, c := range claims {
				if c.ID == degraded.ID {
					dead(t, s, c, 1)
				}
			}
			fallBack(t, s, 1, degraded.ID)
			put(t, s, at(2), alerts.Batch{Messages: ends})
			fallBack(t, s, 2, over.ID) // the outage has its own time
		}
	}},
	{"fallback/digests stay, and what they tell goes by itself", func(t testing.TB, s alerts.Store) {
		there := paced(t, s, 30*time.Second, 0)
		ch := behind(t, s, there.ID, 60)
		must(change(t, s, ch.ID, func(c *alerts.Channel) { c.DigestWindow = 30 * time.Second }))(t)
		put(t, s, at(1), alerts.Batch{Messages: numbered("m", ch.ID, 5)})
		c, told := digest(t, s, 1)
		failed(t, s, c, 1, 100)
		fallBack(t, s, 60)
		var copies []string
		for _, d := range fallBack(t, s, 61, told...) {
			copies = append(copies, d.ID)
		}
		there2, again := digest(t, s, 61)
		same(t, "told there", again, copies)
		delivered(t, s, there2, 61)
		c, _ = digest(t, s, 100)
		dead(t, s, c, 100)
		fallBack(t, s, 5000)
		put(t, s, at(6000), alerts.Batch{Messages: numbered("n", ch.ID, 4)})
		c, told = digest(t, s, 6000)
		dead(t, s, c, 6000)
		fallBack(t, s, 6000, told...)
	}},
	{"fallback/waiting for one's turn is not being left undelivered", func(t testing.TB, s alerts.Store) {
		ch := behind(t, s, newChannel(t, s, org).ID, 60)
		must(change(t, s, ch.ID, func(c *alerts.Channel) { c.PerMinute = 1 }))(t)
		put(t, s, at(1), alerts.Batch{Messages: numbered("m", ch.ID, 4)})
		for i, id := range names("m", 0, 3) {
			fallBack(t, s, 1+61*i)
			delivered(t, s, claim(t, s, 1+61*i, id)[0], 2+61*i)
		}
		fallBack(t, s, 2+61*2+60+59)
		fallBack(t, s, 2+61*2+60+60, "m003") // the receiver has gone quiet
	}},
	{"fallback/the end of a window is waited for", func(t testing.TB, s alerts.Store) {
		ch := behind(t, s, newChannel(t, s, org).ID, 60)
		must(change(t, s, ch.ID, func(c *alerts.Channel) { c.DigestWindow = time.Hour }))(t)
		put(t, s, at(1), alerts.Batch{Messages: numbered("m", ch.ID, 4)})
		c, _ := digest(t, s, 1)
		delivered(t, s, c, 1)
		put(t, s, at(2), alerts.Batch{Messages: []alerts.Message{channelMessage("late", ch.ID, 9)}})
		claim(t, s, 2)
		fallBack(t, s, 3600)
		fallBack(t, s, 3661, "late")
	}},
	{"fallback/what waits behind one that went there follows in its time", func(t testing.TB, s alerts.Store) {
		ch := behind(t, s, newChannel(t, s, org).ID, 300)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{channelMessage("a", ch.ID, monitor)}})
		failed(t, s, claim(t, s, 1, "a")[0], 1, 4000)
		put(t, s, at(100), alerts.Batch{Messages: []alerts.Message{channelMessage("b", ch.ID, monitor), channelMessage("other", ch.ID, monitor+1)}})
		failed(t, s, claim(t, s, 100, "a")[0], 100, 4000)
		delivered(t, s, claim(t, s, 399, "other")[0], 399) // the receiver takes what is about another monitor
		fallBack(t, s, 399, "a")
		fallBack(t, s, 399)
		fallBack(t, s, 400, "b")
	}},
	{"fallback/the fallback of a fallback", func(t testing.TB, s alerts.Store) {
		last := newChannel(t, s, org)
		middle := behind(t, s, last.ID, 60)
		ch := behind(t, s, middle.ID, 60)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{channelMessage("a", ch.ID, monitor)}})
		failed(t, s, claim(t, s, 1, "a")[0], 1, 4000)
		first := fallBack(t, s, 61, "a")[0]
		second := fallBack(t, s, 121, first.ID)[0]
		same(t, "target", second.Target.ID, last.ID)
		same(t, "instead of", second.Content.InsteadOf, []alerts.ContentChannel{
			{ID: ch.ID, Name: ch.Name, MessageID: "a"}, {ID: middle.ID, Name: middle.Name, MessageID: first.ID},
		})
		fallBack(t, s, 9000)
	}},
	{"fallback/no more at once than asked for, the oldest first", func(t testing.TB, s alerts.Store) {
		ch := behind(t, s, newChannel(t, s, org).ID, 60)
		put(t, s, at(1), alerts.Batch{Messages: numbered("m", ch.ID, 5)})
		for _, want := range []int{2, 2, 1, 0} {
			same(t, "copied", must(s.FallBack(ctx(t), at(100), 2))(t), want)
		}
		all := deliveries(t, s)
		for i, id := range names("m", 1, 5) {
			if all[all[id].FallbackID].Position < all[all[names("m", i, i+1)[0]].FallbackID].Position {
				t.Errorf("%s went before the one before it", id)
			}
		}
	}},
	{"fallback/which channel may be one", func(t testing.TB, s alerts.Store) {
		a, foreign := newChannel(t, s, org), newChannel(t, s, other)
		b := behind(t, s, a.ID, 60)
		c := behind(t, s, b.ID, 60)
		for id, rule := range map[uint32]string{
			a.ID: "is the channel itself", b.ID: "must not lead around", c.ID: "must not lead around",
			foreign.ID: "is not a channel of this organization", 9999: "is not a channel of this organization",
		} {
			_, err := change(t, s, a.ID, func(c *alerts.Channel) { c.FallbackID = id })
			var f *fault.Error
			if !errors.As(err, &f) || f.Kind != fault.KindInvalid || len(f.Fields) != 1 || f.Fields[0].Name != "fallback_channel_id" ||
				!strings.HasPrefix(f.Fields[0].Message, fmt.Sprint(id, " ")) || !strings.Contains(f.Fields[0].Message, rule) {
				t.Errorf("fallback %d: %v, want %q", id, err, rule)
			}
		}
		_, err := s.CreateChannel(ctx(t), alerts.Channel{OrganizationID: org, FallbackID: foreign.ID}, func(c *alerts.Channel) (audit.Row, error) {
			c.Config = alerts.Config{Public: []byte("{}"), Sealed: []byte{1}}
			return row(t, "channel.create"), nil
		})
		if !fault.Is(err, fault.KindInvalid) {
			t.Errorf("create: %v", err)
		}
		same(t, "channels", must(s.Channels(ctx(t), org))(t), []alerts.Channel{a, b, c})
		remove := func(id uint32) error {
			return discard(s.DeleteChannel(ctx(t), org, id, func(alerts.Channel) (audit.Row, error) { return row(t, "channel.delete"), nil }))
		}
		if err := remove(b.ID); !fault.Is(err, fault.KindConflict) || !strings.Contains(err.Error(), "(ops)") {
			t.Errorf("delete: %v", err)
		}
		check(t, remove(c.ID))
		check(t, remove(b.ID))
		check(t, remove(a.ID))
	}},
}

// fallbackOverlap is what two replicas that look at the same time make.
var fallbackOverlap = ReplicaCase{"replicas/one copy, however many look at once", func(t testing.TB, replicas []alerts.Store) {
	s := replicas[0]
	ch := behind(t, s, newChannel(t, s, org).ID, 60)
	put(t, s, at(1), alerts.Batch{Messages: numbered("m", ch.ID, 40)})
	copied := make(chan int, 1000)
	both(t, replicas, 15, func(s alerts.Store, i int) error {
		if _, _, err := s.Claim(ctx(t), at(1), lease, 4); err != nil {
			return err
		}
		n, err := s.FallBack(ctx(t), at(100), 3)
		copied <- n
		return err
	})
	close(copied)
	total := 0
	for n := range copied {
		total += n
	}
	same(t, "copied", total, 40)
	same(t, "messages", len(deliveries(t, s)), 80)
}}
