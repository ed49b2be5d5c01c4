package alerts_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/services/alerts"
	"github.com/frogstats/uptime/services/alerts/sqlite"
)

// attempt is one that a receiver saw, with the time since the test began.
type attempt struct {
	id string
	at time.Duration
}

// delivery is a courier at work over a real store, with a receiver and a clock of the test's own. It lives in a bubble.
type delivery struct {
	t       *testing.T
	store   alerts.Store
	courier *alerts.Courier
	began   time.Time
	stop    func()

	mu      sync.Mutex
	seen    []attempt
	claims  []alerts.Claim
	running map[alerts.Target]int
	most    int // attempts at the same time
	answer  func(ctx context.Context, c alerts.Claim, n int) alerts.Result
}

// deliver starts a courier; answer says what comes of the n-th attempt, from 1.
func deliver(t *testing.T, wrap func(alerts.Store) alerts.Store, answer func(ctx context.Context, c alerts.Claim, n int) alerts.Result) *delivery {
	t.Helper()
	store, err := sqlite.Open(t.Context(), newStorePath(t))
	if err != nil {
		t.Fatal(err)
	}
	d := &delivery{t: t, store: store, began: time.Now(), running: map[alerts.Target]int{}, answer: answer}
	var outbox alerts.Store = store
	if wrap != nil {
		outbox = wrap(store)
	}
	if d.courier, err = alerts.NewCourier(outbox, slog.New(slog.NewTextHandler(t.Output(), nil)), d.send); err != nil {
		t.Fatal(err)
	}
	d.start()
	t.Cleanup(func() {
		d.stop()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *delivery) start() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.courier.Run(ctx)
	}()
	d.stop = func() {
		cancel()
		<-done
	}
}

func (d *delivery) send(ctx context.Context, c alerts.Claim, at time.Time) alerts.Result {
	d.mu.Lock()
	d.seen = append(d.seen, attempt{c.ID, at.Sub(d.began)})
	d.claims = append(d.claims, c)
	n := len(d.seen)
	d.running[c.Target]++
	if d.running[c.Target] > 1 {
		d.t.Errorf("target %v is sent two messages at once", c.Target)
	}
	d.most = max(d.most, len(d.running))
	d.mu.Unlock()
	r := d.answer(ctx, c, n)
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.running, c.Target)
	return r
}

// channel makes a target that is told one by one, however much there is.
func (d *delivery) channel() alerts.Target { return d.paced(0, 0) }

// paced makes a target that is told at a pace.
func (d *delivery) paced(window time.Duration, perMinute int) alerts.Target {
	d.t.Helper()
	c, err := d.store.CreateChannel(d.t.Context(), alerts.Channel{
		OrganizationID: orgA, Type: "webhook", Name: "c", Events: []alerts.Event{alerts.EventDown}, Enabled: true,
		DigestWindow: window, PerMinute: perMinute,
	}, func(c *alerts.Channel) (audit.Row, error) {
		c.Config.Public, c.Config.Sealed = json.RawMessage(`{}`), []byte{1}
		return audit.New(d.t.Context(), "channel.create", "channel", "1"), nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return alerts.Target{Kind: alerts.TargetChannel, ID: c.ID}
}

// put writes messages to the outbox.
func (d *delivery) put(messages ...alerts.Message) {
	d.t.Helper()
	err := d.store.Advance(d.t.Context(), nil, time.Now().UTC(), func(p alerts.Progress, _ map[uint32]alerts.State) alerts.Batch {
		return alerts.Batch{Progress: p, Messages: messages}
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.courier.Nudge()
}

func (d *delivery) message(id, kind string, to alerts.Target, monitor uint32) alerts.Message {
	return alerts.Message{
		ID: id, OrganizationID: orgA, MonitorID: monitor, Target: to, Type: kind, Thread: fmt.Sprint("incident:", monitor),
		IncidentID: monitor, OccurredAt: time.Now(),
	}
}

func (d *delivery) attempts() []attempt {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]attempt(nil), d.seen...)
}

func (d *delivery) ids() (out []string) {
	for _, a := range d.attempts() {
		out = append(out, a.id)
	}
	return out
}

func (d *delivery) state(id string) alerts.Delivery {
	d.t.Helper()
	rows, _, err := d.store.Deliveries(d.t.Context(), alerts.DeliveryFilter{Organization: orgA, Window: alerts.Window{Limit: 1000}})
	if err != nil {
		d.t.Fatal(err)
	}
	for _, row := range rows {
		if row.ID == id {
			return row
		}
	}
	d.t.Fatalf("message %s is not in the outbox", id)
	return alerts.Delivery{}
}

func always(r alerts.Result) func(context.Context, alerts.Claim, int) alerts.Result {
	return func(context.Context, alerts.Claim, int) alerts.Result { return r }
}

const orgA = "org-a"

// pass lets time pass in a bubble.
func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // the bubble's clock jumps
}

var (
	ok        = alerts.Result{OK: true, StatusCode: 204}
	broken500 = alerts.Result{StatusCode: 500, Error: "the receiver answered 500"}
)
