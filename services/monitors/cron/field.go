package cron

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// set holds the values of one field, one bit each.
type set uint64

func (s set) has(v int) bool { return s>>v&1 == 1 }
func (s set) count() int     { return bits.OnesCount64(uint64(s)) }
func (s set) first() int     { return bits.TrailingZeros64(uint64(s)) }
func (s set) last() int      { return bits.Len64(uint64(s)) - 1 }

// longestStep is the largest distance between neighbours; 0 if there are fewer than two values.
func (s set) longestStep() int {
	most, before := 0, -1
	for v := 0; v < 64; v++ {
		if !s.has(v) {
			continue
		}
		if before >= 0 {
			most = max(most, v-before)
		}
		before = v
	}
	return most
}

// kind is what one of the fields may hold.
type kind struct {
	name     string
	min, max int
	names    []string // names[i] stands for min+i
}

// kinds stand in the order of the expression.
var kinds = [6]kind{
	{name: "minute", min: 0, max: 59},
	{name: "hour", min: 0, max: 23},
	{name: "day of month", min: 1, max: 31},
	{name: "month", min: 1, max: 12, names: []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}},
	{name: "day of week", min: 0, max: 7, names: []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}},
	{name: "second", min: 0, max: 59},
}

func (k kind) parse(field string) (set, error) {
	if field == "*" {
		return k.span(k.min, k.max, 1), nil
	}
	var all set
	for part := range strings.SplitSeq(field, ",") {
		s, err := k.part(part)
		if err != nil {
			return 0, err
		}
		all |= s
	}
	return all, nil
}

// part reads one element of a list.
func (k kind) part(part string) (set, error) {
	reach, stepText, stepped := strings.Cut(part, "/")
	step := 1
	if stepped {
		var err error
		if step, err = k.number(stepText); err != nil || step < 1 || step > k.max {
			return 0, k.errorf(part, "step must be between 1 and %d", k.max)
		}
	}
	if reach == "*" && stepped {
		return k.span(k.min, k.max, step), nil
	}
	fromText, toText, ranged := strings.Cut(reach, "-")
	from, err := k.value(fromText)
	if err != nil {
		return 0, err
	}
	to := from
	switch {
	case ranged:
		if to, err = k.value(toText); err != nil {
			return 0, err
		}
		if to < from {
			return 0, k.errorf(part, "ends before it begins")
		}
	case stepped:
		to = k.max
		if k.isWeekday() {
			to = 6 // from 5 in steps of 2 is Friday alone, not Friday and Sunday
		}
		if from > to {
			return 0, k.errorf(part, "must be between %d and %d", k.min, to)
		}
	}
	return k.span(from, to, step), nil
}

func (k kind) span(from, to, step int) set {
	var s set
	for v := from; v <= to; v += step {
		if k.isWeekday() && v == 7 {
			s |= 1 // Sunday has two numbers
			continue
		}
		s |= 1 << v
	}
	return s
}

func (k kind) isWeekday() bool { return k.max == 7 }

// value reads a number or a name of this field.
func (k kind) value(text string) (int, error) {
	for i, name := range k.names {
		if strings.EqualFold(text, name) {
			return k.min + i, nil
		}
	}
	v, err := k.number(text)
	if err != nil || v < k.min || v > k.max {
		return 0, k.errorf(text, "must be between %d and %d", k.min, k.max)
	}
	return v, nil
}

// number reads one or two digits; signs, blanks and long runs of zeros are nothing that people write on purpose.
func (k kind) number(text string) (int, error) {
	if len(text) < 1 || len(text) > 2 || strings.Trim(text, "0123456789") != "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.Atoi(text)
}

func (k kind) errorf(part, format string, args ...any) error {
	return &SyntaxError{fmt.Sprintf("%s %q: %s", k.name, part, fmt.Sprintf(format, args...))}
}

// days are the days of the calendar that an expression names.
type days struct {
	ofMonth, month, ofWeek set
	both                   bool // day of month and day of week must both hold; else one is enough
}

func (d days) due(t time.Time) bool {
	if !d.month.has(int(t.Month())) {
		return false
	}
	m, w := d.ofMonth.has(t.Day()), d.ofWeek.has(int(t.Weekday()))
	if d.both {
		return m && w
	}
	return m || w
}

// cycle is after how many years the Gregorian calendar repeats, weekdays included; it holds from 1901 to 2099.
const cycle = 28

var cycleStart = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)

// longestGap is the largest number of days between two neighbouring due days, and whether any day is due at all.
func (d days) longestGap() (gap int, due bool) {
	if d.month.count() == 12 && (d.ofMonth.count() == 31 && (!d.both || d.ofWeek.count() == 7) || !d.both && d.ofWeek.count() == 7) {
		return 1, true
	}
	first, before := -1, -1
	length := int(cycleStart.AddDate(cycle, 0, 0).Sub(cycleStart) / (24 * time.Hour))
	for n, day := 0, cycleStart; n < length; n, day = n+1, day.AddDate(0, 0, 1) {
		if !d.due(day) {
			continue
		}
		if first < 0 {
			first = n
		} else {
			gap = max(gap, n-before)
		}
		before = n
	}
	if first < 0 {
		return 0, false
	}
	return max(gap, first+length-before), true
}
