package gateway_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	accessv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/access/v1"
	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
)

const (
	orgID      = "01920000-0000-7000-8000-00000000000a"
	sessionKey = "session-token"
	editorKey  = "upt_live_editor"
	viewerKey  = "upt_live_viewer"
	adminKey   = "upt_live_admin"
)

var someTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// call is one call that reached a service.
type call struct {
	req       proto.Message
	meta      metadata.MD
	principal identity.Principal
}

// backend is every service, in memory, behind the real server and its interceptors.
type backend struct {
	mu       sync.Mutex
	calls    map[string][]call
	sessions map[string]*accountsv1.Principal
	keys     map[string]*accountsv1.Principal
	monitors []*monitorsv1.Monitor
	fail     map[string]error // by method
	feed     chan *eventsv1.ReadFeedResponse
	audit    map[string][]*auditv1.AuditEntry
	uptime   *eventsv1.Uptime
	stats    *eventsv1.Stats
}

func newBackend() *backend {
	principal := func(kind accountsv1.PrincipalKind, role accountsv1.Role) *accountsv1.Principal {
		p := &accountsv1.Principal{Kind: kind, UserId: rpctest.UserID, OrganizationId: orgID, Role: role, Name: "ada@example.com"}
		if kind == accountsv1.PrincipalKind_PRINCIPAL_KIND_USER {
			p.SessionId = "session-1"
		} else {
			p.KeyId = "key-" + role.String()
		}
		return p
	}
	const user, key = accountsv1.PrincipalKind_PRINCIPAL_KIND_USER, accountsv1.PrincipalKind_PRINCIPAL_KIND_API_KEY
	return &backend{
		calls:    map[string][]call{},
		fail:     map[string]error{},
		sessions: map[string]*accountsv1.Principal{sessionKey: principal(user, accountsv1.Role_ROLE_OWNER)},
		keys: map[string]*accountsv1.Principal{
			viewerKey: principal(key, accountsv1.Role_ROLE_VIEWER),
			editorKey: principal(key, accountsv1.Role_ROLE_EDITOR),
			adminKey:  principal(key, accountsv1.Role_ROLE_ADMIN),
		},
		feed:  make(chan *eventsv1.ReadFeedResponse, 10),
		audit: map[string][]*auditv1.AuditEntry{},
	}
}

// note records a call and returns the error that it should end with.
func (b *backend) note(ctx context.Context, method string, req proto.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	md, _ := metadata.FromIncomingContext(ctx)
	p, _ := identity.FromContext(ctx)
	b.calls[method] = append(b.calls[method], call{proto.Clone(req), md, p})
	return b.fail[method]
}

func (b *backend) last(t *testing.T, method string) call {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.calls[method]) == 0 {
		t.Fatalf("%s was not called", method)
	}
	return b.calls[method][len(b.calls[method])-1]
}

func (b *backend) count(method string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.calls[method])
}

func (b *backend) set(change func(*backend)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}

// conns serves the backend until the test ends.
func (b *backend) conns(t testing.TB, opts ...rpctest.Option) map[string]grpc.ClientConnInterface {
	opts = append(opts, rpctest.Policy(rpc.PolicyByOption(accessv1.E_Access)))
	conn := func(name string, register func(grpc.ServiceRegistrar)) grpc.ClientConnInterface {
		return rpctest.Conn(t, name, func(r grpc.ServiceRegistrar) {
			register(r)
			auditv1.RegisterAuditServiceServer(r, &fakeAudit{b: b, name: name})
		}, opts...)
	}
	return map[string]grpc.ClientConnInterface{
		"accounts": conn("accounts", func(r grpc.ServiceRegistrar) {
			accountsv1.RegisterIdentityServiceServer(r, &fakeIdentity{b: b})
			accountsv1.RegisterAuthServiceServer(r, &fakeAuth{b: b})
			accountsv1.RegisterOrganizationsServiceServer(r, &fakeOrganizations{b: b})
		}),
		"monitors": conn("monitors", func(r grpc.ServiceRegistrar) {
			monitorsv1.RegisterMonitorsServiceServer(r, &fakeMonitors{b: b})
			monitorsv1.RegisterBadgesServiceServer(r, &fakeBadges{b: b})
		}),
		"events": conn("events", func(r grpc.ServiceRegistrar) {
			eventsv1.RegisterEventsServiceServer(r, &fakeEvents{b: b})
			eventsv1.RegisterFeedServiceServer(r, &fakeFeed{b: b})
		}),
		"alerts": conn("alerts", func(r grpc.ServiceRegistrar) {
			alertsv1.RegisterAlertsServiceServer(r, &fakeAlerts{b: b})
			alertsv1.RegisterChannelsServiceServer(r, &fakeChannels{b: b})
			alertsv1.RegisterIncidentsServiceServer(r, &alertsv1.UnimplementedIncidentsServiceServer{})
			alertsv1.RegisterNoticesServiceServer(r, &alertsv1.UnimplementedNoticesServiceServer{})
		}),
	}
}

