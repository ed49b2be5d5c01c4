package alerts_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/services/alerts"
)

// flaky fails now and then: before it does something, and, worse, after.
type flaky struct {
	alerts.Store
	mu  sync.Mutex
	rng *rand.Rand
	on  bool
}

// calm ends the failures.
func (f *flaky) calm() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on = false
}

var errDisk = errors.New("the disk is gone")

func (f *flaky) roll() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.on {
		return 2
	}
	return f.rng.IntN(4)
}

func (f *flaky) Advance(ctx context.Context, m []alerts.MonitorRef, now time.Time, step func(alerts.Progress, map[uint32]alerts.State) alerts.Batch) error {
	before := f.roll()
	if before == 0 {
		return errDisk
	}
	if err := f.Store.Advance(ctx, m, now, step); err != nil || before != 1 {
		return err
	}
	return errDisk
}

func (f *flaky) Settle(ctx context.Context, c alerts.Claim, a alerts.Attempt, v alerts.Verdict) error {
	if f.roll() == 0 {
		return errDisk // the receiver has it, and we do not know
	}
	return f.Store.Settle(ctx, c, a, v)
}

// Through failures of the store, refusals of the receiver and restarts every message arrives, in order, and a repeat has the
// id of the first.
func TestNothingLostNothingTwice(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		const rounds = 6
		w := newWorld(t)
		w.know(7, 8, 9)
		w.createChannel(`{"type": "webhook", "name": "ops", "config": {"url": "https://example.com/"}}`)
		f := &flaky{rng: rand.New(rand.NewPCG(1, 2)), on: true}
		w.wrap = func(s alerts.Store) alerts.Store {
			f.Store = s
			return f
		}
		sink := &sink{}
		w.send = sink.take
		w.run()
		for i := range rounds {
			w.restart()
			for id := uint32(7); id <= 9; id++ {
				w.events.add(goes(id, 10*i+1, stateUp, stateDown))
				pass(time.Duration(i) * 5 * time.Second)
				w.events.add(goes(id, 10*i+6, stateDown, stateUp))
			}
			pass(time.Duration(i) * time.Minute)
		}
		f.calm()
		w.drain(2 * time.Hour)
		w.stop()
		sink.check(t, w, rounds)
	})
}

// drain lets time pass until all that was written is settled, at most so much, and then more: nothing is to come of that.
func (w *world) drain(most time.Duration) {
	w.t.Helper()
	for end := time.Now().Add(most); time.Now().Before(end); pass(10 * time.Second) {
		if p, err := w.store.Progress(w.t.Context()); err != nil || p.Seq < w.events.last() {
			continue
		}
		if n := count(w.t, w, alerts.DeliveryPending); n == 0 {
			break
		}
	}
	pass(5 * time.Minute)
}

// sink is a receiver that works two times out of three and remembers what it took.
type sink struct {
	mu    sync.Mutex
	calls int
	taken []alerts.Message
}

func (s *sink) take(_ context.Context, c alerts.Claim, _ time.Time) alerts.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls++; s.calls%3 == 0 {
		return broken500
	}
	s.taken = append(s.taken, c.Message)
	return ok
}

// check wants every outage of every monitor told from its beginning to its end, once, though perhaps repeated.
func (s *sink) check(t *testing.T, w *world, rounds int) {
	ids, order := map[string]string{}, map[uint32][]string{}
	repeats := 0
	for _, m := range s.taken {
		key := fmt.Sprint(m.Type, " ", m.IncidentID)
		if first, twice := ids[key]; twice {
			repeats++
			if first != m.ID {
				t.Errorf("%s was sent as %s and as %s", key, first, m.ID)
			}
			continue
		}
		ids[key] = m.ID
		order[m.MonitorID] = append(order[m.MonitorID], key)
		if m.Type == alerts.TypeRecovered && ids[fmt.Sprint(alerts.TypeDown, " ", m.IncidentID)] == "" && len(m.Content.Supersedes) != 1 {
			t.Errorf("%s was told, and its beginning never", key)
		}
	}
	for id := uint32(7); id <= 9; id++ {
		recoveries := 0
		for _, key := range order[id] {
			if strings.HasPrefix(key, alerts.TypeRecovered) {
				recoveries++
			}
		}
		// One whose delivery was not recorded may be superseded and yet have been told.
		if recoveries != rounds || len(order[id])+w.count(id, alerts.DeliverySuperseded) < 2*rounds {
			t.Errorf("monitor %d: %v and %d superseded, want %d outages", id, order[id], w.count(id, alerts.DeliverySuperseded), rounds)
		}
		if w.count(id, alerts.DeliveryPending) != 0 || w.count(id, alerts.DeliveryDead) != 0 {
			t.Errorf("monitor %d has undelivered messages", id)
		}
	}
	if repeats == 0 {
		t.Error("nothing was ever repeated: the failures were too kind")
	}
}

func (w *world) count(monitor uint32, state alerts.DeliveryState) int {
	w.t.Helper()
	_, total, err := w.store.Deliveries(w.t.Context(), alerts.DeliveryFilter{
		Organization: orgA, MonitorID: monitor, States: []alerts.DeliveryState{state}, Window: alerts.Window{Limit: 1},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return total
}

// A stream that says nothing any more is given up and opened anew.
func TestSilentStream(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.know(7)
		w.events.silent = true
		w.run()
		pass(30 * time.Second)
		w.events.change(func() { w.events.silent = false })
		w.events.add(goes(7, 1, stateUp, stateDown))
		pass(time.Minute)
		w.stop()
		if got, err := w.store.Progress(t.Context()); err != nil || got.Seq != 1 || w.events.reads != 2 {
			t.Errorf("progress = %+v, %v, after %d streams", got, err, w.events.reads)
		}
	})
}

