package gateway_test

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
)

type fakeMonitors struct {
	monitorsv1.UnimplementedMonitorsServiceServer
	b *backend
}

func (f *fakeMonitors) ListMonitors(ctx context.Context, req *monitorsv1.ListMonitorsRequest) (*monitorsv1.ListMonitorsResponse, error) {
	if err := f.b.note(ctx, "ListMonitors", req); err != nil {
		return nil, err
	}
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	resp := &monitorsv1.ListMonitorsResponse{}
	for _, m := range f.b.monitors {
		resp.Monitors = append(resp.Monitors, proto.CloneOf(m))
	}
	if size := int(req.GetPageSize()); size > 0 && len(resp.GetMonitors()) > size && req.GetPageToken() == "" {
		resp.Monitors, resp.NextPageToken = resp.GetMonitors()[:size], "next+page/1="
	}
	return resp, nil
}

func (f *fakeMonitors) find(id uint32) (*monitorsv1.Monitor, error) {
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	i := slices.IndexFunc(f.b.monitors, func(m *monitorsv1.Monitor) bool { return m.GetId() == id })
	if i < 0 {
		return nil, fault.NotFound("no such monitor")
	}
	return f.b.monitors[i], nil
}

func etag(ctx context.Context, m *monitorsv1.Monitor) error {
	return grpc.SetHeader(ctx, metadata.Pairs("etag", fmt.Sprintf(`"%d"`, m.GetVersion())))
}

func (f *fakeMonitors) GetMonitor(ctx context.Context, req *monitorsv1.GetMonitorRequest) (*monitorsv1.Monitor, error) {
	if err := f.b.note(ctx, "GetMonitor", req); err != nil {
		return nil, err
	}
	m, err := f.find(req.GetId())
	if err != nil {
		return nil, err
	}
	return m, etag(ctx, m)
}

func (f *fakeMonitors) CreateMonitor(ctx context.Context, req *monitorsv1.CreateMonitorRequest) (*monitorsv1.Monitor, error) {
	if err := f.b.note(ctx, "CreateMonitor", req); err != nil {
		return nil, err
	}
	m := proto.CloneOf(req.GetMonitor())
	f.b.set(func(b *backend) {
		m.Id, m.OrganizationId, m.Version = uint32(len(b.monitors)+1), orgID, 1
		b.monitors = append(b.monitors, m)
	})
	if err := grpc.SetHeader(ctx, metadata.Pairs("x-http-code", "201")); err != nil {
		return nil, err
	}
	return m, etag(ctx, m)
}

func (f *fakeMonitors) UpdateMonitor(ctx context.Context, req *monitorsv1.UpdateMonitorRequest) (*monitorsv1.Monitor, error) {
	if err := f.b.note(ctx, "UpdateMonitor", req); err != nil {
		return nil, err
	}
	m, err := f.find(req.GetId())
	if err != nil {
		return nil, err
	}
	if want := metadata.ValueFromIncomingContext(ctx, "if-match"); len(want) > 0 && want[0] != fmt.Sprintf(`"%d"`, m.GetVersion()) {
		return nil, fault.Precondition("somebody changed the monitor in the meantime")
	}
	return m, etag(ctx, m)
}

func (f *fakeMonitors) DeleteMonitor(ctx context.Context, req *monitorsv1.DeleteMonitorRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, f.b.note(ctx, "DeleteMonitor", req)
}

func (f *fakeMonitors) CheckMonitor(ctx context.Context, req *monitorsv1.CheckMonitorRequest) (*eventsv1.Event, error) {
	if err := f.b.note(ctx, "CheckMonitor", req); err != nil {
		return nil, err
	}
	return &eventsv1.Event{MonitorId: req.GetId(), Status: checkv1.ResultStatus_RESULT_STATUS_SUCCESS}, nil
}

func (f *fakeMonitors) TestMonitor(ctx context.Context, req *monitorsv1.TestMonitorRequest) (*eventsv1.Event, error) {
	return &eventsv1.Event{}, f.b.note(ctx, "TestMonitor", req)
}
