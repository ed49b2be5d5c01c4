package prober

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
)

// world is a network that the test decides about. What is out of reach is silent, as where packets are dropped.
type world struct {
	mu     sync.Mutex
	cut    bool // everything is out of reach
	cut6   bool // all IPv6
	barred bool // witnesses are
	dead   map[string]bool
	refuse map[string]bool
}

func (w *world) set(change func(*world)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w)
}

func (w *world) reaches(host string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.cut && !w.dead[host] && !(w.cut6 && placeOfText(host).in(nettest.IPv6))
}

// connect is a TCP handshake of 20 ms whose lost SYNs are repeated.
func (w *world) connect(ctx context.Context, host string, timeout time.Duration) bool {
	until := time.Now().Add(timeout)
	for again := time.Second; ; again *= 2 {
		if w.reaches(host) {
			rest(ctx, min(20*time.Millisecond, time.Until(until)))
			return ctx.Err() == nil && time.Now().Before(until)
		}
		if time.Until(until) <= again {
			rest(ctx, time.Until(until))
			return false
		}
		rest(ctx, again)
	}
}

// rest pauses for d or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (w *world) witness(host string) *witness {
	return &witness{address: host, dial: func(ctx context.Context) error {
		w.mu.Lock()
		barred := w.barred
		w.mu.Unlock()
		if barred {
			rest(ctx, witnessPatience)
			return errors.New("silence")
		}
		if !w.connect(ctx, host, witnessPatience) {
			return errors.New("silence")
		}
		return nil
	}}
}

// worldCheck is a check of a host of the world.
type worldCheck struct {
	world   *world
	target  string
	timeout time.Duration
	fakeCheck
}

func (c worldCheck) host() string { return c.target }

func (c worldCheck) run(ctx context.Context, r *checkv1.CheckResult) {
	r.ResolvedIp = ptr(c.target)
	c.world.mu.Lock()
	refuse := c.world.refuse[c.target]
	c.world.mu.Unlock()
	began := time.Now()
	ok := c.world.connect(ctx, c.target, c.timeout)
	r.ResponseTimeNs = uint64(time.Since(began))
	switch {
	case ctx.Err() != nil:
		r.Status = checkv1.ResultStatus_RESULT_STATUS_ERROR
	case ok && refuse:
		r.Status, r.ErrorType = checkv1.ResultStatus_RESULT_STATUS_FAILURE, ptr(string(nettest.ErrConnectionRefused))
	case ok:
		r.Status = checkv1.ResultStatus_RESULT_STATUS_SUCCESS
	default:
		r.Status, r.ErrorType = checkv1.ResultStatus_RESULT_STATUS_TIMEOUT, ptr(string(nettest.ErrConnectionTimeout))
		r.ErrorMessage = ptr("silence")
	}
}

func (c worldCheck) runDetailed(ctx context.Context, r *checkv1.CheckResult) { c.run(ctx, r) }

// startInWorld is an engine whose targets and witnesses are in w.
func startInWorld(t *testing.T, cfg Config, w *world, witnesses ...string) *bench {
	t.Helper()
	cfg.ProberID, cfg.Region = "p1", "local"
	cfg, err := cfg.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	m, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	box := NewMemoryOutbox(1_000_000, 1<<30).(*memoryOutbox)
	prepare := func(spec *checkv1.CheckSpec) (check, error) {
		c := spec.GetTcpConfig()
		return worldCheck{world: w, target: c.GetHost(), timeout: timeoutOf(c.TimeoutMs)}, nil
	}
	b := &bench{engine: newEngine(cfg, prepare, nil, box, m, newTracer(nil, -1), slog.New(slog.DiscardHandler)), box: box}
	b.observer.share = cfg.MassFailure
	for _, host := range witnesses {
		fam := &b.observer.families[0]
		if placeOfText(host).in(nettest.IPv6) {
			fam = &b.observer.families[1]
		}
		fam.witnesses = append(fam.witnesses, w.witness(host))
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.cancel = cancel
	b.done.Go(func() { b.run(ctx, cfg.StopGrace) })
	return b
}

// watch gives b a monitor of a host.
func (b *bench) watch(id uint32, host string, interval uint32, timeout time.Duration) {
	a := assignment(id, interval)
	a.Spec.TcpConfig.Host, a.Spec.TcpConfig.TimeoutMs = ptr(host), ptr(int32(timeout.Milliseconds()))
	a.RetryIntervalSeconds = 1
	b.assign(a, &lastSlot{at: time.Now()}, false)
}

// count is the number of rows by status and error type.
func count(rows []*checkv1.CheckResult) map[string]int {
	n := map[string]int{}
	for _, r := range rows {
		key := statusName(r.GetStatus())
		if r.GetErrorType() != "" {
			key += " " + r.GetErrorType()
		}
		n[key]++
	}
	return n
}

// inOrder holds the rows of each monitor that ran to the order of their slots.
func inOrder(t *testing.T, rows []*checkv1.CheckResult) {
	t.Helper()
	last := map[uint32]time.Time{}
	for _, r := range rows {
		if r.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_MISSED {
			continue
		}
		at := r.GetScheduledAt().AsTime()
		if !at.After(last[r.GetMonitorId()]) {
			t.Fatalf("monitor %d: slot %v comes after %v", r.GetMonitorId(), at, last[r.GetMonitorId()])
		}
		last[r.GetMonitorId()] = at
	}
}

// appearance is how long after its check's end the first row of a status was there to be sent.
func (b *bench) appearance(t *testing.T, status checkv1.ResultStatus, typ string) (time.Duration, *checkv1.CheckResult) {
	t.Helper()
	after := b.box.Stored()
	for range 30_000 {
		b.box.mu.Lock()
		have := b.box.next > after+1
		b.box.mu.Unlock()
		if !have {
			pass(10 * time.Millisecond)
			continue
		}
		batch, err := b.box.Read(t.Context(), after, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		after++
		r := results(t, batch)[0]
		if r.GetStatus() == status && r.GetErrorType() == typ {
			return time.Since(r.GetStartedAt().AsTime()) - time.Duration(r.GetResponseTimeNs()), r
		}
	}
	t.Fatalf("no result is a %v", status)
	return 0, nil
}
