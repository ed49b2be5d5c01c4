package monitors

import (
	"cmp"
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

	held  map[uint32]held // by monitor
	rev   int64           // of the region's assignments
	seen  int64           // of monitors
	asked int64           // of the region's wishes for checks
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
	more, asked := s.changed.wait(), s.asked.wait()
	s.changed.fire() // who else is here may have to give something up
	if err := s.place(ctx, a.session.Region); err != nil {
		return err
	}
	if err := a.snapshot(ctx); err != nil {
		return err
	}
	for {
		wishes := true
		select {
		case <-more:
			wishes = false
		case <-asked:
		case <-tick.C:
			if err := a.alive(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		more = s.changed.wait()
		if wishes {
			asked = s.asked.wait()
		}
		if err := s.place(ctx, a.session.Region); err != nil {
			return err
		}
		if err := a.changes(ctx); err != nil {
			return err
		}
		if wishes { // after the changes: a holder is asked for what it has just got
			if err := a.rechecks(ctx); err != nil {
				return err
			}
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
		a.rev, a.seen, a.asked = all[i].Rev, all[i].MonitorsRev, all[i].Asked
	}
	if err := a.losses(ctx); err != nil {
		return err
	}
	if _, err := a.follow(ctx, a.session.ProberID, 0); err != nil {
		return err
	}
	complete := &monitorsv1.WatchAssignmentsResponse_SnapshotComplete{SnapshotComplete: &monitorsv1.SnapshotComplete{}}
	return a.send(&monitorsv1.WatchAssignmentsResponse{Step: complete})
}

// losses sends what the prober lost, on each stream of a session until it has heard.
func (a *assigner) losses(ctx context.Context) error {
	if a.session.Stream {
		return nil
	}
	lost, err := a.service.store.Losses(ctx, a.session.Region, a.session.ProberID, a.session.Name)
	if err != nil {
		return err
	}
	for page := range slices.Chunk(lost, assignmentsPerPage) {
		was, err := monitorsOf(ctx, a.service, page, func(l Loss) uint32 { return l.MonitorID })
		if err != nil {
			return err
		}
		for _, l := range page {
			if err := a.loss(l, was[l.MonitorID]); err != nil {
				return err
			}
		}
	}
	return nil
}

// loss sends what the prober is to account for: as it was held, because it may have died before it heard of that, and that it is
// held no more. A monitor that is not checked any more has no slots to account for.
func (a *assigner) loss(l Loss, m Monitor) error {
	if l.Until.UnixMilli() > 0 && a.checks(m) {
		if secrets, err := open(a.service.box, m); err == nil { // else it was never assigned either
			if err := a.assigned(m, secrets, l.Epoch, l.From); err != nil {
				return err
			}
		}
	}
	return a.removal(&monitorsv1.Removal{MonitorId: l.MonitorID, Epoch: uint64(l.Epoch), Until: timestamppb.New(l.Until)})
}

func (a *assigner) removal(r *monitorsv1.Removal) error {
	if a.session.Stream {
		return a.send(&monitorsv1.WatchAssignmentsResponse{Step: &monitorsv1.WatchAssignmentsResponse_RemovedMonitorId{RemovedMonitorId: r.GetMonitorId()}})
	}
	return a.send(&monitorsv1.WatchAssignmentsResponse{Step: &monitorsv1.WatchAssignmentsResponse_Removal{Removal: r}})
}

// changes sends what has changed.
func (a *assigner) changes(ctx context.Context) (err error) {
	if a.rev, err = a.follow(ctx, "", a.rev); err != nil {
		return err
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

// follow sends what has changed of assignments after rev, of one holder or of all, and returns how far it came.
//
// What the prober gains is sent in the order of epochs, which is that of the grants but not of their last changes: all of them
// are looked at before the first is sent. Who has heard of one epoch has then heard of all before it.
func (a *assigner) follow(ctx context.Context, holder string, rev int64) (int64, error) {
	var gained, releasing []Assigned
	for {
		as, err := a.service.store.Assignments(ctx, a.session.Region, holder, rev, assignmentsPerPage)
		if err != nil {
			return 0, err
		}
		for _, x := range as {
			switch h, mine := a.held[x.MonitorID]; {
			case x.Wanted && x.Holder == a.session.ProberID:
				if !mine || h.Epoch != x.Epoch {
					gained = append(gained, x)
					h = held{}
				}
				a.held[x.MonitorID] = held{Assigned: x, sent: h.sent}
				if x.Releasing {
					releasing = append(releasing, x)
				}
			case mine:
				if err := a.lost(h, x); err != nil {
					return 0, err
				}
			}
			rev = x.Rev
		}
		if len(as) < assignmentsPerPage {
			break
		}
	}
	slices.SortFunc(gained, func(x, y Assigned) int { return cmp.Compare(x.Epoch, y.Epoch) })
	if err := a.gain(ctx, gained); err != nil {
		return 0, err
	}
	for _, x := range releasing { // a holder has to know what it is to give up, for it accounts for the slots so far
		if h, mine := a.held[x.MonitorID]; !mine || h.Epoch != x.Epoch {
			continue
		}
		if err := a.removal(&monitorsv1.Removal{MonitorId: x.MonitorID, Epoch: uint64(x.Epoch), Release: true}); err != nil {
			return 0, err
		}
	}
	return rev, nil
}

// gain sends what the prober has got, in that order.
func (a *assigner) gain(ctx context.Context, gained []Assigned) error {
	for page := range slices.Chunk(gained, assignmentsPerPage) {
		ms, err := monitorsOf(ctx, a.service, page, func(x Assigned) uint32 { return x.MonitorID })
		if err != nil {
			return err
		}
		for _, x := range page {
			m, known := ms[x.MonitorID]
			if !known || a.held[x.MonitorID].Epoch != x.Epoch {
				continue
			}
			if err := a.tell(m); err != nil {
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
	if !mine || m.Rev <= h.sent || !a.checks(m) {
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
	return a.assigned(m, secrets, h.Epoch, h.AccountFrom)
}

// assigned sends a monitor as it is held, or was.
func (a *assigner) assigned(m Monitor, secrets Secrets, epoch int64, from time.Time) error {
	out := assignmentOf(m, secrets)
	if !a.session.Stream {
		out.Epoch = uint64(epoch)
		if !from.IsZero() {
			out.AccountFrom = timestamppb.New(from)
		}
	}
	return a.send(&monitorsv1.WatchAssignmentsResponse{Step: &monitorsv1.WatchAssignmentsResponse_Assigned{Assigned: out}})
}

// checks reports whether m is to be checked in the prober's region.
func (a *assigner) checks(m Monitor) bool {
	return m.ID != 0 && !m.Deleted() && m.Config.Enabled && slices.Contains(m.Config.Regions, a.session.Region)
}

// monitorsOf are the monitors of a page of something.
func monitorsOf[T any](ctx context.Context, s *Service, page []T, id func(T) uint32) (map[uint32]Monitor, error) {
	ids := make([]uint32, len(page))
	for i, x := range page {
		ids[i] = id(x)
	}
	ms, err := s.store.MonitorsByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	by := make(map[uint32]Monitor, len(ms))
	for _, m := range ms {
		by[m.ID] = m
	}
	return by, nil
}
