package monitors

import (
	"context"
	"slices"
	"time"

	"github.com/frogstats/uptime/internal/fault"
)

// Leases is which process runs as which prober, and whether it lives.
//
// A prober has one session at a time. Nothing here looks at a clock: a session is over when somebody who watched its beat
// says so, and the beat that was watched is compared in the statement that says it.
type Leases interface {
	// OpenSession makes o's session the prober's, and returns it as it is then. Its region is made if it is new.
	//
	// The prober's own session is continued while it is live or over. Another takes the place of one that does not live, of one
	// that o proves to be dead, and of a stream; of any other it does not: then ErrSessionBusy. A new session's epoch is greater
	// than all given before in its region; so is that of a stream that is continued after it has ended. ErrSessionEnded for any
	// other that has ended or left, since its process may not know yet what it has lost, and for a prober that is marked as
	// removed.
	OpenSession(ctx context.Context, o Opening) (Session, error)
	// RenewSession counts the session's beat up and grants it r.ValidUntil, in one statement that waits for no placement,
	// and returns what it is then. A session that was over, and has lost nothing, lives again. ErrSessionEnded if it has
	// ended or left, or is not the prober's, or the prober is marked as removed.
	//
	// valid_until does not go back, unless by more than the difference to r.Sane: then a clock was wrong.
	RenewSession(ctx context.Context, r Renewal) (Session, error)
	// EndSession gives the session e names another state, if it is the prober's, lives or is over, and has that beat; false
	// if not. Its region is to be placed again.
	EndSession(ctx context.Context, e Ending) (bool, error)
	// Sessions returns the sessions of all probers, by region and prober.
	Sessions(ctx context.Context) ([]Session, error)
	// Probe writes something that means nothing, and returns when it is committed: whoever sees beats stand still while
	// nothing can be written has seen nothing.
	Probe(ctx context.Context) error
}

// Placements is who runs what.
//
// An assignment is a monitor in a region. It is there once the monitor was enabled in it. Each has an epoch, greater with
// every change of its holder than any given before in the region, and a rev, its place in the order of the region's changes.
type Placements interface {
	// Placements returns how far each region is placed, by region.
	Placements(ctx context.Context) ([]Placement, error)
	// Place runs fn in one transaction that holds the lock of a region: nobody else places there meanwhile. It is committed
	// if fn returns nil and else leaves no trace. fn may run again after a conflict. It must not keep tx, nor use the store.
	Place(ctx context.Context, region string, fn func(tx PlaceTx) error) error
	// Assignments returns assignments of a region whose last change is after rev, in the order of their last changes, at most
	// limit; only what holder holds, unless it is "". What becomes visible has a greater rev than all that was visible before.
	Assignments(ctx context.Context, region, holder string, rev int64, limit int) ([]Assigned, error)
	// MonitorsByID returns monitors of all organizations, by id, deleted ones too.
	MonitorsByID(ctx context.Context, ids []uint32) ([]Monitor, error)
	// Losses returns what a prober held in a region and lost while its session was over, and has not been told in session,
	// by monitor and epoch.
	Losses(ctx context.Context, region, proberID, session string) ([]Loss, error)
	// TellLosses notes that session was told all that Losses returned for it, up to epoch, and forgets what was told before
	// forget.
	TellLosses(ctx context.Context, region, proberID, session string, epoch int64, at, forget time.Time) error
	// Holdings returns how many assignments each prober holds in each region, by region and holder.
	Holdings(ctx context.Context) ([]Holding, error)
}

// PlaceTx is a transaction of Place.
type PlaceTx interface {
	// Placement is the region's, as locked. MonitorsRev is such that Candidates finds every change up to it.
	Placement() Placement
	// Sessions returns the sessions of the region. Their states stay as they are until the transaction ends.
	Sessions(ctx context.Context) ([]Session, error)
	// Candidates returns monitors whose last change is after rev, in the order of their last changes, at most limit, of those
	// that are to be checked from the region or have an assignment in it.
	Candidates(ctx context.Context, rev int64, limit int) ([]Candidate, error)
	// CandidatesByID returns those of the monitors that are Candidates.
	CandidatesByID(ctx context.Context, ids []uint32) ([]Candidate, error)
	// Assign stores assignments, whose revs it draws, in their order. Epochs are the caller's, up to the placement's that is
	// stored with Settle.
	Assign(ctx context.Context, as []Assigned) error
	// Lose notes what probers have lost; of monitors that they hold now it forgets nothing.
	Lose(ctx context.Context, ls []Loss) error
	// End marks sessions of the region that are over as ended: something of theirs was given away.
	End(ctx context.Context, probers []string) error
	// Settle stores Epoch, Cursor and Placed of the placement.
	Settle(ctx context.Context, p Placement) error
}

// Rechecks are wishes for a check besides the schedule. They are kept as long as it takes every replica to pass them on, and the
// newest of a monitor in a region is as good as all of them.
type Rechecks interface {
	// Recheck notes that a monitor is to be checked at once in those of the regions, in order and each once, where it is assigned, which
	// it returns. It forgets the region's wishes that were noted before forget.
	Recheck(ctx context.Context, monitorID uint32, regions []string, at, forget time.Time) ([]string, error)
	// Rechecks returns a region's wishes with a number greater than after, in the order of their numbers, at most limit. What becomes
	// visible has a greater number than all that was visible before.
	Rechecks(ctx context.Context, region string, after int64, limit int) ([]Recheck, error)
}

// Recheck is a wish for a check.
type Recheck struct {
	MonitorID uint32
	Asked     int64 // number, as in Placement
}

