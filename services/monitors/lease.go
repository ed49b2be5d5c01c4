package monitors

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
)

// DefaultLeaseTTL is the time to live of a lease where Deps says nothing.
const DefaultLeaseTTL = 10 * time.Second

// A prober of any version bears at least one check; one that does not say how many bears defaultCapacity.
const defaultCapacity = 4096

// grantClock gives the moments up to which leases are granted: labels on the axis of slots, by which nobody's death is
// decided. It is the wall clock, but one that jumps is not believed for a while: a grant an hour ahead would be an hour that
// the next holder has nothing to do with.
type grantClock struct {
	wall  func() time.Time
	began time.Time // with a monotonic reading

	mu       sync.Mutex
	at       time.Duration // since began, when wall was believed last
	believed time.Time     // what it showed
	doubt    time.Duration // since began, when it was first not believed; 0: it is
}

const (
	clockJump  = time.Second      // difference between the clocks from which on the wall clock has jumped
	clockDoubt = 60 * time.Second // after which the new time is believed
)

func newGrantClock(wall func() time.Time) *grantClock {
	return &grantClock{wall: wall, began: time.Now(), believed: wall()}
}

func (c *grantClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	elapsed, shown := time.Since(c.began), c.wall()
	due := c.believed.Add(elapsed - c.at)
	if shown.Sub(due).Abs() > clockJump {
		if c.doubt == 0 {
			c.doubt = max(elapsed, 1)
		}
		if elapsed-c.doubt < clockDoubt {
			return due.UTC().Truncate(time.Millisecond)
		}
	}
	c.at, c.believed, c.doubt = elapsed, shown, 0
	return shown.UTC().Truncate(time.Millisecond)
}

// speaksFor refuses a caller who is another prober.
func speaksFor(ctx context.Context, proberID, region string) error {
	if p, _ := identity.FromContext(ctx); !p.SpeaksFor(proberID, region) {
		return fault.Denied("a prober speaks for itself and its region only")
	}
	return nil
}

// RenewLease implements AssignmentsService.
func (s *Service) RenewLease(ctx context.Context, req *monitorsv1.RenewLeaseRequest) (*monitorsv1.RenewLeaseResponse, error) {
	caller, _ := identity.FromContext(ctx)
	if err := speaksFor(ctx, req.GetProberId(), caller.Region); err != nil {
		return nil, err
	}
	if req.GetLeaving() {
		return s.leave(ctx, req)
	}
	r, err := s.renewal(req)
	if err != nil {
		return nil, err
	}
	session, err := s.store.RenewSession(ctx, r)
	if err != nil {
		return nil, err
	}
	if len(req.GetReleased()) > 0 {
		if err := s.release(ctx, session, req.GetReleased()); err != nil {
			return nil, err
		}
	}
	if req.GetHeardEpoch() >= uint64(session.Epoch) {
		s.lossesHeard(ctx, session)
	}
	return &monitorsv1.RenewLeaseResponse{Lease: s.lease(session)}, nil
}

// lossesHeard notes that a session has heard what its prober lost before it: a message that was sent may not have come. All of
// that was lost under smaller epochs. If it cannot be noted it will be with a later renewal, and is told again until then.
func (s *Service) lossesHeard(ctx context.Context, session Session) {
	if noted, _ := s.heard.Load(session.ProberID); noted == session.Name {
		return
	}
	at := now()
	if err := s.store.TellLosses(ctx, session.Region, session.ProberID, session.Name, session.Epoch, at, at.Add(-lossesKept)); err != nil {
		s.log.WarnContext(ctx, "it is not noted what a prober has heard", "prober_id", session.ProberID, "error", err.Error())
		return
	}
	s.heard.Store(session.ProberID, session.Name)
}

func (s *Service) renewal(req *monitorsv1.RenewLeaseRequest) (Renewal, error) {
	at := s.clock.now()
	r := Renewal{ProberID: req.GetProberId(), Name: req.GetSession(), ValidUntil: at.Add(s.ttl), Sane: at.Add(3 * s.ttl), At: at}
	if req.GetReport() == nil {
		return r, nil
	}
	report := proto.CloneOf(req.GetReport())
	report.At = timestamppb.New(at)
	b, err := proto.Marshal(report)
	if err != nil {
		return Renewal{}, fault.Internal(err)
	}
	r.Report = b
	return r, nil
}

