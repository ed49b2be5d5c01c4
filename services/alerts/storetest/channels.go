package storetest

import (
	"testing"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/services/alerts"
)

var channelCases = []Case{
	{"channel/round trip", func(t testing.TB, s alerts.Store) {
		a, b := newChannel(t, s, org), newChannel(t, s, org)
		newChannel(t, s, other)
		same(t, "channels", must(s.Channels(ctx(t), org))(t), []alerts.Channel{a, b})
		changed := must(s.UpdateChannel(ctx(t), org, a.ID, func(c *alerts.Channel) (audit.Row, error) {
			c.MonitorIDs, c.Name, c.Events = []uint32{3, 4}, "night", []alerts.Event{alerts.EventDegraded}
			c.UpdatedAt = at(9)
			return row(t, "channel.update"), nil
		}))(t)
		same(t, "channel", must(s.Channel(ctx(t), org, a.ID))(t), changed)
		same(t, "monitors", changed.MonitorIDs, []uint32{3, 4})
		check(t, discard(s.DeleteChannel(ctx(t), org, b.ID, func(alerts.Channel) (audit.Row, error) { return row(t, "channel.delete"), nil })))
		same(t, "channels", must(s.Channels(ctx(t), org))(t), []alerts.Channel{changed})
		same(t, "audit", actions(t, s)[:2], []string{"channel.delete", "channel.update"})
		if again := newChannel(t, s, org); again.ID <= b.ID {
			t.Errorf("id %d was given after %d", again.ID, b.ID)
		}
	}},
	{"channel/all monitors is not the same as some", func(t testing.TB, s alerts.Store) {
		c := newChannel(t, s, org)
		if got := must(s.Channel(ctx(t), org, c.ID))(t); got.MonitorIDs != nil {
			t.Errorf("monitors = %v, want nil", got.MonitorIDs)
		}
	}},
	{"channel/another organization's is not there", func(t testing.TB, s alerts.Store) {
		c := newChannel(t, s, org)
		_, err := s.Channel(ctx(t), other, c.ID)
		wantErr(t, err, alerts.ErrChannelNotFound)
		_, err = s.UpdateChannel(ctx(t), other, c.ID, func(*alerts.Channel) (audit.Row, error) { return row(t, "x"), nil })
		wantErr(t, err, alerts.ErrChannelNotFound)
		_, err = s.DeleteChannel(ctx(t), other, c.ID, func(alerts.Channel) (audit.Row, error) { return row(t, "x"), nil })
		wantErr(t, err, alerts.ErrChannelNotFound)
		_, err = s.UpdateChannel(ctx(t), org, c.ID, func(c *alerts.Channel) (audit.Row, error) {
			c.Name = "no"
			return audit.Row{}, errStop
		})
		wantErr(t, err, errStop)
		same(t, "channel", must(s.Channel(ctx(t), org, c.ID))(t), c)
	}},
	{"channel/at most so many", func(t testing.TB, s alerts.Store) {
		for range alerts.MaxChannels {
			newChannel(t, s, org)
		}
		_, err := s.CreateChannel(ctx(t), alerts.Channel{OrganizationID: org}, func(*alerts.Channel) (audit.Row, error) { return row(t, "x"), nil })
		wantErr(t, err, alerts.ErrTooManyChannels)
		newChannel(t, s, other)
	}},
	{"channel/going away drops what waits", func(t testing.TB, s alerts.Store) {
		a, b := newChannel(t, s, org), newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{
			channelMessage("a1", a.ID, monitor), channelMessage("a2", a.ID, monitor), channelMessage("b1", b.ID, monitor),
		}})
		claims, _, err := s.Claim(ctx(t), at(1), lease, 1)
		check(t, err)
		dropped := must(s.DeleteChannel(ctx(t), org, a.ID, func(alerts.Channel) (audit.Row, error) { return row(t, "x"), nil }))(t)
		same(t, "dropped", dropped, 2)
		wantErr(t, s.Settle(ctx(t), claims[0], alerts.Attempt{At: at(1)}, alerts.Verdict{State: alerts.DeliveryDelivered}), alerts.ErrLeaseLost)
		must(s.UpdateChannel(ctx(t), org, b.ID, func(c *alerts.Channel) (audit.Row, error) {
			c.Enabled = false
			return row(t, "x"), nil
		}))(t)
		same(t, "states", states(t, s), map[string]alerts.DeliveryState{
			"a1": alerts.DeliveryDead, "a2": alerts.DeliveryDead, "b1": alerts.DeliveryDead,
		})
	}},
}