// The answers about sessions.
var (
	ErrSessionEnded = fault.Aborted("the prober's session has ended").Because("SESSION_ENDED")
	ErrSessionBusy  = fault.Aborted("another session of the prober is not known to be over").Because("SESSION_BUSY")
)

// SessionState is what is known of a session.
type SessionState string

// The states. From over a renewal leads back to live; after the others another session has to begin.
const (
	SessionLive    SessionState = "live"
	SessionOver    SessionState = "over"    // its beat stood still for the time to live
	SessionEnded   SessionState = "ended"   // and something that it held was given away
	SessionLeft    SessionState = "left"    // it said that it leaves
	SessionRemoved SessionState = "removed" // the prober was removed; what it had not sent is not accepted any more
)

// Session is a process that runs as a prober.
type Session struct {
	ProberID     string
	Region       string
	Name         string // "" if there is none
	Epoch        int64  // number of the session
	Beat         int64  // one more with every renewal
	State        SessionState
	ValidUntil   time.Time // last moment granted, or accounted for once it has left
	RenewedAt    time.Time // by the centre's clock; shown to people, and decides nothing
	Capacity     uint32
	Capabilities []string // none: every one
	Durable      bool     // its results outlive the process
	Sole         bool     // it was told last that nobody else could take over
	Stream       bool     // of version 1: a stream, for which its server renews
	Marked       bool     // the prober is marked as removed, which its state may not show yet
	Report       []byte   // the last ProberReport, as it was sent; nil: none
	Heard        int64    // once it has left, the greatest epoch that it had heard of; 0: all
}

// Live reports whether s may hold monitors.
func (s Session) Live() bool { return s.State == SessionLive && !s.Marked }

// Opening is a session that begins, or goes on.
type Opening struct {
	Session            // Name, ProberID, Region, ValidUntil, RenewedAt, Capacity, Capabilities, Durable, Stream
	Previous string    // session that is known to be dead
	Sane     time.Time // as in Renewal
}

// After is the session that o makes of the one before, whose Name is "" if there was none, and whether that changes who is
// there. Its Epoch is 0 if a new one is to be drawn. Stores call it with the region locked.
func (o Opening) After(old Session) (next Session, changed bool, err error) {
	next = o.Session
	next.State, next.Epoch, next.Beat, next.Report = SessionLive, 0, 1, nil
	if old.Name == "" {
		return next, true, nil
	}
	next.Beat = old.Beat + 1
	if old.Marked {
		return Session{}, false, ErrSessionEnded
	}
	if old.Name == o.Name && old.Region == o.Region {
		next.Report = old.Report
		next.ValidUntil = later(old.ValidUntil, o.ValidUntil, o.Sane)
		if old.State == SessionLive || old.State == SessionOver {
			next.Epoch = old.Epoch
		} else if !o.Stream {
			return Session{}, false, ErrSessionEnded
		}
		same := old.Live() && old.Capacity == o.Capacity && slices.Equal(old.Capabilities, o.Capabilities) && old.Stream == o.Stream
		return next, !same, nil
	}
	if dead := o.Previous != "" && o.Previous == old.Name; old.Live() && !old.Stream && !dead {
		return Session{}, false, ErrSessionBusy
	}
	return next, true, nil
}

// later is what is granted after before: not less, unless before was an error.
func later(before, next, sane time.Time) time.Time {
	if before.After(next) && !before.After(sane) {
		return before
	}
	return next
}

// Renewal is a sign of life.
type Renewal struct {
	ProberID, Name string
	ValidUntil     time.Time
	Sane           time.Time // a moment granted before that is later than this is an error
	At             time.Time
	Report         []byte // nil: as before
}

// Ending ends a session.
type Ending struct {
	ProberID, Name string
	Beat           int64 // 0: any
	State          SessionState
	Until          time.Time // zero: as granted
	Heard          int64     // as in Session
}

// Placement is how far a region is placed.
type Placement struct {
	Region      string
	Epoch       int64 // last one given
	Rev         int64 // last change of an assignment
	Members     int64 // one more whenever its sessions have changed
	Placed      int64 // Members that all monitors are placed for
	Cursor      int64 // every monitor up to this Rev of its own is placed
	Asked       int64 // number of the last wish for a check; see Rechecks
	MonitorsRev int64 // last change of any monitor
}

// Settled reports whether nothing is to be placed, as far as one knows who has seen every change up to cursor.
func (p Placement) Settled(cursor int64) bool {
	return p.Placed == p.Members && max(p.Cursor, cursor) >= p.MonitorsRev
}

// Assigned is a monitor in a region.
type Assigned struct {
	MonitorID   uint32
	Wanted      bool      // it is enabled there
	Holder      string    // prober; "" if there is none
	Epoch       int64     // of the holding; 0 before the first
	AccountFrom time.Time // see Assignment; zero: absent
	Releasing   bool      // the holder was asked to give it up
	Rev         int64
}

// Candidate is a monitor, as far as placing it goes.
type Candidate struct {
	MonitorID   uint32
	Rev         int64
	Wanted      bool // enabled, and for the region
	Type        Type
	IPVersion   string
	UpdatedAt   time.Time
	ActiveSince time.Time
	Known       bool     // whether Assigned is there
	Assigned    Assigned // its MonitorID is set always
}

// Loss is an assignment that a prober held, and is to be told that it does not any more.
type Loss struct {
	ProberID  string
	MonitorID uint32
	Epoch     int64
	From      time.Time // it accounts for slots after this; zero: after the last that is stored or its own
	Until     time.Time // it accounts for slots up to this
}

// Holding is how much a prober holds.
type Holding struct {
	Region   string
	Holder   string // "": nobody does
	Monitors uint32
}