// leave frees at once what a prober held. Repeating it does no harm. What it has given up before ends where it said then: that
// is stored first, because a session that has left confirms nothing.
func (s *Service) leave(ctx context.Context, req *monitorsv1.RenewLeaseRequest) (*monitorsv1.RenewLeaseResponse, error) {
	if len(req.GetReleased()) > 0 {
		if err := s.lastReleases(ctx, req); err != nil {
			return nil, err
		}
	}
	end := Ending{ProberID: req.GetProberId(), Name: req.GetSession(), State: SessionLeft, Heard: int64(req.GetHeardEpoch())}
	at := s.clock.now()
	if left := req.GetLeftAt(); left != nil {
		end.Until = sane(left.AsTime(), at, s.ttl)
	}
	left, err := s.store.EndSession(ctx, end)
	if err != nil {
		return nil, err
	}
	if left {
		s.log.InfoContext(ctx, "prober's session has left", "prober_id", end.ProberID)
		s.changed.fire() // those who watch place
	}
	return &monitorsv1.RenewLeaseResponse{Lease: &monitorsv1.Lease{Now: timestamppb.New(at)}}, nil
}

// lastReleases hands over what a prober that leaves has given up before. One whose session has ended has nothing to hand over.
func (s *Service) lastReleases(ctx context.Context, req *monitorsv1.RenewLeaseRequest) error {
	r, err := s.renewal(req)
	if err != nil {
		return err
	}
	session, err := s.store.RenewSession(ctx, r) // it may be over, and confirms only if it lives
	if err == nil {
		err = s.release(ctx, session, req.GetReleased())
	}
	if isEnded(err) {
		return nil
	}
	return err
}

// sane is a moment that a party told, or now if that party's clock, or ours, must be wrong.
func sane(t, now time.Time, ttl time.Duration) time.Time {
	if t.After(now.Add(3 * ttl)) {
		return now
	}
	return t.UTC().Truncate(time.Millisecond)
}

// lease is what a session was granted, as its prober is told.
func (s *Service) lease(session Session) *monitorsv1.Lease {
	return &monitorsv1.Lease{
		Epoch: uint64(session.Epoch), TtlMs: uint32(s.ttl.Milliseconds()), ValidUntil: timestamppb.New(session.ValidUntil),
		Sole: session.Sole, Now: timestamppb.New(s.clock.now()),
	}
}

// opening is the session that a stream asks for. One without a name is the stream's own.
func (s *Service) opening(req *monitorsv1.WatchAssignmentsRequest, stream string) Opening {
	at := s.clock.now()
	o := Opening{
		Session: Session{
			ProberID: req.GetProberId(), Region: req.GetRegion(), Name: req.GetSession(), ValidUntil: at.Add(s.ttl), RenewedAt: at,
			Capacity: req.GetCapacity(), Capabilities: req.GetCapabilities(), Durable: req.GetDurable(),
		},
		Previous: req.GetPreviousSession(), Sane: at.Add(3 * s.ttl),
	}
	if o.Capacity == 0 {
		o.Capacity = defaultCapacity
	}
	if o.Name == "" {
		o.Name, o.Stream, o.Durable, o.Previous = stream, true, false, ""
	}
	return o
}

// openSession waits until an older session of the prober is known to be over. beat tells the prober that it is not forgotten.
func (s *Service) openSession(ctx context.Context, req *monitorsv1.WatchAssignmentsRequest, stream string, beat func() error) (Session, error) {
	look := time.NewTicker(s.pollEvery())
	defer look.Stop()
	alive := time.NewTicker(s.beatEvery())
	defer alive.Stop()
	for waiting := false; ; {
		session, err := s.store.OpenSession(ctx, s.opening(req, stream))
		if !errors.Is(err, ErrSessionBusy) {
			return session, err
		}
		if !waiting {
			waiting = true
			s.log.InfoContext(ctx, "a new session waits for the end of the one before", "prober_id", req.GetProberId())
		}
		select {
		case <-look.C:
		case <-alive.C:
			if err := beat(); err != nil {
				return Session{}, err
			}
		case <-ctx.Done():
			return Session{}, ctx.Err()
		}
	}
}

// pollEvery is how often a replica looks at what the others did.
func (s *Service) pollEvery() time.Duration { return max(s.ttl/10, time.Millisecond) }

// beatEvery is how often a stream shows that it lives.
func (s *Service) beatEvery() time.Duration {
	return min(heartbeatEvery, max(s.ttl/3, time.Millisecond))
}
