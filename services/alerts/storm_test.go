package alerts_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/alerts"
)

type feedEntry = eventsv1.FeedEntry

// crowd is a receiver of every message of a storm.
type crowd struct {
	mu   sync.Mutex
	sent map[string][]alerts.Claim // by name of the way that the channel goes
	at   map[string][]time.Time
	fail func(n int) bool // whether the n-th attempt fails; nil means that none does
	n    int
}

func newCrowd() *crowd {
	return &crowd{sent: map[string][]alerts.Claim{}, at: map[string][]time.Time{}}
}

func (c *crowd) take(_ context.Context, claim alerts.Claim, at time.Time) alerts.Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := fmt.Sprint(claim.Via, claim.Target.ID)
	c.at[name] = append(c.at[name], at)
	if c.n++; c.fail != nil && c.fail(c.n) {
		return broken500
	}
	c.sent[name] = append(c.sent[name], claim)
	return ok
}

// told is what each channel was told of each monitor, in order, and how many messages that took.
func (c *crowd) told() (messages map[string]int, events map[string]map[uint32][]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	messages, events = map[string]int{}, map[string]map[uint32][]string{}
	for name, claims := range c.sent {
		messages[name], events[name] = len(claims), map[uint32][]string{}
		for _, claim := range claims {
			if claim.Type != alerts.TypeDigest {
				events[name][claim.MonitorID] = append(events[name][claim.MonitorID], claim.Type)
			}
			for _, e := range claim.Content.Digest {
				events[name][e.MonitorID] = append(events[name][e.MonitorID], e.Type)
			}
		}
	}
	return messages, events
}

// stormSize is how many monitors fail at once. The race detector makes each message dear, so it is as many as it is about only
// with FROGUP_TORTURE=1.
var stormSize = inEarnest(100, 500)

// inEarnest is how much of something there is: a little in passing, all of it with FROGUP_TORTURE=1.
func inEarnest(passing, whole int) int {
	if os.Getenv("FROGUP_TORTURE") != "" {
		return whole
	}
	return passing
}

// wantTold wants every monitor to have been told of exactly so, in messages at most.
func (c *crowd) wantTold(t *testing.T, most map[string]int, want ...string) {
	t.Helper()
	messages, events := c.told()
	if len(messages) != len(most) {
		t.Errorf("channels that were told: %v, want %v", messages, most)
	}
	for name, n := range messages {
		if n > most[name] {
			t.Errorf("%s got %d messages, want at most %d", name, n, most[name])
		}
		for id := range uint32(stormSize) {
			if got := events[name][id+1]; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("%s was told of monitor %d: %v, want %v", name, id+1, got, want)
			}
		}
	}
}

func stormChannels(w *world) {
	w.createChannel(`{"type": "slack", "name": "chat", "config": {"url": "https://example.com/services/T1/B1/abcdefgh"},
		"digest_window_seconds": 30, "max_messages_per_minute": 30}`)
	w.createChannel(`{"type": "webhook", "name": "program", "config": {"url": "https://example.com/"}, "digest_window_seconds": 30}`)
	w.createChannel(`{"type": "pagerduty", "name": "pager", "config": {"routing_key": "0123456789abcdef0123456789abcdef"},
		"digest_window_seconds": 30}`)
}

// storm lets all monitors fail at the same moment and, an hour later, recover so.
func storm(t *testing.T, w *world, c *crowd, all ...*world) {
	for id := range uint32(stormSize) {
		w.monitors.put(id+1, orgA)
	}
	stormChannels(w)
	for _, r := range all {
		r.service.SendThrough(c.take)
		r.run()
	}
	pass(10 * time.Second)
	goesAll := func(second int, up bool) {
		entries := make([]*feedEntry, 0, stormSize)
		for id := range uint32(stormSize) {
			if up {
				entries = append(entries, goes(id+1, second, stateDown, stateUp))
			} else {
				entries = append(entries, goes(id+1, second, stateUp, stateDown))
			}
		}
		w.events.add(entries...) // a replica with a feed of its own hears nothing: all it can do is send
	}
	goesAll(1, false)
	pass(3 * time.Minute)
	c.wantTold(t, map[string]int{"slack1": 10, "webhook2": 10, "pagerduty3": stormSize}, alerts.TypeDown)
	goesAll(300, true)
	pass(3 * time.Minute)
	c.wantTold(t, map[string]int{"slack1": 20, "webhook2": 20, "pagerduty3": 2 * stormSize}, alerts.TypeDown, alerts.TypeRecovered)
	for _, r := range all {
		r.stop()
	}
}

