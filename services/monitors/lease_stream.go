package monitors

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

const (
	assignmentsPerPage = 500
	// lossesKept is how long it is remembered what a prober has lost, after it was told.
	lossesKept = 24 * time.Hour
)

// assigner is one prober's stream. It goes by two orders of changes: that of the assignments of its region, and that of the
// monitors, of which it sends those that the prober holds. The snapshot is what the prober holds; both orders are then
// followed from where they were before the snapshot was read, so that nothing can fall between.
type assigner struct {
	service    *Service
	stream     monitorsv1.AssignmentsService_WatchAssignmentsServer
	connection string // the stream's own name
	session    Session

	held map[uint32]held // by monitor
	rev  int64           // of the region's assignments
	seen int64           // of monitors
}

// held is an assignment that is the prober's.
type held struct {
	Assigned
	sent int64 // Rev of the monitor as it was sent; 0: it was not
}

// run sends until an error, or ctx ends.
func (a *assigner) run(ctx context.Context) error {
	s := a.service
	if !a.session.Stream {
		if err := a.send(&monitorsv1.WatchAssignmentsResponse{Step: &monitorsv1.WatchAssignmentsResponse_Lease{Lease: s.lease(a.session)}}); err != nil {
			return err
		}
	}
	tick := time.NewTicker(s.beatEvery())
	defer tick.Stop()
	more := s.changed.wait()
	s.changed.fire() // who else is here may have to give something up
	if err := s.place(ctx, a.session.Region); err != nil {
		return err
	}
	if err := a.snapshot(ctx); err != nil {
		return err
	}
	for {
		select {
		case <-more:
		case <-tick.C:
			if err := a.alive(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		more = s.changed.wait()
		if err := s.place(ctx, a.session.Region); err != nil {
			return err
		}
		if err := a.changes(ctx); err != nil {
			return err
		}
	}
}

// alive shows the prober that the centre lives, and the centre that a stream does.
func (a *assigner) alive(ctx context.Context) error {
	if err := a.beat(); err != nil {
		return err
	}
	s := a.service
	if now, known := s.sessions.of(a.session.ProberID); known && a.replacedBy(now) {
		return ErrSessionEnded
	}
	if !a.session.Stream {
		return nil
	}
	at := s.clock.now()
	_, err := s.store.RenewSession(ctx, Renewal{
		ProberID: a.session.ProberID, Name: a.session.Name, ValidUntil: at.Add(s.ttl), Sane: at.Add(3 * s.ttl), At: at,
	})
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "sign of life of a prober is not stored", "prober_id", a.session.ProberID, "error", err.Error())
	}
	if isEnded(err) { // what it held is another's; it is told to stop, or that it goes on
		if a.session, err = s.store.OpenSession(ctx, Opening{Session: a.session, Sane: at}); err != nil {
			return err
		}
	}
	return nil
}

// replacedBy reports whether now is what came after a's session.
func (a *assigner) replacedBy(now Session) bool {
	if now.Epoch < a.session.Epoch {
		return false // an old look
	}
	return now.Name != a.session.Name || now.Marked || !a.session.Stream && now.State != SessionLive && now.State != SessionOver
}

func (a *assigner) beat() error {
	return a.send(&monitorsv1.WatchAssignmentsResponse{
		Step: &monitorsv1.WatchAssignmentsResponse_Heartbeat{Heartbeat: &monitorsv1.Heartbeat{}},
	})
}

func (a *assigner) send(r *monitorsv1.WatchAssignmentsResponse) error { return a.stream.Send(r) }

// snapshot sends what the prober lost while nobody could tell it, then what it holds.
func (a *assigner) snapshot(ctx context.Context) error {
	s, region := a.service, a.session.Region
	all, err := s.store.Placements(ctx)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(all, func(p Placement) bool { return p.Region == region }); i >= 0 {
		a.rev, a.seen = all[i].Rev, all[i].MonitorsRev
	}
	told, err := a.losses(ctx)
	if err != nil {
		return err
	}
	for rev := int64(0); ; {
		as, err := s.store.Assignments(ctx, region, a.session.ProberID, rev, assignmentsPerPage)
		if err != nil {
			return err
		}
		if err := a.take(ctx, as); err != nil {
			return err
		}
		if len(as) < assignmentsPerPage {
			break
		}
		rev = as[len(as)-1].Rev
	}
	complete := &monitorsv1.WatchAssignmentsResponse_SnapshotComplete{SnapshotComplete: &monitorsv1.SnapshotComplete{}}
	if err := a.send(&monitorsv1.WatchAssignmentsResponse{Step: complete}); err != nil || told == 0 {
		return err
	}
	at := now()
	return s.store.TellLosses(ctx, region, a.session.ProberID, a.session.Name, told, at, at.Add(-lossesKept))
}

