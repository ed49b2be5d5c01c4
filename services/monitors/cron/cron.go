// Package cron reads the cron expressions that a monitor may have: 5 fields (minute, hour, day of month, month, day of
// week) or 6, of which the sixth is SECONDS and stands LAST, as in the resource format. Most Go libraries put seconds
// first; gronx, which finds the next due time here and in the prober, is one of them, so the fields are turned around
// for it.
//
// The grammar is the part that every cron has: "*", "*/n", "a", "a-b", "a-b/n", "a/n", lists of these, and the English
// names of months and weekdays. Macros, "?", "L", "W" and "#" are refused. If day of month and day of week are both
// restricted, either is enough, unless one of the two begins with "*" ("*/2"): then both must hold.
package cron

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // zones must not depend on what the host has installed

	"github.com/adhocore/gronx"
)

// ErrNeverDue reports an expression that no day of the calendar fulfils, such as the 31st of February.
var ErrNeverDue = errors.New("is never due")

// SyntaxError says what is wrong with an expression, in words for its author.
type SyntaxError struct{ Reason string }

func (e *SyntaxError) Error() string { return e.Reason }

// Schedule is a parsed expression in its zone.
type Schedule struct {
	expr   string // as gronx wants it: seconds first
	zone   *time.Location
	second set
	minute set
	hour   set
	days   days
}

// Parse reads expr in the IANA zone named timezone; "" is UTC. It returns a *SyntaxError, a *ZoneError or ErrNeverDue.
func Parse(expr, timezone string) (*Schedule, error) {
	zone, err := LoadZone(timezone)
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(expr)
	switch len(fields) {
	case 5:
		fields = append(fields, "0")
	case 6:
	default:
		return nil, &SyntaxError{fmt.Sprintf("has %d fields, must have 5, or 6 with seconds last", len(fields))}
	}
	var sets [6]set
	for i, f := range fields {
		if sets[i], err = kinds[i].parse(f); err != nil {
			return nil, err
		}
	}
	s := &Schedule{
		expr: strings.Join(append([]string{fields[5]}, fields[:5]...), " "), zone: zone,
		second: sets[5], minute: sets[0], hour: sets[1],
		days: days{
			ofMonth: sets[2], month: sets[3], ofWeek: sets[4], both: fields[2][0] == '*' || fields[4][0] == '*',
		},
	}
	if !gronx.IsValid(s.expr) { // the prober would refuse it
		return nil, &SyntaxError{"is not a valid cron expression"}
	}
	if _, due := s.days.longestGap(); !due {
		return nil, ErrNeverDue
	}
	return s, nil
}

// Next is the first due time strictly after t, in UTC. It is exact to the second.
func (s *Schedule) Next(t time.Time) (time.Time, error) {
	at, err := gronx.NextTickAfter(s.expr, t.In(s.zone), false)
	if err != nil {
		return time.Time{}, fmt.Errorf("next due time of %q: %w", s.expr, err)
	}
	return at.UTC().Truncate(time.Second), nil
}

// shift is the most that a clock is put forward or back by in any zone, save for a change of the zone itself.
const shift = time.Hour

// LongestGap is the longest time between two neighbouring due times. It is found on the calendar, so it does not depend
// on the day on which it is asked; for zones other than UTC it includes an hour for the day on which clocks go back.
func (s *Schedule) LongestGap() time.Duration {
	inDay := s.longestInDay()
	dayGap, _ := s.days.longestGap()
	if dayGap == 1 && s.hour.count() == 24 {
		return max(inDay, s.overnight(1)) // an hour more or less changes nothing
	}
	gap := max(inDay, s.overnight(dayGap))
	if s.zone != time.UTC {
		gap += shift
	}
	return gap
}

// longestInDay is the longest time between two due times of one day; 0 if there is only one.
func (s *Schedule) longestInDay() time.Duration {
	gap := time.Duration(s.second.longestStep()) * time.Second
	if step := s.minute.longestStep(); step > 0 {
		gap = max(gap, time.Duration(step)*time.Minute-time.Duration(s.second.last()-s.second.first())*time.Second)
	}
	if step := s.hour.longestStep(); step > 0 {
		inHour := time.Duration(s.minute.last()-s.minute.first())*time.Minute +
			time.Duration(s.second.last()-s.second.first())*time.Second
		gap = max(gap, time.Duration(step)*time.Hour-inHour)
	}
	return gap
}

// overnight is the time from the last due time of a day to the first of the day that comes n days later.
func (s *Schedule) overnight(n int) time.Duration {
	inDay := time.Duration(s.hour.last()-s.hour.first())*time.Hour +
		time.Duration(s.minute.last()-s.minute.first())*time.Minute +
		time.Duration(s.second.last()-s.second.first())*time.Second
	return time.Duration(n)*24*time.Hour - inDay
}

// ZoneError reports a name that is no IANA time zone.
type ZoneError struct{ Name string }

func (e *ZoneError) Error() string { return fmt.Sprintf("%q is not an IANA time zone", e.Name) }

// LoadZone returns the IANA zone of that name; "" is UTC. "Local" is refused: it would mean another zone on each host.
func LoadZone(name string) (*time.Location, error) {
	if name == "" || name == "UTC" {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, &ZoneError{Name: name}
	}
	return zone, nil
}
