package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/page"
)

// DefaultRetention is how long results are kept when nobody says otherwise.
const DefaultRetention = 400 * 24 * time.Hour

// Deps is what the service works with. State, Results, Monitors, Log and PageKey are required.
type Deps struct {
	State     StateStore
	Results   ResultStore
	Evidence  EvidenceStore            // without it none is kept
	Monitors  grpc.ClientConnInterface // the catalogue; and who owns a monitor that the catalogue has not named yet
	Alerts    grpc.ClientConnInterface // recent incidents; without it there are none to show
	Notices   grpc.ClientConnInterface // takes the operator's notices; without it there are none
	Log       *slog.Logger
	PageKey   []byte        // signs page tokens; the same in all replicas
	Retention time.Duration // of results; 0 means DefaultRetention

	TracerProvider trace.TracerProvider // nil means the global one
	MeterProvider  metric.MeterProvider // nil means the global one
}

// Service implements RecorderService, FeedService, StatusService and EventsService. Make it with New, then Run it.
type Service struct {
	eventsv1.UnsafeRecorderServiceServer
	eventsv1.UnsafeFeedServiceServer
	eventsv1.UnsafeStatusServiceServer
	eventsv1.UnsafeEventsServiceServer

	state       StateStore
	results     ResultStore
	evidence    EvidenceStore // nil: none is kept
	catalog     monitorsv1.CatalogServiceClient
	monitors    monitorsv1.MonitorsServiceClient
	maintenance monitorsv1.MaintenanceServiceClient
	incidents   alertsv1.IncidentsServiceClient // nil: none
	notices     alertsv1.NoticesServiceClient   // nil: none
	log         *slog.Logger
	pages       *page.Codec
	retention   time.Duration

	metrics *metrics
	tracer  tracer
	court   *court
	archive *archive
	mender  *mender
	aside   aside  // to results
	recalls aside  // to results, for the catalogue
	unread  unread // of results, because they were away
	known   knownMonitors
	windows windows       // of maintenance
	ready   chan struct{} // closed when what was stored is judged
	open    sync.Once
}

var (
	_ eventsv1.RecorderServiceServer = (*Service)(nil)
	_ eventsv1.FeedServiceServer     = (*Service)(nil)
	_ eventsv1.StatusServiceServer   = (*Service)(nil)
	_ eventsv1.EventsServiceServer   = (*Service)(nil)
)

// New makes the service. It fails only on incomplete Deps; nothing is read before Run.
func New(d Deps) (*Service, error) {
	if d.State == nil || d.Results == nil || d.Monitors == nil || d.Log == nil || len(d.PageKey) == 0 {
		return nil, errors.New("events service needs two stores, a connection to monitors, a log and a page key")
	}
	log := d.Log.With("service", "events")
	m, err := newMetrics(d.MeterProvider)
	if err != nil {
		return nil, fmt.Errorf("events metrics: %w", err)
	}
	t := newTracer(d.TracerProvider)
	s := &Service{
		state: d.State, results: d.Results, evidence: d.Evidence, log: log, pages: page.NewCodec(d.PageKey), retention: d.Retention,
		catalog: monitorsv1.NewCatalogServiceClient(d.Monitors), monitors: monitorsv1.NewMonitorsServiceClient(d.Monitors),
		maintenance: monitorsv1.NewMaintenanceServiceClient(d.Monitors),
		metrics:     m, tracer: t, court: newCourt(d.State, log, m, t), archive: newArchive(d.Results, log, m, t), aside: aside{log: log},
		recalls: aside{log: log, wait: recallWait}, ready: make(chan struct{}),
	}
	s.mender = newMender(s.court, s.archive, d.State, d.Results, log, m)
	if err := m.watch(s.court, s.archive, s.mender); err != nil {
		return nil, fmt.Errorf("events metrics: %w", err)
	}
	if s.retention == 0 {
		s.retention = DefaultRetention
	}
	if d.Alerts != nil {
		s.incidents = alertsv1.NewIncidentsServiceClient(d.Alerts)
	}
	if d.Notices != nil {
		s.notices = alertsv1.NewNoticesServiceClient(d.Notices)
	}
	return s, nil
}

// Register adds the service to a server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	eventsv1.RegisterRecorderServiceServer(r, s)
	eventsv1.RegisterFeedServiceServer(r, s)
	eventsv1.RegisterStatusServiceServer(r, s)
	eventsv1.RegisterEventsServiceServer(r, s)
	eventsv1.RegisterReplayServiceServer(r, replayServer{Service: s})
}

