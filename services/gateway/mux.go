package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/emptypb"

	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/services/gateway/wire"
)

// exposed is one service of the REST surface. It is always registered over a connection, so that the service's own
// interceptors decide who may call what.
type exposed struct {
	conn     string // name in Config.Conns
	service  protoreflect.ServiceDescriptor
	register func(context.Context, *runtime.ServeMux, grpc.ClientConnInterface) error
}

// register adapts the two generated functions that belong together.
func register[C any](client func(grpc.ClientConnInterface) C, handlers func(context.Context, *runtime.ServeMux, C) error) func(context.Context, *runtime.ServeMux, grpc.ClientConnInterface) error {
	return func(ctx context.Context, mux *runtime.ServeMux, conn grpc.ClientConnInterface) error {
		return handlers(ctx, mux, client(conn))
	}
}

func surface() []exposed {
	accounts := accountsv1.File_frogstats_uptime_accounts_v1_accounts_proto.Services()
	monitors := monitorsv1.File_frogstats_uptime_monitors_v1_monitors_proto.Services()
	windows := monitorsv1.File_frogstats_uptime_monitors_v1_maintenance_proto.Services()
	resources := monitorsv1.File_frogstats_uptime_monitors_v1_resources_proto.Services()
	badges := monitorsv1.File_frogstats_uptime_monitors_v1_badges_proto.Services()
	events := eventsv1.File_frogstats_uptime_events_v1_events_proto.Services()
	alerts := alertsv1.File_frogstats_uptime_alerts_v1_alerts_proto.Services()
	channels := alertsv1.File_frogstats_uptime_alerts_v1_channel_proto.Services()
	notes := alertsv1.File_frogstats_uptime_alerts_v1_incident_notes_proto.Services()
	groups := alertsv1.File_frogstats_uptime_alerts_v1_group_proto.Services()
	notices := alertsv1.File_frogstats_uptime_alerts_v1_notice_proto.Services()
	backtests := alertsv1.File_frogstats_uptime_alerts_v1_backtest_proto.Services()
	return []exposed{
		{"accounts", accounts.ByName("AuthService"), register(accountsv1.NewAuthServiceClient, accountsv1.RegisterAuthServiceHandlerClient)},
		{"accounts", accounts.ByName("OrganizationsService"), register(accountsv1.NewOrganizationsServiceClient, accountsv1.RegisterOrganizationsServiceHandlerClient)},
		{"monitors", monitors.ByName("MonitorsService"), register(monitorsv1.NewMonitorsServiceClient, monitorsv1.RegisterMonitorsServiceHandlerClient)},
		{"monitors", windows.ByName("MaintenanceService"), register(monitorsv1.NewMaintenanceServiceClient, monitorsv1.RegisterMaintenanceServiceHandlerClient)},
		{"monitors", resources.ByName("ResourcesService"), register(monitorsv1.NewResourcesServiceClient, monitorsv1.RegisterResourcesServiceHandlerClient)},
		{"monitors", badges.ByName("BadgesService"), register(monitorsv1.NewBadgesServiceClient, monitorsv1.RegisterBadgesServiceHandlerClient)},
		{"events", events.ByName("EventsService"), register(eventsv1.NewEventsServiceClient, eventsv1.RegisterEventsServiceHandlerClient)},
		{"alerts", alerts.ByName("AlertsService"), register(alertsv1.NewAlertsServiceClient, alertsv1.RegisterAlertsServiceHandlerClient)},
		{"alerts", alerts.ByName("IncidentsService"), register(alertsv1.NewIncidentsServiceClient, alertsv1.RegisterIncidentsServiceHandlerClient)},
		{"alerts", notes.ByName("IncidentNotesService"), register(alertsv1.NewIncidentNotesServiceClient, alertsv1.RegisterIncidentNotesServiceHandlerClient)},
		{"alerts", channels.ByName("ChannelsService"), register(alertsv1.NewChannelsServiceClient, alertsv1.RegisterChannelsServiceHandlerClient)},
		{"alerts", groups.ByName("GroupsService"), register(alertsv1.NewGroupsServiceClient, alertsv1.RegisterGroupsServiceHandlerClient)},
		{"alerts", notices.ByName("NoticesService"), register(alertsv1.NewNoticesServiceClient, alertsv1.RegisterNoticesServiceHandlerClient)},
		{"alerts", backtests.ByName("BacktestsService"), register(alertsv1.NewBacktestsServiceClient, alertsv1.RegisterBacktestsServiceHandlerClient)},
	}
}

