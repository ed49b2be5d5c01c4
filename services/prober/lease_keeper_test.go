package prober

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// renewals answers RenewLease after a while as a function says.
type renewals struct {
	monitorsv1.AssignmentsServiceClient
	took   time.Duration
	answer func(*monitorsv1.RenewLeaseRequest) (*monitorsv1.Lease, error)
	away   atomic.Bool // every answer is an error

	mu   sync.Mutex
	at   []time.Time
	asks []*monitorsv1.RenewLeaseRequest
}

// heard are the requests so far, and when they came.
func (r *renewals) heard() (at []time.Time, asks []*monitorsv1.RenewLeaseRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.at), slices.Clone(r.asks)
}

func (r *renewals) RenewLease(ctx context.Context, req *monitorsv1.RenewLeaseRequest, _ ...grpc.CallOption) (*monitorsv1.RenewLeaseResponse, error) {
	r.mu.Lock()
	r.at, r.asks = append(r.at, time.Now()), append(r.asks, proto.Clone(req).(*monitorsv1.RenewLeaseRequest))
	r.mu.Unlock()
	select {
	case <-time.After(r.took):
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	if r.away.Load() {
		return nil, status.Error(codes.Unavailable, "away")
	}
	l, err := r.answer(req)
	return &monitorsv1.RenewLeaseResponse{Lease: l}, err
}

// startKeeper runs a keeper whose session was granted lease at once.
func startKeeper(t *testing.T, r *renewals, l *monitorsv1.Lease) *keeper {
	t.Helper()
	return startSleeper(t, r, l, new(atomic.Int64))
}

// startSleeper is startKeeper on a machine that has slept for so many nanoseconds.
func startSleeper(t *testing.T, r *renewals, l *monitorsv1.Lease, slept *atomic.Int64) *keeper {
	t.Helper()
	b := startEngine(t, Config{}, success)
	began := time.Now()
	b.fence.clock = func() int64 { return int64(time.Since(began)) + slept.Load() }
	k := newKeeper(r, Config{ProberID: "p"}, b.engine, slog.New(slog.DiscardHandler))
	o := k.open(func(error) {})
	k.granted(o.session, l, o.sent, true)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { k.run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		b.stopAndRead(t)
	})
	return k
}

func plainLease() *monitorsv1.Lease {
	return &monitorsv1.Lease{Epoch: 1, TtlMs: 9000, ValidUntil: stamp(time.Now().Add(9 * time.Second)), Now: stamp(time.Now())}
}

func TestRenewsEveryThird(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := &renewals{took: 500 * time.Millisecond, answer: func(*monitorsv1.RenewLeaseRequest) (*monitorsv1.Lease, error) { return plainLease(), nil }}
		startKeeper(t, r, plainLease())
		pass(30*time.Second + 100*time.Millisecond)
		if at, _ := r.heard(); len(at) != 10 {
			t.Errorf("%d renewals in 30 s, want 10: %v", len(at), at)
		}
	})
}

// The lease counts from before the request was sent, however late the answer comes; a failed renewal is tried again before long
// and never outlasts a third.
func TestTheFenceCountsFromTheRequest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := &renewals{took: 2 * time.Second, answer: func(*monitorsv1.RenewLeaseRequest) (*monitorsv1.Lease, error) { return plainLease(), nil }}
		k := startKeeper(t, r, plainLease())
		pass(3*time.Second + 2*time.Second + time.Millisecond) // the first has been answered, which was sent after three seconds
		r.away.Store(true)
		open := func() bool { _, open := k.engine.fence.limit(); return open }
		pass(12*time.Second - 5*time.Second - 2*time.Millisecond)
		if !open() {
			t.Error("the fence closed early")
		}
		pass(2 * time.Millisecond)
		if open() {
			t.Error("the fence is open twelve seconds after the start, nine after the last request that was answered")
		}
		if at, _ := r.heard(); len(at) < 4 {
			t.Errorf("%d attempts", len(at))
		}
	})
}

// A release is confirmed when the checks that were begun are over, if that does not take long.
func TestReleasesWaitForChecks(t *testing.T) {
	for name, test := range map[string]struct{ takes, want time.Duration }{
		"a check that ends soon": {60 * time.Millisecond, 60 * time.Millisecond},
		"a check that hangs":     {time.Hour, ripeWait},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := &renewals{answer: func(*monitorsv1.RenewLeaseRequest) (*monitorsv1.Lease, error) { return plainLease(), nil }}
				k := startKeeper(t, r, plainLease())
				began := time.Now()
				k.confirm(&monitorsv1.Released{MonitorId: 7, Epoch: 1}, func() bool { return time.Since(began) >= test.takes })
				pass(time.Second)
				at, asks := r.heard()
				if len(asks) != 1 || len(asks[0].GetReleased()) != 1 {
					t.Fatalf("asked %v", asks)
				}
				if took := at[0].Sub(began); took < test.want || took > test.want+ripeEvery+releaseLinger {
					t.Errorf("confirmed after %v, want %v", took, test.want)
				}
			})
		})
	}
}

