package alerts

import (
	"context"

	"google.golang.org/protobuf/types/known/emptypb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	"github.com/frogstats/uptime/internal/fault"
)

type noticesServer struct {
	alertsv1.UnsafeNoticesServiceServer
	*Service
}

var _ alertsv1.NoticesServiceServer = (*noticesServer)(nil)

var errNoNotices = fault.Unavailable("notices are not kept yet")

// ListNotices implements alertsv1.NoticesServiceServer.
func (s *noticesServer) ListNotices(context.Context, *alertsv1.ListNoticesRequest) (*alertsv1.ListNoticesResponse, error) {
	return nil, errNoNotices
}

// RaiseNotice implements alertsv1.NoticesServiceServer.
func (s *noticesServer) RaiseNotice(context.Context, *alertsv1.RaiseNoticeRequest) (*emptypb.Empty, error) {
	return nil, errNoNotices
}

// ClearNotice implements alertsv1.NoticesServiceServer.
func (s *noticesServer) ClearNotice(context.Context, *alertsv1.ClearNoticeRequest) (*emptypb.Empty, error) {
	return nil, errNoNotices
}
