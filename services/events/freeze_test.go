package events_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/events"
)

// frozen is a state store that hangs while it is told to.
type frozen struct {
	events.StateStore
	mu   sync.Mutex
	thaw chan struct{} // nil while it works
}

func (*frozen) Exclusive() bool { return true }

func (f *frozen) freeze() (thaw func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := make(chan struct{})
	f.thaw = c
	return func() {
		f.mu.Lock()
		f.thaw = nil
		f.mu.Unlock()
		close(c)
	}
}

func (f *frozen) Commit(ctx context.Context, c events.Commit) error {
	f.mu.Lock()
	thaw := f.thaw
	f.mu.Unlock()
	if thaw != nil {
		select {
		case <-thaw:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return f.StateStore.Commit(ctx, c)
}

// TestFrozen has the state store hang for five minutes while a healthy fleet is checked, once so that all fits into memory and
// once so that the prober has to send again: no monitor is called anything but up, and each slot ends as a row.
func TestFrozen(t *testing.T) {
	for name, limit := range map[string]int{"all fits into memory": 1 << 30, "most does not": 600} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			bubbletest.Test(t, func(t *testing.T) { frozenFleet(t, dir, limit) })
		})
	}
}

func frozenFleet(t *testing.T, dir string, limit int) {
	const monitors, interval = 500, 10 * time.Second
	start := time.Now().UTC().Truncate(time.Second)
	cat := &catalogue{}
	for id := range uint32(monitors) {
		e := entry(id+1, "o1")
		e.CreatedAt, e.UpdatedAt, e.IntervalMs, e.TimeoutMs = timestamppb.New(start), timestamppb.New(start), uint32(interval.Milliseconds()), 5000
		cat.entries = append(cat.entries, e)
	}
	store := &frozen{}
	r := run(t, dir, cat, func(d *events.Deps) {
		store.StateStore = d.State
		d.State = store
	})
	r.service.LimitQueues(limit, 1<<20)
	f := newFakeProber(r, 1)
	round := 0
	check := func(rounds int) {
		for range rounds {
			at := start.Add(time.Duration(round) * interval)
			time.Sleep(time.Until(at)) //nolint:forbidigo // the bubble's clock, not ours
			for id := range uint32(monitors) {
				f.add(result(id+1, "o1", at, ok))
			}
			round++
		}
	}
	check(3)
	f.settle()
	head := feedHead(t, r)
	thaw := store.freeze()
	check(30)
	if err := r.service.Check(t.Context()); err == nil {
		t.Error("all is said to be well")
	}
	thaw()
	f.settle()
	check(2)
	f.settle()
	if got := transitionsAfter(t, r, head); len(got) != 0 {
		t.Errorf("announced: %d, the first %v", len(got), got[0])
	}
	client := eventsv1.NewEventsServiceClient(r.conn)
	for _, id := range []uint32{1, monitors / 2, monitors} {
		list, err := client.ListEvents(as("o1"), &eventsv1.ListEventsRequest{MonitorId: id})
		if err != nil || int(list.GetPagination().GetTotal()) != round {
			t.Errorf("monitor %d: %d rows of %d slots, %v", id, list.GetPagination().GetTotal(), round, err)
		}
		if s := r.status(id); s.GetCurrentStatus() != up || !s.GetSince().AsTime().Equal(start) {
			t.Errorf("monitor %d: %v since %v", id, s.GetCurrentStatus(), s.GetSince().AsTime())
		}
	}
	if f.rewound == 0 && limit < 1000 {
		t.Error("nothing had to be sent again")
	}
	f.stop()
	r.stop()
}

