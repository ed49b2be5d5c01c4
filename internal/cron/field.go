package cron

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// set holds the values of one field, one bit each.
type set uint64

func (s set) has(v int) bool { return s>>v&1 == 1 }
func (s set) count() int     { return bits.OnesCount64(uint64(s)) }
func (s set) first() int     { return bits.TrailingZeros64(uint64(s)) }
func (s set) last() int      { return bits.Len64(uint64(s)) - 1 }

// from is what is v or more, upTo what is v or less.
func (s set) from(v int) set { return s >> v << v }
func (s set) upTo(v int) set { return s & (1<<(v+1) - 1) }

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
	var all set
	for part := range strings.SplitSeq(field, ",") {
		if part == "*" && field != "*" {
			return 0, k.errorf(field, "must not list * with other values")
		}
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
		if step, err = number(stepText); err != nil || step < 1 || step > k.max {
			return 0, k.errorf(part, "step must be between 1 and %d", k.max)
		}
	}
	if reach == "*" {
		return k.span(k.min, k.top(), step), nil
	}
	fromText, toText, ranged := strings.Cut(reach, "-")
	from, err := k.value(fromText)
	if err != nil {
		return 0, err
	}
	if !ranged {
		if !stepped {
			return k.span(from, from, 1), nil
		}
		if from > k.top() {
			return 0, k.errorf(part, "must begin between %d and %d", k.min, k.top())
		}
		return k.span(from, k.top(), step), nil // from 5 in steps of 2 is Friday alone, not Friday and Sunday
	}
	if k.isWeekday() {
		from %= 7
	}
	to, err := k.value(toText)
	switch {
	case err != nil:
		return 0, err
	case from == to:
		return 0, k.errorf(part, "is one value; write it alone")
	case from < to:
		return k.span(from, to, step), nil
	case stepped:
		return 0, k.errorf(part, "must not go round and have a step")
	}
	return k.span(from, k.top(), 1) | k.span(k.min, to, 1), nil
}

// top is the greatest value that is not another name of a smaller one.
func (k kind) top() int {
	if k.isWeekday() {
		return 6
	}
	return k.max
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
	v, err := number(text)
	if err != nil || v < k.min || v > k.max {
		return 0, k.errorf(text, "must be between %d and %d", k.min, k.max)
	}
	return v, nil
}

// number reads one or two digits; signs, blanks and long runs of zeros are nothing that people write on purpose.
func number(text string) (int, error) {
	if len(text) < 1 || len(text) > 2 || strings.Trim(text, "0123456789") != "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.Atoi(text)
}

func (k kind) errorf(part, format string, args ...any) error {
	return &SyntaxError{fmt.Sprintf("%s %q: %s", k.name, part, fmt.Sprintf(format, args...))}
}

// parseOfMonth reads the field of the day of month.
func (d *days) parseOfMonth(field string) error {
	k := kinds[2]
	if field == "?" {
		field = "*"
	}
	var rest []string
	for part := range strings.SplitSeq(field, ",") {
		from, isToLast := strings.CutSuffix(strings.ToUpper(part), "-L")
		switch {
		case strings.EqualFold(part, "L"):
			d.last = true
		case isToLast && from != "31": // 31-L would be one value
			rest = append(rest, from+"-31")
		default:
			rest = append(rest, part)
		}
	}
	if len(rest) == 0 {
		return nil
	}
	var err error
	d.ofMonth, err = k.parse(strings.Join(rest, ","))
	if err == nil && d.last && field != "L" && rest[0] == "*" {
		return k.errorf(field, "must not list * with other values")
	}
	return err
}

// parseOfWeek reads the field of the day of week.
func (d *days) parseOfWeek(field string) error {
	k := kinds[4]
	if field == "?" {
		field = "*"
	}
	var rest []string
	for part := range strings.SplitSeq(field, ",") {
		day, nthText, isNth := strings.Cut(part, "#")
		nth := 6 // the last
		switch {
		case isNth:
			var err error
			if nth, err = number(nthText); err != nil || nth < 1 || nth > 5 {
				return k.errorf(part, "after # there must be 1 to 5")
			}
		case len(part) == 2 && (part[0] == 'L' || part[0] == 'l'):
			day = part[1:]
		default:
			rest = append(rest, part)
			continue
		}
		v, err := k.value(day)
		if err != nil {
			return err
		}
		d.nth[v%7] |= 1 << (nth - 1)
		d.hasNth = true
	}
	switch {
	case len(rest) == 0:
		return nil
	case d.hasNth:
		return k.errorf(field, "must not mix days of every week with those of one")
	}
	var err error
	d.ofWeek, err = k.parse(strings.Join(rest, ","))
	return err
}