type fakeIdentity struct {
	accountsv1.UnimplementedIdentityServiceServer
	b *backend
}

func (f *fakeIdentity) ResolveSession(ctx context.Context, req *accountsv1.ResolveSessionRequest) (*accountsv1.Principal, error) {
	return f.resolve(ctx, "ResolveSession", req, req.GetToken(), func() map[string]*accountsv1.Principal { return f.b.sessions })
}

func (f *fakeIdentity) ResolveApiKey(ctx context.Context, req *accountsv1.ResolveApiKeyRequest) (*accountsv1.Principal, error) {
	return f.resolve(ctx, "ResolveApiKey", req, req.GetKey(), func() map[string]*accountsv1.Principal { return f.b.keys })
}

func (f *fakeIdentity) resolve(ctx context.Context, method string, req proto.Message, secret string, from func() map[string]*accountsv1.Principal) (*accountsv1.Principal, error) {
	if err := f.b.note(ctx, method, req); err != nil {
		return nil, err
	}
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	if p := from()[secret]; p != nil {
		return proto.CloneOf(p), nil
	}
	return nil, fault.Unauthenticated("unknown")
}

type fakeAuth struct {
	accountsv1.UnimplementedAuthServiceServer
	b *backend
}

func (f *fakeAuth) Login(ctx context.Context, req *accountsv1.LoginRequest) (*accountsv1.Session, error) {
	if err := f.b.note(ctx, "Login", req); err != nil {
		return nil, err
	}
	if req.GetPassword() != "correct horse" {
		return nil, fault.Unauthenticated("e-mail or password is wrong")
	}
	err := grpc.SetHeader(ctx, metadata.Pairs("x-session-token", sessionKey, "x-session-expires", someTime.Format(time.RFC3339)))
	return &accountsv1.Session{Id: "session-1", User: &accountsv1.User{Id: rpctest.UserID, Email: req.GetEmail()}, ExpiresAt: timestamppb.New(someTime)}, err
}

func (f *fakeAuth) Logout(ctx context.Context, req *accountsv1.LogoutRequest) (*emptypb.Empty, error) {
	if err := f.b.note(ctx, "Logout", req); err != nil {
		return nil, err
	}
	f.b.set(func(b *backend) { delete(b.sessions, sessionKey) })
	return &emptypb.Empty{}, grpc.SetHeader(ctx, metadata.Pairs("x-session-clear", "1", "x-http-code", "204"))
}

func (f *fakeAuth) GetSession(ctx context.Context, req *accountsv1.GetSessionRequest) (*accountsv1.Session, error) {
	if err := f.b.note(ctx, "GetSession", req); err != nil {
		return nil, err
	}
	return &accountsv1.Session{Id: "session-1"}, nil
}

type fakeOrganizations struct {
	accountsv1.UnimplementedOrganizationsServiceServer
	b *backend
}

func (f *fakeOrganizations) CreateApiKey(ctx context.Context, req *accountsv1.CreateApiKeyRequest) (*accountsv1.ApiKey, error) {
	if err := f.b.note(ctx, "CreateApiKey", req); err != nil {
		return nil, err
	}
	return &accountsv1.ApiKey{Id: "k", Name: req.GetName(), Role: req.GetRole(), Key: proto.String("upt_live_k_secret"), ExpiresAt: req.GetExpiresAt()}, nil
}