// Idempotent lists the methods of a connection that may be repeated when a service is not there for a moment: those that
// REST reads with. It fits the client configuration of internal/rpc.
func Idempotent(conn string) ([]string, error) {
	var out []string
	if conn == "accounts" {
		out = append(out, accountsv1.IdentityService_ResolveSession_FullMethodName, accountsv1.IdentityService_ResolveApiKey_FullMethodName)
	}
	for _, s := range surface() {
		if s.conn != conn {
			continue
		}
		rs, err := routesOf(s.service)
		if err != nil {
			return nil, err
		}
		for _, rt := range rs {
			if rt.verb == http.MethodGet && !slices.Contains(out, rt.full) {
				out = append(out, rt.full)
			}
		}
	}
	return out, nil
}

// useOurQuery sets the parser of query parameters, which the gateway's library keeps in a variable of its own, once for
// the process.
var useOurQuery = sync.OnceFunc(func() { runtime.NewServeMux(runtime.SetQueryParameterParser(wire.Query{})) })

// newMux registers every service and lists its routes.
func (g *Gateway) newMux() (*runtime.ServeMux, routes, error) {
	useOurQuery()
	never := func(string) (string, bool) { return "", false }
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, wire.Marshaler{}),
		runtime.WithIncomingHeaderMatcher(never),
		runtime.WithOutgoingHeaderMatcher(never),
		runtime.WithOutgoingTrailerMatcher(never),
		runtime.WithMetadata(func(ctx context.Context, _ *http.Request) metadata.MD { return requestOf(ctx).meta }),
		runtime.WithForwardResponseOption(g.answer),
		runtime.WithErrorHandler(g.muxError),
		runtime.WithRoutingErrorHandler(g.muxRoutingError),
		runtime.WithDisablePathLengthFallback(),
		runtime.WithDisableHTTPMethodOverride(),
		runtime.WithWriteContentLength(),
		runtime.WithMiddlewares(ownParameters),
	)
	var all routes
	for _, s := range surface() {
		if err := s.register(context.Background(), mux, g.cfg.Conns[s.conn]); err != nil {
			return nil, nil, fmt.Errorf("register %s: %w", s.service.FullName(), err)
		}
		rs, err := routesOf(s.service)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, rs...)
	}
	return mux, all, nil
}

// ownParameters hands methods the path's parameters as the edge has read them. The mux would split a path after it has unescaped
// it, or leave escaped what it has split; so it is given none to read, see route.path.
func ownParameters(next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, _ map[string]string) {
		next(w, r, requestOf(r.Context()).params)
	}
}

// answer turns what a service says beside its message into the head of the HTTP answer.
func (g *Gateway) answer(ctx context.Context, w http.ResponseWriter, resp proto.Message) error {
	q := requestOf(ctx)
	server, _ := runtime.ServerMetadataFromContext(ctx)
	say := func(key string) string {
		if v := server.HeaderMD.Get(key); len(v) > 0 {
			return v[0]
		}
		return ""
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if tag := say("etag"); tag != "" {
		h.Set("ETag", tag)
	}
	if token := say("x-session-token"); token != "" {
		expires, err := time.Parse(time.RFC3339, say("x-session-expires"))
		if err != nil {
			return fmt.Errorf("end of the session: %w", err)
		}
		setSession(w, q.client.secure, token, expires)
	}
	if say("x-session-clear") != "" {
		clearSession(w, q.client.secure)
	}
	if token := nextPage(resp); token != "" {
		h.Set("X-Next-Page-Token", token)
		h.Set("Link", nextLink(q.url, token))
	}
	if status := statusOf(q.route, resp, say("x-http-code")); status != http.StatusOK {
		if status == http.StatusNoContent {
			h.Del("Content-Type")
			h.Del("Content-Length")
		}
		w.WriteHeader(status)
	}
	return nil
}

// statusOf is what the service says, or else what the contract says of methods of that shape.
func statusOf(rt *route, resp proto.Message, said string) int {
	if code, err := strconv.Atoi(said); err == nil && code >= 200 && code < 300 {
		return code
	}
	if _, empty := resp.(*emptypb.Empty); empty {
		return http.StatusNoContent
	}
	if rt != nil && strings.HasPrefix(rt.full[strings.LastIndexByte(rt.full, '/')+1:], "Create") {
		return http.StatusCreated
	}
	return http.StatusOK
}

// nextPage returns the token of a list that is a bare array in REST and so has no place for it in its body.
func nextPage(resp proto.Message) string {
	m := resp.ProtoReflect()
	if fd := m.Descriptor().Fields().ByName("next_page_token"); fd != nil && fd.Kind() == protoreflect.StringKind {
		return m.Get(fd).String()
	}
	return ""
}

// nextLink is the same request for the next page (RFC 8288).
func nextLink(u *url.URL, token string) string {
	query := u.Query()
	query.Set("page_token", token)
	return "<" + (&url.URL{Path: u.Path, RawQuery: query.Encode()}).String() + `>; rel="next"`
}
