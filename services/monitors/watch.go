package monitors

import (
	"context"
	"crypto/rand"
	"regexp"
	"time"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
)

// The catalogue is one walk over the monitors in the order of their last changes. The first time the walk comes to its
// end, everything that existed when it began has been sent: that is the snapshot. What comes after are the deltas. Because
// the walk goes by the store's own order of changes, nothing can fall between the two, and a change that is made meanwhile,
// here or in another replica, only moves its monitor further ahead. What a prober is told goes by two such orders: see
// assigner.

const (
	// heartbeatEvery is somewhat less than the five seconds that are promised. At each, the store is also asked for changes
	// that no signal told of, because another replica made them.
	heartbeatEvery = 4 * time.Second
	changesPerPage = 500
)

// walk calls changed for everything that read returns and then for every change, complete once after what existed, and beat
// now and then, until one of them fails or ctx ends. read returns what was changed after a rev, changed the rev of a change.
func walk[T any](ctx context.Context, fired *signal, read func(context.Context, int64) ([]T, error), changed func(T) (int64, error), complete, beat func() error) error {
	tick := time.NewTicker(heartbeatEvery)
	defer tick.Stop()
	var rev int64
	for done := false; ; {
		more := fired.wait()
		for {
			some, err := read(ctx, rev)
			if err != nil {
				return err
			}
			for _, v := range some {
				if rev, err = changed(v); err != nil {
					return err
				}
			}
			if len(some) < changesPerPage {
				break
			}
		}
		if !done {
			if err := complete(); err != nil {
				return err
			}
			done = true
		}
		select {
		case <-more:
		case <-tick.C:
			if err := beat(); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// regionCode keeps the codes of regions fit for URLs, labels and file names.
var regionCode = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$`)

// WatchAssignments sends a prober what it is to run.
func (s *Service) WatchAssignments(req *monitorsv1.WatchAssignmentsRequest, stream monitorsv1.AssignmentsService_WatchAssignmentsServer) error {
	if !regionCode.MatchString(req.GetRegion()) {
		return fault.Invalid("", fault.Field{Name: "region", Message: "must be 1 to 64 letters, digits and, inside, dots, hyphens and underscores"})
	}
	ctx, own := stream.Context(), rand.Text()
	if err := speaksFor(ctx, req.GetProberId(), req.GetRegion()); err != nil {
		return err
	}
	p := Prober{ID: req.GetProberId(), Region: req.GetRegion(), Version: req.GetVersion(), Connected: true, LastSeenAt: now()}
	if err := s.store.ProberArrived(ctx, p, own); err != nil {
		return err
	}
	s.log.InfoContext(ctx, "prober arrived", "prober_id", p.ID, "region", p.Region, "prober_version", p.Version)
	defer s.proberLeft(ctx, p, own)
	a := assigner{service: s, stream: stream, connection: own, held: map[uint32]held{}}
	var err error
	if a.session, err = s.openSession(ctx, req, own, a.beat); err != nil {
		return err
	}
	return a.run(ctx)
}

// leaveWait bounds the last word about a prober, which is said when its stream is over.
const leaveWait = 2 * time.Second

func (s *Service) proberLeft(ctx context.Context, p Prober, session string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWait)
	defer cancel()
	if err := s.store.ProberLeft(ctx, p.ID, session, now()); err != nil {
		s.log.WarnContext(ctx, "departure of a prober is not stored", "prober_id", p.ID, "error", err.Error())
		return
	}
	s.log.InfoContext(ctx, "prober left", "prober_id", p.ID, "region", p.Region)
}

// WatchCatalog sends another service what monitors there are.
func (s *Service) WatchCatalog(_ *monitorsv1.WatchCatalogRequest, stream monitorsv1.CatalogService_WatchCatalogServer) error {
	c := cataloguer{stream: stream, held: map[uint32]bool{}}
	return walk(stream.Context(), s.changed, func(ctx context.Context, rev int64) ([]Monitor, error) {
		return s.store.Changes(ctx, rev, changesPerPage)
	}, func(m Monitor) (int64, error) { return m.Rev, c.changed(m) }, c.complete, c.beat)
}

// cataloguer is one subscriber's stream.
type cataloguer struct {
	stream monitorsv1.CatalogService_WatchCatalogServer
	held   map[uint32]bool // monitors that the subscriber knows
}

func (c *cataloguer) changed(m Monitor) error {
	switch {
	case !m.Deleted():
		c.held[m.ID] = true
		return c.stream.Send(&monitorsv1.WatchCatalogResponse{
			Step: &monitorsv1.WatchCatalogResponse_Upserted{Upserted: catalogEntryOf(m)},
		})
	case c.held[m.ID]:
		delete(c.held, m.ID)
		return c.stream.Send(&monitorsv1.WatchCatalogResponse{
			Step: &monitorsv1.WatchCatalogResponse_RemovedMonitorId{RemovedMonitorId: m.ID},
		})
	}
	return nil
}

func (c *cataloguer) complete() error {
	return c.stream.Send(&monitorsv1.WatchCatalogResponse{
		Step: &monitorsv1.WatchCatalogResponse_SnapshotComplete{SnapshotComplete: &monitorsv1.SnapshotComplete{}},
	})
}

func (c *cataloguer) beat() error {
	return c.stream.Send(&monitorsv1.WatchCatalogResponse{
		Step: &monitorsv1.WatchCatalogResponse_Heartbeat{Heartbeat: &monitorsv1.Heartbeat{}},
	})
}
