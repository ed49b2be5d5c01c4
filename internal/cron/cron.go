// Package cron reads the cron expressions that a monitor may have: 5 fields (minute, hour, day of month, month, day of
// week) or 6, of which the sixth is SECONDS and stands LAST, as in the resource format. Most Go libraries put seconds
// first.
//
// A field is a list of "*", "*/n", "a", "a-b", "a-b/n" and "a/n"; months and weekdays have their English names too. "a-b"
// may go round ("FRI-MON", "22-2"). The day of month also takes "?", "L" (the last) and "a-L", the day of week "?", "a#n"
// (the nth of the month, 1 to 5) and "La" (the last of the month). If both days are restricted, either is enough; "*/2"
// is a restriction. Macros, "W" and "H" are refused.
//
// On the two days on which clocks are changed:
//
//   - An expression for all 24 hours goes by what the clock shows, whenever it shows it: "*/5 * * * *" is due every five
//     minutes, through the hour that comes twice too.
//   - Any other names times of the day, and each is due once a day. A time that the clock jumps over is due as if it had
//     not been put forward yet: 02:30 becomes 03:30, the same 24 hours after that of the day before, as croniter has it. A
//     time that comes twice is due the first time.
package cron

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // zones must not depend on what the host has installed
)

// ErrNeverDue reports an expression that no day of the calendar fulfils, such as the 31st of February.
var ErrNeverDue = errors.New("is never due")

// SyntaxError says what is wrong with an expression, in words for its author.
type SyntaxError struct{ Reason string }

func (e *SyntaxError) Error() string { return e.Reason }

// Schedule is a parsed expression in its zone.
type Schedule struct {
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
	s, err := parseExpression(expr)
	if err != nil {
		return nil, err
	}
	s.zone = zone
	if _, due := s.days.longestGap(); !due {
		return nil, ErrNeverDue
	}
	return s, nil
}

func parseExpression(expr string) (s *Schedule, err error) {
	fields := strings.Fields(expr)
	switch {
	case len(fields) == 5:
		fields = append(fields, "0")
	case len(fields) == 1 && fields[0][0] == '@':
		return nil, &SyntaxError{fmt.Sprintf("%q: names of schedules are not supported, write the fields", fields[0])}
	case len(fields) != 6:
		return nil, &SyntaxError{fmt.Sprintf("has %d fields, must have 5, or 6 with seconds last", len(fields))}
	}
	s = &Schedule{}
	for i, set := range []*set{&s.minute, &s.hour, nil, &s.days.month, nil, &s.second} {
		if set == nil {
			continue
		}
		if *set, err = kinds[i].parse(fields[i]); err != nil {
			return nil, err
		}
	}
	if err = s.days.parseOfMonth(fields[2]); err != nil {
		return nil, err
	}
	if err = s.days.parseOfWeek(fields[4]); err != nil {
		return nil, err
	}
	s.days.both = unrestricted(fields[2], fields[4], s.days.ofMonth.count() == 31) ||
		unrestricted(fields[4], fields[2], s.days.ofWeek.count() == 7)
	return s, nil
}

// unrestricted reports whether one of the two day fields leaves the choice to the other. A field that is written out in
// full does so only beside one with a star; that is how croniter reads it.
func unrestricted(field, other string, full bool) bool {
	return field == "*" || field == "?" || full && strings.Contains(other, "*")
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

// DueOn reports whether the calendar day of t, by t's own zone, has due times.
func (s *Schedule) DueOn(t time.Time) bool { return s.days.due(t) }

// TimesOfDay is how many times are due on every day that has any.
func (s *Schedule) TimesOfDay() int { return s.hour.count() * s.minute.count() * s.second.count() }

// Clock calls yield with the times of a due day, as the time since midnight on the clock, ascending, until it returns false.
func (s *Schedule) Clock(yield func(time.Duration) bool) {
	for h := s.hour.first(); h <= s.hour.last(); h++ {
		for m := s.minute.first(); m <= s.minute.last() && s.hour.has(h); m++ {
			for sec := s.second.first(); sec <= s.second.last() && s.minute.has(m); sec++ {
				at := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(sec)*time.Second
				if s.second.has(sec) && !yield(at) {
					return
				}
			}
		}
	}
}
