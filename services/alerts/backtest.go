package alerts

import (
	"slices"
	"time"
)

// A backtest is evaluation without a store: entries of a past, in their order, through Evaluate, as they would have gone live.
// Rules that are compared run side by side and begin as if they had just been made. What counts is what would have been told: a rule
// that triggers and resolves in maintenance tells nobody, and one that still holds at the end is told then.

const (
	backtestDays    = 30   // when nobody says otherwise
	backtestMaxDays = 90   // of one range
	firingsAtMost   = 1000 // that are told of a rule
	stretchesAtMost = 500  // of maintenance
)

// proposedID is the rule that a backtest is about; no stored rule has it.
const proposedID = 0

// firing is one time that a rule held.
type firing struct {
	At    time.Time
	Until time.Time // zero while it holds
	Data  TriggerData
}

// span is a firing without what caused it.
type span struct{ from, to time.Time }

// told is what would have been told of a rule, and when.
type told struct {
	at      time.Time
	kind    string
	trigger Trigger
}

// backtest is some rules of one monitor on their way through a past.
type backtest struct {
	state   State
	ids     IDs
	began   time.Time
	windows []span              // of maintenance, in order, neither overlapping nor touching
	passed  int                 // in windows, those that are over
	fired   map[uint32]*firings // by rule
}

// firings are the times that a rule was told to hold, in their order.
type firings struct {
	first    []firing // the first of them, whole
	all      []span   // zero end while it holds
	silenced int      // times that it triggered in maintenance without anybody being told
}

// newBacktest makes rules begin at a moment.
func newBacktest(m Monitor, began time.Time, rules ...Rule) *backtest {
	b := &backtest{state: State{Monitor: m, Past: true}, began: began, fired: map[uint32]*firings{}}
	for _, r := range rules {
		r.CreatedAt = began
		b.state.Rules = append(b.state.Rules, RuleState{Rule: r})
		b.fired[r.ID] = &firings{}
	}
	return b
}

// take evaluates an entry; before it, the beginnings and ends of windows up to then, as somebody would have looked at them live.
func (b *backtest) take(e Entry) {
	for b.passed < len(b.windows) && !e.At.Before(b.windows[b.passed].from) {
		w := &b.windows[b.passed]
		if len(b.state.Windows) == 0 {
			b.state.Windows = []MaintenanceWindow{{was: w}}
			if w.from.After(b.began) {
				b.evaluate(Entry{At: w.from})
			}
		}
		if e.At.Before(w.to) {
			break
		}
		b.evaluate(Entry{At: w.to})
		b.state.Windows = nil
		b.passed++
	}
	b.evaluate(e)
}

func (b *backtest) evaluate(e Entry) {
	e.OrganizationID, e.MonitorID = b.state.Monitor.OrganizationID, b.state.Monitor.ID
	last := b.ids.Trigger
	var effects Effects
	b.state, b.ids, effects = Evaluate(b.state, e, b.ids, e.At)
	for _, t := range effects.Triggers {
		if t.ID > last && t.ResolvedAt.IsZero() {
			last = t.ID
			b.fired[t.RuleID].silenced++ // unless it is told
		}
	}
	for _, x := range effects.told {
		b.fired[x.trigger.RuleID].take(x)
	}
	for i := range b.state.Rules {
		if f := b.fired[b.state.Rules[i].Rule.ID]; f.open() && !b.state.knows(i) { // a pause ends it without a word
			f.end(e.At)
		}
	}
}

// knows reports whether receivers know that a rule, by its place, has triggered, and not that it has resolved.
func (s State) knows(rule int) bool {
	if !s.muted() {
		return s.Rules[rule].Open != nil
	}
	_, known := s.Overlay.Rules[s.Rules[rule].Rule.ID]
	return known
}

// take notes what is told.
func (f *firings) take(x told) {
	if x.kind == TypeResolved {
		if f.open() {
			f.end(x.at)
		}
		return
	}
	f.silenced--
	f.all = append(f.all, span{from: x.at})
	if len(f.first) < firingsAtMost {
		f.first = append(f.first, firing{At: x.at, Data: x.trigger.Data})
	}
}

// open reports whether the last of them holds.
func (f *firings) open() bool { return len(f.all) > 0 && f.all[len(f.all)-1].to.IsZero() }

// end ends the last of them.
func (f *firings) end(at time.Time) {
	last := len(f.all) - 1
	if at.Before(f.all[last].from) { // regions have clocks of their own
		at = f.all[last].from
	}
	if f.all[last].to = at; last < len(f.first) {
		f.first[last].Until = at
	}
}

// until are all firings as spans that end; those that still held, at end.
func (f *firings) until(end time.Time) []span {
	out := slices.Clone(f.all)
	for i := range out {
		if out[i].to.IsZero() {
			out[i].to = end
		}
	}
	return out
}

// total is how long they are together.
func total(list []span) (sum time.Duration) {
	for _, s := range list {
		sum += s.length()
	}
	return sum
}

func (s span) length() time.Duration { return s.to.Sub(s.from) }

// difference is a proposed rule less a present one.
type difference struct {
	added, dropped int           // firings of one that overlap none of the other
	triggered      time.Duration // more
	sooner         time.Duration // mean, of those of the present one that overlap some
	shared         int           // how many those are
}

func compare(proposed, present []span) difference {
	d := difference{triggered: total(proposed) - total(present)}
	d.dropped = len(present)
	var sum time.Duration
	eachOverlap(present, proposed, func(old, first span) {
		d.dropped--
		d.shared++
		sum += old.from.Sub(first.from)
	})
	d.added = len(proposed)
	eachOverlap(proposed, present, func(span, span) { d.added-- })
	if d.shared > 0 {
		d.sooner = sum / time.Duration(d.shared)
	}
	return d
}

// eachOverlap calls fn for every span of one list that overlaps some of the other, with the first of those. Both lists are in
// order and each overlaps itself nowhere. A span without length counts as its moment.
func eachOverlap(of, with []span, fn func(span, span)) {
	k := 0
	for _, s := range of {
		for k < len(with) && with[k].end().Before(s.from) {
			k++
		}
		if k < len(with) && !s.end().Before(with[k].from) {
			fn(s, with[k])
		}
	}
}

// end is the last moment within.
func (s span) end() time.Time {
	if s.to.After(s.from) {
		return s.to.Add(-time.Millisecond)
	}
	return s.from
}
