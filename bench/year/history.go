package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/sqlite"
	"github.com/frogstats/uptime/services/monitors"
	"github.com/frogstats/uptime/services/prober/schedule"
)

const (
	region   = "local"
	proberID = "year-of-history"

	// settleEvery is how many results wait before the history sums them up: the more of a monitor at once, the fewer
	// times a day's roll-up is written.
	settleEvery = 400_000
)

// counts is what was written.
type counts struct{ results, intervals int }

// teller lets the year happen: day by day, so that a month's file is written before the next is begun.
type teller struct {
	o       options
	f       *fleet
	judge   *events.Judge
	history *sqlite.History
	state   *sqlite.State
	stories []*story
	last    []events.Result // of the day
	edited  []bool
	waiting int
	n       counts

	away   []span // the prober was not there
	blind  []span // its resolver failed
	excuse []time.Time
}

func makeHistory(ctx context.Context, o options, f *fleet) (n counts, err error) {
	data := filepath.Join(o.dir, "data")
	history, err := sqlite.OpenHistory(ctx, filepath.Join(data, "history"), sqlite.HistoryOptions{})
	if err != nil {
		return n, fmt.Errorf("open history: %w", err)
	}
	state, err := sqlite.OpenState(ctx, filepath.Join(data, "state.db"))
	if err != nil {
		return n, errors.Join(fmt.Errorf("open state: %w", err), history.Close())
	}
	snapshot, err := state.Load(ctx)
	if err == nil {
		t := &teller{
			o: o, f: f, judge: events.NewJudge(snapshot), history: history, state: state, edited: make([]bool, len(f.all)), excuse: make([]time.Time, len(f.all)),
			away:  []span{f.span(0.27, 30*time.Hour), f.span(0.63, 26*time.Hour), f.span(0.96, 7*time.Hour)},
			blind: []span{f.span(0.45, 13*time.Hour)},
		}
		for i := range f.all {
			t.stories = append(t.stories, newStory(o, f, &f.all[i]))
		}
		err = t.tell(ctx)
		n = t.n
	}
	return n, errors.Join(err, state.Close(), history.Close())
}

// span is a stretch that begins after a share of the year.
func (f *fleet) span(share float64, length time.Duration) span {
	at := f.start.Add(time.Duration(share * float64(f.end.Sub(f.start)))).Truncate(time.Hour)
	return span{at, at.Add(length)}
}

func (t *teller) tell(ctx context.Context) error {
	for i := range t.f.all {
		m := &t.f.all[i]
		t.judge.Upsert(t.f.start, known(m.asMade(t.o.early)))
	}
	began, day := time.Now(), 0
	for at := t.f.start; at.Before(t.f.end); at = at.Add(24 * time.Hour) {
		if err := t.tellDay(ctx, at, at.Add(24*time.Hour)); err != nil {
			return err
		}
		if day++; day%30 == 0 {
			fmt.Fprintf(os.Stderr, "day %d of %d, %d results, %v\n", day, t.o.days, t.n.results, time.Since(began).Round(time.Second))
		}
	}
	if err := t.history.Maintain(ctx, true); err != nil {
		return fmt.Errorf("sum up results: %w", err)
	}
	t.judge.Tick(t.f.end)
	return t.commit(ctx, t.f.end)
}

// tellDay lets what was due in a day happen, to one monitor after the other: they do not depend on each other.
func (t *teller) tellDay(ctx context.Context, from, to time.Time) error {
	t.last = t.last[:0]
	for i := range t.f.all {
		t.tellMonitor(i, from, to)
		if len(t.last) >= 50_000 {
			if err := t.store(ctx); err != nil {
				return err
			}
		}
	}
	if err := t.store(ctx); err != nil {
		return err
	}
	return t.commit(ctx, to)
}

func (t *teller) tellMonitor(i int, from, to time.Time) {
	m := &t.f.all[i]
	if !m.paused.IsZero() && m.paused.Before(to) {
		to = m.paused
		if !t.edited[i] && !m.paused.Before(from) {
			defer t.edit(i)
		}
	}
	every := t.o.early
	if m.dense {
		every = usual
	}
	if m.fate != isPaused && !from.Before(t.f.changed) {
		every = usual
		t.edit(i)
	}
	grid := schedule.NewGrid(m.ID, every)
	for slot := grid.Next(from.Add(-time.Millisecond)); slot.Before(to); slot = grid.Next(slot) {
		t.tellSlot(i, grid, slot)
	}
}

// edit is the one change that was made to a monitor, if one was.
func (t *teller) edit(i int) {
	m := &t.f.all[i]
	if t.edited[i] || m.Version == 1 {
		return
	}
	t.edited[i] = true
	t.judge.Upsert(m.UpdatedAt, known(m.Monitor))
}

// tellSlot lets one due slot happen, and the confirming check after a first fault.
func (t *teller) tellSlot(i int, grid schedule.Grid, slot time.Time) {
	m, s := &t.f.all[i], t.stories[i]
	for _, a := range t.away {
		if a.has(slot) {
			if t.excuse[i].Before(a.from) { // one row for all slots that were missed
				t.excuse[i] = a.to
				t.take(missed(t.result(m, slot), grid, a.to))
			}
			return
		}
	}
	for _, b := range t.blind {
		if b.has(slot) {
			t.take(blinded(t.result(m, slot), grid))
			return
		}
	}
	if x, out := s.outageAt(slot); out {
		_, before := s.outageAt(slot.Add(-grid.Interval()))
		t.take(failed(t.result(m, slot), m, x.kind, grid))
		if confirm := slot.Add(m.Config.RetryEvery()); !before && confirm.Before(t.f.end) {
			t.take(failed(t.result(m, confirm), m, x.kind, grid))
		}
		return
	}
	if s.random.Float64() < s.flaky {
		t.take(failed(t.result(m, slot), m, events.Timeout, grid))
		slot = slot.Add(m.Config.RetryEvery())
	}
	if slot.Before(t.f.end) {
		t.take(answered(t.result(m, slot), m, s.answerTime(slot), grid))
	}
}

