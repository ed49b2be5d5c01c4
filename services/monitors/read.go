package monitors

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/maintenance"
	"github.com/frogstats/uptime/internal/page"
	"github.com/frogstats/uptime/internal/rpc"
)

// GetMonitor returns a monitor with its current status.
func (s *Service) GetMonitor(ctx context.Context, req *monitorsv1.GetMonitorRequest) (*monitorsv1.Monitor, error) {
	m, err := s.store.Monitor(ctx, organization(ctx), req.GetId())
	if err != nil {
		return nil, err
	}
	answerHeaders(ctx, etagKey, m.ETag())
	return s.view(ctx, m), nil
}

const (
	defaultPageSize = 100
	maxPageSize     = 1000 // also the most that the events service answers at once
)

// cursor is the place where the next page of monitors begins.
type cursor struct {
	Before uint32 `json:"before"`
}

// ListMonitors returns a page of monitors, newest first.
func (s *Service) ListMonitors(ctx context.Context, req *monitorsv1.ListMonitorsRequest) (*monitorsv1.ListMonitorsResponse, error) {
	size, err := page.Size(req.GetPageSize(), defaultPageSize, maxPageSize)
	if err != nil {
		return nil, err
	}
	f, err := filterFromProto(req)
	if err != nil {
		return nil, err
	}
	f.OrganizationID, f.Limit = organization(ctx), size+1 // one more tells whether there is a next page
	scope, err := listScope(f.OrganizationID, req)
	if err != nil {
		return nil, err
	}
	var from cursor
	if err := s.pages.Decode(scope, req.GetPageToken(), &from); err != nil {
		return nil, err
	}
	f.Before = from.Before
	if f.IDs, err = s.withStatus(ctx, f.OrganizationID, req.GetStatus()); err != nil {
		return nil, err
	}
	ms, err := s.store.Monitors(ctx, f)
	if err != nil {
		return nil, err
	}
	resp := &monitorsv1.ListMonitorsResponse{}
	if len(ms) > size {
		ms = ms[:size]
		resp.NextPageToken = s.pages.Encode(scope, cursor{Before: ms[size-1].ID})
	}
	resp.Monitors = s.views(ctx, ms)
	return resp, nil
}

// listScope binds a page token to the organization and to everything that was asked for but the size of the page.
func listScope(organizationID string, req *monitorsv1.ListMonitorsRequest) (string, error) {
	asked := proto.CloneOf(req)
	asked.PageSize, asked.PageToken = nil, nil
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(asked)
	if err != nil {
		return "", fmt.Errorf("scope of page token: %w", err)
	}
	return page.Scope("ListMonitors", organizationID, string(b)), nil
}

func filterFromProto(req *monitorsv1.ListMonitorsRequest) (Filter, error) {
	f := Filter{
		Enabled: clone(req.Enabled), Type: typeNames[req.GetMonitorType()], Region: req.GetRegion(),
		Text: strings.ToLower(req.GetQ()), ExternalID: req.GetExternalId(),
	}
	for i, l := range req.GetLabel() {
		key, value, exact := strings.Cut(l, "=")
		if !labelKey.MatchString(key) {
			return Filter{}, fault.Invalid("", fault.Field{
				Name: fmt.Sprintf("label[%d]", i), Message: "must be key=value, or a key alone",
			})
		}
		lf := LabelFilter{Key: key}
		if exact {
			lf.Value = &value
		}
		f.Labels = append(f.Labels, lf)
	}
	return f, nil
}

// statusWait bounds the question for statuses that decorate an answer: the answer is worth more than they are.
const statusWait = 2 * time.Second

// unseen is the status of a monitor that the events service has not seen yet.
func unseen(m Monitor) *eventsv1.MonitorStatus {
	return &eventsv1.MonitorStatus{
		MonitorId: m.ID, CurrentStatus: unseenState(m.Config.Enabled), Since: timestamppb.New(m.ActiveSince),
		UpdatedAt: timestamppb.New(m.UpdatedAt),
	}
}

func unseenState(enabled bool) eventsv1.CurrentStatus {
	if enabled {
		return eventsv1.CurrentStatus_CURRENT_STATUS_UNKNOWN
	}
	return eventsv1.CurrentStatus_CURRENT_STATUS_PAUSED
}

func (s *Service) view(ctx context.Context, m Monitor) *monitorsv1.Monitor {
	return s.views(ctx, []Monitor{m})[0]
}

