package storetest

import (
	"testing"
	"time"

	"github.com/frogstats/uptime/services/alerts"
)

// reminded is a channel that is reminded after 300 seconds.
func reminded(t testing.TB, s alerts.Store) alerts.Channel {
	t.Helper()
	return must(change(t, s, newChannel(t, s, org).ID, func(c *alerts.Channel) { c.Reminder = 300 * time.Second }))(t)
}

// remindersDue wants just these reminders, by the messages that they follow.
func remindersDue(t testing.TB, s alerts.Store, seconds int, after ...string) []alerts.Reminder {
	t.Helper()
	got := must(s.DueReminders(ctx(t), at(seconds), 0, 100))(t)
	var ids []string
	for _, r := range got {
		ids = append(ids, r.After)
	}
	same(t, "reminders due", ids, after)
	if t.Failed() {
		t.FailNow()
	}
	return got
}

// outage is one that the channels are told of, in second 1.
func outage(t testing.TB, s alerts.Store, channels ...alerts.Channel) {
	t.Helper()
	b := alerts.Batch{Incidents: []alerts.Incident{incident(5, org, monitor, 1)}}
	for _, c := range channels {
		b.Messages = append(b.Messages, story("down", alerts.TypeDown, "incident:5", c.ID))
	}
	put(t, s, at(1), b)
}

func reminder(id string, channel uint32) alerts.Message {
	return story(id, alerts.TypeReminder, "incident:5", channel)
}

