package alerts_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/alerts"
)

// doors are receivers by channel, each with an answer of its own.
type doors struct {
	mu     sync.Mutex
	answer map[uint32]func(n int) alerts.Result // nil accepts
	taken  map[uint32][]alerts.Message
	at     map[uint32][]time.Time
	calls  int
}

func newDoors() *doors {
	return &doors{answer: map[uint32]func(int) alerts.Result{}, taken: map[uint32][]alerts.Message{}, at: map[uint32][]time.Time{}}
}

func (d *doors) take(_ context.Context, c alerts.Claim, at time.Time) alerts.Result {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if answer := d.answer[c.Target.ID]; answer != nil {
		if r := answer(d.calls); !r.OK {
			return r
		}
	}
	d.taken[c.Target.ID] = append(d.taken[c.Target.ID], c.Message)
	d.at[c.Target.ID] = append(d.at[c.Target.ID], at)
	return ok
}

func (d *doors) set(channel uint32, answer func(n int) alerts.Result) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer[channel] = answer
}

// told are the types of what a channel accepted, in order.
func (d *doors) told(channel uint32) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []string
	for _, m := range d.taken[channel] {
		out = append(out, m.Type)
	}
	return strings.Join(out, " ")
}

func (d *doors) want(t *testing.T, channel uint32, want ...string) {
	t.Helper()
	if got := d.told(channel); got != strings.Join(want, " ") {
		t.Errorf("channel %d was told %q, want %q", channel, got, strings.Join(want, " "))
	}
}

func shut(int) alerts.Result    { return broken500 }
func refuse(int) alerts.Result  { return alerts.Result{StatusCode: 410, Error: "gone", Refused: true} }
func accepts(int) alerts.Result { return ok }

// pair makes a channel that falls back to another, which announces nothing by itself.
func pair(w *world, more string) (first, second uint32) {
	w.t.Helper()
	second = w.createChannel(`{"type": "webhook", "name": "night", "config": {"url": "https://example.com/n"}, "trigger_events": ["TRIGGER_EVENT_OPERATOR"]}`).GetId()
	first = w.createChannel(fmt.Sprintf(`{"type": "webhook", "name": "ops", "config": {"url": "https://example.com/"},
		"fallback_channel_id": %d %s}`, second, more)).GetId()
	return first, second
}

// A message that is not delivered within its time is told to the fallback, once, with its end; the original is tried on.
func TestFallback(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w, d := newWorld(t), newDoors()
		w.know(7, 8)
		first, second := pair(w, `, "fallback_after_seconds": 60`)
		d.set(first, shut)
		w.send = d.take
		w.service.SendThrough(d.take)
		w.run()
		pass(10 * time.Second)
		began := time.Now()
		w.events.add(goes(7, 1, stateUp, stateDown))
		pass(55 * time.Second)
		d.want(t, second)
		pass(10 * time.Second)
		d.want(t, second, alerts.TypeDown)
		if late := d.at[second][0].Sub(began); late < 60*time.Second || late > 63*time.Second {
			t.Errorf("the fallback was told after %s", late)
		}
		w.restart()
		pass(2 * time.Minute)
		d.want(t, second, alerts.TypeDown)
		d.set(first, accepts)
		pass(13 * time.Minute)
		d.want(t, first, alerts.TypeDown)
		w.events.add(goes(7, 9, stateDown, stateUp))
		pass(30 * time.Second)
		d.want(t, first, alerts.TypeDown, alerts.TypeRecovered)
		d.want(t, second, alerts.TypeDown, alerts.TypeRecovered)
		w.events.add(goes(8, 10, stateUp, stateDown), goes(8, 11, stateDown, stateUp))
		pass(3 * time.Minute)
		d.want(t, second, alerts.TypeDown, alerts.TypeRecovered)
		list, err := w.alerts.ListDeliveries(editor(t), &alertsv1.ListDeliveriesRequest{})
		if err != nil {
			t.Fatal(err)
		}
		byID := map[string]*alertsv1.Delivery{}
		for _, m := range list.GetDeliveries() {
			byID[m.GetId()] = m
		}
		copies := 0
		for _, m := range byID {
			if m.FallbackOf == nil {
				continue
			}
			copies++
			if o := byID[m.GetFallbackOf()]; o.GetFallbackId() != m.GetId() || o.GetChannelId() != first || m.GetChannelId() != second {
				t.Errorf("%v is a copy of %v", m, o)
			}
		}
		if copies != 2 {
			t.Errorf("%d copies are listed", copies)
		}
		w.stop()
	})
}

