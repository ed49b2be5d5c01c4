package monitors

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// fleet is all that is known of the probers at a moment.
type fleet struct {
	at       time.Time
	probers  []Prober
	sessions map[string]Session // by prober
	holdings []Holding
}

func (s *Service) fleet(ctx context.Context) (f fleet, err error) {
	f.at = time.Now()
	if f.probers, err = s.store.Probers(ctx); err != nil {
		return fleet{}, err
	}
	sessions, err := s.store.Sessions(ctx)
	if err != nil {
		return fleet{}, err
	}
	f.sessions = make(map[string]Session, len(sessions))
	for _, x := range sessions {
		f.sessions[x.ProberID] = x
	}
	f.holdings, err = s.store.Holdings(ctx)
	return f, err
}

// seen is a prober's last sign of life.
func (f fleet) seen(p Prober) time.Time { return latest(p.LastSeenAt, f.sessions[p.ID].RenewedAt) }

// connected reports whether a prober's stream is open.
func (f fleet) connected(p Prober) bool {
	p.LastSeenAt = f.seen(p)
	return p.Live(f.at)
}

// lives reports whether a prober may hold monitors. One of version 1 does as long as its stream is open.
func (f fleet) lives(id string) bool {
	s := f.sessions[id]
	if !s.Live() || !s.Stream {
		return s.Live()
	}
	for _, p := range f.probers {
		if p.ID == id {
			return f.connected(p)
		}
	}
	return false
}

// ListRegions returns all regions with their health.
func (s *Service) ListRegions(ctx context.Context, _ *monitorsv1.ListRegionsRequest) (*monitorsv1.ListRegionsResponse, error) {
	regions, err := s.store.Regions(ctx)
	if err != nil {
		return nil, err
	}
	f, err := s.fleet(ctx)
	if err != nil {
		return nil, err
	}
	resp := &monitorsv1.ListRegionsResponse{}
	for _, r := range regions {
		resp.Regions = append(resp.Regions, f.region(r))
	}
	return resp, nil
}

func (f fleet) region(r Region) *monitorsv1.Region {
	out := &monitorsv1.Region{Code: r.Code, Name: r.Name, IsLocal: r.Code == LocalRegion}
	var seen time.Time
	for _, p := range f.probers {
		if p.Region != r.Code {
			continue
		}
		if f.lives(p.ID) {
			out.Probers++
		}
		if at := f.seen(p); at.After(seen) {
			seen = at
			out.LastSeenAt = timestamppb.New(seen)
		}
	}
	for _, h := range f.holdings {
		if h.Region == r.Code {
			out.Monitors += h.Monitors
			if !f.lives(h.Holder) {
				out.UnplacedMonitors += h.Monitors
			}
		}
	}
	out.IsHealthy = out.GetProbers() > 0
	return out
}

// ListProbers returns all probers that ever asked for work, or joined.
func (s *Service) ListProbers(ctx context.Context, _ *monitorsv1.ListProbersRequest) (*monitorsv1.ListProbersResponse, error) {
	f, err := s.fleet(ctx)
	if err != nil {
		return nil, err
	}
	resp := &monitorsv1.ListProbersResponse{}
	for _, p := range f.probers {
		resp.Probers = append(resp.Probers, f.prober(p))
	}
	resp.Probers, err = s.showEnrolled(ctx, resp.GetProbers())
	return resp, err
}

func (f fleet) prober(p Prober) *monitorsv1.Prober {
	session := f.sessions[p.ID]
	out := &monitorsv1.Prober{
		Id: p.ID, Region: p.Region, Version: p.Version, Connected: f.connected(p), LastSeenAt: timestamppb.New(f.seen(p)),
		Capacity: session.Capacity, Capabilities: session.Capabilities, Report: reportOf(session),
		Health: monitorsv1.ProberHealth_PROBER_HEALTH_OFFLINE,
	}
	switch {
	case session.Marked:
		out.Health = monitorsv1.ProberHealth_PROBER_HEALTH_REMOVED
	case f.lives(p.ID) && len(out.GetReport().GetFaults()) > 0:
		out.Health = monitorsv1.ProberHealth_PROBER_HEALTH_IMPAIRED
	case f.lives(p.ID):
		out.Health = monitorsv1.ProberHealth_PROBER_HEALTH_HEALTHY
	}
	for _, h := range f.holdings {
		if h.Region == p.Region && h.Holder == p.ID {
			out.Monitors += h.Monitors
		}
	}
	return out
}

// reportOf is what a prober said of itself last; nil if it has not, or in a way that is not understood.
func reportOf(s Session) *monitorsv1.ProberReport {
	if s.Report == nil {
		return nil
	}
	r := &monitorsv1.ProberReport{}
	if err := proto.Unmarshal(s.Report, r); err != nil {
		return nil
	}
	return r
}
