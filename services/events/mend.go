package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Results of the past come in late: from a prober that was cut off, or by a stream that was. They announce nothing, for what
// they tell is over; but the timelines have to say what was. So the stretch from the first of them on is derived again: a
// judge of its own starts from what was certain before, judges what the history has since, in the order of the slots, and what
// it finds takes the place of what was found without them. See draft.
//
// What was certain at a moment are the intervals that began by then and whose cause had been seen by then: an outage begins
// with its first fault and is known with its last.

// chronicle is what a draft reads of what was judged.
type chronicle interface {
	Transitions(ctx context.Context, q TransitionQuery) ([]Transition, error)
}

// evidence is what a draft reads of what was seen.
type evidence interface {
	List(ctx context.Context, q ResultQuery) ([]Result, error)
	Replay(ctx context.Context, monitorID uint32, after map[string]time.Time, fn func(*Result) error) error
}

const (
	recalled     = 200     // results before the moment from which counts are taken; a streak that began before is as long at least
	mendedAtMost = 100_000 // intervals of one timeline
	stepsBack    = 100     // at most, to a moment between two causes
)

// errUnmendable is of what is stored, so that another try would find the same.
var errUnmendable = errors.New("a timeline cannot be derived again")

// arrival is a result that was judged, and when it came.
type arrival struct {
	result Result
	at     time.Time
}

// draft is a past that is derived again. Judge.draft makes it, derive fills it, and Judge.adopt puts it in place of what was.
type draft struct {
	monitor Monitor  // as it is now
	regions []string // that ever watched
	version int      // of the monitor: its edits, when it was begun
	from    time.Time
	owed    uint64 // turn of what was owed then, see debts

	at    time.Time               // what was certain then stands
	kept  map[string]Transition   // newest interval of each timeline at that moment, by region; "" is the monitor's
	stood map[string][]Transition // those after it, as they were stored
	began map[string]time.Time    // first slot that counts were taken from
	edits []edit                  // after that moment, still to be done again
	judge *Judge
}

// edit is a change of the monitor that its timelines tell of.
type edit struct {
	at     time.Time
	region string
	reason string
}

// draft begins to mend a monitor from a slot on, and from now on notes what is judged of it; nil if there is no such monitor.
func (j *Judge) draft(id uint32, from time.Time) *draft {
	s := j.subjects[id]
	if s == nil || s.monitor.Deleted {
		return nil
	}
	s.journal, s.noting = nil, true
	d := &draft{
		monitor: s.monitor, version: s.edits, from: from, kept: map[string]Transition{}, stood: map[string][]Transition{}, began: map[string]time.Time{},
	}
	for _, r := range s.all {
		d.regions = append(d.regions, r.Region)
	}
	return d
}

// drop ends what draft began.
func (j *Judge) drop(d *draft) {
	if s := j.subjects[d.monitor.ID]; s != nil {
		s.journal, s.noting = nil, false
	}
}

// derive judges the past again. What was judged by the time of Judge.draft must be stored, here and there.
func (d *draft) derive(ctx context.Context, judged chronicle, seen evidence) error {
	if err := d.begin(ctx, judged, seen); err != nil {
		return err
	}
	err := d.play(ctx, seen, func(x *Result) error {
		d.take(x)
		d.judge.changes.Feed = d.judge.changes.Feed[:0] // nobody is told
		return nil
	})
	if err != nil {
		return err
	}
	d.editUntil(time.Time{})
	return nil
}

// begin makes the judge that goes on from what was certain.
func (d *draft) begin(ctx context.Context, judged chronicle, seen evidence) error {
	if err := d.readIntervals(ctx, judged); err != nil {
		return fmt.Errorf("read timelines: %w", err)
	}
	d.edits = d.readEdits()
	m := d.monitor
	m.Enabled, m.Regions = d.kept[""].Status != Paused, slices.Clone(m.Regions)
	for _, e := range d.edits {
		if e.reason == ReasonRegionRemoved && !m.watches(e.region) {
			m.Regions = append(m.Regions, e.region)
		}
	}
	start := Snapshot{
		Monitors: []Monitor{m},
		States:   []MonitorState{{MonitorID: m.ID, OrganizationID: m.OrganizationID, Timeline: d.kept[""].Timeline}},
	}
	for _, name := range d.regions {
		r, err := d.recall(ctx, seen, name)
		if err != nil {
			return fmt.Errorf("recall results: %w", err)
		}
		start.Regions = append(start.Regions, r)
	}
	d.judge = NewJudge(start)
	return nil
}

// play hands over the results of the history from there on. An error of each ends it and is returned as part of another.
func (d *draft) play(ctx context.Context, seen evidence, each func(*Result) error) error {
	after := map[string]time.Time{}
	for _, name := range d.regions {
		after[name] = d.at
	}
	if err := seen.Replay(ctx, d.monitor.ID, after, each); err != nil {
		return fmt.Errorf("replay results: %w", err)
	}
	return nil
}

// take judges a result, after it has done the edits again that were made by then.
func (d *draft) take(x *Result) {
	d.editUntil(x.ScheduledAt)
	d.judge.Result(x.StartedAt, x)
}

// editUntil does the edits again that were made by a moment; by the zero time, all.
func (d *draft) editUntil(at time.Time) {
	for len(d.edits) > 0 && (at.IsZero() || !d.edits[0].at.After(at)) {
		d.edit(d.edits[0])
		d.edits = d.edits[1:]
	}
}

