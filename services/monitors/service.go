package monitors

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	proberv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/prober/v1"
	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/page"
	"github.com/frogstats/uptime/internal/secret"
)

// Deps is what the service works with. Store, Log, Secrets and PageKey are required.
type Deps struct {
	Store   Store
	Log     *slog.Logger
	Secrets *secret.Box
	PageKey []byte                   // signs page tokens and the fingerprints of requests; the same in all replicas
	Events  grpc.ClientConnInterface // StatusService; without it monitors have no status
	Prober  grpc.ClientConnInterface // ProberService; without it nothing can be checked on demand
	// ProberRegion is the region that Prober checks from; "" means LocalRegion.
	ProberRegion string
	// PublicURL is where the gateway is reached from outside, for the command that remote probers join with; "" if unknown.
	PublicURL string
	// Alerts is where the operator is told of probers that are offline or in trouble, and of monitors without any
	// (NoticesService); without it nobody is.
	Alerts grpc.ClientConnInterface
	// LeaseTTL is the time to live of probers' leases; 0 means DefaultLeaseTTL. The same in all replicas.
	LeaseTTL time.Duration
	// CertificateValid is how long a certificate of a remote prober is valid; 0 means 30 days.
	CertificateValid time.Duration
}

// Service implements MonitorsService, AssignmentsService, CatalogService, EnrolmentService, MaintenanceService,
// ResourcesService, BadgesService and AuditService. It has no goroutines but those of Run.
type Service struct {
	monitorsv1.UnsafeMonitorsServiceServer
	monitorsv1.UnsafeAssignmentsServiceServer
	monitorsv1.UnsafeCatalogServiceServer
	monitorsv1.UnsafeEnrolmentServiceServer
	monitorsv1.UnsafeMaintenanceServiceServer
	monitorsv1.UnsafeResourcesServiceServer
	monitorsv1.UnsafeBadgesServiceServer
	auditv1.UnsafeAuditServiceServer

	store        Store
	log          *slog.Logger
	box          *secret.Box
	pageKey      []byte
	pages        *page.Codec
	status       eventsv1.StatusServiceClient // nil: none
	prober       proberv1.ProberServiceClient // nil: none
	proberRegion string

	ttl      time.Duration // of leases
	clock    *grantClock
	placers  placers
	sessions sessionView
	heard    sync.Map                      // by prober, the session of which it is noted that it heard what was lost
	notices  alertsv1.NoticesServiceClient // nil: none

	publicURL        string
	certificateValid time.Duration
	authority        authorities // of remote probers

	changed *signal          // fired after every commit
	asked   *signal          // fired after every wish for a check
	checks  *limiter[uint32] // checks on demand, by monitor
	tests   *limiter[string] // checks of unsaved configurations, by organization

	joins     *limiter[string] // attempts to join, by address
	rotations *limiter[string] // certificates, by prober
}

// New makes the service. It fails only on incomplete Deps.
func New(d Deps) (*Service, error) {
	if d.Store == nil || d.Log == nil || d.Secrets == nil || len(d.PageKey) == 0 {
		return nil, errors.New("monitors service needs a store, a log, a secret box and a page key")
	}
	s := &Service{
		store: d.Store, log: d.Log, box: d.Secrets, pageKey: d.PageKey, pages: page.NewCodec(d.PageKey),
		proberRegion: d.ProberRegion, changed: newSignal(), asked: newSignal(),
		checks: newLimiter[uint32](checkEvery, checkBurst), tests: newLimiter[string](testEvery, testBurst),
	}
	s.clock, s.ttl = newGrantClock(time.Now), d.LeaseTTL
	if s.ttl <= 0 {
		s.ttl = DefaultLeaseTTL
	}
	if d.Alerts != nil {
		s.notices = alertsv1.NewNoticesServiceClient(d.Alerts)
	}
	s.publicURL, s.certificateValid = strings.TrimSuffix(d.PublicURL, "/"), d.CertificateValid
	if s.certificateValid <= 0 {
		s.certificateValid = defaultCertificateValid
	}
	s.joins, s.rotations = newLimiter[string](joinEvery, joinBurst), newLimiter[string](rotateEvery, rotateBurst)
	if s.proberRegion == "" {
		s.proberRegion = LocalRegion
	}
	if d.Events != nil {
		s.status = eventsv1.NewStatusServiceClient(d.Events)
	}
	if d.Prober != nil {
		s.prober = proberv1.NewProberServiceClient(d.Prober)
	}
	return s, nil
}

// Register adds the service to a server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	monitorsv1.RegisterMonitorsServiceServer(r, s)
	monitorsv1.RegisterAssignmentsServiceServer(r, s)
	monitorsv1.RegisterCatalogServiceServer(r, s)
	monitorsv1.RegisterEnrolmentServiceServer(r, s)
	monitorsv1.RegisterMaintenanceServiceServer(r, s)
	monitorsv1.RegisterResourcesServiceServer(r, s)
	monitorsv1.RegisterBadgesServiceServer(r, s)
	auditv1.RegisterAuditServiceServer(r, s)
}

// write is Store.Write, and tells those who watch.
func (s *Service) write(ctx context.Context, fn func(tx Tx) error) error {
	err := s.store.Write(ctx, fn)
	if err == nil {
		s.changed.fire()
	}
	return err
}

// now is the present as stores keep it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// organization is the caller's. The server let nobody through who has none.
func organization(ctx context.Context) string {
	p, _ := identity.FromContext(ctx)
	return p.OrganizationID
}

// downstream is what a caller may learn of a failed call that this service made for itself: that it may come again, or
// that something is wrong with us. What the other service thought of our request is nothing of the caller's.
func downstream(err error) error {
	switch fault.KindOf(err) {
	case fault.KindUnavailable, fault.KindExhausted, fault.KindDeadline, fault.KindCanceled:
		return err
	}
	return fault.Internal(err)
}

const auditKind = "monitor"

// snapshot is what the audit log shows of a monitor. Config holds no secrets.
type snapshot struct {
	ID      uint32 `json:"id"`
	Version uint32 `json:"version"`
	Config
	SecretsChanged bool `json:"secrets_changed,omitempty"`
}

func snapshotOf(m Monitor, secretsChanged bool) snapshot {
	return snapshot{ID: m.ID, Version: m.Version, Config: m.Config, SecretsChanged: secretsChanged}
}

// audited adds the row of a change to its transaction.
func audited(ctx context.Context, tx Tx, action, id string, before, after any) error {
	row, err := audit.New(ctx, auditKind+"."+action, auditKind, id).Change(before, after)
	if err != nil {
		return err
	}
	return tx.Audit(ctx, row)
}