type fakeEvents struct {
	eventsv1.UnimplementedEventsServiceServer
	b *backend
}

func (f *fakeEvents) ListEvents(ctx context.Context, req *eventsv1.ListEventsRequest) (*eventsv1.ListEventsResponse, error) {
	return &eventsv1.ListEventsResponse{Pagination: &eventsv1.Pagination{Limit: 100}}, f.b.note(ctx, "ListEvents", req)
}

func (f *fakeEvents) GetUptime(ctx context.Context, req *eventsv1.GetUptimeRequest) (*eventsv1.Uptime, error) {
	return f.b.uptime, f.b.note(ctx, "GetUptime", req)
}

func (f *fakeEvents) GetStats(ctx context.Context, req *eventsv1.GetStatsRequest) (*eventsv1.Stats, error) {
	return f.b.stats, f.b.note(ctx, "GetStats", req)
}

// fakeBadges know one token, of monitor 7.
type fakeBadges struct {
	monitorsv1.UnimplementedBadgesServiceServer
	b *backend
}

func (f *fakeBadges) ResolveBadge(ctx context.Context, req *monitorsv1.ResolveBadgeRequest) (*monitorsv1.ResolveBadgeResponse, error) {
	if err := f.b.note(ctx, "ResolveBadge", req); err != nil {
		return nil, err
	}
	if req.GetToken() != badgeOf7 {
		return nil, fault.NotFound("no badge")
	}
	return &monitorsv1.ResolveBadgeResponse{OrganizationId: orgID, MonitorId: 7}, nil
}

type fakeFeed struct {
	eventsv1.UnimplementedFeedServiceServer
	b *backend
}

func (f *fakeFeed) Subscribe(req *eventsv1.SubscribeRequest, s grpc.ServerStreamingServer[eventsv1.ReadFeedResponse]) error {
	if err := f.b.note(s.Context(), "Subscribe", req); err != nil {
		return err
	}
	for {
		select {
		case m, ok := <-f.b.feed:
			if !ok {
				return nil
			}
			if err := s.Send(m); err != nil {
				return err
			}
		case <-s.Context().Done():
			return s.Context().Err()
		}
	}
}

type fakeAlerts struct {
	alertsv1.UnimplementedAlertsServiceServer
	b *backend
}

func (f *fakeAlerts) ListAlertHistory(ctx context.Context, req *alertsv1.ListAlertHistoryRequest) (*alertsv1.ListAlertHistoryResponse, error) {
	return &alertsv1.ListAlertHistoryResponse{Pagination: &alertsv1.Page{}}, f.b.note(ctx, "ListAlertHistory", req)
}

func (f *fakeAlerts) ReplayDelivery(ctx context.Context, req *alertsv1.ReplayDeliveryRequest) (*alertsv1.Delivery, error) {
	return &alertsv1.Delivery{Id: req.GetId()}, f.b.note(ctx, "ReplayDelivery", req)
}

type fakeChannels struct {
	alertsv1.UnimplementedChannelsServiceServer
	b *backend
}

func (f *fakeChannels) UpdateChannel(ctx context.Context, req *alertsv1.UpdateChannelRequest) (*alertsv1.Channel, error) {
	return req.GetChannel(), f.b.note(ctx, "UpdateChannel", req)
}

type fakeAudit struct {
	auditv1.UnimplementedAuditServiceServer
	b    *backend
	name string
}

func (f *fakeAudit) ListAuditEntries(ctx context.Context, req *auditv1.ListAuditEntriesRequest) (*auditv1.ListAuditEntriesResponse, error) {
	if err := f.b.note(ctx, "ListAuditEntries:"+f.name, req); err != nil {
		return nil, err
	}
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	resp := &auditv1.ListAuditEntriesResponse{}
	for _, e := range f.b.audit[f.name] {
		if req.GetBefore() != nil && !e.GetAt().AsTime().Before(req.GetBefore().AsTime()) || len(resp.GetEntries()) == int(req.GetLimit()) {
			continue
		}
		resp.Entries = append(resp.Entries, e)
	}
	return resp, nil
}