func feedHead(t *testing.T, r *running) uint64 {
	t.Helper()
	page, err := r.states.Feed(t.Context(), events.FeedQuery{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	return page.Head
}

// transitionsAfter reads what was announced of states.
func transitionsAfter(t *testing.T, r *running, after uint64) []*eventsv1.FeedEntry {
	t.Helper()
	ctx, cancel := context.WithCancel(rpctest.AsService(t.Context()))
	defer cancel()
	var out []*eventsv1.FeedEntry
	stream, err := eventsv1.NewFeedServiceClient(r.conn).ReadFeed(ctx, &eventsv1.ReadFeedRequest{AfterSeq: after})
	if err != nil {
		t.Fatal(err)
	}
	for head := feedHead(t, r); after < head; {
		resp, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range resp.GetEntries() {
			after = e.GetSeq()
			if e.GetTransition() != nil {
				out = append(out, e)
			}
		}
	}
	return out
}

// fakeProber keeps results until they are stored, as a prober does, and sends again what is asked for.
type fakeProber struct {
	r *running

	mu      sync.Mutex
	spool   map[uint64]*checkv1.CheckResult
	last    uint64 // newest in the spool
	sent    uint64 // newest live one on this stream
	live    uint64
	resp    *eventsv1.RecordResponse // newest acknowledgement
	rewound int
	more    chan struct{}
	stopped chan struct{}
	over    bool // the stream has ended
	cancel  context.CancelFunc
	batch   uint64
	leads   func(*eventsv1.RecordResponse) // looks at each acknowledgement
}

// newFakeProber opens a stream whose live lane begins at live.
func newFakeProber(r *running, live uint64) *fakeProber {
	f := &fakeProber{r: r, spool: map[uint64]*checkv1.CheckResult{}, more: make(chan struct{}, 1), batch: 1000}
	f.open(live)
	return f
}

// open begins a stream: what is below live is sent as results of the past.
func (f *fakeProber) open(live uint64) {
	p := f.r.proberFrom(live)
	ctx, cancel := context.WithCancel(f.r.t.Context())
	f.mu.Lock()
	f.over = false
	f.live, f.sent, f.resp, f.cancel, f.stopped = live, live-1, &eventsv1.RecordResponse{}, cancel, make(chan struct{})
	if f.sent > 0 && f.sent > f.last {
		f.sent = f.last
	}
	stopped := f.stopped
	var pastSeqs []uint64
	for seq := uint64(1); seq < live; seq++ {
		if f.spool[seq] != nil {
			pastSeqs = append(pastSeqs, seq)
		}
	}
	f.mu.Unlock()
	var work sync.WaitGroup
	work.Go(func() {
		for {
			ack, err := p.stream.Recv()
			if err != nil {
				f.mu.Lock()
				f.over = true
				f.mu.Unlock()
				return
			}
			f.acknowledged(ack)
		}
	})
	work.Go(func() {
		defer p.close()
		for _, seq := range pastSeqs {
			p.send1(f.batchFrom(seq, live-1, 1))
		}
		for {
			if b := f.next(); b != nil {
				p.send1(b)
				continue
			}
			select {
			case <-f.more:
			case <-ctx.Done():
				return
			}
		}
	})
	go func() {
		work.Wait()
		close(stopped)
	}()
}

func (p *prober) send1(b *eventsv1.ResultBatch) {
	if b != nil {
		_ = p.stream.Send(&eventsv1.RecordRequest{Step: &eventsv1.RecordRequest_Batch{Batch: b}}) // who receives hears of the end
	}
}

func (f *fakeProber) add(x *checkv1.CheckResult) {
	f.mu.Lock()
	f.last++
	f.spool[f.last] = x
	f.mu.Unlock()
	f.wake()
}

func (f *fakeProber) wake() {
	select {
	case f.more <- struct{}{}:
	default:
	}
}

func (f *fakeProber) batchFrom(seq, to uint64, most uint64) *eventsv1.ResultBatch {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := &eventsv1.ResultBatch{FirstSeq: seq}
	for ; seq <= to && uint64(len(b.Results)) < most && f.spool[seq] != nil; seq++ {
		b.Results = append(b.Results, f.spool[seq])
	}
	if len(b.Results) == 0 {
		return nil
	}
	return b
}

// next is the next live batch; it begins after what was dropped.
func (f *fakeProber) next() *eventsv1.ResultBatch {
	f.mu.Lock()
	for f.sent < f.last && f.spool[f.sent+1] == nil {
		f.sent++
	}
	from, to, most := f.sent+1, f.last, f.batch
	f.mu.Unlock()
	b := f.batchFrom(from, to, most)
	if b == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sent+1 == from { // else it was rewound meanwhile, and this is on its way
		f.sent = from + uint64(len(b.Results)) - 1
	}
	return b
}

func (f *fakeProber) acknowledged(ack *eventsv1.RecordResponse) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.leads != nil {
		f.leads(ack)
	}
	f.resp = ack
	for seq := range f.spool {
		if seq >= f.live && seq <= min(ack.GetJudgedSeq(), ack.GetStoredSeq()) || seq < f.live && seq <= ack.GetBackfilledSeq() {
			delete(f.spool, seq)
		}
	}
	if ack.RewindTo != nil {
		f.sent = ack.GetRewindTo()
		f.rewound++
		f.wake()
	}
}

// pending is how many results are not acknowledged.
func (f *fakeProber) pending() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.spool)
}

// ended reports whether the stream has.
func (f *fakeProber) ended() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.over
}

// settle waits until everything is acknowledged.
func (f *fakeProber) settle() {
	f.r.t.Helper()
	eventually(f.r.t, "everything to be acknowledged", func() bool { return f.pending() == 0 })
}

// stop ends the stream.
func (f *fakeProber) stop() {
	f.cancel()
	<-f.stopped
}
