package prober

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/prober/schedule"
)

const centreTTL = 10 * time.Second

// centre stands in for the monitors service of one region, and keeps its promises: one holder at a time, epochs that rise,
// a session that is over when it was not heard of for the time to live.
type centre struct {
	monitorsv1.UnimplementedAssignmentsServiceServer

	revives bool // a session that is over loses nothing before somebody else is there to take it, and is taken up again until then
	sole    bool // a lone prober is told so

	mu       sync.Mutex
	epoch    uint64
	monitors map[uint32]*centreMonitor
	sessions map[string]*centreSession // the newest of each prober
	faults   []string
}

type centreMonitor struct {
	assignment *monitorsv1.Assignment // epoch and account_from are of the present holding
	holder     string                 // "" for nobody
	from       time.Time              // from where the next holder accounts; zero: since what is stored
}

type centreSession struct {
	prober, name string
	epoch        uint64
	durable      bool
	beat         time.Time
	until        time.Time // the greatest valid_until granted
	over, sole   bool
	ended        bool          // it is over, and has lost what it held, or has left
	heard        uint64        // greatest epoch that it had heard of when it left; 0: all
	lost         []*centreLoss // by its prober, in this session and before
	out          chan *monitorsv1.WatchAssignmentsResponse
}

// centreLoss is told to each session until that has heard of it: the prober may never have heard of the holding either.
type centreLoss struct {
	was     *monitorsv1.Assignment
	removal *monitorsv1.Removal
	heard   string // by that session
}

func newCentre(monitors ...*monitorsv1.Assignment) *centre {
	c := &centre{monitors: map[uint32]*centreMonitor{}, sessions: map[string]*centreSession{}}
	for _, a := range monitors {
		c.monitors[a.GetSpec().GetMonitorId()] = &centreMonitor{assignment: a}
	}
	return c
}

// watchOver ends sessions in time, until ctx ends.
func (c *centre) watchOver(ctx context.Context) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.mu.Lock()
			for _, s := range c.sessions {
				if !s.over && !s.sole && time.Since(s.beat) >= centreTTL {
					if s.over = true; !c.revives {
						c.end(s)
					}
				}
			}
			c.place()
			c.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

// end takes everything from a session that is over. The lock is held.
func (c *centre) end(s *centreSession) {
	for _, id := range c.ids() {
		if m := c.monitors[id]; m.holder == s.prober {
			c.lose(s, m)
		}
	}
	s.over, s.ended = true, true
}

// lose takes a monitor from a session that is over. The lock is held.
func (c *centre) lose(s *centreSession, m *centreMonitor) {
	a := m.assignment
	r := &monitorsv1.Removal{MonitorId: a.GetSpec().GetMonitorId(), Epoch: a.GetEpoch(), Until: stamp(time.UnixMilli(0))}
	m.holder, m.from = "", time.Time{}
	if s.durable {
		m.from = latestOf(s.until, a)
		r.Until = stamp(m.from)
	}
	s.ended = true
	s.lost = append(s.lost, &centreLoss{was: a, removal: r})
	s.send(removal(r))
}

// latestOf is where an account ends: where it begins, if that lies ahead.
func latestOf(until time.Time, a *monitorsv1.Assignment) time.Time {
	if from := a.GetAccountFrom(); from != nil {
		return later(until, from.AsTime())
	}
	return until
}

// left frees what a session held that has left. What it never heard of has no rows. The lock is held.
func (c *centre) left(s *centreSession, at time.Time) {
	for _, m := range c.monitors {
		switch a := m.assignment; {
		case m.holder != s.prober:
		case a.GetEpoch() <= s.heard || s.heard == 0:
			m.holder, m.from = "", latestOf(at, a)
		case a.GetAccountFrom() == nil:
			m.holder, m.from = "", time.Time{}
		default:
			m.holder, m.from = "", a.GetAccountFrom().AsTime()
		}
	}
	s.over, s.ended = true, true
}

func (c *centre) ids() []uint32 { return slices.Sorted(maps.Keys(c.monitors)) }

func removal(r *monitorsv1.Removal) *monitorsv1.WatchAssignmentsResponse {
	return &monitorsv1.WatchAssignmentsResponse{Step: &monitorsv1.WatchAssignmentsResponse_Removal{Removal: r}}
}

func (s *centreSession) send(m *monitorsv1.WatchAssignmentsResponse) {
	if s.out != nil {
		s.out <- m
	}
}

