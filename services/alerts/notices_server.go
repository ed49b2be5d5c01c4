package alerts

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/emptypb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
)

type noticesServer struct {
	alertsv1.UnsafeNoticesServiceServer
	*Service
}

var _ alertsv1.NoticesServiceServer = (*noticesServer)(nil)

const listedNotices = 100

// ListNotices implements alertsv1.NoticesServiceServer. Notices are the installation's, so every organization's admins see
// the same.
func (s *noticesServer) ListNotices(ctx context.Context, in *alertsv1.ListNoticesRequest) (*alertsv1.ListNoticesResponse, error) {
	f := NoticeFilter{Open: in.Open, Limit: listedNotices}
	if in.Limit != nil {
		f.Limit = int(in.GetLimit())
	}
	notices, err := s.store.Notices(ctx, f)
	if err != nil {
		return nil, err
	}
	out := &alertsv1.ListNoticesResponse{}
	for _, n := range notices {
		out.Notices = append(out.Notices, noticeProto(n))
	}
	return out, nil
}

// RaiseNotice implements alertsv1.NoticesServiceServer. What it has answered is stored; otherwise the caller tries again.
func (s *noticesServer) RaiseNotice(ctx context.Context, in *alertsv1.RaiseNoticeRequest) (*emptypb.Empty, error) {
	n := Notice{
		Key: in.GetKey(), Kind: noticeKindFrom(in.GetKind()), Subject: in.GetSubject(), Message: in.GetMessage(),
		StartedAt: timeFrom(in.GetStartedAt()),
	}
	if err := s.notices.raise(ctx, n); err != nil {
		return nil, fmt.Errorf("raise notice %s: %w", n.Key, err)
	}
	return &emptypb.Empty{}, nil
}

// ClearNotice implements alertsv1.NoticesServiceServer.
func (s *noticesServer) ClearNotice(ctx context.Context, in *alertsv1.ClearNoticeRequest) (*emptypb.Empty, error) {
	if err := s.notices.end(ctx, in.GetKey(), timeFrom(in.GetEndedAt())); err != nil {
		return nil, fmt.Errorf("clear notice %s: %w", in.GetKey(), err)
	}
	return &emptypb.Empty{}, nil
}

var noticeKinds = map[NoticeKind]alertsv1.NoticeKind{
	NoticeProberOffline:  alertsv1.NoticeKind_NOTICE_KIND_PROBER_OFFLINE,
	NoticeObserverFault:  alertsv1.NoticeKind_NOTICE_KIND_OBSERVER_FAULT,
	NoticeStorageStalled: alertsv1.NoticeKind_NOTICE_KIND_STORAGE_STALLED,
	NoticeHistoryDelayed: alertsv1.NoticeKind_NOTICE_KIND_HISTORY_DELAYED,
	NoticeOverload:       alertsv1.NoticeKind_NOTICE_KIND_OVERLOAD,
	NoticeUnplaced:       alertsv1.NoticeKind_NOTICE_KIND_UNPLACED,
	NoticeChannelFailing: alertsv1.NoticeKind_NOTICE_KIND_CHANNEL_FAILING,
}

// noticeKindFrom reads the kind; the schema has refused what is not one.
func noticeKindFrom(in alertsv1.NoticeKind) NoticeKind {
	for k, p := range noticeKinds {
		if p == in {
			return k
		}
	}
	return ""
}

func noticeProto(n Notice) *alertsv1.Notice {
	return &alertsv1.Notice{
		Id: n.ID, Key: n.Key, Kind: noticeKinds[n.Kind], Subject: n.Subject, Message: n.Message,
		StartedAt: stamp(n.StartedAt), EndedAt: stamp(n.EndedAt),
	}
}