// Run judges what was stored before, then follows the catalogue, commits, stores and maintains until ctx ends; what was taken
// in by then is committed and stored before it returns. It needs the state store to begin, and the history to store results and
// to answer what is asked of them.
func (s *Service) Run(ctx context.Context) error {
	if err := s.restore(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // told to stop before it had begun
		}
		return fmt.Errorf("restore: %w", err)
	}
	// The two queues outlive ctx, to empty themselves.
	queues, closeQueues := context.WithCancel(context.WithoutCancel(ctx))
	defer closeQueues()
	var last errgroup.Group
	last.Go(func() error { return s.court.run(queues) })
	last.Go(func() error {
		if !s.catchUp(queues) {
			return nil // nothing was taken: the probers still have all
		}
		return s.archive.run(queues)
	})
	s.open.Do(func() { close(s.ready) })

	work, ctx := errgroup.WithContext(ctx)
	for _, part := range []func(context.Context){s.followCatalog, s.followMaintenance, s.watchDeadlines, s.maintain, s.prune, s.mender.run, s.tell} {
		work.Go(func() error {
			part(ctx)
			return nil
		})
	}
	err := work.Wait()
	closeQueues()
	return errors.Join(err, last.Wait(), s.settle(context.WithoutCancel(ctx)))
}

// settleGrace bounds the last maintenance of a stopping process; what it does not do is done at the next start.
const settleGrace = 2 * time.Second

// settle brings roll-ups up to date, so that the next start has less to do.
func (s *Service) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleGrace)
	defer cancel()
	if err := s.results.Maintain(ctx, true); err != nil && ctx.Err() == nil {
		return fmt.Errorf("settle results: %w", err)
	}
	return nil
}

// restore makes the judge from what was stored, and judges the results that were stored but whose judgement was not: a
// process that dies between the two loses no transition.
func (s *Service) restore(ctx context.Context) error {
	began := time.Now()
	snapshot, err := s.state.Load(ctx)
	if err != nil {
		return fmt.Errorf("load state: %w", err)
	}
	judged := map[uint32]map[string]time.Time{}
	for _, r := range snapshot.Regions {
		if judged[r.MonitorID] == nil {
			judged[r.MonitorID] = map[string]time.Time{}
		}
		judged[r.MonitorID][r.Region] = r.LastSlot
	}
	ahead, known, err := s.aheadAtOnce(ctx, judged)
	if err != nil {
		return err
	}
	judge := NewJudge(snapshot)
	replayed := 0
	for m := range judge.Monitors {
		s.known.put(m)
		if !known {
			s.unread.note(m.ID, judged[m.ID])
		}
		if _, more := ahead[m.ID]; !more || !known {
			continue
		}
		before, told := judge.standing(m.ID)
		err := s.results.Replay(ctx, m.ID, judged[m.ID], func(r *Result) error {
			replayed++
			judge.Result(r.StartedAt, r) // as if it had arrived then: nobody has been heard since
			return nil
		})
		if away(ctx, ctx, err) { // in the midst of it: the rest is judged when it is back
			s.log.WarnContext(ctx, "the history went away", "error", err)
			known = false
			s.unread.note(m.ID, judged[m.ID])
		} else if err != nil {
			return fmt.Errorf("replay monitor %d: %w", m.ID, err)
		}
		judge.hush(time.Now(), m.ID, before, told)
	}
	judge.Restored(time.Now())
	s.court.seat(judge, snapshot.Owed)
	s.mender.submit(s.court.owed())
	s.log.Info("judgement restored", "monitors", len(snapshot.Monitors), "replayed", replayed, "to_mend", len(snapshot.Owed), "took", time.Since(began).Round(time.Millisecond).String())
	return nil
}

// ahead finds the monitors of which more is stored than was judged, and up to which slot they are judged, by a question per
// region: one per monitor would keep a fleet of thousands waiting for minutes. What was stored more than two months ago is not
// looked for; its time has passed.
func (s *Service) ahead(ctx context.Context, judged map[uint32]map[string]time.Time) (past, error) {
	regions := map[string]bool{}
	for _, slots := range judged {
		for region := range slots {
			regions[region] = true
		}
	}
	out := past{}
	for region := range regions {
		newest, err := s.results.LastSlots(ctx, SlotQuery{Region: region})
		if err != nil {
			return nil, fmt.Errorf("read last slots of %s: %w", region, err)
		}
		for id, slot := range newest {
			if at, ok := judged[id][region]; ok && slot.After(at) {
				out = out.with(&Result{MonitorID: id, ScheduledAt: at})
			}
		}
	}
	return out, nil
}
