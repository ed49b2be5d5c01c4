package monitors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	proberv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/prober/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/rpc"
)

// queueWait is the time a check may wait for the prober's limits, on top of its own.
const queueWait = 10 * time.Second

// CheckMonitor runs a check now and records it. The check of a disabled monitor is not recorded: its history says that it
// was paused, and goes on saying so.
func (s *Service) CheckMonitor(ctx context.Context, req *monitorsv1.CheckMonitorRequest) (*eventsv1.Event, error) {
	m, err := s.store.Monitor(ctx, organization(ctx), req.GetId())
	if err != nil {
		return nil, err
	}
	if err := s.reach(m.Config, req.GetRegion()); err != nil {
		return nil, err
	}
	if err := s.checks.take(m.ID); err != nil {
		return nil, err
	}
	secrets, err := open(s.box, m)
	if err != nil {
		return nil, fmt.Errorf("check monitor %d: %w", m.ID, err)
	}
	return s.run(ctx, m, secrets, m.Config.Enabled)
}

// TestMonitor checks a configuration that is not stored, and records nothing.
func (s *Service) TestMonitor(ctx context.Context, req *monitorsv1.TestMonitorRequest) (*eventsv1.Event, error) {
	config, secrets, err := s.accept(ctx, req.GetMonitor(), true)
	if err != nil {
		return nil, err
	}
	if err := s.reach(config, req.GetRegion()); err != nil {
		return nil, err
	}
	org := organization(ctx)
	if err := s.tests.take(org); err != nil {
		return nil, err
	}
	return s.run(ctx, Monitor{OrganizationID: org, Config: config}, secrets, false)
}

// reach finds out whether the check can run in the region asked for, "" being the monitor's first.
func (s *Service) reach(c Config, region string) error {
	if region == "" {
		region = c.Regions[0]
	}
	switch {
	case !slices.Contains(c.Regions, region):
		return fault.Invalid("", fault.Field{Name: "region", Message: fmt.Sprintf("%q is not one of the monitor's regions", region)})
	case s.prober == nil || region != s.proberRegion:
		return fault.Unavailable(fmt.Sprintf("no prober in region %q takes checks on demand", region)).Because("NO_PROBER")
	}
	return nil
}

func (s *Service) run(ctx context.Context, m Monitor, secrets Secrets, record bool) (*eventsv1.Event, error) {
	ctx, cancel := context.WithTimeout(rpc.AsService(ctx), m.Config.SlotTime()+queueWait)
	defer cancel()
	resp, err := s.prober.RunCheck(ctx, &proberv1.RunCheckRequest{Spec: specOf(m, secrets), Record: record})
	if err != nil {
		return nil, downstream(fmt.Errorf("run check: %w", err))
	}
	if resp.GetResult() == nil {
		return nil, fault.Internal(errors.New("run check: the prober answered no result"))
	}
	return eventFromResult(resp.GetResult()), nil
}
