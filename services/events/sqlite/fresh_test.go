package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/frogstats/uptime/internal/sqlite"
	"github.com/frogstats/uptime/services/events"
)

func drawMeasured(t *rapid.T) measured {
	number := rapid.OneOf(rapid.Int64Range(0, 1000), rapid.Int64())
	m := measured{
		outcome: events.Outcome(rapid.IntRange(1, 5).Draw(t, "outcome")), variant: number.Draw(t, "variant"), late: number.Draw(t, "late"),
		response: number.Draw(t, "response"),
	}
	for _, v := range m.optionals() {
		if rapid.Bool().Draw(t, "there") {
			*v = sql.NullInt64{Int64: number.Draw(t, "value"), Valid: true}
		}
	}
	return m
}

func TestBlocksAreReadAsWritten(t *testing.T) {
	type row struct {
		Series int64
		Moment uint32
		M      measured
	}
	rapid.Check(t, func(rt *rapid.T) {
		want := rapid.SliceOf(rapid.Custom(func(t *rapid.T) row {
			return row{rapid.Int64Range(1, 1<<31-1).Draw(t, "series"), rapid.Uint32().Draw(t, "moment"), drawMeasured(t)}
		})).Draw(rt, "rows")
		var b []byte
		for _, r := range want {
			b = r.M.encode(rowHead(b, r.Series, r.Moment))
		}
		got := []row{}
		err := eachRow(b, func(series int64, moment uint32, m *measured, _ []byte) error {
			got = append(got, row{series, moment, *m})
			return nil
		})
		if err != nil {
			rt.Fatal(err)
		}
		if len(want) > 0 {
			if d := cmp.Diff(want, got, cmp.AllowUnexported(measured{})); d != "" {
				rt.Fatalf("(-written +read):\n%s", d)
			}
			n := 0
			cut := rapid.IntRange(0, len(b)-1).Draw(rt, "cut")
			if eachRow(b[:cut], func(int64, uint32, *measured, []byte) error { n++; return nil }) == nil && n == len(want) {
				rt.Fatal("a row is cut off and nobody minds")
			}
		}
	})
}

func FuzzBlock(f *testing.F) {
	m := measured{outcome: events.Success, variant: 7, response: 18_000, tcp: sql.NullInt64{Int64: 18_000, Valid: true}}
	f.Add(m.encode(rowHead(nil, 3, 1000)))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		err := eachRow(b, func(series int64, moment uint32, m *measured, row []byte) error {
			var same measured
			if n := same.decode(m.encode(nil)); n == 0 || same != *m || len(row) == 0 {
				t.Fatalf("%+v is read as %+v", *m, same)
			}
			again = append(rowHead(again, series, moment), row...)
			return nil
		})
		switch {
		case err != nil && !errors.Is(err, sqlite.ErrCorrupt):
			t.Fatalf("%v does not say that the file is damaged", err)
		case err == nil && len(again) > len(b):
			t.Fatalf("%d bytes are read as %d", len(b), len(again))
		}
	})
}

var freshStart = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func freshResultOf(id uint32, second int, o events.Outcome) events.Result {
	at := freshStart.Add(time.Duration(second) * time.Second)
	r := events.Result{
		MonitorID: id, OrganizationID: "org", Region: "local", ScheduledAt: at, StartedAt: at.Add(3 * time.Millisecond), Outcome: o,
		ResponseTime: time.Duration(second+1) * time.Millisecond, DNS: events.Absent, TCP: time.Millisecond, TLS: events.Absent, TTFB: events.Absent,
		Transfer: events.Absent, Size: events.Absent, Attempt: 1, ProberID: "p", ConfigVersion: 1, Kind: 2, URL: "tcp://a:1", Name: "a", Port: 1,
	}
	if o != events.Success {
		r.ErrorType, r.ErrorMessage, r.FailedPhase = "connection_refused", fmt.Sprint("refused ", second), 2
	}
	return r
}

