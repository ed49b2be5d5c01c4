package schedule

import (
	"fmt"
	"strings"
	"time"

	"github.com/adhocore/gronx"
	_ "time/tzdata" // cron zones must not depend on what the host has installed
)

// cron is due when an expression of 5 or 6 fields says so in its zone. The sixth
// field is seconds and stands last, as the resource format has it; gronx wants it first.
type cron struct {
	expr string
	zone *time.Location
}

// maxCronSteps bounds the counting of missed slots after a long absence: an
// expression of every second over a day.
const maxCronSteps = 86400

// ParseCron reads an expression of 5 or 6 fields, the sixth being seconds; timezone is of the IANA database, "" means UTC.
func ParseCron(expr, timezone string) (Schedule, error) {
	fields := strings.Fields(expr)
	switch len(fields) {
	case 5:
		fields = append([]string{"0"}, fields...)
	case 6:
		fields = append(fields[5:6:6], fields[:5]...)
	default:
		return nil, fmt.Errorf("cron %q has %d fields, not 5 or 6", expr, len(fields))
	}
	reordered := strings.Join(fields, " ")
	if !gronx.IsValid(reordered) {
		return nil, fmt.Errorf("cron %q is not valid", expr)
	}
	if timezone == "" {
		timezone = "UTC"
	}
	zone, err := time.LoadLocation(timezone)
	if err != nil {
		return nil, fmt.Errorf("cron zone %q: %w", timezone, err)
	}
	return cron{expr: reordered, zone: zone}, nil
}

// Next is as in Schedule.
func (c cron) Next(t time.Time) time.Time {
	at, err := gronx.NextTickAfter(c.expr, t.In(c.zone), false)
	if err != nil {
		return time.Time{} // never again
	}
	return at.UTC().Truncate(time.Millisecond)
}

// Last is as in Schedule.
func (c cron) Last(from, t time.Time) time.Time {
	var last time.Time
	for n := 0; n < maxCronSteps; n++ {
		at := c.Next(from)
		if at.IsZero() || at.After(t) {
			break
		}
		last, from = at, at
	}
	return last
}

// Count is as in Schedule.
func (c cron) Count(from, until time.Time) int {
	n := 0
	for n < maxCronSteps {
		from = c.Next(from)
		if from.IsZero() || !from.Before(until) {
			break
		}
		n++
	}
	return n
}