// What the receiver refuses for good is told to the fallback as soon as that is sure.
func TestFallbackOfARefusal(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w, d := newWorld(t), newDoors()
		w.know(7)
		first, second := pair(w, `, "fallback_after_seconds": 86400`)
		d.set(first, refuse)
		w.service.SendThrough(d.take)
		w.run()
		pass(10 * time.Second)
		w.events.add(goes(7, 1, stateUp, stateDown))
		pass(50 * time.Second) // three attempts, with 5 and 30 seconds between them
		d.want(t, second, alerts.TypeDown)
		d.set(first, accepts)
		w.events.add(goes(7, 2, stateDown, stateUp))
		pass(30 * time.Second)
		d.want(t, second, alerts.TypeDown, alerts.TypeRecovered)
		d.want(t, first, alerts.TypeRecovered)
		w.stop()
	})
}

// forked fails before it copies, or, worse, after.
type forked struct {
	alerts.Store
	flaky  *flaky
	mu     sync.Mutex
	copied int
}

func (f *forked) FallBack(ctx context.Context, now time.Time, limit int) (int, error) {
	if f.flaky.roll() == 0 {
		return 0, errDisk
	}
	n, err := f.Store.FallBack(ctx, now, limit)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil && n > 0 {
		if f.copied++; f.copied%2 == 1 {
			return 0, errDisk
		}
	}
	return n, err
}

// Through failures of the store and restarts while one channel takes nothing and the other only at times: the fallback is told
// every outage from its beginning to its end, in order, a repeat left out by its id.
func TestFallbackLosesNothing(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		rounds, monitors := 3, inEarnest(4, 20)
		w, d := newWorld(t), newDoors()
		for id := range uint32(monitors) {
			w.know(id + 1)
		}
		first, second := pair(w, `, "fallback_after_seconds": 60`)
		_, err := w.channels.UpdateChannel(admin(t), &alertsv1.UpdateChannelRequest{
			Id: second, Channel: channelBody(t, `{"digest_window_seconds": 30, "max_messages_per_minute": 20}`),
		})
		if err != nil {
			t.Fatal(err)
		}
		d.set(first, shut)
		d.set(second, func(n int) alerts.Result {
			if n%3 == 0 {
				return broken500
			}
			return ok
		})
		f := &flaky{rng: rand.New(rand.NewPCG(5, 6)), on: true}
		fork := &forked{flaky: f}
		w.wrap = func(s alerts.Store) alerts.Store {
			fork.Store = s
			f.Store = fork
			return f
		}
		w.send = d.take
		w.run()
		for i := range rounds {
			w.restart()
			for id := range uint32(monitors) {
				w.events.add(goes(id+1, 10*i+1, stateUp, stateDown))
				pass(700 * time.Millisecond)
			}
			pass(time.Duration(i) * 50 * time.Second)
			for id := range uint32(monitors) {
				w.events.add(goes(id+1, 10*i+6, stateDown, stateUp))
			}
			pass(time.Duration(i) * 3 * time.Minute)
		}
		f.calm()
		pass(15 * time.Minute)
		w.stop()
		d.want(t, first)
		accepted, told := map[string]bool{}, map[uint32][]alerts.Message{}
		for _, m := range d.taken[second] {
			if accepted[m.ID] {
				continue
			}
			accepted[m.ID] = true
			if m.Type != alerts.TypeDigest {
				told[m.MonitorID] = append(told[m.MonitorID], m)
			}
			for _, e := range m.Content.Digest {
				told[e.MonitorID] = append(told[e.MonitorID], alerts.Message{ID: e.ID, Type: e.Type, IncidentID: e.IncidentID, Content: e.Content})
			}
		}
		for id := range uint32(monitors) {
			toldInOrder(t, id+1, told[id+1], rounds)
		}
		if fork.copied == 0 {
			t.Error("no copy was written and denied: the failures were too kind")
		}
	})
}

