package storetest

import (
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/services/alerts"
)

// operatorChannel is one that asks for notices.
func operatorChannel(t testing.TB, s alerts.Store, organization string, enabled bool) alerts.Channel {
	t.Helper()
	ch := newChannel(t, s, organization)
	return must(s.UpdateChannel(ctx(t), organization, ch.ID, func(c *alerts.Channel) (audit.Row, error) {
		c.Events, c.Enabled = []alerts.Event{alerts.EventOperator}, enabled
		return row(t, "x"), nil
	}))(t)
}

func notice(id uint64, key string, began int) alerts.Notice {
	return alerts.Notice{
		ID: id, Key: key, Kind: alerts.NoticeProberOffline, Subject: "p", Message: "start it", StartedAt: at(began), DueAt: at(began + 2),
	}
}

// begin stores a notice under the next identifier and returns it.
func begin(t testing.TB, s alerts.Store, key string, began int) (n alerts.Notice) {
	t.Helper()
	check(t, s.ChangeNotice(ctx(t), key, at(began), func(st alerts.NoticeState) alerts.NoticeChange {
		n = notice(st.NextID, key, began)
		return alerts.NoticeChange{Notices: []alerts.Notice{n}}
	}))
	return n
}

func save(t testing.TB, s alerts.Store, n alerts.Notice, messages ...alerts.Message) {
	t.Helper()
	check(t, s.ChangeNotice(ctx(t), n.Key, at(1), func(alerts.NoticeState) alerts.NoticeChange {
		return alerts.NoticeChange{Notices: []alerts.Notice{n}, Messages: messages}
	}))
}

// settled is n after its end was told.
func settled(n alerts.Notice, ended int) alerts.Notice {
	n.EndedAt, n.Announced, n.Settled, n.DueAt = at(ended), true, true, time.Time{}
	return n
}

func notices(t testing.TB, s alerts.Store, open *bool, limit int) (keys []string) {
	t.Helper()
	for _, n := range must(s.Notices(ctx(t), alerts.NoticeFilter{Open: open, Limit: limit}))(t) {
		keys = append(keys, n.Key)
	}
	return keys
}