// best is who should hold a monitor. The lock is held.
func (c *centre) best(id uint32) *centreSession {
	var best *centreSession
	weight := func(s *centreSession) uint64 {
		h := uint64(id) << 32
		for _, b := range []byte(s.prober) {
			h = schedule.Mix(h ^ uint64(b))
		}
		return h
	}
	for _, s := range c.sessions {
		if !s.over && (best == nil || cmp.Compare(weight(s), weight(best)) > 0) {
			best = s
		}
	}
	return best
}

// place gives monitors to those who should hold them. The lock is held.
func (c *centre) place() {
	alive := 0
	for _, s := range c.sessions {
		if !s.over {
			alive++
		}
	}
	for _, id := range c.ids() {
		m, best := c.monitors[id], c.best(id)
		if h := c.sessions[m.holder]; best != nil && h != nil && h.over {
			c.lose(h, m)
		}
		switch {
		case best == nil || m.holder == best.prober:
		case m.holder != "":
			if h := c.sessions[m.holder]; !h.over && !h.sole {
				h.send(removal(&monitorsv1.Removal{MonitorId: id, Epoch: m.assignment.GetEpoch(), Release: true}))
			}
		default:
			c.epoch++
			a := proto3(m.assignment)
			a.Epoch, a.AccountFrom = c.epoch, nil
			if !m.from.IsZero() {
				a.AccountFrom = stamp(m.from)
			}
			m.assignment, m.holder = a, best.prober
			best.send(assigned(a))
		}
	}
}

func (c *centre) lease(s *centreSession) *monitorsv1.Lease {
	s.beat = time.Now()
	s.until = later(s.until, time.Now().Add(centreTTL))
	s.sole = c.sole && len(c.sessions) == 1
	return &monitorsv1.Lease{
		Epoch: s.epoch, TtlMs: uint32(centreTTL.Milliseconds()), ValidUntil: stamp(s.until), Sole: s.sole, Now: stamp(time.Now()),
	}
}

var errEnded = fault.Aborted("another session has begun").Because(sessionEnded)

// enter is the session of a prober that opens a stream; nil while an older one may still live. The lock is held.
func (c *centre) enter(req *monitorsv1.WatchAssignmentsRequest) (*centreSession, error) {
	old := c.sessions[req.GetProberId()]
	switch {
	case old != nil && old.name == req.GetSession():
		if old.ended {
			return nil, errEnded
		}
		old.over = false
		return old, nil
	case old != nil && !old.over && old.name != req.GetPreviousSession():
		return nil, nil
	}
	c.epoch++
	s := &centreSession{prober: req.GetProberId(), name: req.GetSession(), epoch: c.epoch, durable: req.GetDurable()}
	if old != nil {
		s.lost = old.lost
		old.over, old.ended = true, true
	}
	c.sessions[s.prober] = s
	return s, nil
}

