// Package alerts is rules over what happened, incidents, and notifications that arrive.
//
// It reads the feed of the events service from its own stored cursor. What a run of entries does (incidents opened and
// settled, rules triggered and resolved, messages to be sent) is computed by a pure function, Fold, and stored together with
// the new cursor in one transaction: a feed that repeats itself changes nothing, and a crash loses nothing. Messages wait in
// an outbox and are sent from there by workers, at least once, under an id that follows from what they tell.
package alerts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/page"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/services/alerts/notify"
)

// serviceName is how this service is called in logs and by its peers.
const serviceName = "alerts"

// Deps are what the service works with; all but the providers are required.
type Deps struct {
	Store   Store
	Log     *slog.Logger
	Secrets *secret.Box
	PageKey []byte // signs page tokens; replicas share it
	// Events and Monitors are connections to those services. Their calls carry the principal of the context, and for work
	// of this service's own, the service: they are dialled with rpc.ClientConfig.Service set.
	Events   grpc.ClientConnInterface
	Monitors grpc.ClientConnInterface
	Egress   egress.Policy // what notifications may reach
	// Shoutrrr sends what goes through the library shoutrrr; nil means that this installation has no targets of that type.
	Shoutrrr notify.ShoutrrrSender
	// Shared says that other replicas of this service work with the same store. What one of them leaves unsent is then found
	// within a second or, if it has died while sending, when its claims end.
	Shared bool
	// NoticeQuiet is how long a trouble of this installation has to be gone for its end to be told; 0 means DefaultNoticeQuiet.
	NoticeQuiet time.Duration
	// Flapping is when a monitor is unstable; the zero Flapping means that none ever is.
	Flapping Flapping
	// PublicURL is where people reach the gateway, for the links in messages; "" if unknown, and then there are none.
	PublicURL string

	TracerProvider trace.TracerProvider // nil means the global one
	MeterProvider  metric.MeterProvider // nil means the global one
}

// Service is the alerts service. Make it with New.
type Service struct {
	store    Store
	log      *slog.Logger
	box      *secret.Box
	pages    *page.Codec
	monitors monitorsv1.MonitorsServiceClient
	client   *http.Client
	ways     ways
	// publicURL is Deps.PublicURL without a slash at its end.
	publicURL string
	tests     *testLimits
	feed      *feedFollower
	catalog   *catalogFollower
	uptime    *uptimeAsker
	courier   *courier
	notices   *noticeKeeper
	fallbacks *fallbackWatch
	reminders *reminderWatch
	canaries  *canaryKeeper
	rechecks  *rechecker

	silence     *silenceWatch
	windows     *windowFollower
	maintenance *maintenanceWatch
	groups      *groupWatch
	replays     eventsv1.ReplayServiceClient
	backtests   backtestSlots
}

// New makes a service. It fails if something is missing. Nothing runs before Run.
func New(d Deps) (*Service, error) {
	if d.Store == nil || d.Log == nil || d.Secrets == nil || len(d.PageKey) == 0 || d.Events == nil || d.Monitors == nil {
		return nil, errors.New("alerts: a store, a log, secrets, a page key and connections to events and monitors are needed")
	}
	if f := d.Flapping; f.Changes != 0 {
		if f.Changes < MinFlapping || f.Within <= 0 {
			return nil, fmt.Errorf("alerts: %d changes within %s make nothing unstable: at least %d are needed, in some time", f.Changes, f.Within, MinFlapping)
		}
		d.Store = tuned{d.Store, f}
	}
	figures, err := newFigures(d.MeterProvider)
	if err != nil {
		return nil, fmt.Errorf("alerts: metrics: %w", err)
	}
	log := d.Log.With("service", serviceName)
	policy := d.Egress
	s := &Service{
		store: d.Store, log: log, box: d.Secrets, pages: page.NewCodec(d.PageKey),
		monitors: monitorsv1.NewMonitorsServiceClient(d.Monitors), tests: newTestLimits(),
		client:    policy.HTTPClient(egress.HTTPOptions{Timeout: SendTimeout, DialTimeout: SendTimeout}),
		ways:      newWays(d.Shoutrrr),
		publicURL: strings.TrimRight(d.PublicURL, "/"),
	}
	status := eventsv1.NewStatusServiceClient(d.Events)
	s.replays = eventsv1.NewReplayServiceClient(d.Events)
	s.courier = newCourier(d.Store, log, figures, s.send)
	s.courier.tracer = newTracer(d.TracerProvider)
	if d.Shared {
		s.courier.idle = sharePause
	}
	s.notices = newNoticeKeeper(d.Store, log, d.NoticeQuiet, s.courier.nudge)
	s.fallbacks = &fallbackWatch{store: d.Store, log: log, committed: s.courier.nudge}
	s.reminders = &reminderWatch{store: d.Store, log: log, committed: s.courier.nudge}
	s.canaries = &canaryKeeper{store: d.Store, notices: s.notices, log: log, send: func(ctx context.Context, c Claim, at time.Time) Result {
		return s.courier.send(ctx, c, at)
	}}
	s.rechecks = newRechecker(monitorsv1.NewCatalogServiceClient(d.Monitors), log, figures)
	s.silence = &silenceWatch{store: d.Store, log: log, committed: s.courier.nudge, recheck: s.rechecks.want}
	s.windows = &windowFollower{
		store: d.Store, windows: monitorsv1.NewMaintenanceServiceClient(d.Monitors), log: log, ready: make(chan struct{}),
	}
	s.uptime = newUptimeAsker(d.Store, status, log, s.courier.nudge)
	s.catalog = newCatalogFollower(d.Store, monitorsv1.NewCatalogServiceClient(d.Monitors), log, s.courier.nudge)
	s.feed = &feedFollower{
		store: d.Store, feed: eventsv1.NewFeedServiceClient(d.Events), status: status, log: log, figures: figures,
		committed: s.courier.nudge, observed: s.uptime.note, recheck: s.rechecks.want, ready: s.catalog.ready, windows: s.windows.ready,
	}
	s.maintenance = &maintenanceWatch{
		store: d.Store, log: log, caughtUp: &s.feed.caughtUp, committed: s.courier.nudge, recheck: s.rechecks.want,
	}
	s.groups = &groupWatch{store: d.Store, log: log, caughtUp: &s.feed.caughtUp, committed: s.courier.nudge}
	return s, nil
}