// Three replicas that all look tell the fallback once.
func TestFallbackReplicas(t *testing.T) {
	dsn := postgrestest.DSN(t)
	bubbletest.Test(t, func(t *testing.T) {
		a, b := replicas(t, dsn, nil)
		all, d := []*world{a, b, a.beside()}, newDoors()
		const monitors = 5
		for id := range uint32(monitors) {
			a.monitors.put(id+1, orgA)
		}
		first, second := pair(a, `, "fallback_after_seconds": 60`)
		d.set(first, shut)
		for _, r := range all {
			r.service.SendThrough(d.take)
			r.run()
		}
		pass(10 * time.Second)
		for id := range uint32(monitors) {
			a.events.add(goes(id+1, 1, stateUp, stateDown))
		}
		pass(5 * time.Minute)
		for id := range uint32(monitors) {
			a.events.add(goes(id+1, 9, stateDown, stateUp))
		}
		pass(5 * time.Minute)
		for _, r := range all {
			r.stop()
		}
		per := map[uint32]string{}
		for _, m := range d.taken[second] {
			per[m.MonitorID] += m.Type + " "
		}
		for id := range uint32(monitors) {
			if per[id+1] != "monitor.down monitor.recovered " {
				t.Errorf("the fallback was told of monitor %d: %s", id+1, per[id+1])
			}
		}
	})
}

// Which fallback a channel may have, what it is when nothing is said, and that one in use stays.
func TestFallbackOfAChannel(t *testing.T) {
	w := newWorld(t)
	first, second := pair(w, "")
	get := func(id uint32) *alertsv1.Channel {
		t.Helper()
		list, err := w.channels.ListChannels(editor(t), &alertsv1.ListChannelsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list.GetChannels() {
			if c.GetId() == id {
				return c
			}
		}
		return nil
	}
	update := func(id uint32, text string, paths ...string) error {
		_, err := w.channels.UpdateChannel(admin(t), &alertsv1.UpdateChannelRequest{
			Id: id, Channel: channelBody(t, text), UpdateMask: &fieldmaskpb.FieldMask{Paths: paths},
		})
		return err
	}
	if c := get(first); c.GetFallbackChannelId() != second || c.GetFallbackAfterSeconds() != 300 || get(second).FallbackChannelId != nil {
		t.Errorf("channels = %v, %v", c, get(second))
	}
	for text, message := range map[string]string{
		`{"fallback_channel_id": 1}`:    "1 falls back to this channel; must not lead around in a circle: 1 → 1",
		`{"fallback_channel_id": 2}`:    "2 falls back to this channel; must not lead around in a circle: 1 → 2 → 1",
		`{"fallback_channel_id": 99}`:   "99 is not a channel of this organization",
		`{"fallback_channel_id": 0}`:    "",
		`{"fallback_after_seconds": 0}`: "", `{"fallback_after_seconds": 59}`: "", `{"fallback_after_seconds": 86401}`: "",
	} {
		if text == `{"fallback_channel_id": 1}` {
			message = "1 is the channel itself; must be another"
		}
		err := update(second, text, strings.Split(text, `"`)[1])
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", text, err)
			continue
		}
		f := fault.FromStatus(status.Convert(err))
		if len(f.Fields) != 1 || f.Fields[0].Name != strings.Split(text, `"`)[1] || message != "" && f.Fields[0].Message != message {
			t.Errorf("%s: %+v", text, f.Fields)
		}
	}
	_, err := w.channels.DeleteChannel(admin(t), &alertsv1.DeleteChannelRequest{Id: second})
	if f := fault.FromStatus(status.Convert(err)); f.Kind != fault.KindConflict || f.Reason != "CHANNEL_IN_USE" ||
		f.Public != fmt.Sprintf("channel %d is the fallback of %d (ops); give them another or none first", second, first) {
		t.Errorf("delete: %v", err)
	}
	if err := update(first, `{}`, "fallback_channel_id"); err != nil {
		t.Fatal(err)
	}
	if c := get(first); c.FallbackChannelId != nil {
		t.Errorf("channel = %v", c)
	}
	if _, err := w.channels.DeleteChannel(admin(t), &alertsv1.DeleteChannelRequest{Id: second}); err != nil {
		t.Error(err)
	}
}
