package alerts

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/alerts/notify"
)

// A reminder says for how long the monitor is down by the time it is sent, and belongs to the outage.
func TestReminderSays(t *testing.T) {
	channel := testChannel(1, EventDown, EventRecovery)
	channel.Reminder = 10 * time.Minute
	m := newMemory(State{Channels: []Channel{channel}})
	m.feed(transition(1, 10, StatusUp, StatusDown))
	first := m.ofType(t, TypeDown)
	due := Reminder{Monitor: MonitorRef{ID: testMonitor, OrganizationID: testOrg}, Channel: 1, Incident: first.IncidentID, After: first.ID}
	r, holds := m.state.reminder(due, second(610))
	if !holds {
		t.Fatal("there is no reminder")
	}
	w := r.words(second(10+3600+120), "")
	if w.Title != "api is still down after 1 h 2 min" || w.Action != notify.Trigger || w.Severity != notify.Critical ||
		!strings.Contains(w.Text, "(for 1 h 2 min). Nobody has taken the incident yet.\nWhy: connection refused: refused.") {
		t.Errorf("words = %+v", w)
	}
	if w.Thread != first.words(second(15), "").Thread || r.Opens() || r.Closes() {
		t.Error("a reminder is of another story than its outage")
	}
	var body struct {
		Type string
		Data struct {
			Down     int64 `json:"down_ms"`
			Incident struct{ ID uint32 }
		}
	}
	raw, err := r.body(second(70))
	if err != nil || json.Unmarshal(raw, &body) != nil || body.Type != "monitor.reminder" || body.Data.Down != 60_000 || body.Data.Incident.ID != 1 {
		t.Errorf("body = %s, %v", raw, err)
	}
	again, _ := m.state.reminder(due, second(900))
	later := due
	later.After = r.ID
	next, _ := m.state.reminder(later, second(900))
	if again.ID != r.ID || next.ID == r.ID {
		t.Error("one reminder has two names, or two have one")
	}
}

// What was due a moment ago may have become wrong since.
func TestReminderLooksAgain(t *testing.T) {
	channel := testChannel(1, EventDown)
	channel.Reminder = 10 * time.Minute
	m := newMemory(State{Channels: []Channel{channel}})
	m.feed(transition(1, 10, StatusUp, StatusDown))
	due := Reminder{Monitor: MonitorRef{ID: testMonitor, OrganizationID: testOrg}, Channel: 1, Incident: 1, After: "msg"}
	for name, change := range map[string]func(*State, *Reminder){
		"over":                                func(s *State, _ *Reminder) { s.Incident = nil },
		"taken":                               func(s *State, _ *Reminder) { i := *s.Incident; i.Status = IncidentAcknowledged; s.Incident = &i },
		"another outage":                      func(_ *State, r *Reminder) { r.Incident = 2 },
		"unknown":                             func(s *State, _ *Reminder) { s.Blind = second(20) },
		"in maintenance":                      func(s *State, _ *Reminder) { s.Overlay = &Overlay{From: second(20)} },
		"in a window that nobody has noticed": func(s *State, _ *Reminder) { s.Windows = []MaintenanceWindow{windowAt(600, 800)} },
		"deleted":                             func(s *State, _ *Reminder) { s.Monitor.Deleted = true },
		"not for the monitor":                 func(s *State, _ *Reminder) { s.Channels = []Channel{channel}; s.Channels[0].MonitorIDs = []uint32{99} },
		"not about outages": func(s *State, _ *Reminder) {
			s.Channels = []Channel{channel}
			s.Channels[0].Events = []Event{EventDegraded}
		},
		"without an interval":  func(s *State, _ *Reminder) { s.Channels = []Channel{channel}; s.Channels[0].Reminder = 0 },
		"of a deleted channel": func(s *State, _ *Reminder) { s.Channels = nil },
	} {
		s, r := m.state, due
		change(&s, &r)
		if msg, holds := s.reminder(r, second(700)); holds {
			t.Errorf("%s: %+v", name, msg)
		}
	}
	if _, holds := m.state.reminder(due, second(700)); !holds {
		t.Error("nothing is wrong, and there is no reminder")
	}
}
