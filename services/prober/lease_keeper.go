package prober

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
)

const (
	// minPause bounds how often a renewal that fails is tried again.
	minPause = 100 * time.Millisecond
	// leaveWait bounds the last word of a process that ends.
	leaveWait = time.Second
)

// sessionEnded is the reason of an error that says that a session is over.
const sessionEnded = "SESSION_ENDED"

// errSessionEnded ends a stream whose session the centre ended in the answer to a renewal.
var errSessionEnded = errors.New("the centre has ended the session")

// errLapsed ends a stream because the lease was over for a while: what is held has to be learned anew.
var errLapsed = errors.New("the lease had run out")

// keeper keeps the session of this process with the centre: it renews the lease and moves the engine's fence. It stands on
// no stream, so that neither a slow snapshot nor a broken stream costs the lease.
type keeper struct {
	client  monitorsv1.AssignmentsServiceClient
	engine  *engine
	log     *slog.Logger
	id      string
	durable bool                            // a folder of our own proves that a session before is over
	report  func() *monitorsv1.ProberReport // never nil
	opened  func(session string, l *monitorsv1.Lease)
	look    chan struct{} // capacity 1: the loop has to think again

	lookAlone chan struct{} // the same of the one in lease_sole.go

	mu       sync.Mutex
	session  string
	previous string // session of the process before, until the centre has granted ours
	lease    *monitorsv1.Lease
	sent     int64 // reading of the fence's clock before the newest request that was answered
	until    int64 // reading at which the lease ends
	lapseAt  int64 // reading from which on the centre may have counted the session as over
	lapsed   bool  // that has come, and is counted
	waiting  bool  // the lease had run out, and what is held is not known again
	lapses   int
	alone    int64 // reading at which it was seen last that this process runs; see lease_sole.go
	stalled  int64 // reading at which it was found out that it had not; 0: it runs
	ended    int   // sessions
	cancel   context.CancelCauseFunc
	next     time.Time // when to renew
	released map[uint32]*monitorsv1.Released
	unripe   map[uint32]*ripening // of those
	whole    bool                 // a snapshot of the session was complete
	newest   uint64               // greatest epoch of a holding that was taken up
	first    uint64               // epoch of the first session of this process
	offset   time.Duration        // our clock minus the centre's
}

func newKeeper(client monitorsv1.AssignmentsServiceClient, cfg Config, g *engine, log *slog.Logger) *keeper {
	k := &keeper{
		client: client, engine: g, log: log, id: cfg.ProberID, durable: cfg.Dir != "", session: rand.Text(), look: make(chan struct{}, 1),
		lookAlone: make(chan struct{}, 1),
		released:  map[uint32]*monitorsv1.Released{}, unripe: map[uint32]*ripening{}, opened: func(string, *monitorsv1.Lease) {},
	}
	g.allow(nothing)
	return k
}

// opening is what a stream begins with.
type opening struct {
	session, previous string
	sent              int64 // reading of the fence's clock before the request
	lapses, ended     int   // as they were
}

// open says with what to open a stream; cancel ends that, when it has to be opened again.
func (k *keeper) open(cancel context.CancelCauseFunc) opening {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cancel = cancel
	now := k.engine.fence.now()
	if !k.lease.GetSole() {
		k.lapse(now)
	}
	return opening{session: k.session, previous: k.previous, sent: now, lapses: k.lapses, ended: k.ended}
}

// lapse finds out that the centre may have counted the session as over, and says if that is news. The lock is held.
func (k *keeper) lapse(now int64) bool {
	if k.lease == nil || k.lapsed || now < k.lapseAt {
		return false
	}
	k.lapsed, k.waiting = true, true
	k.lapses++
	return true
}

// over reports whether the session of o is.
func (k *keeper) over(o opening) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ended != o.ended
}

