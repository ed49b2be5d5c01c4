// Package sqlite keeps results and states in SQLite files: states in one (State), results in one per month (History).
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"time"

	"github.com/frogstats/uptime/internal/sqlite"
	"github.com/frogstats/uptime/services/events"
)

//go:embed migrations
var migrations embed.FS

// schema is one series of migrations.
func schema(name string) fs.FS {
	sub, err := fs.Sub(migrations, "migrations/"+name)
	if err != nil {
		panic(err) // the folder is embedded
	}
	return sub
}

// State is an events.StateStore in one file.
type State struct {
	db   *sqlite.DB
	read *statements
}

var _ events.StateStore = (*State)(nil)

// OpenState opens the file at path, or makes it. Commits are flushed: there are few, and the judged mark that follows one
// lets a prober forget.
func OpenState(ctx context.Context, path string) (*State, error) {
	db, err := sqlite.Open(ctx, path, sqlite.Options{Synchronous: sqlite.Full})
	if err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	if err := db.Migrate(ctx, schema("state")); err != nil {
		db.Close()
		return nil, fmt.Errorf("open state: %w", err)
	}
	return &State{db: db, read: newStatements(db.Read())}, nil
}

// Close closes the file.
func (s *State) Close() error { return s.db.Close() }

// Exclusive is true: the file belongs to one process.
func (s *State) Exclusive() bool { return true }

// Check reads the whole file and reports damage.
func (s *State) Check(ctx context.Context) error { return s.db.QuickCheck(ctx) }

// ms is how times are stored: milliseconds since 1970, 0 for none.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func us(d time.Duration) int64 { return d.Round(time.Microsecond).Microseconds() }

func fromUS(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

func fromMS(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// list is a JSON array of strings; none is the empty text.
func list(s []string) string {
	if len(s) == 0 {
		return ""
	}
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings always encode
	}
	return string(b)
}

func unlist(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	var out []string
	if err := json.Unmarshal([]byte(s), &out); err != nil {
		return nil, fmt.Errorf("decode list: %w", err)
	}
	return out, nil
}

// jsonList hands a list of numbers to json_each, so that a query has one parameter however long the list is.
func jsonList[T any](v []T) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // numbers always encode
	}
	return string(b)
}

// timeline collects the columns of an interval; its targets are in the order since, seq, known, up_ms … outages.
type timeline struct {
	status                                     uint8
	since, seq, known                          int64
	up, degraded, down, unknown, paused, maint int64
	outages                                    int64
}

func (t *timeline) targets() []any {
	return []any{&t.status, &t.since, &t.seq, &t.known, &t.up, &t.degraded, &t.down, &t.unknown, &t.paused, &t.maint, &t.outages}
}

func (t *timeline) value() events.Timeline {
	return events.Timeline{
		Status: events.Status(t.status), Since: moment(t.since), Seq: uint64(t.seq), Known: events.Status(t.known),
		Before: events.Tally{
			Up: fromMS(t.up), Degraded: fromMS(t.degraded), Down: fromMS(t.down), Unknown: fromMS(t.unknown),
			Paused: fromMS(t.paused), Maintenance: fromMS(t.maint), Outages: t.outages,
		},
	}
}

// timelineArgs are the values for status, since, seq, known, up_ms … outages.
func timelineArgs(t events.Timeline) []any {
	b := t.Before
	return []any{
		int(t.Status), ms(t.Since), int64(t.Seq), int(t.Known), b.Up.Milliseconds(), b.Degraded.Milliseconds(), b.Down.Milliseconds(),
		b.Unknown.Milliseconds(), b.Paused.Milliseconds(), b.Maintenance.Milliseconds(), b.Outages,
	}
}

// rows runs a query and calls scan for each row.
func rows(ctx context.Context, q querier, scan func(*sql.Rows) error, query string, args ...any) (err error) {
	r, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := r.Close(); err == nil {
			err = closeErr
		}
	}()
	for r.Next() {
		if err := scan(r); err != nil {
			return err
		}
	}
	return r.Err()
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// scanPair reads rows of two numbers.
func scanPair(fn func(a, b int64)) func(*sql.Rows) error {
	return func(r *sql.Rows) error {
		var a, b int64
		err := r.Scan(&a, &b)
		fn(a, b)
		return err
	}
}
