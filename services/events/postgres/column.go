package postgres

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/frogstats/uptime/services/events"
)

// column hands one value of every item to the server as an array: a statement has as many parameters as columns, however many
// the rows are.
type column[T any] struct {
	items []T
	value func(*T) any
}

func (c column[T]) Dimensions() []pgtype.ArrayDimension {
	return []pgtype.ArrayDimension{{Length: int32(len(c.items)), LowerBound: 1}}
}

func (c column[T]) Index(i int) any { return c.value(&c.items[i]) }

// IndexType leaves it to the values.
func (c column[T]) IndexType() any { return nil }

// columns makes the parameters of a statement.
func columns[T any](items []T, values ...func(*T) any) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = column[T]{items, v}
	}
	return out
}

// rowSource hands the same columns to COPY, row by row.
type rowSource struct {
	columns []any
	rows    int
	next    int
	row     []any
}

func (r *rowSource) Next() bool { return r.next < r.rows }

func (r *rowSource) Values() ([]any, error) {
	r.row = r.row[:0]
	for _, c := range r.columns {
		r.row = append(r.row, c.(pgtype.ArrayGetter).Index(r.next))
	}
	r.next++
	return r.row, nil
}

func (r *rowSource) Err() error { return nil }

// timelineColumns are status, since, seq, known, up_ms … outages, as in timeline.
func timelineColumns[T any](of func(*T) *events.Timeline) []func(*T) any {
	at := func(f func(*events.Timeline) any) func(*T) any { return func(v *T) any { return f(of(v)) } }
	return []func(*T) any{
		at(func(t *events.Timeline) any { return name(t.Status) }),
		at(func(t *events.Timeline) any { return when(t.Since) }),
		at(func(t *events.Timeline) any { return int64(t.Seq) }),
		at(func(t *events.Timeline) any { return name(t.Known) }),
		at(func(t *events.Timeline) any { return t.Before.Up.Milliseconds() }),
		at(func(t *events.Timeline) any { return t.Before.Degraded.Milliseconds() }),
		at(func(t *events.Timeline) any { return t.Before.Down.Milliseconds() }),
		at(func(t *events.Timeline) any { return t.Before.Unknown.Milliseconds() }),
		at(func(t *events.Timeline) any { return t.Before.Paused.Milliseconds() }),
		at(func(t *events.Timeline) any { return t.Before.Maintenance.Milliseconds() }),
		at(func(t *events.Timeline) any { return t.Before.Outages }),
	}
}

// when is a time as it is stored, nil for none.
func when(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return wholeMS(t)
}

func wholeMS(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()).UTC() }

// name is a state as it is stored, nil for none.
func name(s events.Status) any {
	if s == 0 {
		return nil
	}
	return s.String()
}

// text is what the server can keep of a string. It takes neither NUL nor what is not UTF-8, and a message from a hostile
// target must not stop the judge.
func text(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, "\x00") {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// list is a JSON array of strings.
func list(s []string) string {
	if len(s) == 0 {
		return "[]"
	}
	clean := make([]string, len(s))
	for i := range s {
		clean[i] = text(s[i])
	}
	b, err := json.Marshal(clean)
	if err != nil {
		panic(err) // strings always encode
	}
	return string(b)
}

func us(d time.Duration) int64 { return d.Round(time.Microsecond).Microseconds() }

func fromUS(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

func fromMS(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

// moment receives a time; NULL is none.
type moment struct{ time.Time }

func (m *moment) ScanTimestamptz(v pgtype.Timestamptz) error {
	m.Time = time.Time{}
	if v.InfinityModifier != pgtype.Finite {
		return fmt.Errorf("time is %v", v.InfinityModifier)
	}
	if v.Valid {
		m.Time = v.Time.UTC()
	}
	return nil
}

// status receives a state's name; NULL is none.
type status events.Status

func (s *status) ScanText(v pgtype.Text) error {
	*s = 0
	if !v.Valid {
		return nil
	}
	for _, known := range []events.Status{events.Up, events.Degraded, events.Down, events.Unknown, events.Paused, events.Maintenance} {
		if known.String() == v.String {
			*s = status(known)
			return nil
		}
	}
	return fmt.Errorf("unknown state %q", v.String)
}

// timeline receives the columns of an interval; its targets are in the order status, since, seq, known, up_ms … outages.
type timeline struct {
	status                                     status
	since                                      moment
	seq                                        uint64
	known                                      status
	up, degraded, down, unknown, paused, maint int64
	outages                                    int64
}

func (t *timeline) targets() []any {
	return []any{&t.status, &t.since, &t.seq, &t.known, &t.up, &t.degraded, &t.down, &t.unknown, &t.paused, &t.maint, &t.outages}
}

func (t *timeline) value() events.Timeline {
	return events.Timeline{
		Status: events.Status(t.status), Since: t.since.Time, Seq: t.seq, Known: events.Status(t.known),
		Before: events.Tally{
			Up: fromMS(t.up), Degraded: fromMS(t.degraded), Down: fromMS(t.down), Unknown: fromMS(t.unknown),
			Paused: fromMS(t.paused), Maintenance: fromMS(t.maint), Outages: t.outages,
		},
	}
}