func (c *centre) WatchAssignments(req *monitorsv1.WatchAssignmentsRequest, stream monitorsv1.AssignmentsService_WatchAssignmentsServer) error {
	var s *centreSession
	for s == nil {
		c.mu.Lock()
		var err error
		if s, err = c.enter(req); err != nil {
			c.mu.Unlock()
			return err
		}
		if s == nil {
			c.mu.Unlock()
			pass(100 * time.Millisecond)
			if stream.Context().Err() != nil {
				return stream.Context().Err()
			}
		}
	}
	out := make(chan *monitorsv1.WatchAssignmentsResponse, 100_000)
	s.out = out
	s.send(&monitorsv1.WatchAssignmentsResponse{Step: &monitorsv1.WatchAssignmentsResponse_Lease{Lease: c.lease(s)}})
	for _, l := range s.lost {
		if l.heard == s.name {
			continue
		}
		if l.removal.GetUntil().AsTime().UnixMilli() > 0 {
			s.send(assigned(l.was))
		}
		s.send(removal(l.removal))
	}
	var held []*monitorsv1.Assignment
	for _, m := range c.monitors {
		if m.holder == s.prober {
			held = append(held, m.assignment)
		}
	}
	slices.SortFunc(held, func(a, b *monitorsv1.Assignment) int { return cmp.Compare(a.GetEpoch(), b.GetEpoch()) })
	for _, a := range held {
		s.send(assigned(a))
	}
	s.send(complete)
	c.place()
	c.mu.Unlock()
	for {
		select {
		case m := <-out:
			if err := stream.Send(m); err != nil {
				return err
			}
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

func (c *centre) RenewLease(_ context.Context, req *monitorsv1.RenewLeaseRequest) (*monitorsv1.RenewLeaseResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sessions[req.GetProberId()]
	if s == nil || s.name != req.GetSession() || s.ended {
		return nil, errEnded
	}
	s.over = false
	for _, r := range req.GetReleased() {
		if m := c.monitors[r.GetMonitorId()]; m.holder == s.prober && m.assignment.GetEpoch() == r.GetEpoch() {
			if r.GetUntil() == nil {
				c.faults = append(c.faults, "a release without a word of when")
			}
			m.holder, m.from = "", latestOf(r.GetUntil().AsTime(), m.assignment)
		}
	}
	if req.GetLeaving() {
		s.sole, s.heard = false, req.GetHeardEpoch()
		c.left(s, req.GetLeftAt().AsTime())
		c.place()
		return &monitorsv1.RenewLeaseResponse{Lease: &monitorsv1.Lease{}}, nil
	}
	for _, l := range s.lost {
		if req.GetHeardEpoch() >= s.epoch {
			l.heard = s.name
		}
	}
	lease := c.lease(s)
	c.place()
	return &monitorsv1.RenewLeaseResponse{Lease: lease}, nil
}

func proto3(a *monitorsv1.Assignment) *monitorsv1.Assignment {
	return &monitorsv1.Assignment{
		Spec: a.GetSpec(), IntervalSeconds: a.GetIntervalSeconds(), ConfirmDown: a.GetConfirmDown(), RetryIntervalSeconds: a.GetRetryIntervalSeconds(),
		Overlap: a.GetOverlap(), ActiveSince: a.GetActiveSince(), Epoch: a.GetEpoch(), AccountFrom: a.GetAccountFrom(),
	}
}

// archive stands in for the events service: of the rows that begin with the same slot of a monitor it keeps the first.
type archive struct {
	eventsv1.UnimplementedRecorderServiceServer

	mu   sync.Mutex
	slow time.Duration // storing takes so long
	rows map[archiveKey]*checkv1.CheckResult
	all  []*checkv1.CheckResult // repetitions by the same prober left out
}

type archiveKey struct {
	monitor uint32
	slot    int64
}

func newArchive() *archive { return &archive{rows: map[archiveKey]*checkv1.CheckResult{}} }

func (r *archive) Record(s eventsv1.RecorderService_RecordServer) error {
	for {
		req, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		b := req.GetBatch()
		if b == nil {
			continue
		}
		r.mu.Lock()
		slow := r.slow
		r.mu.Unlock()
		pass(slow)
		r.mu.Lock()
		for _, x := range b.GetResults() {
			key := archiveKey{x.GetMonitorId(), x.GetScheduledAt().AsTime().UnixMilli()}
			if old := r.rows[key]; old == nil {
				r.rows[key] = x
				r.all = append(r.all, x)
			} else if old.GetProberId() != x.GetProberId() {
				r.all = append(r.all, x)
			}
		}
		r.mu.Unlock()
		last := b.GetFirstSeq() + uint64(len(b.GetResults())) - 1
		if err := s.Send(&eventsv1.RecordResponse{JudgedSeq: last, StoredSeq: last}); err != nil {
			return err
		}
	}
}

func (r *archive) ListLastSlots(_ context.Context, req *eventsv1.ListLastSlotsRequest) (*eventsv1.ListLastSlotsResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	newest := map[uint32]int64{}
	for _, x := range r.rows {
		if id := x.GetMonitorId(); len(req.GetMonitorIds()) == 0 || slices.Contains(req.GetMonitorIds(), id) {
			if until := req.GetUntil(); until != nil && x.GetScheduledAt().AsTime().After(until.AsTime()) {
				continue
			}
			covered := slotsOf(x)
			last := covered[len(covered)-1]
			if next := x.GetNextScheduledAt(); x.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_MISSED && next != nil {
				last = max(last, next.AsTime().UnixMilli()-1) // it covers all before the next
			}
			if until := req.GetUntil(); until != nil {
				last = min(last, until.AsTime().UnixMilli())
			}
			newest[id] = max(newest[id], last)
		}
	}
	resp := &eventsv1.ListLastSlotsResponse{}
	for id, at := range newest {
		resp.Slots = append(resp.Slots, &eventsv1.LastSlot{MonitorId: id, ScheduledAt: stamp(instant(at))})
	}
	return resp, nil
}

// leaseInterval is that of every monitor that these tests share, by its number.
func leaseInterval(id uint32) time.Duration { return time.Duration(1+id%4) * time.Second }

// slotsOf are the slots of a row. The first may lie beside the grid.
func slotsOf(r *checkv1.CheckResult) []int64 {
	grid := schedule.NewGrid(r.GetMonitorId(), leaseInterval(r.GetMonitorId()))
	at := r.GetScheduledAt().AsTime()
	slots := []int64{at.UnixMilli()}
	for range max(int(r.GetMissedCount()), 1) - 1 {
		at = grid.Next(at)
		slots = append(slots, at.UnixMilli())
	}
	return slots
}

type complainer interface {
	Helper()
	Errorf(format string, args ...any)
}

// count holds the rows to the grids: every slot after from and up to until is in exactly one row.
func (r *archive) count(t complainer, ids []uint32, from, until time.Time) (missed int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	covered := map[archiveKey][]*checkv1.CheckResult{}
	for _, x := range r.rows {
		for _, slot := range slotsOf(x) {
			key := archiveKey{x.GetMonitorId(), slot}
			covered[key] = append(covered[key], x)
		}
	}
	wrong := 0
	for _, id := range ids {
		grid := schedule.NewGrid(id, leaseInterval(id))
		for at := grid.Next(from); !at.After(until); at = grid.Next(at) {
			rows := covered[archiveKey{id, at.UnixMilli()}]
			if len(rows) == 1 {
				if rows[0].GetStatus() == checkv1.ResultStatus_RESULT_STATUS_MISSED {
					missed++
				}
				continue
			}
			if wrong++; wrong < 20 {
				t.Errorf("slot %v of monitor %d is in %d rows", at.Format(time.TimeOnly+".000"), id, len(rows))
				for _, x := range rows {
					t.Errorf("  %s at %v: %v, %d from %v, epoch %d", x.GetProberId(), x.GetStartedAt().AsTime().Format(time.TimeOnly+".000"), x.GetStatus(),
						x.GetMissedCount(), x.GetScheduledAt().AsTime().Format(time.TimeOnly+".000"), x.GetEpoch())
				}
			}
		}
	}
	return missed
}

// twice counts the slots that two probers ran.
func (r *archive) twice() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	by := map[archiveKey]string{}
	for _, x := range r.all {
		if x.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_MISSED {
			continue
		}
		key := archiveKey{x.GetMonitorId(), x.GetScheduledAt().AsTime().UnixMilli()}
		if who, ok := by[key]; ok && who != x.GetProberId() {
			n++
		}
		by[key] = x.GetProberId()
	}
	return n
}

// cable is a connection that the test pulls.
type cable struct {
	grpc.ClientConnInterface

	mu      sync.Mutex
	cut     bool // nothing gets through
	answers bool // what is asked gets through, and its answer is lost
	streams map[*context.CancelFunc]bool
}

var errCut = status.Error(codes.Unavailable, "the cable is cut")

func (c *cable) set(cut, answersLost bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut, c.answers = cut, answersLost
	if cut {
		for cancel := range c.streams {
			(*cancel)()
		}
	}
}

func (c *cable) state() (cut, answers bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut, c.answers
}

func (c *cable) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	if cut, _ := c.state(); cut {
		return errCut
	}
	err := c.ClientConnInterface.Invoke(ctx, method, args, reply, opts...)
	if cut, answers := c.state(); cut || answers {
		return errCut
	}
	return err
}

func (c *cable) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		return nil, errCut
	}
	ctx, cancel := context.WithCancel(ctx)
	c.streams[&cancel] = true
	return c.ClientConnInterface.NewStream(ctx, desc, method, opts...)
}

