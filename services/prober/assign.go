package prober

import (
	"crypto/sha256"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/cron"
	"github.com/frogstats/uptime/services/prober/schedule"
)

// lastSlot is up to where a monitor's slots are accounted for already, by this prober or another.
type lastSlot struct {
	at       time.Time
	failures uint32
}

// digest tells configurations apart without keeping them.
type digest [16]byte

// digestOf is the digest of what a is to do; who holds it, and since when, is no part of that.
func digestOf(a *monitorsv1.Assignment) (digest, error) {
	bare := &monitorsv1.Assignment{
		Spec: a.GetSpec(), IntervalSeconds: a.GetIntervalSeconds(), Cron: a.GetCron(), Timezone: a.GetTimezone(),
		ConfirmDown: a.GetConfirmDown(), RetryIntervalSeconds: a.GetRetryIntervalSeconds(), Overlap: a.GetOverlap(),
		ActiveSince: a.GetActiveSince(),
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(bare)
	if err != nil {
		return digest{}, fmt.Errorf("encode assignment: %w", err)
	}
	sum := sha256.Sum256(b)
	return digest(sum[:16]), nil
}

// arrival is a monitor that this prober is to run.
type arrival struct {
	assignment *monitorsv1.Assignment
	epoch      uint64    // of its rows
	known      *lastSlot // nil when nothing is known, or the monitor is not new to this prober
	// handed says that known is where another prober stopped: what was due a moment ago is run at once, and nothing besides.
	handed bool
	fresh  bool // false for the monitors of the first snapshot, and true for what comes later
}

// assign is hold for a monitor of which nobody else knows.
func (g *engine) assign(a *monitorsv1.Assignment, known *lastSlot, fresh bool) {
	g.hold(arrival{assignment: a, epoch: a.GetEpoch(), known: known, fresh: fresh})
}

// hold takes a new or changed monitor. When another prober held it meanwhile, former is the holding before, of which
// nobody has accounted for the last slots yet.
func (g *engine) hold(x arrival) (former *holding) {
	now := g.now()
	a, id := x.assignment, x.assignment.GetSpec().GetMonitorId()
	mark, err := digestOf(a)
	if err != nil {
		g.log.Error("assignment cannot be read", "monitor_id", id, "error", err)
		return nil
	}
	s := g.shardOf(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	e := s.entries[id]
	if e != nil && a.GetEpoch() > e.plan.held && a.GetAccountFrom() != nil {
		former = s.drop(e, now)
		x.handed, x.known = true, &lastSlot{at: later(a.GetAccountFrom().AsTime(), instant(former.taken)), failures: e.failures}
		e = nil
	}
	switch {
	case e == nil:
		e = &entry{}
		s.entries[id] = e
		e.plan = s.planOf(a, x.epoch, mark)
		s.admit(e, x, now)
	case e.plan.digest == mark:
		s.renumber(e, a, x.epoch, now)
		return nil // a snapshot after a reconnection repeats what is known
	default:
		s.accountTo(e, s.horizon(now), missedOverload, now)
		s.retire(e, now)
		e.plan = s.planOf(a, x.epoch, mark)
		e.gridAt, e.confirmAt = milli(e.plan.schedule.Next(instant(s.horizon(now)))), 0
		s.wantFirst(e, x.fresh, now)
	}
	s.place(e)
	return former
}

// admit sets the first slots of a new entry.
func (s *shard) admit(e *entry, x arrival, now time.Time) {
	horizon := s.horizon(now)
	if x.known == nil {
		e.gridAt = milli(e.plan.schedule.Next(instant(horizon)))
	} else {
		e.failures = x.known.failures
		s.resume(e, x.assignment, x.known.at, x.handed, now)
	}
	if !x.handed && (x.fresh || x.known == nil) {
		s.wantFirst(e, x.fresh, now)
	}
}

// renumber lets e go on under another lease. The lock is held.
func (s *shard) renumber(e *entry, a *monitorsv1.Assignment, epoch uint64, now time.Time) {
	if e.plan.epoch == epoch && e.plan.held == a.GetEpoch() {
		return
	}
	row, err := s.rowOf(a.GetSpec(), epoch)
	if err != nil {
		s.log.Error("monitor cannot be told in a row", "monitor_id", a.GetSpec().GetMonitorId(), "error", err)
		return
	}
	s.flushMissed(e, now)
	next := *e.plan // a check in flight goes by the one with which it began
	next.row, next.epoch, next.held = row, epoch, a.GetEpoch()
	e.plan = &next
}

// retire ends what hangs on e's plan. The lock is held.
func (s *shard) retire(e *entry, now time.Time) {
	if e.waitingAt != 0 {
		s.giveUp(e, missedOverload, now)
	}
	s.flushMissed(e, now)
	s.limits.leave(e.plan.host)
	s.turns.plan(e.plan, -1)
}

// planOf prepares a check and its schedule. What cannot be run is not dropped: its
// slots become missed rows that say why. The lock is held.
func (s *shard) planOf(a *monitorsv1.Assignment, epoch uint64, mark digest) *plan {
	spec := a.GetSpec()
	log := s.log.With("monitor_id", spec.GetMonitorId())
	p := &plan{
		digest: mark, retryInterval: time.Duration(a.GetRetryIntervalSeconds()) * time.Second, confirmDown: a.GetConfirmDown(),
		parallel: a.GetOverlap() == monitorsv1.Overlap_OVERLAP_PARALLEL, held: a.GetEpoch(), epoch: epoch,
	}
	var err error
	if p.row, err = s.rowOf(spec, epoch); err != nil {
		log.Error("monitor cannot be told in a row", "error", err)
	}
	if p.check, err = s.prepare(spec); err != nil {
		log.Error("monitor cannot be run", "error", err)
		p.check = nil
	}
	if err := p.follow(a); err != nil {
		log.Error("schedule cannot be followed", "error", err)
		p.check = nil
	}
	host := ""
	if p.check != nil {
		host = p.check.host()
		s.preparePlain(p, spec)
	}
	p.host = s.limits.enter(host)
	s.turns.plan(p, 1)
	return p
}

// follow sets p's schedule. One that cannot be followed is a grid of days, whose slots say so.
func (p *plan) follow(a *monitorsv1.Assignment) error {
	id := a.GetSpec().GetMonitorId()
	if a.GetCron() == "" {
		p.onGrid(schedule.NewGrid(id, time.Duration(a.GetIntervalSeconds())*time.Second))
		return nil
	}
	calendar, err := cron.Parse(a.GetCron(), a.GetTimezone())
	if err != nil {
		p.onGrid(schedule.NewGrid(id, 24*time.Hour))
		return err
	}
	p.schedule, p.every = calendar, 0
	return nil
}

func (p *plan) onGrid(g schedule.Grid) { p.schedule, p.every = g, g.Interval().Milliseconds() }

// preparePlain readies p for the loop if its check only connects. The lock is held.
func (s *shard) preparePlain(p *plan, spec *checkv1.CheckSpec) {
	config, plain := p.check.plain()
	if !plain || s.newLoop == nil || s.noLoop {
		return
	}
	if s.loop == nil {
		loop, err := s.newLoop()
		if err != nil {
			s.noLoop = true
			s.log.Error("TCP checks run without their loop, at a higher price", "error", err)
			return
		}
		s.loop = loop
	}
	prepared, err := s.loop.Prepare(config)
	if err != nil {
		return // run does it
	}
	p.plain, p.port = prepared, uint16(spec.GetTcpConfig().GetPort())
	p.judged = len(spec.GetValidationRules())+len(spec.GetAssertions()) > 0
}

// remove stops a monitor. A check in flight still ends as its row.
func (g *engine) remove(id uint32) {
	s := g.shardOf(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[id]; e != nil {
		s.drop(e, g.now())
		delete(s.entries, id)
	}
}

// drop ends e, and says what it was and how far it came. The lock is held.
func (s *shard) drop(e *entry, now time.Time) *holding {
	s.retire(e, now)
	e.removed = true
	s.place(e)
	return &holding{plan: e.plan, taken: e.taken(), failures: e.failures}
}

// retain removes every monitor that is not in keep.
func (g *engine) retain(keep map[uint32]bool) {
	for _, s := range g.shards {
		s.mu.Lock()
		var gone []uint32
		for id := range s.entries {
			if !keep[id] {
				gone = append(gone, id)
			}
		}
		s.mu.Unlock()
		for _, id := range gone {
			g.remove(id)
		}
	}
}

// size is the number of monitors.
func (g *engine) size() (n int) {
	for _, s := range g.shards {
		s.mu.Lock()
		n += len(s.entries)
		s.mu.Unlock()
	}
	return n
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
