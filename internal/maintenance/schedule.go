// Package maintenance says when a maintenance window is: once, or again and again by an RRULE or a cron expression on the
// clock of an IANA zone. Nothing is expanded beforehand and no work depends on how long ago a window was made.
//
// The start of an occurrence is a time on the wall clock, its length is elapsed time. A start that the clock skips is the first
// instant after the gap; one that the clock shows twice is the first of the two. Starts that fall on the same instant by this
// are one.
package maintenance

import (
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/frogstats/uptime/internal/cron"
)

// Limits of a window.
const (
	MinLength       = Seconds(60)
	MaxLength       = Seconds(7 * 24 * 3600)   // of an occurrence that comes again
	MaxOnce         = Seconds(366 * 24 * 3600) // of a window that comes once
	MaxStartsPerDay = 96
	MaxRuleBytes    = 512
	maxCronBytes    = 256
	maxZoneBytes    = 64
	// horizonYears is how far ahead an occurrence is looked for. The 29th of February is at most eight years away.
	horizonYears = 12
)

// Years between which a window may start.
const (
	minYear = 2000
	maxYear = 2199
)

// Spec is when a window is, as people wrote it and stores keep it.
type Spec struct {
	Start    time.Time `json:"starts_at"`                  // the first start; no occurrence begins before it
	End      time.Time `json:"ends_at,omitzero"`           // of a window that comes once
	RRule    string    `json:"rrule,omitempty"`            // RFC 5545, without DTSTART, which is Start on the zone's clock
	Cron     string    `json:"cron,omitempty"`             // 5 fields, or 6 with seconds last
	Timezone string    `json:"timezone,omitempty"`         // IANA name; "" is UTC
	Length   Seconds   `json:"duration_seconds,omitempty"` // of an occurrence that comes again
}

// Seconds is a length as the JSON of a window writes it.
type Seconds int64

// Duration converts s.
func (s Seconds) Duration() time.Duration { return time.Duration(s) * time.Second }

// Error says which field of a Spec is wrong and which rule it breaks, in words for its author.
type Error struct{ Field, Rule string }

func (e *Error) Error() string { return e.Field + ": " + e.Rule }

func refuse(field, format string, args ...any) error {
	return &Error{Field: field, Rule: fmt.Sprintf(format, args...)}
}

// Occurrence is one stretch of maintenance, End excluded.
type Occurrence struct{ Start, End time.Time }

// Schedule is a Spec that was read. It may be used from several goroutines.
type Schedule struct {
	spec  Spec
	zone  *time.Location
	walls walls // nil: once
	last  atomic.Pointer[between]
}

// walls are the starts of an occurrence at or after from, ascending, on the wall clock; both are written as UTC. It ends on its own,
// after a bounded number of steps.
type walls func(from time.Time) iter.Seq[time.Time]

// between is a stretch of time, after excluded, in which nothing begins but at its own beginning, and the last start that matters
// there; zero if none does.
type between struct{ from, after, start time.Time }

// Read checks a spec. Errors are *Error.
func Read(spec Spec) (*Schedule, error) {
	if len(spec.Timezone) > maxZoneBytes {
		return nil, refuse("timezone", "must be at most %d bytes", maxZoneBytes)
	}
	zone, err := cron.LoadZone(spec.Timezone)
	if err != nil {
		return nil, refuse("timezone", "%s", err.Error())
	}
	s := &Schedule{spec: spec, zone: zone}
	if y := spec.Start.Year(); y < minYear || y > maxYear {
		return nil, refuse("starts_at", "must be between %d and %d", minYear, maxYear)
	}
	switch {
	case spec.RRule != "" && spec.Cron != "":
		return nil, refuse("cron", "must not stand beside rrule: a window has one of them, or ends_at")
	case spec.RRule == "" && spec.Cron == "":
		return s, s.readOnce()
	case !spec.End.IsZero():
		return nil, refuse("ends_at", "is for a window that comes once; one that comes again has duration_seconds")
	case spec.Length < MinLength || spec.Length > MaxLength:
		return nil, refuse("duration_seconds", "%d must be between %d and %d", spec.Length, MinLength, MaxLength)
	}
	if spec.RRule != "" {
		err = s.readRRule()
	} else {
		err = s.readCron()
	}
	if err != nil {
		return nil, err
	}
	if len(s.Next(spec.Start.Add(-time.Nanosecond), 1)) == 0 {
		return nil, refuse(s.ruleField(), "%q never begins within %d years after starts_at", spec.RRule+spec.Cron, horizonYears)
	}
	return s, nil
}

func (s *Schedule) ruleField() string {
	if s.spec.RRule != "" {
		return "rrule"
	}
	return "cron"
}

