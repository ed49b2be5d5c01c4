package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // cron zones must not depend on what the host has installed
)

// ErrNeverDue reports an expression that no day of the calendar fulfils, such as the 31st of February.
var ErrNeverDue = errors.New("is never due")

// CronError says what is wrong with an expression, in words for its author.
type CronError struct{ Reason string }

func (e *CronError) Error() string { return e.Reason }

// ZoneError reports a name that is no IANA time zone.
type ZoneError struct{ Name string }

func (e *ZoneError) Error() string { return fmt.Sprintf("%q is not an IANA time zone", e.Name) }

// cron is due when an expression says so on the clocks of its zone.
//
// On the two days on which clocks are changed:
//
//   - An expression for all 24 hours goes by what the clock shows, whenever it shows it: "*/5 * * * *" is due every five
//     minutes, through the hour that comes twice too.
//   - Any other names times of the day, and each is due once a day. A time that the clock jumps over is due as if it had
//     not been put forward yet: 02:30 becomes 03:30, the same 24 hours after that of the day before, as croniter has it. A
//     time that comes twice is due the first time.
type cron struct {
	expression
	zone *time.Location
}

// ParseCron reads an expression of 5 fields (minute, hour, day of month, month, day of week) or 6, of which the sixth is
// seconds and stands last, as croniter has it; timezone is of the IANA database, "" means UTC. The error is a
// *CronError, a *ZoneError or ErrNeverDue.
//
// A field is a list of "*", "*/n", "a", "a-b", "a-b/n" and "a/n"; months and weekdays have their English names too. "a-b"
// may go round ("FRI-MON", "22-2"). The day of month also takes "?", "L" (the last) and "a-L", the day of week "?", "a#n"
// (the nth of the month, 1 to 5) and "La" (the last of the month). If both days are restricted, either is enough;
// "*/2" is a restriction.
func ParseCron(expr, timezone string) (Schedule, error) {
	zone, err := loadZone(timezone)
	if err != nil {
		return nil, err
	}
	e, err := parseExpression(expr)
	if err != nil {
		return nil, err
	}
	if _, due := e.nextWall(calendarStart); !due {
		return nil, ErrNeverDue
	}
	return cron{expression: e, zone: zone}, nil
}

// loadZone refuses "Local": it would mean another zone on each host.
func loadZone(name string) (*time.Location, error) {
	if name == "" || name == "UTC" {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, &ZoneError{Name: name}
	}
	return zone, nil
}

func parseExpression(expr string) (e expression, err error) {
	fields := strings.Fields(expr)
	switch {
	case len(fields) == 5:
		fields = append(fields, "0")
	case len(fields) == 1 && fields[0][0] == '@':
		return e, &CronError{fmt.Sprintf("%q: names of schedules are not supported, write the fields", fields[0])}
	case len(fields) != 6:
		return e, &CronError{fmt.Sprintf("has %d fields, must have 5, or 6 with seconds last", len(fields))}
	}
	for i, set := range []*set{&e.minute, &e.hour, nil, &e.days.month, nil, &e.second} {
		if set == nil {
			continue
		}
		if *set, err = kinds[i].parse(fields[i]); err != nil {
			return e, err
		}
	}
	if err = e.days.parseOfMonth(fields[2]); err != nil {
		return e, err
	}
	if err = e.days.parseOfWeek(fields[4]); err != nil {
		return e, err
	}
	e.days.both = unrestricted(fields[2], fields[4], e.days.ofMonth.count() == 31) ||
		unrestricted(fields[4], fields[2], e.days.ofWeek.count() == 7)
	return e, nil
}

// unrestricted reports whether one of the two day fields leaves the choice to the other. A field that is written out in
// full does so only beside one with a star; that is how croniter reads it.
func unrestricted(field, other string, full bool) bool {
	return field == "*" || field == "?" || full && strings.Contains(other, "*")
}

// Next is as in Schedule.
func (c cron) Next(t time.Time) time.Time {
	u := t.Unix() + 1
	for seg := c.segmentAt(u); ; seg = c.segmentAt(seg.end) {
		if at, ok := c.nextIn(seg, u); ok {
			return time.Unix(at, 0).UTC()
		}
		if seg.end == forever || seg.end-u > horizon {
			return time.Time{} // beyond what the calendar is searched for
		}
	}
}

// Last is as in Schedule.
func (c cron) Last(from, t time.Time) time.Time {
	for u := t.Unix(); u >= from.Unix(); {
		seg := c.segmentAt(u)
		if at, ok := c.lastIn(seg, u); ok {
			if last := time.Unix(at, 0).UTC(); last.After(from) {
				return last
			}
			break
		}
		if seg.start == -forever || u-seg.start > horizon {
			break
		}
		u = seg.start - 1
	}
	return time.Time{}
}

// Count is as in Schedule. It is exact however long the time is, and takes a step for each month of it, not for each due
// time.
func (c cron) Count(from, until time.Time) int {
	u, end := from.Unix()+1, until.Add(time.Second-1).Unix()
	n := 0
	for u < end {
		seg := c.segmentAt(u)
		n += c.countIn(seg, u, min(end, seg.end))
		u = seg.end
	}
	return n
}