// Five hundred monitors fail at once, and recover at once: a chat and a program get ten messages each time that name every
// monitor once, and whoever counts by incident gets each by itself.
func TestStorm(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		storm(t, w, newCrowd(), w)
		if n := count(t, w, alerts.DeliveryPending) + count(t, w, alerts.DeliveryDead); n != 0 {
			t.Errorf("%d messages are not delivered", n)
		}
	})
}

func count(t *testing.T, w *world, state alerts.DeliveryState) int {
	t.Helper()
	_, n, err := w.store.Deliveries(t.Context(), alerts.DeliveryFilter{
		Organization: orgA, States: []alerts.DeliveryState{state}, Window: alerts.Window{Limit: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The same with three couriers over one store.
func TestStormReplicas(t *testing.T) {
	dsn := postgrestest.DSN(t)
	bubbletest.Test(t, func(t *testing.T) {
		a, b := replicas(t, dsn, nil)
		third := a.beside()
		storm(t, a, newCrowd(), a, b, third)
	})
}

// Over the network, to a receiver that fails now and then: what it accepted, by id, names every monitor once.
func TestStormOverTheNetwork(t *testing.T) {
	const monitors = 120
	w := newWorld(t)
	r := newReceiver(t)
	for id := range uint32(monitors) {
		w.monitors.put(id+1, orgA)
	}
	w.createChannel(`{"type": "webhook", "name": "ops", "config": {"url": "` + r.url + `"}, "digest_window_seconds": 1}`)
	w.run()
	eventually(t, "the catalog", func() bool {
		known, err := w.store.Monitors(t.Context(), 0, monitors+1)
		return err == nil && len(known) == monitors
	})
	entries := make([]*feedEntry, 0, monitors)
	for id := range uint32(monitors) {
		entries = append(entries, goes(id+1, 1, stateUp, stateDown))
	}
	w.events.add(entries...)
	eventually(t, "the end of the outbox", func() bool {
		return count(t, w, alerts.DeliveryPending) == 0 && count(t, w, alerts.DeliveryDelivered) >= monitors
	})
	w.stop()
	named := map[uint32]int{}
	for _, m := range r.all() {
		var whole struct {
			Type, ID string
			Data     struct {
				Messages []struct {
					Type, ID string
					Data     struct {
						Monitor  struct{ ID uint32 }
						Incident *struct{ ID uint32 }
					}
				}
			}
		}
		if err := json.Unmarshal(m.body, &whole); err != nil || whole.Type != alerts.TypeDigest || whole.ID != m.header.Get("webhook-id") {
			t.Fatalf("message %s: %v", m.body, err)
		}
		if n := len(whole.Data.Messages); n < 2 || n > 50 {
			t.Errorf("a digest tells %d", n)
		}
		for _, one := range whole.Data.Messages {
			named[one.Data.Monitor.ID]++
			if one.Type != alerts.TypeDown || one.ID == "" || one.Data.Incident == nil {
				t.Errorf("a digest tells %+v", one)
			}
		}
	}
	for id := range uint32(monitors) {
		if named[id+1] != 1 {
			t.Errorf("monitor %d is named %d times", id+1, named[id+1])
		}
	}
	if n := len(r.all()); n != 3 {
		t.Errorf("%d messages, want 3", n)
	}
}

// What cannot take a list says so, and a list is short enough for what can.
func TestWhoTakesLists(t *testing.T) {
	for via, want := range map[string]int{
		"pagerduty": 0, "opsgenie": 0, "twilio_sms": 0, "slack": 50, "email": 50, "telegram": 50, "discord": 50, "ntfy": 30, "pushover": 15, "shoutrrr": 15,
		"no such type": 0,
	} {
		if got := alerts.PaceOf(via, []byte(`{}`), time.Second, 1).List; got != want {
			t.Errorf("%s: %d, want %d", via, got, want)
		}
	}
	for format, want := range map[string]int{"": 50, "webstatuspi": 0, "template": 0} {
		if got := alerts.PaceOf("webhook", []byte(`{"format": "`+format+`"}`), time.Second, 1).List; got != want {
			t.Errorf("webhook %s: %d, want %d", format, got, want)
		}
	}
}
