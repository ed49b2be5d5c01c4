package rules

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	day = 24 * time.Hour
	// maxDays bounds times; no certificate and no check lasts longer.
	maxDays = 36_500
)

// span is a time of an assertion: so many units, or so many months.
type span struct {
	count  float64
	unit   time.Duration
	months int
}

// units of times. Weeks are counted in days; months and years follow the calendar.
var units = []struct {
	name   string
	unit   time.Duration
	count  int64 // of unit in one
	months int64
}{
	{"ns", time.Nanosecond, 1, 0}, {"ms", time.Millisecond, 1, 0}, {"mo", day, 0, 1}, {"s", time.Second, 1, 0}, {"m", time.Minute, 1, 0},
	{"h", time.Hour, 1, 0}, {"d", day, 1, 0}, {"w", day, 7, 0}, {"y", day, 0, 12},
}

// parseSpan reads a whole number with its unit, such as 100ms or 30d.
func parseSpan(s string) (span, error) {
	digits := strings.TrimLeft(s, "0123456789")
	number, suffix := s[:len(s)-len(digits)], digits
	for _, u := range units {
		if u.name != suffix || number == "" {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 64)
		days := time.Duration(maxDays) * day
		if err != nil || u.months > 0 && n > maxDays/366*12/u.months || u.months == 0 && n > int64(days/u.unit)/u.count {
			return span{}, fmt.Errorf("must be at most %d days", maxDays)
		}
		return span{count: float64(n * u.count), unit: u.unit, months: int(n * u.months)}, nil
	}
	return span{}, fmt.Errorf("must be a whole number with its unit, ns, ms, s, m, h, d, w, mo or y, such as 100ms")
}

// addMonths is the same day of the month so many months on, or the last day of a
// month that has no such day.
func addMonths(t time.Time, months int) time.Time {
	first := time.Date(t.Year(), t.Month(), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location()).AddDate(0, months, 0)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1)
}

// showTime is a time as messages write it: milliseconds, seconds from ten on.
func showTime(d time.Duration) string {
	if d >= 10*time.Second {
		return number(d.Seconds()) + "s"
	}
	return number(float64(d)/float64(time.Millisecond)) + "ms"
}

// showLeft is how long something lasts: whole days, hours on the last two.
func showLeft(d time.Duration) string {
	if d > -2*day && d < 2*day {
		return strconv.FormatInt(int64(d/time.Hour), 10) + "h"
	}
	return strconv.Itoa(wholeDays(d)) + "d"
}

// wholeDays rounds down: what ended an hour ago has -1 day left.
func wholeDays(d time.Duration) int {
	n := int(d / day)
	if d < 0 && d%day != 0 {
		n--
	}
	return n
}