// readIntervals finds the moment before d.from that parts causes from causes on all timelines, and what stood on both sides.
func (d *draft) readIntervals(ctx context.Context, judged chronicle) error {
	d.at = d.from.Add(-time.Millisecond)
	for range stepsBack {
		at := d.at
		for _, name := range append([]string{""}, d.regions...) {
			list, err := d.intervals(ctx, judged, name)
			if err != nil {
				return err
			}
			n := 1
			for n < len(list) && list[n].certain(d.at) {
				n++
			}
			d.kept[name], d.stood[name] = list[n-1], list[n:]
			for _, t := range list[n:] {
				if !t.CauseAt.After(at) {
					at = t.CauseAt.Add(-time.Millisecond)
				}
			}
		}
		if at.Equal(d.at) {
			return nil
		}
		d.at = at
	}
	return nil // causes far out of order: what follows from results is right all the same
}

// certain reports whether t had begun and been found by a moment.
func (t *Transition) certain(at time.Time) bool { return !t.Since.After(at) && !t.CauseAt.After(at) }

// intervals are those of a timeline from the newest that is certain at d.at on.
func (d *draft) intervals(ctx context.Context, judged chronicle, region string) ([]Transition, error) {
	for margin := time.Duration(0); ; margin = max(4*margin, time.Hour) {
		from := d.at.Add(-margin)
		if from.Before(d.monitor.CreatedAt) {
			from = time.Time{}
		}
		list, err := judged.Transitions(ctx, TransitionQuery{
			MonitorID: d.monitor.ID, Region: region, From: from, To: d.at.AddDate(100, 0, 0), Limit: mendedAtMost,
		})
		if err != nil {
			return nil, err
		}
		slices.Reverse(list)
		switch {
		case len(list) == mendedAtMost:
			return nil, fmt.Errorf("%w: monitor %d: more than %d intervals since %v", errUnmendable, d.monitor.ID, mendedAtMost, d.at)
		case len(list) > 0 && (list[0].certain(d.at) || from.IsZero()):
			return list, nil
		case from.IsZero():
			return nil, fmt.Errorf("%w: monitor %d: region %q has no timeline", errUnmendable, d.monitor.ID, region)
		}
	}
}

// readEdits is when the monitor was switched off and on, and regions were taken from it, after d.at.
func (d *draft) readEdits() []edit {
	var out []edit
	for name, list := range d.stood {
		for _, t := range list {
			switch {
			case name == "" && (t.Reason == ReasonDisabled || t.Reason == ReasonEnabled), name != "" && t.Reason == ReasonRegionRemoved:
				out = append(out, edit{t.CauseAt, name, t.Reason})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b edit) int { return a.at.Compare(b.at) })
	return out
}

// edit does again what was done to the monitor. Whoever had fallen silent by then had done so before.
func (d *draft) edit(e edit) {
	d.judge.Tick(e.at)
	s := d.judge.subjects[d.monitor.ID]
	c := cause{at: e.at, now: e.at, reason: e.reason}
	switch e.reason {
	case ReasonDisabled:
		s.monitor.Enabled = false
		d.judge.switchTo(s, Paused, c)
	case ReasonEnabled:
		s.monitor.Enabled = true
		d.judge.switchTo(s, Unknown, c)
	case ReasonRegionRemoved:
		if !d.monitor.watches(e.region) {
			s.monitor.Regions = slices.DeleteFunc(s.monitor.Regions, func(name string) bool { return name == e.region })
			s.elect()
		}
		r := s.known(e.region)
		r.forget()
		d.judge.apply(s, r, finding{to: s.monitor.idle(), since: e.at}, c)
		d.judge.settle(s, e.at, cause{at: e.at, now: e.at, reason: ReasonRules})
	}
}

// recall is a region's state at d.at: its timeline as it was certain then, and counts from the results before.
func (d *draft) recall(ctx context.Context, seen evidence, name string) (RegionState, error) {
	kept := d.kept[name]
	m := d.monitor
	m.Enabled = kept.Status != Paused
	r := RegionState{MonitorID: m.ID, Region: name, Timeline: kept.Timeline}
	q := ResultQuery{MonitorID: m.ID, Region: name, To: d.at.Add(time.Millisecond), Limit: recalled}
	if kept.forgets() {
		q.From = kept.CauseAt
	}
	list, err := seen.List(ctx, q)
	if err != nil {
		return r, err
	}
	for i := range list {
		x := &list[len(list)-1-i]
		if x.Outcome == Missed || x.Epoch != 0 && x.Epoch < r.Epoch {
			continue
		}
		if r.LastSlot.IsZero() {
			d.began[name] = x.ScheduledAt
		}
		r.Epoch = max(r.Epoch, x.Epoch)
		r.fold(&m, x, x.StartedAt)
	}
	r.Verdict = kept.Known
	if kept.forgets() {
		r.Verdict = 0
	}
	r.Silent = kept.Status == Unknown && kept.Reason == ReasonNoData && !r.UnknownAt.After(kept.Since)
	if kept.Status.Known() && r.UnknownAt.IsZero() {
		r.UnknownAt = kept.Since.Add(m.patience())
	}
	return r, nil
}

// forgets reports whether what was known before t says nothing of what is after: see RegionState.forget.
func (t *Transition) forgets() bool {
	return t.Status == Paused || t.Reason == ReasonEnabled || t.Reason == ReasonDisabled || t.Reason == ReasonRegionRemoved
}