// granted takes in a lease that answers a request of the session which was sent when the clock showed sent.
func (k *keeper) granted(session string, l *monitorsv1.Lease, sent int64, streamed bool) {
	now := k.engine.fence.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if session != k.session {
		return
	}
	first, before := k.lease == nil, k.lease
	if k.first == 0 {
		k.first = l.GetEpoch()
	}
	if !first && sent < k.sent {
		if before.GetSole() && !l.GetSole() { // older than what we have; but somebody else may take over now
			k.lease.Sole = false
			k.move()
		}
		return
	}
	ttl := (time.Duration(l.GetTtlMs()) * time.Millisecond).Nanoseconds()
	if !(before.GetSole() && l.GetSole()) && k.lapse(now) {
		k.stopStream(errLapsed)
	}
	k.lease, k.sent, k.until, k.lapsed = l, sent, sent+ttl, false
	k.lapseAt = k.until
	if now < k.until {
		k.stalled = 0
	}
	if first && streamed {
		// It may have waited for an older session to be over: the centre has heard of us when it sent this, not before.
		k.lapseAt = now + ttl
	}
	k.next = time.Now().Add(time.Duration(ttl) / 3).Add(-time.Duration(now - sent))
	k.move()
	if first {
		k.previous = ""
		k.opened(session, l)
	} else if before.GetSole() != l.GetSole() || before.GetEpoch() != l.GetEpoch() {
		k.opened(session, l)
	}
	k.wake()
}

// move sets the fence by the lease. The lock is held.
func (k *keeper) move() {
	label := int64(endless)
	if at := k.lease.GetValidUntil(); at != nil {
		label = at.AsTime().UnixMilli()
	}
	switch {
	case k.waiting:
		k.engine.allow(&term{label: label, past: label})
	case k.lease.GetSole():
		k.allowSole()
	default:
		k.engine.allow(&term{until: k.until, label: label, past: label})
	}
}

// unleased notes that the centre gives no leases.
func (k *keeper) unleased() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lease, k.lapsed, k.waiting = nil, false, false
	clear(k.released)
	clear(k.unripe)
	k.engine.allow(free)
}

// synced notes that a stream which began as o has told all that is held.
func (k *keeper) synced(o opening) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.whole = k.whole || k.ended == o.ended
	if k.waiting && k.lapses == o.lapses && k.ended == o.ended && k.lease != nil {
		k.waiting = false
		k.move()
	}
}

// hear notes that a holding was taken up. They are told in the order of their epochs.
func (k *keeper) hear(epoch uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.newest = max(k.newest, epoch)
}

// ours reports whether a holding was given to a session of this process, and not to one before.
func (k *keeper) ours(epoch uint64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.first != 0 && epoch > k.first
}

// epoch is the session's.
func (k *keeper) epoch() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lease.GetEpoch()
}

// end begins another session in place of one that is over: nothing is held any more.
func (k *keeper) end(session string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if session != k.session {
		return
	}
	k.engine.allow(nothing)
	if k.durable {
		k.previous = k.session
	}
	k.session = rand.Text()
	k.lease, k.lapsed, k.waiting, k.whole, k.newest = nil, false, false, false, 0
	k.ended++
	k.stalled = 0
	clear(k.released)
	clear(k.unripe)
	k.stopStream(errSessionEnded)
}

// stopStream ends the stream that is open. The lock is held.
func (k *keeper) stopStream(cause error) {
	if k.cancel != nil {
		k.cancel(cause)
	}
}

func (k *keeper) wake() {
	for _, c := range []chan struct{}{k.look, k.lookAlone} {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// run renews until ctx ends.
func (k *keeper) run(ctx context.Context) {
	var alone sync.WaitGroup
	defer alone.Wait()
	alone.Go(func() { k.runAlone(ctx) })
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(k.pause())
		select {
		case <-timer.C:
			if k.due() {
				k.renew(ctx)
			}
		case <-k.look:
		case <-ctx.Done():
			return
		}
	}
}

// pause is the time until the next renewal.
func (k *keeper) pause() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.lease == nil {
		return time.Hour
	}
	left := max(time.Until(k.next), time.Millisecond)
	if len(k.unripe) > 0 {
		left = min(left, ripeEvery)
	}
	return left
}

