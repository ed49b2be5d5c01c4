package alerts_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/services/alerts"
	"github.com/frogstats/uptime/services/alerts/postgres"
)

// replicas makes two services over the PostgreSQL database at dsn, without running them. They follow the same feed and
// catalog.
func replicas(t *testing.T, dsn string, wrap func(alerts.Store) alerts.Store) (a, b *world) {
	t.Helper()
	box, err := secret.Generate()
	if err != nil {
		t.Fatal(err)
	}
	if wrap == nil {
		wrap = func(s alerts.Store) alerts.Store { return twice{s} }
	}
	a = &world{
		t: t, box: box, logs: &logs{}, events: newFakeEvents(), monitors: newFakeMonitors(), wrap: wrap, shared: true,
		connect: func() (closable, error) { return postgres.Open(t.Context(), dsn) },
	}
	a.open()
	return a, a.replica(a.events, a.connect)
}

// replica makes another service that follows the same catalog.
func (w *world) replica(events *fakeEvents, connect func() (closable, error)) *world {
	w.t.Helper()
	r := &world{
		t: w.t, box: w.box, logs: &logs{}, events: events, monitors: w.monitors, connect: connect, shared: true,
		wrap: func(s alerts.Store) alerts.Store { return twice{s} },
	}
	r.open()
	return r
}

// beside is a replica over the very store that w has open, with a feed of its own.
func (w *world) beside() *world {
	return w.replica(newFakeEvents(), func() (closable, error) { return borrowed{w.store}, nil })
}

// borrowed is closed by its owner.
type borrowed struct{ closable }

func (borrowed) Close() error { return nil }

// Two replicas with one store tell everything once, in order.
func TestReplicasTellEverythingOnce(t *testing.T) {
	const monitors, rounds = 12, 4
	a, b := replicas(t, postgrestest.DSN(t), nil)
	r := newReceiver(t)
	for i := range 3 {
		a.createChannel(fmt.Sprintf(`{"type": "webhook", "name": "ops %d", "config": {"url": "%s"}}`, i, r.url))
	}
	for id := range uint32(monitors) {
		b.know(id + 1)
	}
	a.run()
	b.run()
	for round := range rounds {
		for id := range uint32(monitors) {
			a.events.add(goes(id+1, 10*round+1, stateUp, stateDown))
		}
		for id := range uint32(monitors) {
			a.events.add(goes(id+1, 10*round+6, stateDown, stateUp))
		}
	}
	b.settled()
	a.stop()
	b.stop()
	ids := map[string]int{}
	for _, m := range r.all() {
		ids[m.header.Get("webhook-id")]++
	}
	for id, n := range ids {
		if n != 1 {
			t.Errorf("%s was sent %d times", id, n)
		}
	}
	if want := 3 * 2 * monitors * rounds; len(ids) != want {
		t.Errorf("%d messages, want %d", len(ids), want)
	}
	for id := range uint32(monitors) {
		var got []string
		for _, text := range r.types(t) {
			if kind, monitor, _ := strings.Cut(text, " "); monitor == fmt.Sprint(id+1) {
				got = append(got, kind)
			}
		}
		// Each of the three targets is told in order, so at no time has one been told of more ends than beginnings.
		downs := 0
		for _, kind := range got {
			if downs++; kind == alerts.TypeRecovered {
				downs -= 2
			}
			if downs < 0 {
				t.Fatalf("monitor %d: %v", id+1, got)
			}
		}
	}
}

// deaf is the store of a replica that does not get to sending.
type deaf struct{ alerts.Store }

func (deaf) Claim(context.Context, time.Time, time.Duration, int) ([]alerts.Claim, time.Time, error) {
	return nil, time.Time{}, nil
}

// What one replica wrote and does not send is sent by another soon.
func TestReplicaSendsWhatAnotherWrote(t *testing.T) {
	dsn := postgrestest.DSN(t)
	bubbletest.Test(t, func(t *testing.T) {
		a, _ := replicas(t, dsn, func(s alerts.Store) alerts.Store { return deaf{s} })
		b := a.beside() // it hears nothing: all it can do is send
		a.know(7)
		a.createChannel(`{"type": "webhook", "name": "ops", "config": {"url": "https://example.com/"}}`)
		taken := &basket{}
		b.service.SendThrough(taken.take)
		b.run()
		a.run()
		pass(10 * time.Second)
		for i := range 5 {
			a.events.add(goes(7, i, []eventsv1.CurrentStatus{stateUp, stateDown}[i%2], []eventsv1.CurrentStatus{stateDown, stateUp}[i%2]))
			pass(1200 * time.Millisecond)
			if n := len(taken.ids()); n != i+1 {
				t.Fatalf("%d messages were sent after %d", n, i+1)
			}
		}
		a.stop()
		b.stop()
	})
}

// basket takes whatever it is sent.
type basket struct {
	mu    sync.Mutex
	taken []string
}

func (b *basket) take(_ context.Context, c alerts.Claim, _ time.Time) alerts.Result {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken = append(b.taken, c.ID)
	return ok
}

func (b *basket) ids() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.taken)
}

// mortal is the store of a replica that is killed: from then on nothing that it says arrives.
type mortal struct {
	alerts.Store
	dead atomic.Bool
}

var errKilled = errors.New("killed")

func (m *mortal) Settle(ctx context.Context, c alerts.Claim, a alerts.Attempt, v alerts.Verdict) error {
	if m.dead.Load() {
		return errKilled
	}
	return m.Store.Settle(ctx, c, a, v)
}

