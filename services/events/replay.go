package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"
)

// A replay is a past that is derived again for somebody who asks what the feed would have said of it. It shares all of its
// judging with drafts, and so with what is judged live; unlike a draft's, its findings are told and replace nothing.

const (
	sampleEvery   = time.Minute // of uptime, as often as somebody who follows the feed may ask
	uptimeSpan    = 24 * time.Hour
	longestAtMost = 100
)

// replayed is one thing that a replay tells: an entry of the feed or, without one, a sample. The item may be kept until the next.
type replayed struct {
	Item   *FeedItem
	At     time.Time // of a sample of uptime
	Uptime *float64  // percent of the 24 hours before; nil without data
}

// gist is what a replayed range adds up to.
type gist struct {
	Checks  int64
	First   time.Time // zero without checks
	Tally   Tally
	Unknown []stretch // the longest, oldest first
	Blind   int       // how many there were
}

// stretch is a part of a timeline.
type stretch struct {
	Status     Status
	Start, End time.Time
}

// replay is a range of a monitor's past.
type replay struct {
	draft    *draft
	from, to time.Time
	uptime   bool   // sampled
	windows  []span // of maintenance, from uptimeSpan before from on; ascending, and neither overlapping nor touching
	passed   int    // in windows, those that no sample to come reaches back to
	tell     func(replayed) error

	opened  bool
	sampled time.Time
	lines   []Timeline // of the monitor, from the interval on that uptimeSpan before from lies in
	ago     int        // in lines, where the last look-up ended
	gist    gist
}

// errEnough ends a play at the end of the range.
var errEnough = errors.New("the range has ended")

// newReplay prepares to replay a monitor that the regions ever watched.
func newReplay(m Monitor, regions []string, from, to time.Time) *replay {
	return &replay{from: from, to: to, draft: &draft{
		monitor: m, regions: regions, from: from, kept: map[string]Transition{}, stood: map[string][]Transition{}, began: map[string]time.Time{},
	}}
}

// run tells everything in order.
func (p *replay) run(ctx context.Context, judged chronicle, seen evidence) (gist, error) {
	if err := p.draft.begin(ctx, judged, seen); err != nil {
		return gist{}, err
	}
	if err := p.readLines(ctx, judged); err != nil {
		return gist{}, fmt.Errorf("read timeline: %w", err)
	}
	err := p.draft.play(ctx, seen, func(x *Result) error { return p.take(ctx, x) })
	if err != nil && !errors.Is(err, errEnough) {
		return gist{}, err
	}
	if err := p.close(); err != nil {
		return gist{}, err
	}
	return p.gist, nil
}

// readLines finds the intervals that uptime is computed from, up to the one that the judge goes on from.
func (p *replay) readLines(ctx context.Context, judged chronicle) error {
	kept := p.draft.kept[""].Timeline
	list, err := judged.Transitions(ctx, TransitionQuery{
		MonitorID: p.draft.monitor.ID, From: p.from.Add(-uptimeSpan), To: kept.Since.Add(time.Millisecond), Limit: mendedAtMost,
	})
	if err != nil {
		return err
	}
	slices.Reverse(list)
	for i := range list {
		if list[i].Seq < kept.Seq {
			p.lines = append(p.lines, list[i].Timeline)
		}
	}
	p.lines = append(p.lines, kept)
	return nil
}

// take judges a result, and tells what comes of it if it lies in the range.
func (p *replay) take(ctx context.Context, x *Result) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	switch {
	case !x.ScheduledAt.Before(p.to):
		return errEnough
	case x.ScheduledAt.Before(p.from):
		p.draft.take(x)
		p.hush()
		return nil
	}
	if err := p.open(); err != nil {
		return err
	}
	p.draft.take(x)
	if x.Outcome != Missed {
		if p.gist.Checks++; p.gist.First.IsZero() {
			p.gist.First = x.ScheduledAt
		}
	}
	return p.flush()
}

// open tells the state that the range begins with as if it had just been announced; nothing if none was ever announced.
func (p *replay) open() error {
	if p.opened {
		return nil
	}
	p.opened = true
	p.draft.editUntil(p.from.Add(-time.Millisecond))
	p.draft.judge.Tick(p.from)
	p.hush()
	s := p.draft.judge.subjects[p.draft.monitor.ID]
	if s.state.Seq == 0 {
		return nil
	}
	t := Transition{MonitorID: s.monitor.ID, Timeline: s.state.Timeline, CauseAt: p.from, Regions: s.seeing(s.state.Status), Down: s.seeing(Down)}
	t.blame(s.culprit(nil))
	t.ConsecutiveFailures = s.failures()
	return p.tell(replayed{Item: &FeedItem{At: p.from, Transition: &t}})
}

