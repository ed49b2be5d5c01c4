package prober

import (
	"time"

	"google.golang.org/protobuf/proto"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/services/prober/schedule"
)

// lastSlot is what is already stored of a monitor from before this prober ran.
type lastSlot struct {
	at       time.Time
	failures uint32
}

// firstSpread is the time over which the first checks of monitors that were never
// checked are spread at start, so that a start is not a burst.
const firstSpread = 5 * time.Second

// assign takes a new or changed monitor. known is its last stored slot, or nil when
// there is none or when the monitor is not new to this prober. fresh is false for
// the monitors of the first snapshot, and true for what comes later.
func (g *engine) assign(a *monitorsv1.Assignment, known *lastSlot, fresh bool) {
	now := time.Now()
	id := a.GetSpec().GetMonitorId()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return
	}
	e := g.entries[id]
	isNew := e == nil
	if isNew {
		e = &entry{index: -1}
		g.entries[id] = e
	} else if proto.Equal(e.assignment, a) {
		return // a snapshot after a reconnection repeats what is known
	}
	g.flushMissed(e, now)
	e.assignment = a
	g.configure(e)
	if isNew && known != nil {
		e.failures = known.failures
		g.noteGap(e, known.at, now)
	}
	g.plan(e, now, known == nil, fresh)
	g.due.place(e)
	g.wake()
}

// configure prepares e's check and schedule. What cannot be run is not dropped: its
// slots become missed rows that say why.
func (g *engine) configure(e *entry) {
	spec := e.assignment.GetSpec()
	check, err := g.prepare(spec)
	if err != nil {
		g.log.Error("monitor cannot be run", "monitor_id", spec.GetMonitorId(), "error", err)
	}
	e.check = check
	e.schedule = schedule.NewGrid(spec.GetMonitorId(), time.Duration(e.assignment.GetIntervalSeconds())*time.Second)
	if expr := e.assignment.GetCron(); expr != "" {
		c, err := schedule.ParseCron(expr, e.assignment.GetTimezone())
		if err != nil {
			g.log.Error("schedule cannot be followed", "monitor_id", spec.GetMonitorId(), "error", err)
			e.schedule = schedule.NewGrid(spec.GetMonitorId(), 24*time.Hour)
			e.check = nil
			return
		}
		e.schedule = c
	}
}

// plan sets e's next slots: at once for a monitor that is new or was changed while
// we watch; on its grid otherwise.
func (g *engine) plan(e *entry, now time.Time, unchecked, fresh bool) {
	e.gridAt = e.schedule.Next(now)
	e.confirmAt = time.Time{}
	switch {
	case fresh && e.running == 0: // a check in flight would only turn this slot into an overlap
		e.confirmAt = now.UTC().Truncate(time.Millisecond)
	case unchecked:
		delay := time.Duration(schedule.Mix(uint64(e.assignment.GetSpec().GetMonitorId())) % uint64(firstSpread))
		e.confirmAt = now.Add(delay).UTC().Truncate(time.Millisecond)
	}
	if e.gridAt.Equal(e.confirmAt) {
		e.confirmAt = time.Time{}
	}
}

// noteGap writes the slots that were due after the last stored one and before now as
// one missed row: nobody was there to run them.
func (g *engine) noteGap(e *entry, last, now time.Time) {
	if since := e.assignment.GetActiveSince(); since != nil && since.AsTime().After(last) {
		last = since.AsTime()
	}
	n := e.schedule.Count(last, now)
	if n == 0 {
		return
	}
	first := e.schedule.Next(last)
	g.metrics.due.Add(int64(n))
	g.metrics.missed(n, missedOffline)
	e.gridAt = e.schedule.Next(now)
	g.append(g.missedRow(e, first, uint32(n), missedOffline, now), "")
}

// remove stops a monitor. A check in flight still ends as its row.
func (g *engine) remove(id uint32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e := g.entries[id]
	if e == nil {
		return
	}
	g.flushMissed(e, time.Now())
	e.removed = true
	g.due.place(e)
	delete(g.entries, id)
}

// retain removes every monitor that is not in keep.
func (g *engine) retain(keep map[uint32]bool) {
	g.mu.Lock()
	var gone []uint32
	for id := range g.entries {
		if !keep[id] {
			gone = append(gone, id)
		}
	}
	g.mu.Unlock()
	for _, id := range gone {
		g.remove(id)
	}
}

// size is the number of monitors.
func (g *engine) size() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.entries)
}