// leaseSite is a region with its centre and archive, and the probers that run there.
type leaseSite struct {
	t        *testing.T
	centre   *centre
	archive  *archive
	monitors grpc.ClientConnInterface
	events   grpc.ClientConnInterface
	away     bool // a process that starts reaches nobody
}

func newSite(t *testing.T, c *centre) *leaseSite {
	quiet := rpctest.Log(slog.New(slog.DiscardHandler))
	s := &leaseSite{t: t, centre: c, archive: newArchive()}
	s.monitors = rpctest.Conn(t, "monitors", func(r grpc.ServiceRegistrar) { monitorsv1.RegisterAssignmentsServiceServer(r, c) }, rpctest.Client(asProber), quiet)
	s.events = rpctest.Conn(t, "events", func(r grpc.ServiceRegistrar) { eventsv1.RegisterRecorderServiceServer(r, s.archive) }, rpctest.Client(asProber), quiet)
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { c.watchOver(ctx) })
	t.Cleanup(func() { cancel(); watching.Wait() })
	return s
}

// leaseMonitors are n monitors that were created now.
func leaseMonitors(n uint32) (all []*monitorsv1.Assignment, ids []uint32) {
	for id := uint32(1); id <= n; id++ {
		a := assignment(id, uint32(leaseInterval(id)/time.Second))
		a.ActiveSince = stamp(time.Now())
		all, ids = append(all, a), append(ids, id)
	}
	return all, ids
}

