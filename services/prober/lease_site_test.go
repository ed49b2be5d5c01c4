package prober

import (
	"context"
	"log/slog"
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
	"github.com/frogstats/uptime/internal/rpc/rpctest"
)

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