// A release is confirmed at once and until it was heard, and the report goes along, with the clock's offset at the middle of
// the exchange.
func TestReleasesAreConfirmedAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		lost := 2
		r := &renewals{took: 200 * time.Millisecond}
		r.answer = func(*monitorsv1.RenewLeaseRequest) (*monitorsv1.Lease, error) {
			if lost--; lost >= 0 {
				return nil, status.Error(codes.Unavailable, "away")
			}
			l := plainLease()
			l.Now = stamp(time.Now().Add(-100*time.Millisecond - 3*time.Second)) // the answer was written on half of the way
			return l, nil
		}
		k := startKeeper(t, r, plainLease())
		began := time.Now()
		k.confirm(&monitorsv1.Released{MonitorId: 7, Epoch: 1}, nil)
		pass(20 * time.Second)
		times, asks := r.heard()
		if first := times[0].Sub(began); first > 10*time.Millisecond {
			t.Errorf("confirmed after %v", first)
		}
		told := 0
		for _, req := range asks {
			told += len(req.GetReleased())
		}
		if told != 3 || len(asks[2].GetReleased()) != 1 {
			t.Errorf("told %d times, want until it was heard", told)
		}
		report := asks[len(asks)-1].GetReport()
		if offset := report.GetClockOffsetMs(); offset != 3000 {
			t.Errorf("clock offset %v ms, want 3000", offset)
		}
		if at := report.GetAt().AsTime(); at.Sub(times[len(times)-1]) != -3*time.Second {
			t.Errorf("report of %v by the centre's clock at %v", at, times[len(times)-1])
		}
	})
}

// A centre that was put back to an older version gives no leases: nothing is fenced any more.
func TestRenewalIsUnknown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := &renewals{answer: func(*monitorsv1.RenewLeaseRequest) (*monitorsv1.Lease, error) {
			return nil, status.Error(codes.Unimplemented, "unknown method")
		}}
		r.took = time.Millisecond
		k := startKeeper(t, r, plainLease())
		pass(time.Minute)
		at, _ := r.heard()
		if _, open := k.engine.fence.limit(); !open || len(at) != 1 {
			t.Errorf("open %v after %d renewals", open, len(at))
		}
	})
}

// That nobody could take over is over as soon as any answer says so, even one that was overtaken.
func TestSoleIsTakenBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := &renewals{took: time.Hour}
		sole := plainLease()
		sole.Sole = true
		k := startKeeper(t, r, sole)
		k.granted(k.session, sole, int64(5*time.Millisecond), false)
		k.granted(k.session, plainLease(), int64(4*time.Millisecond), false)
		pass(9*time.Second + 5*time.Millisecond)
		if _, open := k.engine.fence.limit(); open {
			t.Error("the fence is open")
		}
	})
}

// Slots after valid_until are not taken, whatever the clocks say, and are accounted for by whom they belong to.
func TestLabelBoundsTheSlots(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := startEngine(t, Config{}, success)
		began := time.Now()
		b.fence.clock = func() int64 { return int64(time.Since(began)) }
		label := began.Add(20 * time.Second)
		b.allow(&term{until: int64(time.Hour), label: label.UnixMilli()})
		for id := uint32(1); id <= 20; id++ {
			b.assign(assignment(id, 1), &lastSlot{at: began}, false)
		}
		pass(time.Minute)
		b.allow(&term{until: int64(time.Hour), label: label.Add(20 * time.Second).UnixMilli()})
		pass(time.Second)
		newest, missed := time.Time{}, 0
		for _, r := range b.stopAndRead(t) {
			if r.GetStatus() != checkv1.ResultStatus_RESULT_STATUS_MISSED {
				newest = later(newest, r.GetScheduledAt().AsTime())
			} else {
				missed += int(r.GetMissedCount())
			}
		}
		if newest.After(label) || newest.Before(label.Add(-time.Second)) {
			t.Errorf("newest slot that was run is %v, want up to %v", newest, label)
		}
		if missed != 20*20 {
			t.Errorf("%d slots are missed, want those of twenty seconds of twenty monitors", missed)
		}
	})
}

func TestCapabilities(t *testing.T) {
	can := capabilities()
	for _, want := range []string{"http", "tcp", "tls"} {
		if !slices.Contains(can, want) {
			t.Errorf("%v lacks %s", can, want)
		}
	}
	if !slices.Contains(can, "ipv4") && !slices.Contains(can, "ipv6") || slices.Contains(can, "icmp") {
		t.Errorf("capabilities %v", can)
	}
}

// BenchmarkFence is what a shard pays for its lease with each tick, and what the tick costs besides, with nothing due.
func BenchmarkFence(b *testing.B) {
	for name, term := range map[string]*term{"free": free, "leased": {until: endless - 1, label: endless}} {
		b.Run(name, func(b *testing.B) {
			var f fence
			f.term.Store(term)
			for b.Loop() {
				f.limit()
			}
		})
	}
}
