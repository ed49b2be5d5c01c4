package clickhouse_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	engine "github.com/frogstats/uptime/internal/clickhouse"
	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/clickhouse"
)

func burst(from, n int) []events.Result {
	var out []events.Result
	for i := range n {
		out = append(out, tcp(1, month.Add(time.Duration(from+i)*time.Second)))
	}
	return out
}

// TestAdversity makes the server refuse: the error says why, and once the cause is gone everything is stored once.
func TestAdversity(t *testing.T) {
	tests := []struct {
		name        string
		cause, cure []string
		is          func(error) bool
		says        string
	}{
		{"too many parts",
			[]string{`SYSTEM STOP MERGES monitor_events`, `ALTER TABLE monitor_events MODIFY SETTING parts_to_throw_insert = 1, parts_to_delay_insert = 1`},
			[]string{`ALTER TABLE monitor_events RESET SETTING parts_to_throw_insert, parts_to_delay_insert`, `SYSTEM START MERGES monitor_events`},
			engine.IsTooManyParts, "too many parts"},
		{"a table that is gone",
			[]string{`RENAME TABLE monitor_events TO away`}, []string{`RENAME TABLE away TO monitor_events`},
			func(err error) bool { return engine.Code(err) == 60 }, "monitor_events"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dsn := clickhousetest.DSN(t)
			s := open(t, dsn, clickhouse.Options{})
			for i := range 2 {
				if _, err := s.Append(t.Context(), burst(i*10, 10)); err != nil {
					t.Fatal(err)
				}
			}
			for _, q := range tt.cause {
				run(t, dsn, q)
			}
			for i := range 3 { // other batches each time, as when prober after prober sends again
				_, err := s.Append(t.Context(), burst(20+i*5, 10))
				if !tt.is(err) || !strings.Contains(err.Error(), tt.says) {
					t.Fatalf("append: %v", err)
				}
			}
			for _, q := range tt.cure {
				run(t, dsn, q)
			}
			if _, err := s.Append(t.Context(), burst(0, 50)); err != nil {
				t.Fatal(err)
			}
			have := stored(t, s, 1)
			if len(have[1]) != 50 {
				t.Fatalf("%d results", len(have[1]))
			}
			checkSums(t, s, have)
		})
	}
}

// TestReadOnly opens a store whose user may read only.
func TestReadOnly(t *testing.T) {
	dsn := clickhousetest.DSN(t)
	s := open(t, dsn, clickhouse.Options{})
	if _, err := s.Append(t.Context(), burst(0, 10)); err != nil {
		t.Fatal(err)
	}
	sep := "?"
	if strings.Contains(dsn, "?") {
		sep = "&"
	}
	reader := open(t, dsn+sep+"readonly=2", clickhouse.Options{})
	if have := stored(t, reader, 1); len(have[1]) != 10 {
		t.Errorf("%d results", len(have[1]))
	}
	if _, err := reader.Append(t.Context(), burst(10, 10)); !engine.IsReadOnly(err) || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("append: %v", err)
	}
}

// TestServerDown appends to a server that is down, then up again.
func TestServerDown(t *testing.T) {
	server := clickhousetest.Start(t)
	s := open(t, server.DSN(), clickhouse.Options{})
	if _, err := s.Append(t.Context(), burst(0, 10)); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 3 {
		if _, err := s.Append(ctx, burst(10, 10)); !engine.IsUnavailable(err) {
			t.Fatalf("append: %v", err)
		}
	}
	server.Start()
	var err error
	for range 20 { // connections of the pool may have died with the server
		if _, err = s.Append(t.Context(), burst(5, 25)); err == nil {
			break
		}
	}
	if have := stored(t, s, 1); err != nil || len(have[1]) != 30 {
		t.Fatalf("%d results: %v", len(have[1]), err)
	}
}

// TestLowMemoryCarriesBlocks appends and sums up far more than a statement of the profile may hold.
func TestLowMemoryCarriesBlocks(t *testing.T) {
	dsn := clickhousetest.DSN(t)
	s := open(t, dsn, clickhouse.Options{LowMemory: true})
	for i := range 3 {
		if _, err := s.Append(t.Context(), rounds(5000, 50_000, i, https)); err != nil {
			t.Fatal(err)
		}
	}
	sums, err := s.Summarize(t.Context(), 7, "", edges(month, time.Minute, 60))
	if err != nil || sums[0].Checks() != 30 {
		t.Fatalf("%d checks: %v", sums[0].Checks(), err)
	}
	if _, err := s.LastSlots(t.Context(), events.SlotQuery{Region: "local"}); err != nil {
		t.Fatal(err)
	}
}