func (m *mortal) Release(ctx context.Context, c alerts.Claim) error {
	if m.dead.Load() {
		return errKilled
	}
	return m.Store.Release(ctx, c)
}

// A replica that is killed in the middle of sending leaves its claims behind. The other one sends those messages when the
// claims end, not before, and everything else at once.
func TestReplicaKilled(t *testing.T) {
	dsn := postgrestest.DSN(t)
	bubbletest.Test(t, func(t *testing.T) {
		const targets = 20 // more than one replica sends to at once
		m := &mortal{}
		a, b := replicas(t, dsn, func(s alerts.Store) alerts.Store {
			m.Store = s
			return m
		})
		a.know(7)
		for i := range targets {
			a.createChannel(fmt.Sprintf(`{"type": "webhook", "name": "ops %d", "config": {"url": "https://example.com/"}}`, i))
		}
		a.service.SendThrough(func(ctx context.Context, _ alerts.Claim, _ time.Time) alerts.Result {
			<-ctx.Done()
			return alerts.Result{Error: "cut off"}
		})
		taken := &basket{}
		b.service.SendThrough(taken.take)
		a.run()
		a.events.add(goes(7, 1, stateUp, stateDown))
		pass(time.Second)
		m.dead.Store(true)
		a.stop()
		b.run()
		pass(20 * time.Second)
		if n := len(taken.ids()); n != targets-16 {
			t.Errorf("%d messages were sent while the other claims lasted, want %d", n, targets-16)
		}
		pass(time.Minute)
		b.stop()
		got := taken.ids()
		slices.Sort(got)
		if len(got) != targets || len(slices.Compact(got)) != targets {
			t.Errorf("%d messages were sent, want %d different ones", len(got), targets)
		}
		if n := b.count(7, alerts.DeliveryDelivered); n != targets {
			t.Errorf("%d are delivered, want %d", n, targets)
		}
	})
}

// A replica that reads the feed later than another neither takes it for one that began anew nor repeats anything.
func TestReplicaBehind(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.know(7)
		w.createChannel(`{"type": "webhook", "name": "ops", "config": {"url": "https://example.com/"}}`)
		behind, taken := w.beside(), &basket{}
		for _, r := range []*world{w, behind} {
			r.service.SendThrough(taken.take)
			r.run()
		}
		entries := func() []*eventsv1.FeedEntry {
			return []*eventsv1.FeedEntry{
				goes(7, 1, stateUp, stateDown), goes(7, 2, stateDown, stateUp), goes(7, 3, stateUp, stateDown), goes(7, 4, stateDown, stateUp),
			}
		}
		pass(time.Second)
		w.events.add(entries()...)
		pass(time.Second)
		for _, e := range entries() {
			behind.events.add(e)
			pass(time.Second)
		}
		next := goes(7, 5, stateUp, stateDown)
		behind.events.add(next) // here it is ahead
		pass(time.Second)
		w.stop()
		behind.stop()
		if len(behind.events.asked) != 0 || behind.events.reads != 1 {
			t.Errorf("states were asked for: %v, in %d streams", behind.events.asked, behind.events.reads)
		}
		if n := len(taken.ids()); n != 5 {
			t.Errorf("%d messages, want 5", n)
		}
		if p, err := w.store.Progress(t.Context()); err != nil || p.Seq != 5 {
			t.Errorf("progress = %+v, %v", p, err)
		}
	})
}

// A replica whose place in the feed is gone leaves the states alone if another one has gone on: they may be older than what
// that one evaluated.
func TestReplicaDoesNotUndo(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.know(7)
		w.createChannel(`{"type": "webhook", "name": "ops", "config": {"url": "https://example.com/"}}`)
		behind, taken := w.beside(), &basket{}
		for _, r := range []*world{w, behind} {
			r.service.SendThrough(taken.take)
			r.run()
		}
		pass(time.Second)
		w.events.add(goes(7, 1, stateUp, stateDown), goes(7, 2, stateDown, stateUp), checked(7, 3, success, 0))
		pass(time.Second)
		behind.events.change(func() {
			behind.events.head, behind.events.pruned = 2, 2
			behind.events.statuses[7] = &eventsv1.MonitorStatus{MonitorId: 7, CurrentStatus: stateDown, Since: feedAt(1)}
		})
		pass(100 * time.Millisecond)
		behind.events.change(func() { behind.events.head = 3 }) // it has caught up before the stream is opened again
		pass(time.Minute)
		w.stop()
		behind.stop()
		if len(behind.events.asked) == 0 {
			t.Error("the states were not asked for")
		}
		if diff := cmp.Diff(2, len(taken.ids())); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
		if p, err := w.store.Progress(t.Context()); err != nil || p.Seq != 3 {
			t.Errorf("progress = %+v, %v", p, err)
		}
	})
}

// A monitor that another replica hears of while this one reads a snapshot without it is not taken for a deleted one.
func TestReplicaKeepsNewMonitors(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.know(7)
		if err := w.store.PutMonitors(t.Context(), []alerts.Monitor{{ID: 6, OrganizationID: orgA, Name: "gone"}}); err != nil {
			t.Fatal(err)
		}
		w.monitors.opened = func() {
			if err := w.store.PutMonitors(t.Context(), []alerts.Monitor{{ID: 9, OrganizationID: orgA, Name: "new"}}); err != nil {
				t.Error(err)
			}
		}
		w.run()
		pass(time.Second)
		w.stop()
		live, err := w.store.Monitors(t.Context(), 0, 10)
		if err != nil || len(live) != 2 || live[0].ID != 7 || live[1].ID != 9 {
			t.Errorf("monitors = %v, %v, want 7 and 9", live, err)
		}
	})
}