// note takes over the intervals that have begun.
func (p *replay) note() {
	changes := &p.draft.judge.changes
	for i := range changes.Transitions {
		if t := &changes.Transitions[i]; t.Region == "" {
			p.lines = append(p.lines, t.Timeline)
		}
	}
	changes.Transitions = changes.Transitions[:0]
}

// hush tells nobody of what was found.
func (p *replay) hush() {
	p.note()
	p.draft.judge.changes.Feed = p.draft.judge.changes.Feed[:0]
}

// flush tells what was found.
func (p *replay) flush() error {
	p.note()
	feed := p.draft.judge.changes.Feed
	for i := range feed {
		item := &feed[i]
		item.At = later(item.At, p.from) // of a silence, the deadline may have passed before
		if err := p.tell(replayed{Item: item}); err != nil {
			return err
		}
		if item.Observation != nil {
			if err := p.sample(item.At); err != nil {
				return err
			}
		}
	}
	p.draft.judge.changes.Feed = feed[:0]
	return nil
}

// sample tells what asking would have answered, if it is time to ask again.
func (p *replay) sample(at time.Time) error {
	if !p.uptime || !p.sampled.IsZero() && at.Sub(p.sampled) < sampleEvery {
		return nil
	}
	p.sampled = at
	ago := at.Add(-uptimeSpan)
	for p.passed < len(p.windows) && !p.windows[p.passed].to.After(ago) {
		p.passed++
	}
	maintained := p.maintained(p.windows[p.passed:], at)
	t := overlay(p.tally(at), at, maintained).Sub(overlay(p.tallyAgo(ago), ago, maintained))
	return p.tell(replayed{At: at, Uptime: percentage(t, DegradedIsUp)})
}

// maintained is what the timeline is like around those of the windows that have begun by a moment, as far as it is known by now.
func (p *replay) maintained(windows []span, at time.Time) []within {
	var out []within
	for _, w := range windows {
		if !w.from.Before(at) {
			break
		}
		out = append(out, within{w, p.line(w.from), p.line(w.to)})
	}
	return out
}

// line is the newest interval that began before a moment; zero if there was none.
func (p *replay) line(at time.Time) Timeline {
	n := sort.Search(len(p.lines), func(i int) bool { return !p.lines[i].Since.Before(at) })
	if n == 0 {
		return Timeline{}
	}
	return p.lines[n-1]
}

// tally is what the monitor's timeline adds up to at a moment.
func (p *replay) tally(at time.Time) Tally { return p.line(at).tally(at) }

// tallyAgo is tally for moments that rise.
func (p *replay) tallyAgo(at time.Time) Tally {
	for p.ago < len(p.lines) && p.lines[p.ago].Since.Before(at) {
		p.ago++
	}
	if p.ago == 0 {
		return Tally{}
	}
	return p.lines[p.ago-1].At(at)
}

// close tells what follows from the end of the results alone, and adds everything up.
func (p *replay) close() error {
	if err := p.open(); err != nil {
		return err
	}
	p.draft.editUntil(p.to.Add(-time.Millisecond))
	p.draft.judge.Tick(p.to)
	if err := p.flush(); err != nil {
		return err
	}
	var in []span
	for _, w := range p.windows {
		if w.to.After(p.from) {
			in = append(in, w)
		}
	}
	maintained := p.maintained(in, p.to)
	p.gist.Tally = overlay(p.tally(p.to), p.to, maintained).Sub(overlay(p.tally(p.from), p.from, maintained))
	p.blind()
	return nil
}

// blind finds the stretches of which nothing is known.
func (p *replay) blind() {
	var all []stretch
	for i, line := range p.lines {
		end := p.to
		if i+1 < len(p.lines) {
			end = earlier(p.lines[i+1].Since, p.to)
		}
		if start := later(line.Since, p.from); !line.Status.Known() && start.Before(end) {
			all = append(all, stretch{line.Status, start, end})
		}
	}
	p.gist.Blind = len(all)
	slices.SortStableFunc(all, func(a, b stretch) int { return cmp.Compare(b.End.Sub(b.Start), a.End.Sub(a.Start)) })
	all = all[:min(len(all), longestAtMost)]
	slices.SortFunc(all, func(a, b stretch) int { return a.Start.Compare(b.Start) })
	p.gist.Unknown = all
}
