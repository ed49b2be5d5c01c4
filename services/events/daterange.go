package events

import (
	"time"
	_ "time/tzdata" // a container without zone files must not turn Europe/Berlin into a bad request

	"github.com/frogstats/uptime/internal/fault"
)

// maxYears is the longest range that one question may cover.
const maxYears = 5

// loadZone finds an IANA time zone; nil or empty is UTC.
func loadZone(name *string) (*time.Location, error) {
	if name == nil || *name == "" {
		return time.UTC, nil
	}
	loc, err := time.LoadLocation(*name)
	if err != nil || *name == "Local" { // the machine's own zone is nobody's business
		return nil, fault.Invalid("", fault.Field{Name: "tz", Message: "must be an IANA time zone such as Europe/Berlin"})
	}
	return loc, nil
}

// parseDate reads a moment: RFC 3339, or a date, which is its midnight in loc. Nil or empty is the zero time.
func parseDate(field string, s *string, loc *time.Location) (time.Time, error) {
	if s == nil || *s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, *s); err == nil {
		return t.UTC().Truncate(time.Millisecond), nil
	}
	if t, err := time.Parse(time.DateOnly, *s); err == nil {
		y, m, d := t.Date()
		return midnight(y, m, d, loc), nil
	}
	return time.Time{}, fault.Invalid("", fault.Field{Name: field, Message: "must be RFC 3339 such as 2026-03-01T12:00:00Z, or a date such as 2026-03-01"})
}

// span is a range of time: from is included, to is not. Zero ends are open.
type span struct{ from, to time.Time }

// parseSpan reads start_date and end_date.
func parseSpan(start, end *string, loc *time.Location) (span, error) {
	from, err := parseDate("start_date", start, loc)
	if err != nil {
		return span{}, err
	}
	to, err := parseDate("end_date", end, loc)
	if err != nil {
		return span{}, err
	}
	return span{from, to}, nil
}

// check refuses what is no range, or too long a one. Open ends are fine.
func (s span) check() error {
	if s.from.IsZero() || s.to.IsZero() {
		return nil
	}
	if !s.from.Before(s.to) {
		return fault.Invalid("", fault.Field{Name: "start_date", Message: "must be before end_date"})
	}
	if s.from.AddDate(maxYears, 0, 0).Before(s.to) {
		return fault.Invalid("", fault.Field{Name: "start_date", Message: "must be within 5 years before end_date"})
	}
	return nil
}