var reminderCases = []Case{
	{"reminder/so long after the last message that was delivered", func(t testing.TB, s alerts.Store) {
		ch, none := reminded(t, s), newChannel(t, s, org)
		same(t, "channel", must(s.Channel(ctx(t), org, ch.ID))(t), ch)
		outage(t, s, ch)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{story("none", alerts.TypeDown, "incident:5", none.ID)}})
		remindersDue(t, s, 9000)
		claims := claim(t, s, 10, "down", "none")
		delivered(t, s, claims[0], 10)
		delivered(t, s, claims[1], 10)
		remindersDue(t, s, 309)
		got := remindersDue(t, s, 310, "down")
		same(t, "reminder", got[0], alerts.Reminder{
			Monitor: alerts.MonitorRef{ID: monitor, OrganizationID: org}, Channel: ch.ID, Incident: 5, After: "down", Position: deliveries(t, s)["down"].Position,
		})
		if rest := must(s.DueReminders(ctx(t), at(310), got[0].Position, 100))(t); len(rest) != 0 {
			t.Errorf("after the last reminder there is %+v", rest)
		}
		put(t, s, at(311), alerts.Batch{Messages: []alerts.Message{reminder("r1", ch.ID)}})
		remindersDue(t, s, 9000)
		delivered(t, s, claim(t, s, 400, "r1")[0], 400)
		remindersDue(t, s, 699)
		remindersDue(t, s, 700, "r1")
		must(change(t, s, ch.ID, func(c *alerts.Channel) { c.Reminder = 0 }))(t)
		remindersDue(t, s, 9000)
	}},
	{"reminder/not while a person has it, in maintenance, held, or while nothing is known", func(t testing.TB, s alerts.Store) {
		ch := reminded(t, s)
		outage(t, s, ch)
		delivered(t, s, claim(t, s, 1, "down")[0], 1)
		put(t, s, at(2), alerts.Batch{Blind: map[uint32]time.Time{monitor: at(2)}})
		remindersDue(t, s, 400)
		put(t, s, at(3), alerts.Batch{Blind: map[uint32]time.Time{monitor: {}}})
		remindersDue(t, s, 400, "down")
		put(t, s, at(4), alerts.Batch{Overlays: map[uint32]*alerts.Overlay{monitor: {From: at(4), Until: at(50)}}})
		remindersDue(t, s, 400)
		put(t, s, at(5), alerts.Batch{Overlays: map[uint32]*alerts.Overlay{monitor: nil}})
		remindersDue(t, s, 400, "down")
		put(t, s, at(6), alerts.Batch{Overlays: map[uint32]*alerts.Overlay{monitor: {Hold: &alerts.Hold{Since: at(6)}}}})
		remindersDue(t, s, 400)
		put(t, s, at(7), alerts.Batch{Overlays: map[uint32]*alerts.Overlay{monitor: nil}})
		must(change(t, s, ch.ID, func(c *alerts.Channel) { c.Enabled = false }))(t)
		remindersDue(t, s, 400)
		must(change(t, s, ch.ID, func(c *alerts.Channel) { c.Enabled, c.MonitorIDs = true, []uint32{monitor + 1} }))(t)
		remindersDue(t, s, 400)
		must(change(t, s, ch.ID, func(c *alerts.Channel) {
			c.MonitorIDs, c.Events = []uint32{monitor, monitor + 1}, []alerts.Event{alerts.EventRecovery}
		}))(t)
		remindersDue(t, s, 400)
		must(change(t, s, ch.ID, func(c *alerts.Channel) { c.Events = []alerts.Event{alerts.EventRecovery, alerts.EventDown} }))(t)
		remindersDue(t, s, 400, "down")
		_, err := s.ChangeIncident(ctx(t), org, 5, func(i *alerts.Incident) (alerts.Handling, error) {
			i.Status, i.UpdatedAt = alerts.IncidentAcknowledged, at(400)
			r := row(t, "incident.acknowledge")
			return alerts.Handling{Audit: &r}, nil
		})
		check(t, err)
		remindersDue(t, s, 9000)
	}},
	{"reminder/what waits goes when a person takes it, or it is over", func(t testing.TB, s alerts.Store) {
		for name, end := range map[string]func(i *alerts.Incident){
			"taken": func(i *alerts.Incident) { i.Status = alerts.IncidentAcknowledged },
			"over":  func(i *alerts.Incident) { i.Status, i.Settled = alerts.IncidentResolved, true },
		} {
			ch := reminded(t, s)
			outage(t, s)
			put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{reminder(name, ch.ID)}})
			failed(t, s, claim(t, s, 1, name)[0], 1, 1000)
			i := incident(5, org, monitor, 1)
			end(&i)
			i.UpdatedAt = at(10)
			put(t, s, at(10), alerts.Batch{Incidents: []alerts.Incident{i}})
			same(t, name, states(t, s)[name], alerts.DeliverySuperseded)
			claim(t, s, 5000)
		}
	}},
	{"reminder/one that is being sent goes if that fails", func(t testing.TB, s alerts.Store) {
		ch := reminded(t, s)
		outage(t, s)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{reminder("r", ch.ID)}})
		c := claim(t, s, 1, "r")[0]
		i := incident(5, org, monitor, 1)
		i.Status, i.Settled, i.UpdatedAt = alerts.IncidentResolved, true, at(10)
		put(t, s, at(10), alerts.Batch{Incidents: []alerts.Incident{i}, Messages: []alerts.Message{story("up", alerts.TypeRecovered, "incident:5", ch.ID)}})
		same(t, "while it is sent", states(t, s)["r"], alerts.DeliveryPending)
		failed(t, s, c, 11, 16)
		same(t, "then", states(t, s)["r"], alerts.DeliverySuperseded)
		delivered(t, s, claim(t, s, 11, "up")[0], 11)
	}},
	{"reminder/a new one takes the place of one that waits", func(t testing.TB, s alerts.Store) {
		ch := reminded(t, s)
		outage(t, s)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{reminder("r1", ch.ID)}})
		failed(t, s, claim(t, s, 1, "r1")[0], 1, 1000)
		put(t, s, at(2), alerts.Batch{Messages: []alerts.Message{reminder("r2", ch.ID)}})
		same(t, "first", states(t, s)["r1"], alerts.DeliverySuperseded)
		claim(t, s, 2, "r2")
		put(t, s, at(3), alerts.Batch{Messages: []alerts.Message{reminder("r3", ch.ID)}})
		same(t, "second, which is being sent", states(t, s)["r2"], alerts.DeliveryPending)
	}},
	{"reminder/after what was given up, or arrived at the fallback", func(t testing.TB, s alerts.Store) {
		lost, there := reminded(t, s), newChannel(t, s, org)
		outage(t, s, lost)
		dead(t, s, claim(t, s, 1, "down")[0], 2)
		remindersDue(t, s, 300)
		remindersDue(t, s, 301, "down") // its last attempt was due at 1 s
		ch := must(change(t, s, reminded(t, s).ID, func(c *alerts.Channel) { c.FallbackID, c.FallbackAfter = there.ID, time.Minute }))(t)
		put(t, s, at(400), alerts.Batch{Messages: []alerts.Message{story("down 2", alerts.TypeDown, "incident:5", ch.ID)}})
		must(change(t, s, lost.ID, func(c *alerts.Channel) { c.Reminder = 0 }))(t)
		failed(t, s, claim(t, s, 400, "down 2")[0], 400, 9000)
		copied := fallBack(t, s, 460, "down 2")[0]
		remindersDue(t, s, 5000)
		delivered(t, s, claim(t, s, 470, copied.ID)[0], 470)
		remindersDue(t, s, 769)
		remindersDue(t, s, 770, "down 2")
		// What came there for others is none of the fallback's own.
		must(change(t, s, there.ID, func(c *alerts.Channel) { c.Reminder = 300 * time.Second }))(t)
		remindersDue(t, s, 770, "down 2")
	}},
}