// losses sends what the prober lost, and returns the greatest epoch of that; 0 if there is none.
func (a *assigner) losses(ctx context.Context) (told int64, err error) {
	if a.session.Stream {
		return 0, nil
	}
	lost, err := a.service.store.Losses(ctx, a.session.Region, a.session.ProberID, a.session.Name)
	if err != nil {
		return 0, err
	}
	for _, l := range lost {
		if err := a.removal(&monitorsv1.Removal{MonitorId: l.MonitorID, Epoch: uint64(l.Epoch), Until: timestamppb.New(l.Until)}); err != nil {
			return 0, err
		}
		told = max(told, l.Epoch)
	}
	return told, nil
}

func (a *assigner) removal(r *monitorsv1.Removal) error {
	if a.session.Stream {
		return a.send(&monitorsv1.WatchAssignmentsResponse{Step: &monitorsv1.WatchAssignmentsResponse_RemovedMonitorId{RemovedMonitorId: r.GetMonitorId()}})
	}
	return a.send(&monitorsv1.WatchAssignmentsResponse{Step: &monitorsv1.WatchAssignmentsResponse_Removal{Removal: r}})
}

// changes sends what has changed.
func (a *assigner) changes(ctx context.Context) error {
	for {
		as, err := a.service.store.Assignments(ctx, a.session.Region, "", a.rev, assignmentsPerPage)
		if err != nil {
			return err
		}
		if err := a.take(ctx, as); err != nil {
			return err
		}
		if n := len(as); n > 0 {
			a.rev = as[n-1].Rev
		}
		if len(as) < assignmentsPerPage {
			break
		}
	}
	for {
		ms, err := a.service.store.Changes(ctx, a.seen, changesPerPage)
		if err != nil {
			return err
		}
		for _, m := range ms {
			if err := a.tell(m); err != nil {
				return err
			}
			a.seen = m.Rev
		}
		if len(ms) < changesPerPage {
			return nil
		}
	}
}

// take follows changes of assignments.
func (a *assigner) take(ctx context.Context, as []Assigned) error {
	var gained []uint32
	for _, x := range as {
		h, mine := a.held[x.MonitorID]
		if x.Wanted && x.Holder == a.session.ProberID {
			if !mine || h.Epoch != x.Epoch {
				gained = append(gained, x.MonitorID)
				h = held{}
			}
			a.held[x.MonitorID] = held{Assigned: x, sent: h.sent}
		} else if mine {
			if err := a.lost(h, x); err != nil {
				return err
			}
		}
	}
	if len(gained) > 0 {
		ms, err := a.service.store.MonitorsByID(ctx, gained)
		if err != nil {
			return err
		}
		for _, m := range ms {
			if err := a.tell(m); err != nil {
				return err
			}
		}
	}
	for _, x := range as { // a holder has to know what it is to give up, for it accounts for the slots so far
		if x.Releasing && x.Wanted && x.Holder == a.session.ProberID {
			if err := a.removal(&monitorsv1.Removal{MonitorId: x.MonitorID, Epoch: uint64(x.Epoch), Release: true}); err != nil {
				return err
			}
		}
	}
	return nil
}

// lost tells of what the prober does not hold any more.
func (a *assigner) lost(h held, now Assigned) error {
	delete(a.held, h.MonitorID)
	switch {
	case !now.Wanted || a.session.Stream:
		return a.removal(&monitorsv1.Removal{MonitorId: h.MonitorID, Epoch: uint64(h.Epoch)})
	case h.Releasing || now.Holder == "": // it has given it up
		return nil
	}
	return ErrSessionEnded // it is told on its next stream
}

// tell sends a monitor, if the prober holds it and has not been sent it as it is.
func (a *assigner) tell(m Monitor) error {
	h, mine := a.held[m.ID]
	if !mine || m.Rev <= h.sent || m.Deleted() || !m.Config.Enabled || !slices.Contains(m.Config.Regions, a.session.Region) {
		return nil // if it holds it no more, that comes as a change of the assignment
	}
	secrets, err := open(a.service.box, m)
	if err != nil {
		// Checked without its credentials, the target would seem to be at fault.
		a.service.log.ErrorContext(a.stream.Context(), "monitor is not assigned", "monitor_id", m.ID, "error", err.Error())
		if h.sent == 0 {
			return nil
		}
		h.sent = 0
		a.held[m.ID] = h
		return a.removal(&monitorsv1.Removal{MonitorId: m.ID, Epoch: uint64(h.Epoch)})
	}
	h.sent = m.Rev
	a.held[m.ID] = h
	out := assignmentOf(m, secrets)
	if !a.session.Stream {
		out.Epoch = uint64(h.Epoch)
		if !h.AccountFrom.IsZero() {
			out.AccountFrom = timestamppb.New(h.AccountFrom)
		}
	}
	return a.send(&monitorsv1.WatchAssignmentsResponse{Step: &monitorsv1.WatchAssignmentsResponse_Assigned{Assigned: out}})
}