// result is what all results of a monitor have in common.
func (t *teller) result(m *member, slot time.Time) events.Result {
	version := uint64(m.Version)
	if !m.dense && slot.Before(m.UpdatedAt) {
		version = 1
	}
	r := events.Result{
		MonitorID: m.ID, OrganizationID: m.OrganizationID, Region: region, ScheduledAt: slot, StartedAt: slot.Add(2 * time.Millisecond),
		DNS: events.Absent, TCP: events.Absent, TLS: events.Absent, TTFB: events.Absent, Transfer: events.Absent, Size: events.Absent,
		Attempt: 1, ProberID: proberID, ConfigVersion: version, Kind: kindOf(m.Monitor), URL: m.Config.URL(), Name: m.Config.Name,
	}
	if m.Config.TCP != nil {
		r.Port = uint32(m.Config.TCP.Port)
	}
	return r
}

func answered(r events.Result, m *member, took time.Duration, grid schedule.Grid) events.Result {
	r.Outcome, r.ResponseTime, r.ResolvedIP, r.Family = events.Success, took, "127.0.0.1", 1
	r.NextScheduledAt = grid.Next(r.ScheduledAt)
	if r.TCP = took; m.Config.HTTP != nil {
		r.TCP = (took / 5).Truncate(time.Microsecond)
		r.Transfer = (took / 20).Truncate(time.Microsecond)
		r.TTFB = took - r.TCP - r.Transfer
		r.StatusCode, r.Size = 200, 14
	}
	return r
}

func failed(r events.Result, m *member, kind events.Outcome, grid schedule.Grid) events.Result {
	r.Outcome, r.NextScheduledAt, r.FailedPhase = kind, grid.Next(r.ScheduledAt), events.Phase(checkv1.Phase_PHASE_CONNECT)
	r.ErrorType, r.ErrorMessage = "connection_refused", "The target refused the connection: nothing listens on this port."
	r.ResponseTime, r.ResolvedIP, r.Family = 300*time.Microsecond, "127.0.0.1", 1
	if kind == events.Timeout {
		r.ErrorType, r.ErrorMessage = "connection_timeout", "The target did not answer in time."
		r.ResponseTime = m.Config.SlotTime()
	}
	return r
}

func blinded(r events.Result, grid schedule.Grid) events.Result {
	r.Outcome, r.NextScheduledAt = events.ObserverFault, grid.Next(r.ScheduledAt)
	r.ErrorType, r.ErrorMessage = "observer_offline", "The prober itself was cut off."
	return r
}

func missed(r events.Result, grid schedule.Grid, until time.Time) events.Result {
	r.Outcome, r.Attempt = events.Missed, 0
	r.ErrorType, r.ErrorMessage = "observer_offline", "The prober did not run."
	r.MissedCount = uint32(grid.Count(r.ScheduledAt.Add(-time.Millisecond), until))
	r.NextScheduledAt, r.StartedAt = grid.Next(until.Add(-time.Millisecond)), until
	return r
}

// take judges a result and keeps it for the history.
func (t *teller) take(r events.Result) {
	t.judge.Result(r.StartedAt, &r)
	t.last = append(t.last, r)
}

// store hands results to the history, which sums them up now and then.
func (t *teller) store(ctx context.Context) error {
	n, err := t.history.Append(ctx, t.last)
	if err != nil {
		return fmt.Errorf("store results: %w", err)
	}
	t.n.results += n
	t.waiting += n
	t.last = t.last[:0]
	if t.waiting < settleEvery {
		return nil
	}
	t.waiting = 0
	if err := t.history.Maintain(ctx, true); err != nil {
		return fmt.Errorf("sum up results: %w", err)
	}
	return nil
}

// commit stores what the judge has found, without announcing it.
func (t *teller) commit(ctx context.Context, at time.Time) error {
	c := t.judge.Take()
	t.n.intervals += len(c.Transitions)
	err := t.state.Commit(ctx, events.Commit{Monitors: c.Monitors, States: c.States, Regions: c.Regions, Transitions: c.Transitions, At: at})
	if err != nil {
		return fmt.Errorf("store timelines: %w", err)
	}
	return nil
}

// known is a monitor as the catalogue tells the events service of it.
func known(m monitors.Monitor) events.Monitor {
	c := m.Config
	return events.Monitor{
		ID: m.ID, OrganizationID: m.OrganizationID, Name: c.Name, Kind: kindOf(m), URL: c.URL(), Enabled: c.Enabled, Regions: c.Regions,
		ConfirmDown: uint32(c.ConfirmDown), ConfirmUp: uint32(c.ConfirmUp), Interval: c.Gap(), Timeout: c.SlotTime(), Quorum: events.Quorum(c.Quorum),
		DegradedAbove: c.DegradedAbove.Duration(), Version: uint64(m.Version), CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
}

func kindOf(m monitors.Monitor) events.CheckKind {
	if m.Config.HTTP != nil {
		return events.CheckKind(checkv1.MonitorType_MONITOR_TYPE_HTTP)
	}
	return events.CheckKind(checkv1.MonitorType_MONITOR_TYPE_TCP)
}
