package prober

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/prober/schedule"
)

// engine runs monitors when they are due. Its shards each keep a part of them, with one
// goroutine; checks that only connect run in a loop, the others in a pool of goroutines.
// Every due slot ends as one row in the outbox, or as part of a missed row: slots that
// ran plus slots missed are all the slots that were due.
type engine struct {
	region   string
	proberID string
	prepare  func(*checkv1.CheckSpec) (check, error)
	newLoop  func() (tcpLoop, error) // nil: no check runs in a loop
	limits   *limits
	outbox   Outbox
	metrics  *metrics
	tracer   *tracer
	log      *slog.Logger
	observer *observer
	examiner *examiner // nil: failures are not looked into
	guard    guard

	fence  fence
	turns  turns
	shards []*shard
	pool   *pool[job]
	checks sync.WaitGroup // in flight
	// base is what checks run under; it ends when their time to finish after a stop is over.
	base   context.Context
	cancel context.CancelFunc
	left   chan time.Time // capacity 1: after a stop, the moment up to which every slot is accounted for
	closes func()         // called before that is decided: from then on nothing is taken up or given up; may be nil
}

const (
	// maxShards bounds the shards; there are not more than processors.
	maxShards = 64
	// idleWorkers is how many goroutines wait for checks that are not plain.
	idleWorkers = 512
)

func newEngine(cfg Config, prepare func(*checkv1.CheckSpec) (check, error), newLoop func() (tcpLoop, error), outbox Outbox, m *metrics, t *tracer, log *slog.Logger) *engine {
	g := &engine{
		region: cfg.Region, proberID: cfg.ProberID, prepare: prepare, newLoop: newLoop, outbox: outbox, metrics: m, tracer: t, log: log,
		limits: newLimits(cfg.MaxChecks, cfg.MaxChecksPerHost), left: make(chan time.Time, 1),
	}
	g.observer = newObserver(g)
	g.base, g.cancel = context.WithCancel(context.Background())
	g.pool = newPool(idleWorkers, g.runJob)
	for range min(runtime.GOMAXPROCS(0), maxShards) {
		g.shards = append(g.shards, newShard(g))
	}
	return g
}

// shardOf is where a monitor belongs. The phases of grids are another hash.
func (g *engine) shardOf(id uint32) *shard {
	return g.shards[schedule.Mix(uint64(id)<<32)%uint64(len(g.shards))]
}

// run checks until ctx ends. Then it takes no more slots, lets the checks in flight
// finish for grace, cuts off the rest, and writes every held run of missed slots.
func (g *engine) run(ctx context.Context, grace time.Duration) {
	var running sync.WaitGroup
	defer g.observer.start()()
	for _, s := range g.shards {
		running.Go(func() { s.run(ctx) })
	}
	running.Wait()
	if g.closes != nil {
		g.closes()
	}
	now := g.now()
	for _, s := range g.shards {
		s.halt(now)
	}
	g.left <- instant(min(now.UnixMilli(), g.fence.label()))
	cut := make(chan struct{})
	timer := time.AfterFunc(grace, func() {
		defer close(cut)
		g.cutOff()
	})
	g.checks.Wait()
	if !timer.Stop() {
		<-cut
	}
	g.cutOff()
	g.pool.close()
	g.observer.settle()
	for _, s := range g.shards {
		s.flush()
	}
}

// cutOff ends every check in flight.
func (g *engine) cutOff() {
	g.cancel()
	for _, s := range g.shards {
		s.cutOff()
	}
}

// newResult fills in what does not depend on the outcome of a check by hand, and notes its start.
func (g *engine) newResult(spec *checkv1.CheckSpec, slot time.Time) *checkv1.CheckResult {
	now := time.Now()
	late := max(now.Sub(slot), 0)
	g.metrics.started(late)
	return &checkv1.CheckResult{
		MonitorId: spec.GetMonitorId(), OrganizationId: spec.GetOrganizationId(), Region: g.region, ProberId: g.proberID,
		ScheduledAt: timestamppb.New(slot), StartedAt: timestamppb.New(now), LatenessNs: uint64(late),
		ConfigVersion: spec.GetVersion(), MonitorType: spec.GetMonitorType(), MonitorName: spec.GetName(), Attempt: 1,
	}
}