// Delivered messages are forgotten after a month.
func TestPruning(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.know(7)
		c := w.createChannel(`{"type": "webhook", "name": "ops", "config": {"url": "https://example.com/"}}`)
		old := alerts.Message{
			ID: "msg_old", OrganizationID: orgA, MonitorID: 7, Type: alerts.TypeDown, Target: alerts.Target{Kind: alerts.TargetChannel, ID: c.GetId()},
		}
		put := func(m alerts.Message, at time.Time) {
			t.Helper()
			if err := w.store.Advance(t.Context(), nil, at, func(p alerts.Progress, _ map[uint32]alerts.State) alerts.Batch {
				return alerts.Batch{Progress: p, Messages: []alerts.Message{m}}
			}); err != nil {
				t.Fatal(err)
			}
		}
		put(old, time.Now().Add(-31*24*time.Hour))
		fresh := old
		fresh.ID = "msg_fresh"
		put(fresh, time.Now())
		w.service.SendThrough((&sink{}).take)
		w.run()
		pass(2 * time.Minute)
		if n := w.count(7, alerts.DeliveryDelivered); n != 2 {
			t.Errorf("%d delivered, want 2", n)
		}
		pass(time.Hour)
		w.stop()
		if n := w.count(7, alerts.DeliveryDelivered); n != 1 {
			t.Errorf("%d left, want 1", n)
		}
	})
}

// Uptime is asked for at most once a minute, however often a monitor is checked.
func TestUptimeIsAskedForOnceAMinute(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.know(7)
		w.createAlert(`{"alert_type": "webhook", "alert_config": {"url": "https://e/"}, "conditions": {"uptime_percentage_threshold": 99}}`)
		w.run()
		for i := range 30 {
			w.events.add(checked(7, 10*i, success, 0))
			pass(10 * time.Second)
		}
		w.stop()
		if n := len(w.events.asked); n < 4 || n > 5 {
			t.Errorf("asked %d times in 5 minutes", n)
		}
	})
}

// Through storms, failures of the store, of the receiver, and restarts: of what the receiver accepted, a repeat left out by its
// id, every outage is told from its beginning to its end, once and in order.
func TestStormsLoseNothing(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		rounds, monitors := 3, inEarnest(30, 40)
		w := newWorld(t)
		for id := range uint32(monitors) {
			w.know(id + 1)
		}
		w.createChannel(`{"type": "webhook", "name": "ops", "config": {"url": "https://example.com/"},
			"digest_window_seconds": 30, "max_messages_per_minute": 6}`)
		f := &flaky{rng: rand.New(rand.NewPCG(3, 4)), on: true}
		w.wrap = func(s alerts.Store) alerts.Store {
			f.Store = s
			return f
		}
		sink := &sink{}
		w.send = sink.take
		w.run()
		for i := range rounds {
			w.restart()
			for id := range uint32(monitors) {
				w.events.add(goes(id+1, 10*i+1, stateUp, stateDown))
				pass(time.Duration(id%3) * 700 * time.Millisecond)
			}
			pass(time.Duration(i) * time.Minute)
			for id := range uint32(monitors) {
				w.events.add(goes(id+1, 10*i+6, stateDown, stateUp))
			}
			pass(time.Duration(i) * 3 * time.Minute)
		}
		f.calm()
		w.drain(100 * time.Minute)
		w.stop()
		accepted, digests, told := map[string]bool{}, 0, map[uint32][]alerts.Message{}
		for _, m := range sink.taken {
			if accepted[m.ID] {
				continue
			}
			accepted[m.ID] = true
			if m.Type != alerts.TypeDigest {
				told[m.MonitorID] = append(told[m.MonitorID], m)
				continue
			}
			digests++
			for _, e := range m.Content.Digest {
				told[e.MonitorID] = append(told[e.MonitorID], alerts.Message{ID: e.ID, Type: e.Type, IncidentID: e.IncidentID, Content: e.Content})
			}
		}
		if digests < 5 {
			t.Errorf("%d digests: no storm", digests)
		}
		for id := range uint32(monitors) {
			toldInOrder(t, id+1, told[id+1], rounds)
		}
	})
}

func toldInOrder(t *testing.T, monitor uint32, told []alerts.Message, rounds int) {
	t.Helper()
	open, ends := uint32(0), 0
	for _, m := range told {
		switch {
		case m.Type == alerts.TypeDown && open == 0:
			open = m.IncidentID
		case m.Type == alerts.TypeRecovered && (open == m.IncidentID || open == 0 && len(m.Content.Supersedes) == 1):
			open = 0
			ends++
		default:
			t.Errorf("monitor %d: %s of incident %d while %d is open", monitor, m.Type, m.IncidentID, open)
		}
	}
	if ends != rounds || open != 0 {
		t.Errorf("monitor %d: %d outages were told to their end, want %d; %d is open", monitor, ends, rounds, open)
	}
}
