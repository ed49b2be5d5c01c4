package monitors_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/services/monitors"
)

// Where an account begins is decided in one transaction, of what that transaction finds: so each is judged by itself, whatever
// was lost, delayed or turned before it. What it finds is judged against what was stored, at the end of a history.

// ledger is what was granted to sessions, as their store said.
type ledger struct {
	grants map[sessionKey]map[int64]time.Time // ends of leases, by beat
	unsure map[sessionKey][]time.Time         // that were granted, or not
	told   map[sessionKey][]time.Time         // when those who leave say that they left; some say it twice
	left   map[sessionKey][]time.Time         // what was stored of that, or not
	went   []claim
	blind  map[uint32]bool // monitors of which a placement was stored, or not
}

type sessionKey struct{ prober, session string }

// claim is a session that somebody's account was begun by.
type claim struct {
	monitors.Session
	monitor uint32
}

func newLedger() *ledger {
	return &ledger{
		grants: map[sessionKey]map[int64]time.Time{}, unsure: map[sessionKey][]time.Time{}, told: map[sessionKey][]time.Time{},
		left: map[sessionKey][]time.Time{}, blind: map[uint32]bool{},
	}
}

// granted notes what was stored of a session that was opened or renewed.
func (w *world) granted(s monitors.Session, prober, session string, until time.Time, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := sessionKey{prober, session}
	switch {
	case err == nil:
		if w.ledger.grants[key] == nil {
			w.ledger.grants[key] = map[int64]time.Time{}
		}
		w.ledger.grants[key][s.Beat] = s.ValidUntil
	case !errors.Is(err, monitors.ErrSessionEnded) && !errors.Is(err, monitors.ErrSessionBusy):
		w.ledger.unsure[key] = append(w.ledger.unsure[key], until)
	}
}

// leaves notes what a prober says when it goes.
func (w *world) leaves(prober, session string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := sessionKey{prober, session}
	w.ledger.told[key] = append(w.ledger.told[key], at.UTC().Truncate(time.Millisecond))
}

