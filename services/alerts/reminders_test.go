package alerts_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/alerts"
)

const reminding = `{"type": "webhook", "name": "ops", "config": {"url": "https://example.com/"}, "reminder_interval_seconds": 300}`

// down lets monitor 7 go down and wants the channel to be told.
func down(t *testing.T, w *world, d *doors, channel uint32) {
	t.Helper()
	pass(10 * time.Second)
	w.events.add(goes(7, 1, stateUp, stateDown))
	pass(30 * time.Second)
	d.want(t, channel, alerts.TypeDown)
}

// While a monitor is down, each interval a channel is told so again, with for how long; a restart repeats nothing, and the
// recovery ends it.
func TestReminders(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w, d := newWorld(t), newDoors()
		w.know(7)
		c := w.createChannel(reminding).GetId()
		quiet := w.createChannel(`{"type": "webhook", "name": "quiet", "config": {"url": "https://example.com/q"}}`).GetId()
		w.send = d.take
		w.service.SendThrough(d.take)
		w.run()
		down(t, w, d, c)
		pass(4 * time.Minute)
		d.want(t, c, alerts.TypeDown)
		pass(2 * time.Minute)
		d.want(t, c, alerts.TypeDown, alerts.TypeReminder)
		w.restart()
		pass(150 * time.Second)
		d.want(t, c, alerts.TypeDown, alerts.TypeReminder)
		w.restart()
		pass(8 * time.Minute)
		d.want(t, c, alerts.TypeDown, alerts.TypeReminder, alerts.TypeReminder, alerts.TypeReminder)
		w.events.add(goes(7, 99, stateDown, stateUp))
		pass(time.Minute)
		d.want(t, c, alerts.TypeDown, alerts.TypeReminder, alerts.TypeReminder, alerts.TypeReminder, alerts.TypeRecovered)
		d.want(t, quiet, alerts.TypeDown, alerts.TypeRecovered)
		for i, at := range d.at[c][1:4] {
			if pause := at.Sub(d.at[c][i]); pause < 5*time.Minute || pause > 5*time.Minute+12*time.Second {
				t.Errorf("reminder %d came %s after the message before it", i+1, pause)
			}
			if m := d.taken[c][i+1]; m.IncidentID != d.taken[c][0].IncidentID || m.Content.Incident == nil || m.ID == d.taken[c][i].ID {
				t.Errorf("reminder = %+v", m)
			}
		}
		w.stop()
	})
}

// Whoever has taken the incident is not reminded, nor does what waits come.
func TestRemindersEndWithAcknowledgement(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w, d := newWorld(t), newDoors()
		w.know(7)
		c := w.createChannel(reminding).GetId()
		w.service.SendThrough(d.take)
		w.run()
		down(t, w, d, c)
		d.set(c, shut)
		pass(6 * time.Minute) // a reminder waits
		if n := w.count(7, alerts.DeliveryPending); n != 1 {
			t.Errorf("%d messages wait, want a reminder", n)
		}
		list, err := w.incidents.ListIncidents(editor(t), &alertsv1.ListIncidentsRequest{})
		if err != nil || len(list.GetIncidents()) != 1 {
			t.Fatalf("incidents = %v, %v", list, err)
		}
		_, err = w.incidents.AcknowledgeIncident(editor(t), &alertsv1.AcknowledgeIncidentRequest{Id: list.GetIncidents()[0].GetId()})
		if err != nil {
			t.Fatal(err)
		}
		d.set(c, accepts)
		pass(15 * time.Minute)
		d.want(t, c, alerts.TypeDown)
		w.events.add(goes(7, 99, stateDown, stateUp))
		pass(time.Minute)
		d.want(t, c, alerts.TypeDown, alerts.TypeRecovered)
		w.stop()
	})
}

// A recovery that comes before a reminder could be delivered is what is told.
func TestRemindersGiveWayToRecovery(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w, d := newWorld(t), newDoors()
		w.know(7)
		c := w.createChannel(reminding).GetId()
		w.service.SendThrough(d.take)
		w.run()
		down(t, w, d, c)
		d.set(c, shut)
		pass(6 * time.Minute)
		w.events.add(goes(7, 99, stateDown, stateUp))
		pass(time.Minute)
		d.set(c, accepts)
		pass(10 * time.Minute)
		d.want(t, c, alerts.TypeDown, alerts.TypeRecovered)
		if n := w.count(7, alerts.DeliverySuperseded); n != 1 {
			t.Errorf("%d messages are superseded, want the reminder", n)
		}
		w.stop()
	})
}

// Nobody is reminded of what is in maintenance, or of what nobody can see just now; a paused monitor is no outage.
func TestNoRemindersWhileNobodyKnows(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w, d := newWorld(t), newDoors()
		w.know(7)
		c := w.createChannel(reminding).GetId()
		w.service.SendThrough(d.take)
		w.run()
		down(t, w, d, c)
		w.events.add(goes(7, 2, stateDown, stateUnknown))
		pass(8 * time.Minute)
		d.want(t, c, alerts.TypeDown)
		w.events.add(goes(7, 3, stateUnknown, stateDown))
		pass(30 * time.Second)
		d.want(t, c, alerts.TypeDown, alerts.TypeReminder)
		w.events.add(goes(7, 4, stateDown, statePaused))
		pass(8 * time.Minute)
		d.want(t, c, alerts.TypeDown, alerts.TypeReminder)
		w.stop()
	})
}

// Three replicas that all look, over channels with a fallback too: one reminder for each interval.
func TestRemindersReplicas(t *testing.T) {
	dsn := postgrestest.DSN(t)
	bubbletest.Test(t, func(t *testing.T) {
		a, b := replicas(t, dsn, nil)
		all, d := []*world{a, b, a.beside()}, newDoors()
		a.monitors.put(7, orgA)
		c := a.createChannel(reminding).GetId()
		broken, second := pair(a, `, "fallback_after_seconds": 60, "reminder_interval_seconds": 300`)
		d.set(broken, shut)
		for _, r := range all {
			r.service.SendThrough(d.take)
			r.run()
		}
		down(t, a, d, c)
		pass(14 * time.Minute)
		d.want(t, c, alerts.TypeDown, alerts.TypeReminder, alerts.TypeReminder)
		d.want(t, second, alerts.TypeDown, alerts.TypeReminder, alerts.TypeReminder)
		a.events.add(goes(7, 99, stateDown, stateUp))
		pass(time.Minute)
		for _, r := range all {
			r.stop()
		}
		d.want(t, c, alerts.TypeDown, alerts.TypeReminder, alerts.TypeReminder, alerts.TypeRecovered)
	})
}

// The interval is what was asked for, or none, and is refused outside of its limits.
func TestReminderOfAChannel(t *testing.T) {
	w := newWorld(t)
	c := w.createChannel(reminding)
	if c.GetReminderIntervalSeconds() != 300 {
		t.Errorf("channel = %v", c)
	}
	update := func(text string) (*alertsv1.Channel, error) {
		return w.channels.UpdateChannel(admin(t), &alertsv1.UpdateChannelRequest{
			Id: c.GetId(), Channel: channelBody(t, text), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"reminder_interval_seconds"}},
		})
	}
	for _, n := range []int{-1, 0, 299, 604801} {
		if _, err := update(fmt.Sprintf(`{"reminder_interval_seconds": %d}`, n)); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%d: %v", n, err)
		}
	}
	if got, err := update(`{}`); err != nil || got.ReminderIntervalSeconds != nil {
		t.Errorf("channel = %v, %v", got, err)
	}
}
