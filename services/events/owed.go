package events

import (
	"maps"
	"slices"
	"time"
)

// Results of the past are acknowledged once they are in the history and it is stored from which slot on the timelines have to
// be derived again for them: the prober may forget them then, however long the deriving takes, and however often this process
// dies meanwhile. Nothing is owed any more with the commit that puts the timelines right.

// debts are what the timelines of monitors owe. The court's lock guards them.
type debts struct {
	by      map[uint32]debt
	changed map[uint32]bool // since they were last taken to be stored
	turn    uint64          // of the newest
}

// debt is where the results begin that a monitor's timelines do not tell of, and which of all debts was the last to join it.
type debt struct {
	from time.Time
	turn uint64
}

func newDebts() debts { return debts{by: map[uint32]debt{}, changed: map[uint32]bool{}} }

// restore puts in what was stored.
func (d *debts) restore(stored []Owed) {
	for _, o := range stored {
		d.turn++
		d.by[o.MonitorID] = debt{o.From, d.turn}
	}
}

// add notes that results of a monitor from a moment on came in.
func (d *debts) add(id uint32, from time.Time) {
	d.turn++
	have, ok := d.by[id]
	if !ok || from.Before(have.from) {
		have.from = from
		d.changed[id] = true
	}
	have.turn = d.turn
	d.by[id] = have
}

// turnOf tells what was owed at a moment from what came later; 0 is nothing.
func (d *debts) turnOf(id uint32) uint64 { return d.by[id].turn }

// pay ends what was owed at a turn, unless more has come since.
func (d *debts) pay(id uint32, turn uint64) {
	if have, ok := d.by[id]; ok && have.turn == turn {
		delete(d.by, id)
		d.changed[id] = true
	}
}

// take returns what has changed, as it is now, by monitor.
func (d *debts) take() []Owed {
	if len(d.changed) == 0 {
		return nil
	}
	out := make([]Owed, 0, len(d.changed))
	for _, id := range slices.Sorted(maps.Keys(d.changed)) {
		out = append(out, Owed{MonitorID: id, From: d.by[id].from})
	}
	clear(d.changed)
	return out
}

// giveBack undoes take for what could not be stored.
func (d *debts) giveBack(rows []Owed) {
	for _, o := range rows {
		d.changed[o.MonitorID] = true
	}
}

// owe notes what the timelines of monitors owe to results that are stored; noted is called once that is stored as well. Of a
// monitor that is not known, or not any more, nothing is noted: it has no timelines.
func (c *court) owe(p past, noted func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, from := range p {
		if s := c.judge.subjects[id]; s != nil && !s.monitor.Deleted {
			c.debts.add(id, from.Truncate(time.Millisecond))
		}
	}
	c.acks = append(c.acks, noted)
}

// forgive ends what a draft was begun for, though it came to nothing.
func (c *court) forgive(d *draft) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.debts.pay(d.monitor.ID, d.owed)
}

// owed is everything that is owed.
func (c *court) owed() past {
	c.mu.Lock()
	defer c.mu.Unlock()
	var p past
	for id, debt := range c.debts.by {
		p = p.join(past{id: debt.from})
	}
	return p
}

// owe has monitors mended from results on that are stored; noted is called once it cannot be forgotten any more.
func (s *Service) owe(p past, noted func()) {
	if len(p) == 0 {
		noted()
		return
	}
	s.court.owe(p, noted)
	s.mender.submit(p)
}
