package prober

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
)

// laneRecorder stands in for the events service of today. It holds streams to the contract, and acknowledges as it is told.
type laneRecorder struct {
	eventsv1.UnimplementedRecorderServiceServer
	t *testing.T

	mu      sync.Mutex
	hellos  []*eventsv1.RecordHello
	stored  map[uint64]int // sequence number → times stored
	batches int            // of the past that are not acknowledged on this stream
	most    int            // of those at once
	old     int            // results that came as ones of the past
	seen    chan struct{}  // capacity 1

	// onBatch says what is answered to a batch; nothing if nil. An error breaks the stream. The lock is held.
	onBatch func(hello *eventsv1.RecordHello, first, last uint64, live bool) (*eventsv1.RecordResponse, error)
}

func (r *laneRecorder) Record(s eventsv1.RecorderService_RecordServer) error {
	req, err := s.Recv()
	if err != nil {
		return err
	}
	hello := req.GetHello()
	r.mu.Lock()
	r.hellos = append(r.hellos, hello)
	r.batches = 0
	r.mu.Unlock()
	var live, back, rewound uint64
	for {
		req, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		b := req.GetBatch()
		first, last := b.GetFirstSeq(), b.GetFirstSeq()+uint64(len(b.GetResults()))-1
		isLive := first >= hello.GetLiveFrom()
		r.mu.Lock()
		switch {
		case isLive && first <= live && (rewound == 0 || first > live && first <= rewound):
			r.t.Errorf("live batch %d…%d after %d", first, last, live)
		case !isLive && (first <= back || last >= hello.GetLiveFrom()):
			r.t.Errorf("batch of the past %d…%d after %d, live from %d", first, last, back, hello.GetLiveFrom())
		}
		if isLive {
			live = last
		} else {
			back = last
			r.batches++
			r.most = max(r.most, r.batches)
			r.old += len(b.GetResults())
		}
		for i, x := range b.GetResults() {
			if uint64(x.GetMonitorId()) != first+uint64(i) {
				r.t.Errorf("number %d is the result of %d", first+uint64(i), x.GetMonitorId())
			}
		}
		ack, err := r.onBatch(hello, first, last, isLive)
		if ack.GetBackfilledSeq() > 0 {
			r.batches = 0
		}
		if ack != nil && ack.RewindTo != nil {
			live, rewound = ack.GetRewindTo(), live
		}
		r.mu.Unlock()
		select {
		case r.seen <- struct{}{}:
		default:
		}
		if err != nil {
			return err
		}
		if ack != nil {
			if err := s.Send(ack); err != nil {
				return err
			}
		}
	}
}

func (r *laneRecorder) store(first, last uint64) {
	for seq := first; seq <= last; seq++ {
		r.stored[seq]++
	}
}

// await waits until the recorder's state is as wanted.
func (r *laneRecorder) await(what string, ok func() bool) {
	r.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		r.mu.Lock()
		done := ok()
		r.mu.Unlock()
		if done {
			return
		}
		select {
		case <-r.seen:
		case <-limit:
			r.t.Fatalf("%s: %d stored, hellos %v", what, len(r.stored), r.hellos)
		}
	}
}

func startUplink(t *testing.T, r *laneRecorder, box Outbox) *uplink {
	r.t, r.stored, r.seen = t, map[uint64]int{}, make(chan struct{}, 1)
	conn := rpctest.Conn(t, "events", func(s grpc.ServiceRegistrar) { eventsv1.RegisterRecorderServiceServer(s, r) }, rpctest.Client(asProber))
	m, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	u := newUplink(conn, Config{ProberID: "p", Region: "local"}, box, m, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { u.run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return u
}

func drained(t *testing.T, u *uplink) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if left := u.drain(ctx); left > 0 {
		t.Fatalf("%d results are left, stored is %d", left, u.outbox.Stored())
	}
}

// backlog appends n results that were made that long ago; a result's monitor is its number.
func backlog(t testing.TB, box Outbox, n int, age time.Duration) {
	t.Helper()
	for range n {
		put(t, box, numbered(box.Stored()+uint64(box.Pending())+1, age), "")
	}
	if n > 0 {
		await(box, box.Stored()+uint64(box.Pending())-1)
	}
}

func numbered(seq uint64, age time.Duration) *checkv1.CheckResult {
	began := stamp(time.Now().Add(-age))
	return &checkv1.CheckResult{
		MonitorId: uint32(seq), Region: "local", ScheduledAt: began, StartedAt: began, Status: checkv1.ResultStatus_RESULT_STATUS_SUCCESS,
	}
}

func outboxes(t *testing.T, run func(t *testing.T, box Outbox)) {
	t.Run("memory", func(t *testing.T) { run(t, NewMemoryOutbox(1_000_000, 1<<30)) })
	t.Run("disk", func(t *testing.T) { run(t, openOutbox(t, t.TempDir(), OutboxOptions{})) })
}

// acknowledge stores everything.
func (r *laneRecorder) acknowledge(_ *eventsv1.RecordHello, first, last uint64, live bool) (*eventsv1.RecordResponse, error) {
	r.store(first, last)
	if live {
		return &eventsv1.RecordResponse{JudgedSeq: last, StoredSeq: last}, nil
	}
	return &eventsv1.RecordResponse{BackfilledSeq: last}, nil
}
