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
	Known     map[uint32]Status    // by monitor; only what changed
	Blind     map[uint32]time.Time // State.Blind, by monitor; only what changed
	Overlays  map[uint32]*Overlay  // by monitor; only what changed, nil where nothing is remembered any more
	Incidents []Incident           // new or changed, by id
	Triggers  []Trigger            // new or changed, by id
	Messages  []Message            // in the order they are to be sent
}

// Fold evaluates entries one after the other. Entries that the progress has passed already are left out, so that reading a
// part of the feed again does nothing. states holds a state for every monitor of the entries and is left alone.
func Fold(p Progress, states map[uint32]State, entries []Entry, now time.Time) Batch {
	b := Batch{Progress: p, Known: map[uint32]Status{}, Blind: map[uint32]time.Time{}, Overlays: map[uint32]*Overlay{}}
	current := maps.Clone(states)
	incidents, triggers := map[uint32]Incident{}, map[uint32]Trigger{}
	for _, e := range entries {
		if e.Seq != 0 && e.Seq <= b.Progress.Seq {
			continue
		}
		before := current[e.MonitorID]
		after, ids, effects := Evaluate(before, e, b.Progress.IDs, now)
		current[e.MonitorID] = after
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
		if effects.Incident != nil {
			incidents[effects.Incident.ID] = *effects.Incident
		}
		for _, t := range effects.Triggers {
			triggers[t.ID] = t
		}
		b.Messages = append(b.Messages, effects.Messages...)
	}
	b.Incidents, b.Triggers = byID(incidents), byID(triggers)
	return b
}

// byID keeps the order the same on every run, and with it the order of what the store writes.
func byID[T any](rows map[uint32]T) []T {
	out := make([]T, 0, len(rows))
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		out = append(out, rows[id])
	}
	return out
}
