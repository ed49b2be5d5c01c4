package alerts_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"pgregory.net/rapid"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
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

// More than the limit of a minute waits, and is neither lost nor out of order nor given up, though it takes days.
func TestPaceOverDays(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		messages := inEarnest(3*60, 26*60)
		fails := true
		d := deliver(t, nil, nil)
		d.answer = func(_ context.Context, _ alerts.Claim, n int) alerts.Result {
			if n > messages-60 && fails { // what waited longest fails once, when it is older than a day
				fails = false
				return broken500
			}
			return ok
		}
		to := d.paced(0, 1)
		var batch []alerts.Message
		for i := range messages {
			batch = append(batch, d.message(fmt.Sprint("m", i), alerts.TypeDegraded, to, uint32(i%7)+1))
		}
		d.put(batch...)
		pass(time.Duration(messages)*time.Minute + time.Hour)
		next, last := map[uint32]int{}, -time.Hour
		for i, a := range d.attempts() {
			if i > 0 && a.at-last < time.Minute {
				t.Fatalf("attempt %d came %s after the one before", i, a.at-last)
			}
			last = a.at
			monitor := d.claims[i].MonitorID
			var n int
			if _, err := fmt.Sscanf(a.id, "m%d", &n); err != nil || n < next[monitor] {
				t.Fatalf("%s came after m%d", a.id, next[monitor])
			}
			next[monitor] = n
		}
		if fails {
			t.Error("nothing failed")
		}
		if n := d.countOf(alerts.DeliveryDelivered); n != messages {
			t.Errorf("%d of %d were delivered", n, messages)
		}
	})
}

func (d *delivery) countOf(state alerts.DeliveryState) int {
	d.t.Helper()
	_, n, err := d.store.Deliveries(d.t.Context(), alerts.DeliveryFilter{
		Organization: orgA, States: []alerts.DeliveryState{state}, Window: alerts.Window{Limit: 1},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

// Whatever comes when: at most the few and the digests of each window are sent, a calm channel hears at once, nothing waits
// longer than two windows, and everything is sent once.
func TestPaceProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		window := time.Duration(rapid.IntRange(1, 60).Draw(rt, "window")) * time.Second
		p := alerts.Pace{Window: window, List: rapid.IntRange(2, 50).Draw(rt, "list")}
		gaps := rapid.SliceOfN(rapid.IntRange(0, 20_000), 1, 300).Draw(rt, "gaps")
		start := time.Unix(1e9, 0)
		var arrivals []time.Time
		at := start
		for _, ms := range gaps {
			at = at.Add(time.Duration(ms/rapid.SampledFrom([]int{1, 100, 20_000}).Draw(rt, "rush")) * time.Millisecond)
			arrivals = append(arrivals, at)
		}
		var b alerts.Burst
		var singles []time.Time
		held := map[int]time.Time{}
		next, sent, last := 0, 0, time.Time{}
		var waiting []int
		for clock := start; sent < len(arrivals); clock = clock.Add(time.Millisecond * 250) {
			if clock.After(at.Add(3 * window)) {
				rt.Fatalf("%d of %d were sent", sent, len(arrivals))
			}
			for next < len(arrivals) && !arrivals[next].After(clock) {
				waiting = append(waiting, next)
				next++
			}
			for {
				var due []int
				for _, i := range waiting {
					if !held[i].After(clock) {
						due = append(due, i)
					}
				}
				if len(due) == 0 {
					break
				}
				q := alerts.Queue{First: uint64(due[0] + 1), Fresh: len(due), Since: arrivals[due[0]]}
				calm := last.IsZero() || arrivals[due[0]].Sub(last) > 2*window
				var plan alerts.Plan
				b, plan = p.Next(b, q, clock)
				n := plan.Merge
				if plan.Send != 0 {
					n = 1
					singles = append(singles, clock)
				}
				if n == 0 {
					if calm {
						rt.Fatalf("a calm channel waits: %+v", plan)
					}
					if plan.Hold.IsZero() || plan.Hold.Sub(clock) > window {
						rt.Fatalf("held by %+v at %s", plan, clock)
					}
					for _, i := range due {
						held[i] = plan.Hold
					}
					continue
				}
				for _, i := range due[:n] {
					if clock.Sub(arrivals[i]) > 2*window+time.Second {
						rt.Fatalf("message %d waited for %s, the window is %s", i, clock.Sub(arrivals[i]), window)
					}
				}
				waiting = remove(waiting, due[:n])
				sent, last = sent+n, clock
			}
		}
		for i := 4; i < len(singles); i++ { // three of a window, and the rest of a flush
			if singles[i].Sub(singles[i-4]) < window/2 && window > time.Second {
				rt.Fatalf("five messages came by themselves within %s of a window of %s", singles[i].Sub(singles[i-4]), window)
			}
		}
	})
}

func remove(from, what []int) (out []int) {
	gone := map[int]bool{}
	for _, i := range what {
		gone[i] = true
	}
	for _, i := range from {
		if !gone[i] {
			out = append(out, i)
		}
	}
	return out
}

// The pace of a channel is what was asked for, or what stands in its place, and is refused outside of its limits.
func TestPaceOfAChannel(t *testing.T) {
	w := newWorld(t)
	const config = `"config": {"url": "https://example.com/"}`
	create := func(more string) (*alertsv1.Channel, error) {
		return w.channels.CreateChannel(admin(t), &alertsv1.CreateChannelRequest{
			Channel: channelBody(t, `{"type": "webhook", "name": "ops", `+config+more+`}`),
		})
	}
	want := func(c *alertsv1.Channel, err error, window, most int32) {
		t.Helper()
		if err != nil || c.DigestWindowSeconds == nil || c.GetDigestWindowSeconds() != window || c.GetMaxMessagesPerMinute() != most {
			t.Errorf("channel = %v, %v, want %d s and %d", c, err, window, most)
		}
	}
	c, err := create("")
	want(c, err, 30, 30)
	c, err = create(`, "digest_window_seconds": 0, "max_messages_per_minute": 600`)
	want(c, err, 0, 600)
	update := func(text string, paths ...string) (*alertsv1.Channel, error) {
		return w.channels.UpdateChannel(admin(t), &alertsv1.UpdateChannelRequest{
			Id: c.GetId(), Channel: channelBody(t, text), UpdateMask: &fieldmaskpb.FieldMask{Paths: paths},
		})
	}
	got, err := update(`{"name": "other"}`, "name")
	want(got, err, 0, 600)
	got, err = update(`{"digest_window_seconds": 3600}`, "digest_window_seconds")
	want(got, err, 3600, 600)
	got, err = update(`{}`, "digest_window_seconds", "max_messages_per_minute")
	want(got, err, 30, 30)
	for _, more := range []string{
		`, "digest_window_seconds": -1`, `, "digest_window_seconds": 3601`, `, "max_messages_per_minute": 0`, `, "max_messages_per_minute": 601`,
	} {
		if _, err := create(more); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", more, err)
		}
	}
}

// What cannot take a list says so, and a list is short enough for what can.
func TestWhoTakesLists(t *testing.T) {
	for via, want := range map[string]int{
		"pagerduty": 0, "opsgenie": 0, "twilio_sms": 0, "slack": 50, "email": 50, "telegram": 50, "discord": 50, "ntfy": 30, "pushover": 15,
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
