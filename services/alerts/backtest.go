package alerts

import (
	"slices"
	"time"
)

// A backtest is evaluation without a store: entries of a past, in their order, through Evaluate, as they would have gone live.
// Rules that are compared run side by side and begin as if they had just been made.

const (
	backtestDays    = 30   // when nobody says otherwise
	backtestMaxDays = 90   // of one range
	firingsAtMost   = 1000 // that are told of a rule
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

// backtest is some rules of one monitor on their way through a past.
type backtest struct {
	state State
	ids   IDs
	fired map[uint32]*firings // by rule
}

// firings are the times that a rule held, in their order.
type firings struct {
	first []firing // the first of them, whole
	all   []span   // zero end while it holds
}

// newBacktest makes rules begin at a moment.
func newBacktest(m Monitor, began time.Time, rules ...Rule) *backtest {
	b := &backtest{state: State{Monitor: m, Past: true}, fired: map[uint32]*firings{}}
	for _, r := range rules {
		r.CreatedAt = began
		b.state.Rules = append(b.state.Rules, RuleState{Rule: r})
		b.fired[r.ID] = &firings{}
	}
	return b
}

// take evaluates an entry.
func (b *backtest) take(e Entry) {
	e.OrganizationID, e.MonitorID = b.state.Monitor.OrganizationID, b.state.Monitor.ID
	var effects Effects
	b.state, b.ids, effects = Evaluate(b.state, e, b.ids, e.At)
	for _, t := range effects.Triggers {
		b.fired[t.RuleID].take(t)
	}
}

// take notes a new trigger, or the end of the last.
func (f *firings) take(t Trigger) {
	last := len(f.all) - 1
	if last >= 0 && f.all[last].to.IsZero() {
		f.all[last].to = t.ResolvedAt
		if last < len(f.first) {
			f.first[last].Until = t.ResolvedAt
		}
		return
	}
	f.all = append(f.all, span{t.TriggeredAt, t.ResolvedAt})
	if len(f.first) < firingsAtMost {
		f.first = append(f.first, firing{t.TriggeredAt, t.ResolvedAt, t.Data})
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