// spoolbox is an outbox of which a crash leaves what is pending.
type spoolbox struct {
	*memoryOutbox
	recalled map[uint32]Recalled

	mu   sync.Mutex
	dead bool
}

func (b *spoolbox) Append(row []byte, traceparent string) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dead {
		return 0
	}
	return b.memoryOutbox.Append(row, traceparent)
}

func (b *spoolbox) Recall() map[uint32]Recalled { return b.recalled }

// process is one prober's process.
type process struct {
	*Service
	site             *leaseSite
	id, dir          string
	box              *spoolbox
	monitors, events *cable
	cancel           context.CancelFunc
	ended            chan error
}

// start runs a prober; dir "" keeps nothing. rows are what a former process left in its spool.
func (s *leaseSite) start(id, dir string, rows []*checkv1.CheckResult) *process {
	s.t.Helper()
	p := &process{site: s, id: id, dir: dir, ended: make(chan error, 1)}
	p.monitors = &cable{ClientConnInterface: s.monitors, streams: map[*context.CancelFunc]bool{}}
	p.events = &cable{ClientConnInterface: s.events, streams: map[*context.CancelFunc]bool{}}
	p.box = &spoolbox{memoryOutbox: NewMemoryOutbox(1_000_000, 1<<30).(*memoryOutbox), recalled: map[uint32]Recalled{}}
	for _, r := range rows {
		put(s.t, p.box, r, "")
		covered := slotsOf(r)
		if last := instant(covered[len(covered)-1]); last.After(p.box.recalled[r.GetMonitorId()].Slot) {
			p.box.recalled[r.GetMonitorId()] = Recalled{Slot: last}
		}
	}
	svc, err := New(Config{ProberID: id, Region: "local", Dir: dir, Witnesses: []string{}, StopGrace: time.Second, DrainGrace: time.Second, CheckSampleRatio: -1}, Deps{
		Monitors: p.monitors, Events: p.events, Outbox: p.box, Log: slog.New(slog.DiscardHandler),
		MeterProvider: noop.NewMeterProvider(), // the global one would keep every process of thousands of stories
	})
	if err != nil {
		s.t.Fatal(err)
	}
	p.Service = svc
	began := time.Now()
	svc.engine.fence.clock = func() int64 { return int64(time.Since(began)) }
	svc.engine.newLoop = nil
	svc.engine.prepare = func(spec *checkv1.CheckSpec) (check, error) {
		return fakeCheck{"h", func() (time.Duration, checkv1.ResultStatus) { return success(0) }}, nil
	}
	p.monitors.set(s.away, false)
	p.events.set(s.away, false)
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(s.t.Context())
	go func() { p.ended <- svc.Run(ctx) }()
	return p
}

// stop ends a process in order.
func (p *process) stop() {
	p.cancel()
	if err := <-p.ended; err != nil {
		p.site.t.Errorf("%s ended with %v", p.id, err)
	}
}

// pending are the rows in the spool.
func (p *process) pending() (rows []*checkv1.CheckResult) {
	for after := p.box.Stored(); len(rows) < p.box.Pending(); {
		b, err := p.box.Read(p.site.t.Context(), after, 100_000, nil)
		if err != nil {
			p.site.t.Fatal(err)
		}
		rows = append(rows, results(p.site.t, b)...)
		after = b.First + uint64(b.Count) - 1
	}
	return rows
}