var noticeCases = []Case{
	{"notice/what a change starts from and leaves", func(t testing.TB, s alerts.Store) {
		mine, theirs := operatorChannel(t, s, org, true), operatorChannel(t, s, other, true)
		operatorChannel(t, s, org, false)
		if n := must(s.Notice(ctx(t), "k"))(t); n != nil {
			t.Errorf("a new store has notice %+v", n)
		}
		check(t, s.ChangeNotice(ctx(t), "k", at(1), func(st alerts.NoticeState) alerts.NoticeChange {
			same(t, "current", st.Current, (*alerts.Notice)(nil))
			same(t, "channels of everybody", st.Channels, []alerts.Channel{mine, theirs})
			return alerts.NoticeChange{Notices: []alerts.Notice{notice(st.NextID, "k", 1)}}
		}))
		n := *must(s.Notice(ctx(t), "k"))(t)
		same(t, "stored", n, notice(n.ID, "k", 1))
		n.Message, n.EndedAt, n.Announced, n.DueAt = "again", at(5), true, at(65)
		save(t, s, n)
		same(t, "ended, not settled", *must(s.Notice(ctx(t), "k"))(t), n)
		save(t, s, settled(n, 5))
		same(t, "settled", must(s.Notice(ctx(t), "k"))(t), (*alerts.Notice)(nil))
		same(t, "kept", must(s.Notices(ctx(t), alerts.NoticeFilter{Limit: 9}))(t), []alerts.Notice{settled(n, 5)})
		if next := begin(t, s, "k", 70); next.ID <= n.ID {
			t.Errorf("identifier %d after %d", next.ID, n.ID)
		}
	}},
	{"notice/messages go with it, or neither", func(t testing.TB, s alerts.Store) {
		ch := operatorChannel(t, s, org, true)
		said := func(id, kind, thread string) alerts.Message {
			m := channelMessage(id, ch.ID, 0)
			m.Type, m.Thread = kind, thread
			m.Content.Notice = &alerts.ContentNotice{ID: 1, Key: "k", Summary: "s", StartedAt: alerts.Stamp(at(1))}
			return m
		}
		n := begin(t, s, "k", 1)
		save(t, s, n, said("m1", alerts.TypeNoticeRaised, "notice:1"))
		c := claim(t, s, 1, "m1")[0]
		same(t, "content", c.Content.Notice.Summary, "s")
		same(t, "monitor", c.MonitorID, uint32(0))
		delivered(t, s, c, 2)
		broken := settled(n, 5)
		second := begin(t, s, "other", 1)
		second.Key = "k" // there would be two of a key
		err := s.ChangeNotice(ctx(t), "k", at(6), func(alerts.NoticeState) alerts.NoticeChange {
			second.ID++
			return alerts.NoticeChange{
				Notices: []alerts.Notice{notice(second.ID, "k", 6)}, Messages: []alerts.Message{said("m2", alerts.TypeNoticeCleared, "notice:1")},
			}
		})
		if err == nil {
			t.Error("two notices of a key are open")
		}
		same(t, "messages", states(t, s), map[string]alerts.DeliveryState{"m1": alerts.DeliveryDelivered})
		save(t, s, broken, said("m2", alerts.TypeNoticeCleared, "notice:1"))
		claim(t, s, 7, "m2")
	}},
	{"notice/an end that nobody was told the beginning of tells both", func(t testing.TB, s alerts.Store) {
		a, b := operatorChannel(t, s, org, true), operatorChannel(t, s, org, true)
		said := func(id, kind string, channel uint32) alerts.Message {
			m := channelMessage(id, channel, 0)
			m.Type, m.Thread = kind, "notice:1"
			return m
		}
		n := begin(t, s, "k", 1)
		save(t, s, n, said("a1", alerts.TypeNoticeRaised, a.ID), said("b1", alerts.TypeNoticeRaised, b.ID))
		claims, _, err := s.Claim(ctx(t), at(1), lease, 1)
		check(t, err)
		same(t, "claimed", claims[0].ID, "a1")
		save(t, s, settled(n, 3), said("a2", alerts.TypeNoticeCleared, a.ID), said("b2", alerts.TypeNoticeCleared, b.ID))
		same(t, "states", states(t, s), map[string]alerts.DeliveryState{
			"a1": alerts.DeliveryPending, "a2": alerts.DeliveryPending, // a1 is being sent
			"b1": alerts.DeliverySuperseded, "b2": alerts.DeliveryPending,
		})
		same(t, "supersedes", claim(t, s, 3, "b2")[0].Content.Supersedes, []string{"b1"})
	}},
	{"notice/what is due", func(t testing.TB, s alerts.Store) {
		due := func(seconds, limit int) ([]string, time.Time) {
			keys, next, err := s.DueNotices(ctx(t), at(seconds), limit)
			check(t, err)
			return keys, next
		}
		keys, next := due(0, 9)
		same(t, "due in a new store", keys, []string(nil))
		same(t, "next in a new store", next, time.Time{})
		begin(t, s, "late", 10)
		b := begin(t, s, "soon", 4)
		_, next = due(5, 9)
		same(t, "next", next, at(6))
		keys, _ = due(6, 9)
		same(t, "due", keys, []string{"soon"})
		keys, _ = due(60, 9)
		same(t, "all due, the longest first", keys, []string{"soon", "late"})
		keys, _ = due(60, 1)
		same(t, "as many as asked for", keys, []string{"soon"})
		save(t, s, settled(b, 7))
		keys, _ = due(60, 9)
		same(t, "due after one was settled", keys, []string{"late"})
	}},
	{"notice/list and count", func(t testing.TB, s alerts.Store) {
		yes, no := true, false
		begin(t, s, "second", 2)
		first := begin(t, s, "first", 1) // reported later
		begin(t, s, "third", 3)
		save(t, s, settled(first, 9))
		same(t, "all", notices(t, s, nil, 9), []string{"third", "second", "first"})
		same(t, "open", notices(t, s, &yes, 9), []string{"third", "second"})
		same(t, "ended", notices(t, s, &no, 9), []string{"first"})
		same(t, "limit", notices(t, s, nil, 1), []string{"third"})
		same(t, "how many last", must(s.OpenNotices(ctx(t)))(t), 2)
	}},
	{"notice/pruning takes what was settled long ago", func(t testing.TB, s alerts.Store) {
		save(t, s, settled(begin(t, s, "old", 1), 2))
		save(t, s, settled(begin(t, s, "older", 1), 1))
		save(t, s, settled(begin(t, s, "new", 1), 50))
		ended := begin(t, s, "untold", 1)
		ended.EndedAt = at(2)
		save(t, s, ended)
		begin(t, s, "lasts", 0)
		same(t, "pruned", must(s.PruneNotices(ctx(t), at(10), 1))(t), 1)
		same(t, "pruned", must(s.PruneNotices(ctx(t), at(10), 9))(t), 1)
		same(t, "left", len(notices(t, s, nil, 9)), 3)
		same(t, "ended left", must(s.PruneNotices(ctx(t), at(10), 9))(t), 0)
	}},
	{"outbox/backlog", func(t testing.TB, s alerts.Store) {
		backlog := func() alerts.Backlog { return must(s.Backlog(ctx(t)))(t) }
		same(t, "of a new store", backlog(), alerts.Backlog{})
		ch := newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{channelMessage("a", ch.ID, monitor)}})
		put(t, s, at(2), alerts.Batch{Messages: []alerts.Message{channelMessage("b", ch.ID, monitor)}})
		same(t, "two wait", backlog(), alerts.Backlog{Messages: 2, Oldest: at(1), Due: at(1)})
		c := claim(t, s, 3, "a")[0]
		same(t, "while one is being sent", backlog(), alerts.Backlog{Messages: 2, Oldest: at(1), Due: at(3).Add(lease)})
		failed(t, s, c, 4, 30)
		same(t, "after a failure", backlog(), alerts.Backlog{Messages: 2, Oldest: at(1), Due: at(30)})
		delivered(t, s, claim(t, s, 30, "a")[0], 31)
		same(t, "one is left", backlog(), alerts.Backlog{Messages: 1, Oldest: at(2), Due: at(2)})
		delivered(t, s, claim(t, s, 32, "b")[0], 33)
		same(t, "in the end", backlog(), alerts.Backlog{})
	}},
}
