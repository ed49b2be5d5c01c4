package alerts_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/alerts"
)

const canaried = `{"type": "webhook", "name": "ops", "config": {"url": "https://example.com/"}, "trigger_events": ["TRIGGER_EVENT_DOWN"],
	"canary_interval_hours": 1}`

// operatorChannel makes a channel for notices.
func operatorChannel(w *world) uint32 {
	return w.createChannel(`{"type": "webhook", "name": "operators", "config": {"url": "https://example.com/o"},
		"trigger_events": ["TRIGGER_EVENT_OPERATOR"]}`).GetId()
}

func (w *world) channel(id uint32) *alertsv1.Channel {
	w.t.Helper()
	list, err := w.channels.ListChannels(admin(w.t), &alertsv1.ListChannelsRequest{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range list.GetChannels() {
		if c.GetId() == id {
			return c
		}
	}
	w.t.Fatalf("there is no channel %d", id)
	return nil
}

// openCanaries are the open notices about channels.
func (w *world) openCanaries() (keys []string) {
	w.t.Helper()
	open := true
	list, err := w.store.Notices(w.t.Context(), alerts.NoticeFilter{Open: &open, Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, n := range list {
		if n.Kind == alerts.NoticeChannelFailing {
			keys = append(keys, n.Key)
		}
	}
	return keys
}

// A channel is tried by its schedule; when it takes nothing there is one notice, and the next success ends it.
func TestCanary(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w, d := newWorld(t), newDoors()
		c, ops := w.createChannel(canaried).GetId(), operatorChannel(w)
		w.send = d.take
		w.service.SendThrough(d.take)
		if got := w.channel(c); got.GetCanaryIntervalHours() != 1 || got.LastCanaryAt != nil || got.LastCanaryOk != nil || got.LastCanaryError != nil {
			t.Errorf("a new channel = %v", got)
		}
		// Sooner than may be asked for, so that less time has to pass.
		_, err := w.store.UpdateChannel(t.Context(), orgA, c, func(c *alerts.Channel) (audit.Row, error) {
			c.CanaryEvery = 10 * time.Minute
			return audit.New(t.Context(), "channel.update", "channel", "1"), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		w.run()
		pass(time.Minute)
		d.want(t, c, alerts.TypeTest)
		if m := d.taken[c][0]; !m.Content.Scheduled || !m.Content.Test || m.OrganizationID != orgA {
			t.Errorf("canary = %+v", m)
		}
		if got := w.channel(c); !got.GetLastCanaryOk() || got.GetLastCanaryAt().AsTime().Before(time.Now().Add(-2*time.Minute)) || got.LastCanaryError != nil {
			t.Errorf("after a canary: %v", got)
		}
		d.set(c, shut)
		w.restart()
		pass(5 * time.Minute)
		if keys := w.openCanaries(); len(keys) != 0 {
			t.Errorf("notices = %v", keys)
		}
		pass(7 * time.Minute)
		if got := w.channel(c); got.GetLastCanaryOk() || got.LastCanaryOk == nil || got.GetLastCanaryError() != broken500.Error {
			t.Errorf("after a failure: %v", got)
		}
		if keys := w.openCanaries(); fmt.Sprint(keys) != fmt.Sprintf("[channel/%d/canary]", c) {
			t.Errorf("notices = %v", keys)
		}
		d.want(t, ops, alerts.TypeNoticeRaised)
		w.restart()
		pass(2 * time.Minute)
		d.want(t, ops, alerts.TypeNoticeRaised)
		n := d.taken[ops][0].Content.Notice
		if n.Kind != alerts.NoticeChannelFailing || n.Subject != fmt.Sprint(c) || strings.Contains(n.Message, "500") || strings.Contains(n.Message, "ops") {
			t.Errorf("notice = %+v", n)
		}
		d.set(c, accepts)
		pass(13 * time.Minute)
		d.want(t, ops, alerts.TypeNoticeRaised, alerts.TypeNoticeCleared)
		d.want(t, c, alerts.TypeTest, alerts.TypeTest)
		if got := w.channel(c); !got.GetLastCanaryOk() || got.LastCanaryError != nil {
			t.Errorf("after a success: %v", got)
		}
		list, err := w.alerts.ListDeliveries(editor(t), &alertsv1.ListDeliveriesRequest{})
		if err != nil || len(list.GetDeliveries()) != 2 {
			t.Errorf("deliveries = %v, %v, want the notice and its end", list, err)
		}
		w.stop()
	})
}

// A hiccup is no failure: the second or third attempt counts as well, and is the same message.
func TestCanaryHiccup(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w, d := newWorld(t), newDoors()
		c := w.createChannel(canaried).GetId()
		d.set(c, func(n int) alerts.Result {
			if n < 3 {
				return broken500
			}
			return ok
		})
		w.service.SendThrough(d.take)
		w.run()
		pass(3 * time.Minute)
		d.want(t, c, alerts.TypeTest)
		if got := w.channel(c); !got.GetLastCanaryOk() || len(w.openCanaries()) != 0 || d.calls != 3 {
			t.Errorf("channel = %v after %d attempts", got, d.calls)
		}
		w.stop()
	})
}

// The notice of a channel that is deleted, switched off, or no longer tried ends.
func TestCanaryNoticeEndsWithTheChannel(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w, d := newWorld(t), newDoors()
		var ids []uint32
		for range 4 {
			id := w.createChannel(canaried).GetId()
			ids = append(ids, id)
			d.set(id, refuse)
		}
		w.service.SendThrough(d.take)
		w.run()
		pass(2 * time.Minute)
		if keys := w.openCanaries(); len(keys) != 4 || d.calls != 4 {
			t.Errorf("notices = %v after %d attempts", keys, d.calls)
		}
		if _, err := w.channels.DeleteChannel(admin(t), &alertsv1.DeleteChannelRequest{Id: ids[0]}); err != nil {
			t.Fatal(err)
		}
		for id, path := range map[uint32]string{ids[1]: "enabled", ids[2]: "canary_interval_hours"} {
			_, err := w.channels.UpdateChannel(admin(t), &alertsv1.UpdateChannelRequest{
				Id: id, Channel: channelBody(t, map[string]string{"enabled": `{"enabled": false}`, "canary_interval_hours": `{}`}[path]),
				UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{path}},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		pass(time.Minute)
		if keys := w.openCanaries(); fmt.Sprint(keys) != fmt.Sprintf("[channel/%d/canary]", ids[3]) {
			t.Errorf("notices = %v", keys)
		}
		w.stop()
	})
}

// Three replicas that all look send one canary and raise one notice.
func TestCanaryReplicas(t *testing.T) {
	dsn := postgrestest.DSN(t)
	bubbletest.Test(t, func(t *testing.T) {
		a, b := replicas(t, dsn, nil)
		all, d := []*world{a, b, a.beside()}, newDoors()
		c, bad, ops := a.createChannel(canaried).GetId(), a.createChannel(canaried).GetId(), operatorChannel(a)
		d.set(bad, refuse)
		for _, r := range all {
			r.service.SendThrough(d.take)
			r.run()
		}
		pass(10 * time.Minute)
		for _, r := range all {
			r.stop()
		}
		d.want(t, c, alerts.TypeTest)
		d.want(t, ops, alerts.TypeNoticeRaised)
	})
}

// The interval is what was asked for, or none, and is refused outside of its limits; outcomes cannot be written.
func TestCanaryOfAChannel(t *testing.T) {
	w := newWorld(t)
	c := w.createChannel(strings.Replace(canaried, `"canary`, `"last_canary_ok": true, "last_canary_error": "x", "canary`, 1))
	if c.GetCanaryIntervalHours() != 1 || c.LastCanaryOk != nil || c.LastCanaryError != nil {
		t.Errorf("channel = %v", c)
	}
	update := func(text string) (*alertsv1.Channel, error) {
		return w.channels.UpdateChannel(admin(t), &alertsv1.UpdateChannelRequest{
			Id: c.GetId(), Channel: channelBody(t, text), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"canary_interval_hours"}},
		})
	}
	for _, n := range []int{-1, 0, 721} {
		if _, err := update(fmt.Sprintf(`{"canary_interval_hours": %d}`, n)); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%d: %v", n, err)
		}
	}
	if got, err := update(`{}`); err != nil || got.CanaryIntervalHours != nil {
		t.Errorf("channel = %v, %v", got, err)
	}
}
