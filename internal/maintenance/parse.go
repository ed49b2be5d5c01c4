package maintenance

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of an RRULE.
const (
	maxInterval = 1000
	maxCount    = 10_000
)

var weekdayNames = map[string]time.Weekday{
	"SU": time.Sunday, "MO": time.Monday, "TU": time.Tuesday, "WE": time.Wednesday, "TH": time.Thursday, "FR": time.Friday,
	"SA": time.Saturday,
}

// parseRRule reads a rule of RFC 5545, with or without "RRULE:" before it. Periods shorter than a day are for cron, and
// BYSECOND, BYYEARDAY and BYWEEKNO are not read.
func parseRRule(text string, zone *time.Location) (*rule, error) {
	if len(text) > MaxRuleBytes {
		return nil, refuse("rrule", "must be at most %d bytes", MaxRuleBytes)
	}
	body := strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(text)), "RRULE:")
	r := &rule{interval: 1, weekStart: time.Monday}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(strings.TrimSuffix(body, ";"), ";") {
		name, value, ok := strings.Cut(part, "=")
		if !ok || value == "" {
			return nil, refuse("rrule", "%q must be NAME=VALUE", part)
		}
		if seen[name] {
			return nil, refuse("rrule", "%s must not stand twice", name)
		}
		seen[name] = true
		if err := r.part(name, value, zone); err != nil {
			return nil, err
		}
	}
	return r, r.check(seen)
}

// part reads one NAME=VALUE.
func (r *rule) part(name, value string, zone *time.Location) (err error) {
	switch name {
	case "FREQ":
		r.freq = frequency(value)
		if !slices.Contains([]frequency{daily, weekly, monthly, yearly}, r.freq) {
			return refuse("rrule", "FREQ %q must be DAILY, WEEKLY, MONTHLY or YEARLY; for shorter periods there is cron", value)
		}
	case "INTERVAL":
		r.interval, err = number(name, value, 1, maxInterval)
	case "COUNT":
		r.count, err = number(name, value, 1, maxCount)
	case "UNTIL":
		r.until, err = until(value, zone)
	case "WKST":
		var ok bool
		if r.weekStart, ok = weekdayNames[value]; !ok {
			return refuse("rrule", "WKST %q must be MO, TU, WE, TH, FR, SA or SU", value)
		}
	case "BYMONTH":
		r.months, err = numbers(name, value, 1, 12, false)
	case "BYMONTHDAY":
		r.monthDays, err = numbers(name, value, 1, 31, true)
	case "BYHOUR":
		r.hours, err = numbers(name, value, 0, 23, false)
	case "BYMINUTE":
		r.minutes, err = numbers(name, value, 0, 59, false)
	case "BYSETPOS":
		r.positions, err = numbers(name, value, 1, 366, true)
	case "BYDAY":
		r.weekdays, err = weekdays(value)
	default:
		return refuse("rrule", "%q is not supported; there are FREQ, INTERVAL, COUNT, UNTIL, WKST, BYMONTH, BYMONTHDAY, BYDAY, BYHOUR, BYMINUTE and BYSETPOS", name)
	}
	return err
}

// check holds the parts against each other.
func (r *rule) check(seen map[string]bool) error {
	by := len(r.months)+len(r.monthDays)+len(r.weekdays)+len(r.hours)+len(r.minutes) > 0
	switch {
	case r.freq == "":
		return refuse("rrule", "must have FREQ")
	case seen["COUNT"] && seen["UNTIL"]:
		return refuse("rrule", "must not have both COUNT and UNTIL")
	case r.freq == weekly && len(r.monthDays) > 0:
		return refuse("rrule", "BYMONTHDAY must not stand with FREQ=WEEKLY")
	case len(r.positions) > 0 && !by:
		return refuse("rrule", "BYSETPOS must stand with another BY part")
	case max(1, len(r.hours))*max(1, len(r.minutes)) > MaxStartsPerDay:
		return refuse("rrule", "must begin at most %d times a day", MaxStartsPerDay)
	}
	for _, w := range r.weekdays {
		most := 0
		switch {
		case r.freq == monthly || r.freq == yearly && len(r.months) > 0:
			most = 5
		case r.freq == yearly:
			most = 53
		}
		if w.nth > most || w.nth < -most {
			return refuse("rrule", "BYDAY with the number %d must not stand with FREQ=%s", w.nth, r.freq)
		}
	}
	return nil
}

func number(name, value string, least, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || len(value) > 6 || n < least || n > most {
		return 0, refuse("rrule", "%s %q must be between %d and %d", name, value, least, most)
	}
	return n, nil
}

// numbers reads a list, ascending and each once. With fromEnd, -n is the nth from the end.
func numbers(name, value string, least, most int, fromEnd bool) ([]int, error) {
	var out []int
	for text := range strings.SplitSeq(value, ",") {
		digits, negative := text, false
		if fromEnd {
			digits, negative = strings.CutPrefix(text, "-")
		}
		n, err := number(name, digits, least, most)
		if err != nil || strings.ContainsAny(digits, "+-") {
			return nil, refuse("rrule", "%s %q must be between %d and %d", name, text, least, most)
		}
		if negative {
			n = -n
		}
		out = append(out, n)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func weekdays(value string) ([]weekday, error) {
	var out []weekday
	for text := range strings.SplitSeq(value, ",") {
		if len(text) < 2 {
			return nil, refuse("rrule", "BYDAY %q must be a day like MO, 1MO or -1FR", text)
		}
		d, ok := weekdayNames[text[len(text)-2:]]
		w := weekday{day: d}
		if nth := text[:len(text)-2]; nth != "" && ok {
			n, err := strconv.Atoi(nth)
			w.nth, ok = n, err == nil && len(nth) <= 3 && n != 0
		}
		if !ok {
			return nil, refuse("rrule", "BYDAY %q must be a day like MO, 1MO or -1FR", text)
		}
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out, nil
}

// until reads the last moment at which an occurrence may begin, as a wall: by UTC if Z stands behind it, else by the zone's clock. A
// mere date includes its day.
func until(value string, zone *time.Location) (time.Time, error) {
	if t, err := time.Parse("20060102T150405Z", value); err == nil {
		return wallOf(t, zone), nil
	}
	if t, err := time.Parse("20060102T150405", value); err == nil {
		return t, nil
	}
	if t, err := time.Parse("20060102", value); err == nil {
		return t.AddDate(0, 0, 1).Add(-time.Second), nil
	}
	return time.Time{}, refuse("rrule", "UNTIL %q must be like 20271231T230000Z, 20271231T230000 or 20271231", value)
}