func (s *Schedule) readOnce() error {
	switch length := s.spec.End.Sub(s.spec.Start); {
	case s.spec.Length != 0:
		return refuse("duration_seconds", "is for a window that comes again, by rrule or cron; one that comes once has ends_at")
	case s.spec.End.IsZero():
		return refuse("ends_at", "is required for a window that has neither rrule nor cron")
	case length < MinLength.Duration() || length > MaxOnce.Duration():
		return refuse("ends_at", "must be between %d seconds and %d days after starts_at", MinLength, MaxOnce/(24*3600))
	}
	return nil
}

func (s *Schedule) readCron() error {
	if len(s.spec.Cron) > maxCronBytes {
		return refuse("cron", "must be at most %d bytes", maxCronBytes)
	}
	c, err := cron.Parse(s.spec.Cron, s.spec.Timezone)
	if err != nil {
		return refuse("cron", "%q: %s", s.spec.Cron, err.Error())
	}
	if n := c.TimesOfDay(); n > MaxStartsPerDay {
		return refuse("cron", "%q begins %d times a day, must be at most %d", s.spec.Cron, n, MaxStartsPerDay)
	}
	s.walls = func(from time.Time) iter.Seq[time.Time] {
		return func(yield func(time.Time) bool) {
			end := from.AddDate(horizonYears, 0, 0)
			for day := midnight(from); day.Before(end); day = day.AddDate(0, 0, 1) {
				if !c.DueOn(day) {
					continue
				}
				for at := range c.Clock {
					if wall := day.Add(at); !wall.Before(from) && !yield(wall) {
						return
					}
				}
			}
		}
	}
	return nil
}

// starts are the instants at which occurrences begin, from the first whose wall is at or after that of t less a day on, each once.
func (s *Schedule) starts(t time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		if t.Before(s.spec.Start) {
			t = s.spec.Start
		}
		var before time.Time
		for wall := range s.walls(wallOf(t, s.zone).AddDate(0, 0, -1)) { // no clock is set by more than a day
			at := instantOf(wall, s.zone)
			if at.Before(s.spec.Start) || at.Equal(before) {
				continue
			}
			if !yield(at) {
				return
			}
			before = at
		}
	}
}

// around finds the last start at or before t that may still matter. What it finds it remembers until the next start.
func (s *Schedule) around(t time.Time) time.Time {
	if b := s.last.Load(); b != nil && !t.Before(b.from) && t.Before(b.after) {
		return b.start
	}
	b := between{from: t, after: t.AddDate(1, 0, 0)} // starts looks further ahead than that
	for at := range s.starts(t.Add(-s.spec.Length.Duration())) {
		if at.After(t) {
			b.after = at
			break
		}
		b.from, b.start = at, at
	}
	s.last.Store(&b)
	return b.start
}

// At reports whether t lies in an occurrence, and if so until when that lasts: the latest end of those in which t lies.
func (s *Schedule) At(t time.Time) (until time.Time, active bool) {
	if s.walls == nil {
		return s.spec.End.UTC(), !t.Before(s.spec.Start) && t.Before(s.spec.End)
	}
	if t.Before(s.spec.Start) {
		return time.Time{}, false
	}
	// All are of one length, so the one that began last ends last.
	start := s.around(t)
	if start.IsZero() {
		return time.Time{}, false
	}
	until = start.Add(s.spec.Length.Duration())
	return until, t.Before(until)
}

// Next returns at most n occurrences that end after t, by their starts: those that last at t, then those to come.
func (s *Schedule) Next(t time.Time, n int) []Occurrence {
	if s.walls == nil {
		if n < 1 || !s.spec.End.After(t) {
			return nil
		}
		return []Occurrence{{s.spec.Start.UTC(), s.spec.End.UTC()}}
	}
	var out []Occurrence
	for at := range s.starts(t.Add(-s.spec.Length.Duration())) {
		if len(out) >= n {
			break
		}
		if end := at.Add(s.spec.Length.Duration()); end.After(t) {
			out = append(out, Occurrence{at, end})
		}
	}
	return out
}

// Between returns the occurrences that overlap a stretch of time, to excluded, by their starts.
func (s *Schedule) Between(from, to time.Time) []Occurrence {
	if s.walls == nil {
		return slices.DeleteFunc(s.Next(from, 1), func(o Occurrence) bool { return !o.Start.Before(to) })
	}
	var out []Occurrence
	for at := range s.starts(from.Add(-s.spec.Length.Duration())) {
		if !at.Before(to) {
			break
		}
		if end := at.Add(s.spec.Length.Duration()); end.After(from) {
			out = append(out, Occurrence{at, end})
		}
	}
	return out
}

// Over reports whether nothing is left at t: the last occurrence has ended, or the next is more than twelve years away.
func (s *Schedule) Over(t time.Time) bool { return len(s.Next(t, 1)) == 0 }

// Zone is the zone on whose clock the window starts.
func (s *Schedule) Zone() *time.Location { return s.zone }