// views are the monitors as people read them, with their status; without any while the events service cannot be asked.
func (s *Service) views(ctx context.Context, ms []Monitor) []*monitorsv1.Monitor {
	statuses, ok := s.statuses(ctx, ms)
	targets := s.overlays(ctx, ms)
	out := make([]*monitorsv1.Monitor, len(ms))
	for i, m := range ms {
		status := statuses[m.ID]
		if status == nil && ok {
			status = unseen(m)
		}
		if status != nil && m.Config.Enabled && covered(targets, m) {
			status.CurrentStatus = eventsv1.CurrentStatus_CURRENT_STATUS_MAINTENANCE
		}
		out[i] = monitorToProto(m, status)
	}
	return out
}

// overlays are the windows that are active now: the enabled monitors in them show as in maintenance. What the checks see stays to be
// read in the regions.
func (s *Service) overlays(ctx context.Context, ms []Monitor) []maintenance.Target {
	if len(ms) == 0 {
		return nil
	}
	targets, err := s.inMaintenance(ctx, ms[0].OrganizationID, now())
	if err != nil {
		s.log.WarnContext(ctx, "maintenance windows are not available", "error", err.Error())
	}
	return targets
}

// statuses asks the events service; false if it does not answer.
func (s *Service) statuses(ctx context.Context, ms []Monitor) (map[uint32]*eventsv1.MonitorStatus, bool) {
	if s.status == nil || len(ms) == 0 {
		return nil, false
	}
	req := &eventsv1.BatchGetStatusesRequest{MonitorIds: make([]uint32, len(ms))}
	for i, m := range ms {
		req.MonitorIds[i] = m.ID
	}
	ctx, cancel := context.WithTimeout(rpc.AsService(ctx), statusWait)
	defer cancel()
	resp, err := s.status.BatchGetStatuses(ctx, req)
	if err != nil {
		s.log.WarnContext(ctx, "statuses are not available", "error", err.Error())
		return nil, false
	}
	byID := make(map[uint32]*eventsv1.MonitorStatus, len(resp.GetStatuses()))
	for _, st := range resp.GetStatuses() {
		byID[st.GetMonitorId()] = st
	}
	return byID, true
}

// withStatus chooses the monitors of an organization that read as having status; nil for any. Two states are also those of
// monitors that the events service has not seen, which it cannot list; there the others are left out instead.
func (s *Service) withStatus(ctx context.Context, organizationID string, status eventsv1.CurrentStatus) (*IDFilter, error) {
	if status == eventsv1.CurrentStatus_CURRENT_STATUS_UNSPECIFIED {
		return nil, nil
	}
	targets, err := s.inMaintenance(ctx, organizationID, now())
	if err != nil {
		return nil, err
	}
	maintained, err := s.monitorsOf(ctx, organizationID, targets)
	if err != nil {
		return nil, err
	}
	if status == eventsv1.CurrentStatus_CURRENT_STATUS_MAINTENANCE {
		return &IDFilter{In: slices.Collect(maps.Keys(maintained))}, nil
	}
	f, err := s.seenAs(ctx, organizationID, status)
	if err != nil || len(maintained) == 0 {
		return f, err
	}
	f.In = slices.DeleteFunc(f.In, func(id uint32) bool { return maintained[id] })
	f.NotIn = append(f.NotIn, slices.Collect(maps.Keys(maintained))...)
	return f, nil
}

// seenAs chooses the monitors that the events service sees so, whether they are in maintenance or not.
func (s *Service) seenAs(ctx context.Context, organizationID string, status eventsv1.CurrentStatus) (*IDFilter, error) {
	in, err := s.idsIn(ctx, organizationID, status)
	if err != nil {
		return nil, err
	}
	f := &IDFilter{In: in}
	for _, enabled := range [...]bool{true, false} {
		if unseenState(enabled) == status {
			f.Others = ptr(enabled)
		}
	}
	if f.Others == nil {
		return f, nil
	}
	for n := range eventsv1.CurrentStatus_name {
		other := eventsv1.CurrentStatus(n)
		if other == eventsv1.CurrentStatus_CURRENT_STATUS_UNSPECIFIED || other == status {
			continue
		}
		ids, err := s.idsIn(ctx, organizationID, other)
		if err != nil {
			return nil, err
		}
		f.NotIn = append(f.NotIn, ids...)
	}
	return f, nil
}

func (s *Service) idsIn(ctx context.Context, organizationID string, status eventsv1.CurrentStatus) ([]uint32, error) {
	if s.status == nil {
		return nil, fault.Unavailable("monitors cannot be listed by status at the moment")
	}
	resp, err := s.status.ListMonitorIds(rpc.AsService(ctx), &eventsv1.ListMonitorIdsRequest{
		OrganizationId: organizationID, Status: status,
	})
	if err != nil {
		return nil, downstream(fmt.Errorf("list monitors by status: %w", err))
	}
	return resp.GetMonitorIds(), nil
}
