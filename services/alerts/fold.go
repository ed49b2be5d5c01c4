package alerts

import (
	"maps"
	"slices"
	"time"
)

// Progress is how far evaluation has come.
type Progress struct {
	Seq uint64 // of the last feed entry that was evaluated
	IDs IDs
}

// Batch is what a run of entries does. A store writes all of it, or nothing.
type Batch struct {
	Progress  Progress
	Known     map[uint32]Status      // by monitor; only what changed
	Blind     map[uint32]time.Time   // State.Blind, by monitor; only what changed
	Overlays  map[uint32]*Overlay    // by monitor; only what changed, nil where nothing is remembered any more
	Changes   map[uint32][]time.Time // State.Changes, by monitor; only what changed
	Samples   map[uint32]*Samples    // by rule; only what changed, nil where there are none any more
	Incidents []Incident             // new or changed, by id
	Steps     []Step                 // new, of each incident in their order
	Triggers  []Trigger              // new or changed, by id
	Messages  []Message              // in the order they are to be sent
	Shifts    []Shift                // of what the monitors are to their groups, in the order in which it became so
	Rechecks  []Recheck              // by monitor; not stored: who stores the batch asks for them
}

// Recheck is a monitor that is to be checked at once, because others are held until it is known whether it is down.
type Recheck struct {
	MonitorRef
	Until time.Time // when that does not matter any more
}

// Fold evaluates entries one after the other. Entries that the progress has passed already are left out, so that reading a
// part of the feed again does nothing. states holds a state for every monitor of the entries, and for those that are held and depend
// on one of these, and is left alone.
func Fold(p Progress, states map[uint32]State, entries []Entry, now time.Time) Batch {
	f := folding{
		batch:  Batch{Progress: p, Known: map[uint32]Status{}, Blind: map[uint32]time.Time{}, Overlays: map[uint32]*Overlay{}, Samples: map[uint32]*Samples{}, Changes: map[uint32][]time.Time{}},
		states: maps.Clone(states), ended: map[uint32]time.Time{}, children: map[uint32][]uint32{}, now: now,
		incidents: map[uint32]Incident{}, triggers: map[uint32]Trigger{}, waiting: map[uint32]bool{},
	}
	for _, id := range slices.Sorted(maps.Keys(states)) {
		for _, parent := range states[id].Parents {
			f.children[parent.ID] = append(f.children[parent.ID], id)
		}
	}
	for _, e := range entries {
		if e.Seq != 0 && e.Seq <= f.batch.Progress.Seq {
			continue
		}
		wasDown := f.states[e.MonitorID].isDown()
		f.take(e, 0)
		well := e.works()
		if f.states[e.MonitorID].isDown() == wasDown && !well {
			continue
		}
		for _, child := range f.children[e.MonitorID] {
			s := f.states[child]
			if s.held() == nil {
				continue
			}
			tick := Entry{OrganizationID: s.Monitor.OrganizationID, MonitorID: child, At: e.At}
			if well {
				f.take(tick, e.MonitorID)
			} else {
				f.take(tick, 0)
			}
		}
	}
	f.batch.Incidents, f.batch.Triggers = byID(f.incidents), byID(f.triggers)
	f.batch.Rechecks = f.rechecks()
	return f.batch
}

// folding is one run of Fold.
type folding struct {
	batch     Batch
	states    map[uint32]State
	children  map[uint32][]uint32  // by the monitor that they depend on, those that have states
	ended     map[uint32]time.Time // by monitor, when its last outage ended, of those that ended in this run
	incidents map[uint32]Incident
	triggers  map[uint32]Trigger
	waiting   map[uint32]bool // monitors whose parents were to be checked at once
	now       time.Time
}

// rechecks are the monitors that are still waited for at the end of the run.
func (f *folding) rechecks() []Recheck {
	found := map[uint32]Recheck{}
	for id := range f.waiting {
		s := f.states[id]
		h := s.held()
		if h == nil || h.By != 0 {
			continue
		}
		for _, w := range h.Wait {
			r := Recheck{MonitorRef{ID: w.ID, OrganizationID: s.Monitor.OrganizationID}, w.Until}
			if r.Until.After(found[w.ID].Until) {
				found[w.ID] = r
			}
		}
	}
	return byID(found)
}

// take evaluates an entry, of which seen is the monitor that was seen to work, if that is the cause of it.
func (f *folding) take(e Entry, seen uint32) {
	before := f.states[e.MonitorID]
	before.Parents, before.Children = f.relatives(before.Parents, seen, e.At), f.relatives(before.Children, 0, e.At)
	after, ids, effects := Evaluate(before, e, f.batch.Progress.IDs, f.now)
	f.states[e.MonitorID] = after
	b := &f.batch
	b.Progress = Progress{Seq: max(b.Progress.Seq, e.Seq), IDs: ids}
	if after.Known != before.Known {
		b.Known[e.MonitorID] = after.Known
	}
	if !after.Blind.Equal(before.Blind) {
		b.Blind[e.MonitorID] = after.Blind
	}
	if after.Overlay != before.Overlay {
		b.Overlays[e.MonitorID] = after.Overlay
	}
	if !slices.EqualFunc(after.Changes, before.Changes, time.Time.Equal) {
		b.Changes[e.MonitorID] = after.Changes
	}
	for i, r := range after.Rules {
		if r.Samples != before.Rules[i].Samples {
			b.Samples[r.Rule.ID] = r.Samples
		}
	}
	for _, inc := range []*Incident{effects.Ended, effects.Incident} {
		if inc != nil {
			f.incidents[inc.ID] = *inc
		}
	}
	if before.isDown() && !after.isDown() {
		f.ended[e.MonitorID] = endOf(after.Incident, effects)
	}
	b.Steps = append(b.Steps, effects.Steps...)
	for _, t := range effects.Triggers {
		f.triggers[t.ID] = t
	}
	b.Messages = append(b.Messages, effects.Messages...)
	if effects.Recheck {
		f.waiting[e.MonitorID] = true
	}
	if s, moved := shift(before, after, e.At); moved {
		s.Told = len(b.Messages)
		b.Shifts = append(b.Shifts, s)
	}
}

// endOf is when an outage ended that is over by now, whether its incident is or goes on because the monitor is unstable.
func endOf(inc *Incident, effects Effects) time.Time {
	if inc != nil {
		return inc.UpSince
	}
	return effects.Incident.EndTime
}

// relatives are as they are by now.
func (f *folding) relatives(before []Relative, seen uint32, at time.Time) []Relative {
	var now []Relative // nil while nothing is new
	for i, r := range before {
		if s, here := f.states[r.ID]; here {
			r.Down = s.isDown()
		}
		if ended, ok := f.ended[r.ID]; ok {
			r.Ended = ended
		}
		if r.Seen = (time.Time{}); r.ID == seen {
			r.Seen = at
		}
		if r != before[i] && now == nil {
			now = slices.Clone(before)
		}
		if now != nil {
			now[i] = r
		}
	}
	if now == nil {
		return before
	}
	return now
}

// byID keeps the order the same on every run, and with it the order of what the store writes.
func byID[T any](rows map[uint32]T) []T {
	out := make([]T, 0, len(rows))
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		out = append(out, rows[id])
	}
	return out
}