// renew sends one renewal.
func (k *keeper) renew(ctx context.Context) {
	k.mu.Lock()
	if k.lease == nil {
		k.mu.Unlock()
		return
	}
	third := time.Duration(k.lease.GetTtlMs()) * time.Millisecond / 3
	req := k.request(false)
	sent, began := k.engine.fence.now(), time.Now()
	k.mu.Unlock()
	req.Report = k.health()

	ctx, cancel := context.WithTimeout(ctx, third*9/10)
	defer cancel()
	resp, err := k.client.RenewLease(ctx, req)
	switch {
	case err == nil && resp.GetLease() != nil:
		k.measure(resp.GetLease(), began)
		k.heard(req)
		k.granted(req.GetSession(), resp.GetLease(), sent, false)
	case isSessionEnded(err):
		k.log.Warn("session ended", "error", err)
		k.end(req.GetSession())
	case status.Code(err) == codes.Unimplemented:
		k.log.Warn("the centre gives no leases any more", "error", err)
		k.unleased()
	case context.Cause(ctx) == nil || errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		k.log.Warn("lease not renewed", "error", err)
		k.mu.Lock()
		k.next = time.Now().Add(max(third/3, minPause))
		k.mu.Unlock()
	}
}

// measure compares the clocks: the centre's answer was written half a round trip ago, as far as can be known.
func (k *keeper) measure(l *monitorsv1.Lease, began time.Time) {
	if l.GetNow() == nil {
		return
	}
	middle := began.Add(time.Since(began) / 2)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.offset = middle.Sub(l.GetNow().AsTime())
}

// clockOffset is our clock minus the centre's, by the last renewal.
func (k *keeper) clockOffset() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.offset
}

// health is the report with what only the keeper knows.
func (k *keeper) health() *monitorsv1.ProberReport {
	r := k.engine.spoolReport()
	if k.report != nil {
		r = k.report()
	}
	if r == nil {
		return nil // as before
	}
	offset := k.clockOffset()
	r.At = timestamppb.New(time.Now().Add(-offset))
	r.ClockOffsetMs = float64(offset) / float64(time.Millisecond)
	return r
}

// leave says that this process ends, and that at is the last moment whose slots it has accounted for. A word that is lost
// costs the time of the lease. So does one that must not be said: who has not heard a whole snapshot of its session does not
// know what the process before it held, and where that account ends.
func (k *keeper) leave(ctx context.Context, at time.Time) {
	k.mu.Lock()
	leased := k.lease != nil && k.whole
	req := k.request(true)
	k.mu.Unlock()
	if !leased {
		return
	}
	req.Leaving, req.LeftAt, req.Report = true, timestamppb.New(at), k.health()
	ctx, cancel := context.WithTimeout(ctx, leaveWait)
	defer cancel()
	if _, err := k.client.RenewLease(ctx, req); err != nil {
		k.log.Info("the centre has not heard that this prober stops", "error", err)
	}
}

func isSessionEnded(err error) bool {
	st, ok := status.FromError(err)
	return ok && st.Code() == codes.Aborted && fault.FromStatus(st).Reason == sessionEnded
}

// spoolReport is the report of a prober that has nobody to observe it.
func (g *engine) spoolReport() *monitorsv1.ProberReport {
	return &monitorsv1.ProberReport{
		SpoolResults: uint64(g.outbox.Pending()), SpoolBytes: uint64(g.outbox.Bytes()), SpoolDropped: g.outbox.Dropped(),
		SpoolAgeMs: uint64(ageOf(g.outbox.Oldest()) * 1000), ChecksInFlight: uint32(max(g.metrics.running.Load(), 0)),
	}
}
