package resource

import (
	"strconv"
	"strings"
	"time"
)

// Period is a time as resources write it: a whole number of one unit. Months and years are those of the calendar.
type Period struct {
	Count int64
	Unit  string // ns, ms, s, m, h, d, w, mo or y
}

// units are the units of fixed length, from the longest.
var units = []struct {
	name   string
	length time.Duration
}{
	{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second},
	{"ms", time.Millisecond}, {"ns", time.Nanosecond},
}

// maxPeriod keeps sums of times and periods within what a time can hold.
const maxPeriod = 100 * 365 * 24 * time.Hour

func (p Period) String() string { return strconv.FormatInt(p.Count, 10) + p.Unit }

// IsZero reports whether there is no period.
func (p Period) IsZero() bool { return p.Count == 0 }

// Duration is the length of a period; ok is false for months and years, whose length depends on the date.
func (p Period) Duration() (d time.Duration, ok bool) {
	for _, u := range units {
		if u.name == p.Unit {
			return time.Duration(p.Count) * u.length, true
		}
	}
	return 0, false
}

// After is the time that comes one period after t. A month after 31 January is the last day of February.
func (p Period) After(t time.Time) time.Time {
	if d, fixed := p.Duration(); fixed {
		return t.Add(d)
	}
	months := int(p.Count)
	if p.Unit == "y" {
		months *= 12
	}
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	month += time.Month(months)
	last := time.Date(year, month+1, 0, 0, 0, 0, 0, t.Location()).Day()
	return time.Date(year, month, min(day, last), hour, minute, second, t.Nanosecond(), t.Location())
}

// What is wrong with a text that should be a period.
const (
	wrongGrammar = "grammar"
	wrongUnit    = "unit"
	wrongZero    = "zero"
	wrongLength  = "length"
)

// parsePeriod reads a period; without a unit it counts seconds, unless strict wants one. wrong is empty if all is well.
func parsePeriod(text string, strict bool) (p Period, wrong string) {
	digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
	p.Unit = text[digits:]
	if digits == 0 {
		return p, wrongGrammar
	}
	switch p.Unit {
	case "":
		if strict {
			return p, wrongUnit
		}
		p.Unit = "s"
	case "ns", "ms", "s", "m", "h", "d", "w", "mo", "y":
	default:
		return p, wrongGrammar
	}
	count, err := strconv.ParseInt(text[:digits], 10, 64)
	switch {
	case err != nil:
		return p, wrongLength
	case count == 0:
		return p, wrongZero
	case p.Unit == "y" && count > 100, p.Unit == "mo" && count > 1200:
		return p, wrongLength
	}
	for _, u := range units {
		if u.name == p.Unit && count > int64(maxPeriod/u.length) {
			return p, wrongLength
		}
	}
	p.Count = count
	return p, ""
}

// ParsePeriod reads a period as assertions write it: with its unit.
func ParsePeriod(text string) (Period, bool) {
	p, wrong := parsePeriod(text, true)
	return p, wrong == ""
}

// unitWords are ways in which people write units.
var unitWords = map[string]string{
	"nanosecond": "ns", "millisecond": "ms", "milli": "ms", "msec": "ms", "second": "s", "sec": "s", "minute": "m", "min": "m",
	"hour": "h", "hr": "h", "day": "d", "week": "w", "month": "mo", "mon": "mo", "year": "y", "yr": "y",
}

// meantPeriod guesses what somebody wanted to write.
func meantPeriod(text string) string {
	text = strings.ToLower(strings.Join(strings.Fields(text), ""))
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		for _, u := range units {
			if d%u.length == 0 && u.name != "w" {
				return Period{int64(d / u.length), u.name}.String()
			}
		}
	}
	digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
	word := text[digits:]
	if unit := unitWords[word]; unit == "" {
		word = unitWords[strings.TrimSuffix(word, "s")]
	} else {
		word = unit
	}
	if digits == 0 {
		return ""
	}
	if _, wrong := parsePeriod(text[:digits]+word, true); wrong != "" {
		return ""
	}
	return text[:digits] + word
}