// Register adds the service's RPCs to r.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	alertsv1.RegisterAlertsServiceServer(r, &alertsServer{Service: s})
	alertsv1.RegisterIncidentsServiceServer(r, &incidentsServer{Service: s})
	alertsv1.RegisterIncidentNotesServiceServer(r, &notesServer{Service: s})
	alertsv1.RegisterNoticesServiceServer(r, &noticesServer{Service: s})
	alertsv1.RegisterBacktestsServiceServer(r, &backtestsServer{Service: s})
	alertsv1.RegisterChannelsServiceServer(r, &channelsServer{Service: s})
	alertsv1.RegisterGroupsServiceServer(r, &groupsServer{Service: s})
	auditv1.RegisterAuditServiceServer(r, &auditServer{Service: s})
}

// Run follows the feed and the catalog and delivers messages until ctx ends. Then messages that are being sent may finish
// for a few seconds; what does not is sent again after the next start, under the same id. The end of ctx is no error.
func (s *Service) Run(ctx context.Context) error {
	defer s.client.CloseIdleConnections()
	s.feed.alive.beat()
	s.courier.alive.beat()
	g, ctx := errgroup.WithContext(ctx)
	for _, part := range []func(context.Context){
		s.catalog.run, s.windows.run, s.feed.run, s.maintenance.run, s.groups.run, s.uptime.run, s.silence.run, s.courier.run, s.fallbacks.run, s.reminders.run, s.canaries.run, s.rechecks.run, s.notices.run, s.look, s.prune,
	} {
		g.Go(func() error {
			part(ctx)
			return nil
		})
	}
	return g.Wait()
}

// The service forgets delivered messages after a while, and dead ones and notices later, because somebody may still ask what was lost.
const (
	pruneEvery    = time.Hour
	keepDelivered = 30 * 24 * time.Hour
	keepDead      = 90 * 24 * time.Hour
	pruneChunk    = 500 // messages in one transaction
)

func (s *Service) prune(ctx context.Context) {
	for wait(ctx, pruneEvery) {
		for {
			now := now()
			n, err := s.store.Prune(ctx, now.Add(-keepDelivered), now.Add(-keepDead), pruneChunk)
			if err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "outbox was not pruned", "error", err.Error())
			}
			if err != nil || n < pruneChunk {
				break
			}
		}
		if err := s.notices.prune(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "notices were not pruned", "error", err.Error())
		}
	}
}

// now is the time as it is stored.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// wait returns false if ctx ends before d has passed.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// caller is the principal of a request; the server has let it in already.
func caller(ctx context.Context) identity.Principal {
	p, _ := identity.FromContext(ctx)
	return p
}

// actor is how the caller is called in incidents.
func actor(ctx context.Context) string {
	p := caller(ctx)
	if p.Name != "" {
		return p.Name
	}
	return p.ActorID()
}

// findMonitor returns a monitor of the caller's organization, or ErrMonitorNotFound. The monitors service is asked only
// about one that the catalog has not brought yet.
func (s *Service) findMonitor(ctx context.Context, id uint32) (Monitor, error) {
	organization := caller(ctx).OrganizationID
	m, err := s.store.Monitor(ctx, id)
	if errors.Is(err, ErrMonitorNotFound) && id != 0 {
		return s.askForMonitor(ctx, organization, id)
	}
	if err != nil {
		return Monitor{}, err
	}
	if m.OrganizationID != organization {
		return Monitor{}, ErrMonitorNotFound
	}
	return m, nil
}

func (s *Service) askForMonitor(ctx context.Context, organization string, id uint32) (Monitor, error) {
	got, err := s.monitors.GetMonitor(ctx, &monitorsv1.GetMonitorRequest{Id: id})
	switch {
	case fault.Is(err, fault.KindNotFound):
		return Monitor{}, ErrMonitorNotFound
	case err != nil:
		return Monitor{}, fmt.Errorf("ask for monitor %d: %w", id, err)
	case got.GetOrganizationId() != organization:
		return Monitor{}, ErrMonitorNotFound
	}
	return Monitor{
		ID: id, OrganizationID: organization, Name: got.GetName(), Enabled: got.GetEnabled(), Regions: got.GetRegions(),
	}, nil
}

// liveMonitor is findMonitor without those that were deleted.
func (s *Service) liveMonitor(ctx context.Context, id uint32) (Monitor, error) {
	m, err := s.findMonitor(ctx, id)
	if err == nil && m.Deleted {
		return Monitor{}, ErrMonitorNotFound
	}
	return m, err
}