// hasLeft wants what is stored of a prober that leaves to be what it said, unless that could not be.
func (w *world) hasLeft(e monitors.Ending, ended bool, err error) {
	if e.State != monitors.SessionLeft || err == nil && !ended {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	key := sessionKey{e.ProberID, e.Name}
	w.ledger.left[key] = append(w.ledger.left[key], e.Until)
	told := w.ledger.told[key]
	if !slices.ContainsFunc(told, func(t time.Time) bool { return e.Until.Equal(t) || t.After(e.Until.Add(3*w.ttl)) }) {
		w.broken = append(w.broken, fmt.Sprintf("%s left at %v, which is stored as %v", e.ProberID, told, e.Until))
	}
}

type handingKey struct{}

// handing lets the store see what a call gives up.
func handing(ctx context.Context, req *monitorsv1.RenewLeaseRequest) context.Context {
	return context.WithValue(ctx, handingKey{}, req)
}

// observed is a transaction of which it is noted what it finds, and does.
type observed struct {
	monitors.PlaceTx
	by       *monitorsv1.RenewLeaseRequest // nil: nobody's call
	between  [2]time.Time                  // what the replica's clock shows before and after
	sessions map[string]monitors.Session
	before   map[uint32]monitors.Candidate
	assigned []monitors.Assigned
	losses   []monitors.Loss
}

func newObserved(ctx context.Context, tx monitors.PlaceTx) *observed {
	by, _ := ctx.Value(handingKey{}).(*monitorsv1.RenewLeaseRequest)
	return &observed{PlaceTx: tx, by: by, sessions: map[string]monitors.Session{}, before: map[uint32]monitors.Candidate{}}
}

func (o *observed) Sessions(ctx context.Context) ([]monitors.Session, error) {
	list, err := o.PlaceTx.Sessions(ctx)
	for _, s := range list {
		o.sessions[s.ProberID] = s
	}
	return list, err
}

func (o *observed) Candidates(ctx context.Context, rev int64, limit int) ([]monitors.Candidate, error) {
	list, err := o.PlaceTx.Candidates(ctx, rev, limit)
	o.found(list)
	return list, err
}

func (o *observed) CandidatesByID(ctx context.Context, ids []uint32) ([]monitors.Candidate, error) {
	list, err := o.PlaceTx.CandidatesByID(ctx, ids)
	o.found(list)
	return list, err
}

func (o *observed) found(list []monitors.Candidate) {
	for _, c := range list {
		o.before[c.MonitorID] = c
	}
}

func (o *observed) Assign(ctx context.Context, as []monitors.Assigned) error {
	o.assigned = append(o.assigned, as...)
	return o.PlaceTx.Assign(ctx, as)
}

func (o *observed) Lose(ctx context.Context, ls []monitors.Loss) error {
	o.losses = append(o.losses, ls...)
	return o.PlaceTx.Lose(ctx, ls)
}

// given is what the holder of a, which calls, says of a; nil if nothing.
func (o *observed) given(a monitors.Assigned) *monitorsv1.Released {
	if o.by.GetProberId() != a.Holder {
		return nil
	}
	for _, r := range o.by.GetReleased() {
		if r.GetMonitorId() == a.MonitorID && r.GetEpoch() == uint64(a.Epoch) {
			return r
		}
	}
	return nil
}

// lost reports whether the holder of a is to be told that it accounts until then.
func (o *observed) lost(a monitors.Assigned, until time.Time) bool {
	if until.IsZero() {
		until = time.UnixMilli(0)
	}
	return slices.ContainsFunc(o.losses, func(l monitors.Loss) bool {
		return l.ProberID == a.Holder && l.MonitorID == a.MonitorID && l.Epoch == a.Epoch && l.Until.Equal(until)
	})
}

// moments is where an account may begin: anywhere between the two, which differ where the replica's clock decided.
type moments [2]time.Time

func (m moments) String() string { return fmt.Sprintf("%v–%v", m[0], m[1]) }

func (m moments) has(t time.Time) bool {
	if m[0].After(m[1]) { // the clock was set back meanwhile
		m[0], m[1] = m[1], m[0]
	}
	return !t.Before(m[0]) && !t.After(m[1])
}

// from are the moments of an account that begins at t, after one that began at before: not before that, and now if t is
// further ahead than three leases reach.
func (o *observed) from(t, before time.Time, ttl time.Duration) (m moments) {
	for i, now := range o.between {
		if m[i] = t.UTC().Truncate(time.Millisecond); t.After(now.Add(3 * ttl)) {
			m[i] = now
		}
		if m[i].Before(before) {
			m[i] = before
		}
	}
	return m
}

// begins wants a's account to begin where the one before ends by the contract. The lock is held.
func (w *world) begins(tx *observed, a monitors.Assigned) {
	complain := func(what string, args ...any) {
		w.broken = append(w.broken, fmt.Sprintf("%v: monitor %d, from %+v to %+v: ", w.now(), a.MonitorID, tx.before[a.MonitorID].Assigned, a)+
			fmt.Sprintf(what, args...))
	}
	c, found := tx.before[a.MonitorID]
	b := c.Assigned
	want := moments{b.AccountFrom, b.AccountFrom}
	switch r := tx.given(b); {
	case !found:
		complain("it was not looked at")
		return
	case !c.Known:
		if a.Holder == "" && !a.AccountFrom.IsZero() {
			want = moments{c.UpdatedAt.Add(-time.Millisecond), c.UpdatedAt.Add(-time.Millisecond)}
		}
	case b.Holder == "" || a.Holder == b.Holder && a.Epoch == b.Epoch: // nobody's account ends
	case r != nil:
		want = tx.from(r.GetUntil().AsTime(), b.AccountFrom, w.ttl)
		if !slices.ContainsFunc(w.given[lossKey{b.Holder, b.MonitorID, b.Epoch}], r.GetUntil().AsTime().Equal) {
			complain("%v was never given up at %v", b.Holder, r.GetUntil().AsTime())
		}
	default:
		holder, known := tx.sessions[b.Holder]
		if known && holder.Live() {
			complain("taken from one who lives and has not given it up")
			return
		}
		want = w.ends(tx, b, holder)
		told := known && (holder.State == monitors.SessionOver || holder.State == monitors.SessionEnded)
		if told && !tx.lost(b, a.AccountFrom) {
			complain("the one before is not told, of %v", tx.losses)
		}
	}
	if !want.has(a.AccountFrom) {
		complain("the account is to begin at %v", want)
	}
}

// ends is where the account of a session ends that does not live any more. The lock is held.
func (w *world) ends(tx *observed, b monitors.Assigned, holder monitors.Session) moments {
	if holder.State != monitors.SessionLeft && (holder.Name == "" || !holder.Durable || holder.State == monitors.SessionRemoved || holder.Marked) {
		return moments{} // with everything that it had: the next one accounts for all
	}
	if holder.State == monitors.SessionLeft && holder.Heard != 0 && b.Epoch > holder.Heard {
		return moments{b.AccountFrom, b.AccountFrom} // it never knew
	}
	w.ledger.went = append(w.ledger.went, claim{holder, b.MonitorID})
	want := tx.from(holder.ValidUntil, b.AccountFrom, w.ttl)
	if holder.State != monitors.SessionLeft && holder.Sole { // it went on
		for i, now := range tx.between {
			if now.After(want[i]) {
				want[i] = now
			}
		}
	}
	return want
}

// perhapsCommitted notes a placement of which nobody knows whether it was stored.
func (w *world) perhapsCommitted(tx *observed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range tx.assigned {
		w.ledger.blind[a.MonitorID] = true
	}
}

// chain wants each placement of a monitor to have found what the one before it stored. The lock is held.
func (w *world) chain(id uint32) {
	if w.ledger.blind[id] {
		return
	}
	rows := slices.Clone(w.rows[id])
	slices.SortStableFunc(rows, func(a, b grant) int { return cmp.Compare(a.rev, b.rev) })
	for i, g := range rows[min(1, len(rows)):] {
		was := rows[i].Assigned
		if g.before.Holder != was.Holder || g.before.Epoch != was.Epoch || !g.before.AccountFrom.Equal(was.AccountFrom) || g.before.Releasing != was.Releasing {
			w.broken = append(w.broken, fmt.Sprintf("monitor %d was found as %+v, but stored as %+v", id, g.before, was))
		}
	}
}

// claims wants accounts to have been begun by what their sessions were granted last. The lock is held.
func (w *world) claims() {
	for _, c := range w.ledger.went {
		key := sessionKey{c.ProberID, c.Name}
		may := w.ledger.left[key]
		if c.State != monitors.SessionLeft {
			may = append(w.lastGrant(c.Session), w.ledger.unsure[key]...)
		}
		if !slices.ContainsFunc(may, c.ValidUntil.Equal) {
			w.broken = append(w.broken, fmt.Sprintf("monitor %d was taken from %s/%s as of %v, not of %v", c.monitor, c.ProberID, c.Name, c.ValidUntil, may))
		}
	}
}

// lastGrant is the end of the lease that s was granted last; none if it never was. The lock is held.
func (w *world) lastGrant(s monitors.Session) (until []time.Time) {
	last := int64(-1)
	for beat, t := range w.ledger.grants[sessionKey{s.ProberID, s.Name}] {
		if beat <= s.Beat && beat > last {
			last, until = beat, []time.Time{t}
		}
	}
	return until
}
