// Package prober runs checks: it follows the monitors that it is assigned, runs each
// when it is due, and hands every due slot's row to the events service.
//
// It has no database. Three parts meet only over the engine's wheels and the outbox:
// the follower changes what is due, the engine runs it, the uplink carries results
// away. None waits for another, so neither a slow store nor a lost configuration
// service delays a check.
package prober

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"

	proberv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/prober/v1"
	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/services/prober/nettest"
)

// Deps is what a prober stands on.
type Deps struct {
	Monitors grpc.ClientConnInterface // what to check
	Events   grpc.ClientConnInterface // where results go
	Egress   *egress.Policy           // which addresses may be dialled
	Outbox   Outbox                   // nil means one in memory
	Log      *slog.Logger

	TracerProvider trace.TracerProvider // nil means the global one
	MeterProvider  metric.MeterProvider // nil means the global one
}

// Service is the prober.
type Service struct {
	proberv1.UnsafeProberServiceServer

	cfg      Config
	log      *slog.Logger
	engine   *engine
	follower *follower
	uplink   *uplink
	evidence *evidenceLink
	metrics  *metrics
}

var _ proberv1.ProberServiceServer = (*Service)(nil)

// New builds a prober; Run starts it.
func New(cfg Config, deps Deps) (*Service, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(deps.MeterProvider)
	if err != nil {
		return nil, fmt.Errorf("prober metrics: %w", err)
	}
	outbox := deps.Outbox
	if outbox == nil {
		outbox = NewMemoryOutbox(cfg.OutboxResults, cfg.OutboxBytes)
	}
	log := deps.Log.With("service", "prober", "prober_id", cfg.ProberID)
	checker := NewChecker(deps.Egress, cfg.ResolverWitnesses)
	newLoop := func() (tcpLoop, error) {
		return nettest.NewTCPLoop(checker.network, nettest.LoopOptions{MaxInFlight: cfg.MaxChecks})
	}
	g := newEngine(cfg, checker.prepare, newLoop, outbox, m, newTracer(deps.TracerProvider, cfg.CheckSampleRatio), log)
	if err := g.observer.set(cfg, &checker.network.Health); err != nil {
		return nil, err
	}
	evidence := newEvidenceLink(deps.Events, log)
	if g.examiner, err = newExaminer(checker.network, cfg.SecondResolvers, evidence.send); err != nil {
		return nil, err
	}
	if err := m.watch(g, outbox, evidence); err != nil {
		return nil, fmt.Errorf("prober metrics: %w", err)
	}
	f := newFollower(deps.Monitors, deps.Events, cfg, g, log)
	f.keeper.report = g.report
	if cfg.Dir != "" {
		if err := f.remember(cfg.Dir); err != nil {
			return nil, err
		}
	}
	return &Service{
		cfg: cfg, log: log, engine: g, metrics: m, follower: f,
		uplink: newUplink(deps.Events, cfg, outbox, m, log), evidence: evidence,
	}, nil
}

// Register adds the prober's RPC to a server.
func (s *Service) Register(r grpc.ServiceRegistrar) { proberv1.RegisterProberServiceServer(r, s) }

// Stats counts slots since the start.
func (s *Service) Stats() Stats { return s.metrics.stats() }

// Run checks until ctx ends. Then it takes no more slots, lets the checks in flight
// end, and gives the uplink time to carry what is left; what it could not carry, and no disk keeps, is an error.
func (s *Service) Run(ctx context.Context) error {
	// The uplink outlives ctx: it has to carry the last results away.
	linkCtx, unlink := context.WithCancel(context.WithoutCancel(ctx))
	defer unlink()
	var link, work sync.WaitGroup
	link.Go(func() {
		s.follower.awaitPast(linkCtx)
		s.uplink.run(linkCtx)
	})
	work.Go(func() { s.follower.run(ctx) })
	work.Go(func() { s.engine.run(ctx, s.cfg.StopGrace) })
	work.Go(func() { s.follower.leave(linkCtx) })
	work.Go(func() { s.engine.examiner.run(ctx) })
	work.Go(func() { s.evidence.run(ctx) })
	work.Wait()

	drain, cancel := context.WithTimeout(linkCtx, s.cfg.DrainGrace)
	defer cancel()
	left := s.uplink.drain(drain)
	unlink()
	link.Wait()
	if left > 0 && s.cfg.Dir != "" {
		s.log.Info("results that events has not stored are kept for the next start", "results", left)
	} else if left > 0 {
		return fmt.Errorf("prober stopped with %d results that events did not store", left)
	}
	return nil
}