func openFresh(t *testing.T, dir string) *History {
	t.Helper()
	h, err := OpenHistory(t.Context(), dir, HistoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// whole is what a history says of a monitor.
func whole(t *testing.T, h *History, id uint32) (out struct {
	List   []events.Result
	Faults []events.Result
	Sums   []events.Summary
	Count  int64
}) {
	t.Helper()
	var errs [4]error
	ctx := t.Context()
	out.List, errs[0] = h.List(ctx, events.ResultQuery{MonitorID: id, Limit: 10_000})
	out.Faults, errs[1] = h.List(ctx, events.ResultQuery{MonitorID: id, ErrorType: "connection_refused", Limit: 10_000})
	out.Sums, errs[2] = h.Summarize(ctx, id, "", []time.Time{freshStart, freshStart.Add(30 * time.Second), freshStart.Add(time.Hour)})
	out.Count, errs[3] = h.Count(ctx, events.ResultQuery{MonitorID: id})
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return out
}

func put(t *testing.T, h *History, results ...events.Result) {
	t.Helper()
	if n, err := h.Append(t.Context(), results); err != nil || n != len(results) {
		t.Fatalf("%d of %d added, %v", n, len(results), err)
	}
}

// blocksOf is how many blocks the file has, and how many rows they have in all.
func blocksOf(t *testing.T, m *month) (blocks, count int) {
	t.Helper()
	err := rows(t.Context(), m.db.Read(), func(r *sql.Rows) error {
		var b []byte
		if err := r.Scan(&b); err != nil {
			return err
		}
		blocks++
		return eachRow(b, func(int64, uint32, *measured, []byte) error { count++; return nil })
	}, `SELECT rows FROM fresh_block`)
	if err != nil {
		t.Fatal(err)
	}
	return blocks, count
}

// A monitor that is checked often fills blocks that one that is checked seldom keeps alive; they are joined, and nothing of
// what is said of either changes, before and after another start.
func TestBlocksOfWhichLittleIsLeftAreJoined(t *testing.T) {
	dir := t.TempDir()
	h := openFresh(t, dir)
	for sec := range 200 {
		batch := []events.Result{freshResultOf(1, sec, events.Success)}
		if sec%10 == 0 {
			batch = append(batch, freshResultOf(2, sec, events.Failure), freshResultOf(3, sec, events.Success))
		}
		put(t, h, batch...)
	}
	before := map[uint32]any{}
	for id := range uint32(3) {
		before[id+1] = whole(t, h, id+1)
	}
	m := h.months[0].m
	if n, all := blocksOf(t, m); n != 200 || all != 240 {
		t.Fatalf("%d blocks with %d rows", n, all)
	}
	busy := dueSeries{m.byKey[seriesKey{1, "local"}], nil}
	busy.fresh = append(busy.fresh, busy.series.fresh...)
	if err := m.settleBatch(t.Context(), []dueSeries{busy}); err != nil {
		t.Fatal(err)
	}
	if m.pending != 40 {
		t.Errorf("%d fresh, want 40", m.pending)
	}
	check := func(h *History, when string) {
		t.Helper()
		for id, want := range before {
			if d := cmp.Diff(want, any(whole(t, h, id)), sameHistogram); d != "" {
				t.Errorf("%s, monitor %d:\n%s", when, id, d)
			}
		}
	}
	check(h, "settled")

	// A process that dies here leaves blocks with rows that are settled.
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = openFresh(t, dir)
	m = h.months[0].m
	if m.pending != 40 {
		t.Errorf("%d fresh after a start, want 40", m.pending)
	}
	check(h, "started")
	if err := m.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	// What is half empty is joined: 180 blocks are gone, of 20 two thirds are left.
	if n, all := blocksOf(t, m); n != 20 || all != 60 {
		t.Errorf("%d blocks with %d rows are left", n, all)
	}
	seldom := dueSeries{m.byKey[seriesKey{3, "local"}], nil}
	seldom.fresh = append(seldom.fresh, seldom.series.fresh...)
	if err := errors.Join(m.settleBatch(t.Context(), []dueSeries{seldom}), m.sweep(t.Context())); err != nil {
		t.Fatal(err)
	}
	if n, all := blocksOf(t, m); n != 1 || all != 20 {
		t.Errorf("%d blocks with %d rows are left, want one with 20", n, all)
	}
	check(h, "joined")
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = openFresh(t, dir)
	check(h, "started again")
	if n, err := h.Append(t.Context(), []events.Result{freshResultOf(2, 50, events.Failure), freshResultOf(1, 50, events.Success)}); err != nil || n != 0 {
		t.Errorf("%d repeats were added, %v", n, err)
	}
	if err := h.Maintain(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if n, _ := blocksOf(t, h.months[0].m); n != 0 {
		t.Errorf("%d blocks are left of nothing", n)
	}
	check(h, "all settled")
}

// A file of a version that wrote each fresh result as a row is read, whatever was settled, and goes on.
func TestFilesOfTheFirstVersion(t *testing.T) {
	dir := t.TempDir()
	h := openFresh(t, dir)
	for sec := range 40 {
		o := events.Success
		if sec%7 == 0 {
			o = events.Failure
		}
		put(t, h, freshResultOf(1, sec, o), freshResultOf(2, sec, o))
		if sec == 20 {
			if err := h.Maintain(t.Context(), true); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := map[uint32]any{1: whole(t, h, 1), 2: whole(t, h, 2)}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	makeFirstVersion(t, filepath.Join(dir, "2026-03.db"))
	for range 2 { // what is moved once stays moved
		h = openFresh(t, dir)
		for id := range want {
			if d := cmp.Diff(want[id], any(whole(t, h, id)), sameHistogram); d != "" {
				t.Errorf("monitor %d:\n%s", id, d)
			}
		}
		if n, err := h.Append(t.Context(), []events.Result{freshResultOf(1, 30, events.Success), freshResultOf(1, 10, events.Success)}); err != nil || n != 0 {
			t.Errorf("%d repeats were added, %v", n, err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
	h = openFresh(t, dir)
	if err := h.Maintain(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	for id := range want {
		if d := cmp.Diff(want[id], any(whole(t, h, id)), sameHistogram); d != "" {
			t.Errorf("monitor %d, settled:\n%s", id, d)
		}
	}
}

// makeFirstVersion writes what is fresh as the first version did, and takes back the second migration.
func makeFirstVersion(t *testing.T, path string) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Write(t.Context(), func(tx *sql.Tx) error {
		ctx := context.WithoutCancel(t.Context())
		var blocks [][]byte
		err := rows(ctx, tx, func(r *sql.Rows) error {
			var b []byte
			err := r.Scan(&b)
			blocks = append(blocks, bytes.Clone(b))
			return err
		}, `SELECT rows FROM fresh_block`)
		if err != nil {
			return err
		}
		put := `INSERT INTO fresh (` + measuredColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
		for _, b := range blocks {
			err := eachRow(b, func(series int64, moment uint32, m *measured, _ []byte) error {
				_, err := tx.ExecContext(ctx, put, m.appendArgs(nil, int64(moment)<<freshShift+series, 1<<len(optionalColumns)-1)...)
				return err
			})
			if err != nil {
				return err
			}
		}
		for _, statement := range []string{`DROP TABLE fresh_block`, `ALTER TABLE variant DROP COLUMN epoch`, `DELETE FROM schema_migrations WHERE version_id >= 2`} {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

var sameHistogram = cmp.Comparer(func(a, b events.Histogram) bool { return bytes.Equal(a.Encode(), b.Encode()) })

// Series that begin together are not settled together, neither at first nor ever after.
func TestSettlingIsSpread(t *testing.T) {
	const many, rounds = 120, 3 * settleRows
	h := openFresh(t, t.TempDir())
	defer h.Close()
	most := 0
	for round := range rounds {
		list := make([]events.Result, many)
		for i := range list {
			list[i] = freshResultOf(uint32(i+1), round, events.Success)
		}
		if _, err := h.Append(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		due := len(h.months[0].m.due(0, false))
		if most = max(most, due); due > many/6 {
			t.Fatalf("%d of %d series are due in round %d", due, many, round)
		}
		if err := h.Maintain(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	if most == 0 {
		t.Error("nothing was settled")
	}
}