// TestPartsStayFew appends little and often, as a store without patience would. Merges keep the parts few.
func TestPartsStayFew(t *testing.T) {
	const appends, most = 300, 100
	dsn := clickhousetest.DSN(t)
	s := open(t, dsn, clickhouse.Options{})
	greatest := uint64(0)
	for i := range appends {
		if _, err := s.Append(t.Context(), burst(i*5, 5)); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			n := scalar[uint64](t, dsn, `SELECT count() FROM system.parts WHERE active AND database = currentDatabase() AND table = 'monitor_events'`)
			greatest = max(greatest, n)
		}
	}
	if t.Logf("at most %d parts", greatest); greatest > most {
		t.Errorf("more than %d", most)
	}
}

// TestOptionsChange opens a table with one retention and profile after another.
func TestOptionsChange(t *testing.T) {
	dsn := clickhousetest.DSN(t)
	for _, tt := range []struct {
		opts    clickhouse.Options
		has, no string
	}{
		{clickhouse.Options{}, "ttl_only_drop_parts = 1", "toIntervalHour"},
		{clickhouse.Options{Retention: 90 * 24 * time.Hour}, "TTL toDateTime(timestamp) + toIntervalHour(2160)", "merge_max_block_size"},
		{clickhouse.Options{Retention: 90 * 24 * time.Hour, LowMemory: true}, "merge_max_block_size = 683", "REMOVE"},
		{clickhouse.Options{Retention: 30*24*time.Hour + time.Minute}, "toIntervalHour(721)", "merge_max_block_size"},
		{clickhouse.Options{}, "ttl_only_drop_parts = 1", "toIntervalHour"},
	} {
		s := open(t, dsn, tt.opts)
		if _, err := s.Append(t.Context(), burst(0, 10)); err != nil {
			t.Fatal(err)
		}
		got := scalar[string](t, dsn, `SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = 'monitor_events'`)
		if !strings.Contains(got, tt.has) || strings.Contains(got, tt.no) {
			t.Errorf("with %+v the table is\n%s", tt.opts, got)
		}
	}
}

// TestRetention keeps what is young and lets the server drop what is old, roll-ups and all.
func TestRetention(t *testing.T) {
	dsn := clickhousetest.DSN(t)
	s := open(t, dsn, clickhouse.Options{Retention: 365 * 24 * time.Hour})
	now := time.Now().UTC().Truncate(time.Second)
	if _, err := s.Append(t.Context(), []events.Result{tcp(1, now), tcp(1, now.AddDate(-2, 0, 0))}); err != nil {
		t.Fatal(err)
	}
	run(t, dsn, `OPTIMIZE TABLE monitor_events FINAL`)
	n, err := s.Count(t.Context(), events.ResultQuery{MonitorID: 1})
	if err != nil || n != 1 {
		t.Errorf("counted %d, %v", n, err)
	}
	if have := stored(t, s, 1); len(have[1]) != 1 || !have[1][0].ScheduledAt.Equal(now) {
		t.Errorf("%v", have)
	}
}

// TestQueriesPerCall counts what a call asks of the server, for few edges and for many.
func TestQueriesPerCall(t *testing.T) {
	dsn := clickhousetest.DSN(t)
	s := open(t, dsn, clickhouse.Options{})
	if _, err := s.Append(t.Context(), burst(0, 100)); err != nil {
		t.Fatal(err)
	}
	queries := func(fn func() error) uint64 {
		t.Helper()
		count := fmt.Sprintf(`SELECT count() FROM system.query_log WHERE type = 'QueryStart' AND current_database = '%s' AND has(tables, '%[1]s.monitor_events')`,
			scalar[string](t, dsn, `SELECT currentDatabase()`))
		run(t, dsn, `SYSTEM FLUSH LOGS`)
		before := scalar[uint64](t, dsn, count)
		if err := fn(); err != nil {
			t.Fatal(err)
		}
		run(t, dsn, `SYSTEM FLUSH LOGS`)
		return scalar[uint64](t, dsn, count) - before
	}
	ids := make([]uint32, 10_000)
	for i := range ids {
		ids[i] = uint32(i)
	}
	for name, fn := range map[string]func() error{
		"two edges": func() error { _, err := s.Summarize(t.Context(), 1, "", edges(month, time.Hour, 1)); return err },
		"5001 ragged edges": func() error {
			_, err := s.Summarize(t.Context(), 1, "local", edges(month.Add(1234*time.Millisecond), 61*time.Minute, 5000))
			return err
		},
		"a count": func() error {
			_, err := s.Count(t.Context(), events.ResultQuery{MonitorID: 1, From: month.Add(time.Second)})
			return err
		},
		"a list":         func() error { _, err := s.List(t.Context(), events.ResultQuery{MonitorID: 1, Limit: 100}); return err },
		"10000 means":    func() error { _, err := s.MeanResponses(t.Context(), ids, month.Add(time.Second)); return err },
		"the last slots": func() error { _, err := s.LastSlots(t.Context(), events.SlotQuery{Region: "local"}); return err },
	} {
		if n := queries(fn); n != 1 {
			t.Errorf("%s: %d queries", name, n)
		}
	}
}
