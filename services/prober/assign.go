package prober

import (
	"crypto/sha256"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/services/prober/schedule"
)

// lastSlot is what is already stored of a monitor from before this prober ran.
type lastSlot struct {
	at       time.Time
	failures uint32
}

// firstSpread is the time over which the first checks of monitors that were never
// checked are spread at start, so that a start is not a burst. Those that are due
// within it anyway are checked then: grids spread by themselves.
const firstSpread = 5 * time.Second

// digest tells assignments apart without keeping them.
type digest [16]byte

func digestOf(a *monitorsv1.Assignment) (digest, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(a)
	if err != nil {
		return digest{}, fmt.Errorf("encode assignment: %w", err)
	}
	sum := sha256.Sum256(b)
	return digest(sum[:16]), nil
}

// assign takes a new or changed monitor. known is its last stored slot, or nil when
// there is none or when the monitor is not new to this prober. fresh is false for
// the monitors of the first snapshot, and true for what comes later.
func (g *engine) assign(a *monitorsv1.Assignment, known *lastSlot, fresh bool) {
	now := g.now()
	id := a.GetSpec().GetMonitorId()
	mark, err := digestOf(a)
	if err != nil {
		g.log.Error("assignment cannot be read", "monitor_id", id, "error", err)
		return
	}
	s := g.shardOf(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	e := s.entries[id]
	isNew := e == nil
	if isNew {
		e = &entry{}
		s.entries[id] = e
	} else if e.plan.digest == mark {
		return // a snapshot after a reconnection repeats what is known
	} else {
		s.retire(e, now)
	}
	e.plan = s.planOf(a, mark)
	if isNew && known != nil {
		e.failures = known.failures
		s.noteGap(e, a, known.at, now)
	}
	e.schedule(now, known == nil, fresh, id)
	s.place(e)
}

// retire ends what hangs on e's plan. The lock is held.
func (s *shard) retire(e *entry, now time.Time) {
	if e.waitingAt != 0 {
		s.giveUp(e, missedOverload, now)
	}
	s.flushMissed(e, now)
	s.limits.leave(e.plan.host)
}

// planOf prepares a check and its schedule. What cannot be run is not dropped: its
// slots become missed rows that say why. The lock is held.
func (s *shard) planOf(a *monitorsv1.Assignment, mark digest) *plan {
	spec := a.GetSpec()
	log := s.log.With("monitor_id", spec.GetMonitorId())
	p := &plan{
		digest: mark, retryInterval: time.Duration(a.GetRetryIntervalSeconds()) * time.Second, confirmDown: a.GetConfirmDown(),
		parallel: a.GetOverlap() == monitorsv1.Overlap_OVERLAP_PARALLEL,
	}
	p.follow(schedule.NewGrid(spec.GetMonitorId(), time.Duration(a.GetIntervalSeconds())*time.Second))
	var err error
	if p.row, err = s.rowOf(spec); err != nil {
		log.Error("monitor cannot be told in a row", "error", err)
	}
	if p.check, err = s.prepare(spec); err != nil {
		log.Error("monitor cannot be run", "error", err)
		p.check = nil
	}
	if expr := a.GetCron(); expr != "" {
		cron, err := schedule.ParseCron(expr, a.GetTimezone())
		if err == nil {
			p.schedule, p.every = cron, 0
		} else {
			log.Error("schedule cannot be followed", "error", err)
			p.follow(schedule.NewGrid(spec.GetMonitorId(), 24*time.Hour))
			p.check = nil
		}
	}
	host := ""
	if p.check != nil {
		host = p.check.host()
		s.preparePlain(p, spec)
	}
	p.host = s.limits.enter(host)
	return p
}

func (p *plan) follow(g schedule.Grid) { p.schedule, p.every = g, g.Interval().Milliseconds() }

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

// schedule sets e's next slots: at once for a monitor that is new or was changed while
// we watch; on its grid otherwise.
func (e *entry) schedule(now time.Time, unchecked, fresh bool, id uint32) {
	e.gridAt = milli(e.plan.schedule.Next(now))
	e.confirmAt = 0
	switch {
	case fresh && e.running == 0: // a check in flight would only turn this slot into an overlap
		e.confirmAt = now.UnixMilli()
	case unchecked && (e.gridAt == 0 || e.gridAt-now.UnixMilli() > firstSpread.Milliseconds()):
		e.confirmAt = now.Add(time.Duration(schedule.Mix(uint64(id)) % uint64(firstSpread))).UnixMilli()
	}
	if e.gridAt == e.confirmAt {
		e.confirmAt = 0
	}
}

// noteGap writes the slots that were due after the last stored one and before now as
// one missed row: nobody was there to run them. The lock is held.
func (s *shard) noteGap(e *entry, a *monitorsv1.Assignment, last, now time.Time) {
	if since := a.GetActiveSince(); since != nil && since.AsTime().After(last) {
		last = since.AsTime()
	}
	n := e.plan.schedule.Count(last, now)
	if n == 0 {
		return
	}
	s.metrics.due.Add(int64(n))
	s.metrics.missed(n, missedOffline)
	s.row = e.plan.appendMissed(s.row[:0], milli(e.plan.schedule.Next(last)), uint32(n), missedOffline, milli(e.plan.schedule.Next(now)), now)
	s.outbox.Append(s.row, "")
}

// remove stops a monitor. A check in flight still ends as its row.
func (g *engine) remove(id uint32) {
	s := g.shardOf(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[id]
	if e == nil {
		return
	}
	s.retire(e, s.now())
	e.removed = true
	s.place(e)
	delete(s.entries, id)
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
