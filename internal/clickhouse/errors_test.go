package clickhouse_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/frogstats/uptime/internal/clickhouse"
	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
)

// drain reads a query to its end.
func drain(ctx context.Context, conn driver.Conn, query string) error {
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return err
	}
	for rows.Next() {
	}
	return errors.Join(rows.Err(), rows.Close())
}

func TestServerCodes(t *testing.T) {
	native, http := clickhousetest.DSNs(t)
	const slow = `SELECT sleepEachRow(0.1) FROM numbers(100) SETTINGS max_execution_time = 1, max_block_size = 1`
	tests := map[string]struct {
		query string
		code  int32
	}{
		"unknown table":    {`SELECT n FROM nothing`, 60},
		"syntax":           {`SELEKT`, 62},
		"fails half-way":   {`SELECT throwIf(number = 3000000) FROM numbers(10000000)`, 395},
		"too many parts":   {`INSERT INTO parts SELECT 1`, 252},
		"memory limit":     {`SELECT groupArray(number) FROM numbers(10000000) SETTINGS max_memory_usage = 10000000`, 241},
		"timeout":          {slow, 159},
		"write by readers": {`INSERT INTO parts SELECT 1`, 164},
	}
	for protocol, dsn := range map[string]string{"native": native, "http": http} {
		db := open(t, dsn, clickhouse.Options{})
		reader := open(t, dsn, clickhouse.Options{Settings: map[string]any{"readonly": 2}})
		execute(t, db, `DROP TABLE IF EXISTS parts SYNC`,
			`CREATE TABLE parts (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS parts_to_throw_insert = 4, parts_to_delay_insert = 100`,
			`SYSTEM STOP MERGES parts`)
		for range 4 {
			execute(t, db, `INSERT INTO parts SELECT 1`)
		}
		for name, tt := range tests {
			t.Run(protocol+"/"+name, func(t *testing.T) {
				conn := db.Conn()
				if name == "write by readers" {
					conn = reader.Conn()
				}
				var err error
				if strings.HasPrefix(tt.query, "INSERT") {
					err = conn.Exec(t.Context(), tt.query)
				} else {
					err = drain(t.Context(), conn, tt.query)
				}
				err = fmt.Errorf("append results: %w", err)
				if clickhouse.Code(err) != tt.code {
					t.Fatalf("%v: code %d, want %d", err, clickhouse.Code(err), tt.code)
				}
				for what, is := range map[string]func(error) bool{
					"too many parts": clickhouse.IsTooManyParts, "memory limit": clickhouse.IsMemoryLimit, "timeout": clickhouse.IsTimeout,
					"write by readers": clickhouse.IsReadOnly, "unavailable": clickhouse.IsUnavailable,
				} {
					if got, want := is(err), name == what; got != want {
						t.Errorf("%s: %v, want %v", what, got, want)
					}
				}
			})
		}
	}
}

func TestNotTheServersErrors(t *testing.T) {
	for _, err := range []error{nil, sql.ErrNoRows, errors.New("x"), context.Canceled} {
		if clickhouse.Code(err) != 0 || clickhouse.IsUnavailable(err) || clickhouse.IsTimeout(err) || clickhouse.IsReadOnly(err) {
			t.Errorf("%v is taken for something", err)
		}
	}
}

func TestDeadlineOfTheContext(t *testing.T) {
	native, http := clickhousetest.DSNs(t)
	for protocol, dsn := range map[string]string{"native": native, "http": http} {
		t.Run(protocol, func(t *testing.T) {
			db := open(t, dsn, clickhouse.Options{})
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			began := time.Now()
			err := drain(ctx, db.Conn(), `SELECT sleepEachRow(0.05) FROM numbers(400) SETTINGS max_block_size = 1`)
			if !clickhouse.IsTimeout(err) || clickhouse.IsUnavailable(err) {
				t.Errorf("%v, want a timeout", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("noticed after %s", took)
			}
			if err := db.Ping(t.Context()); err != nil {
				t.Errorf("the next one: %v", err)
			}
		})
	}
}

func TestServerIsKilledAndComesBack(t *testing.T) {
	s := clickhousetest.Start(t)
	for protocol, dsn := range map[string]string{"native": s.DSN(), "http": s.HTTPDSN()} {
		t.Run(protocol, func(t *testing.T) {
			db := open(t, dsn, clickhouse.Options{DialTimeout: 2 * time.Second})
			execute(t, db, `CREATE OR REPLACE TABLE x (n UInt64) ENGINE = MergeTree ORDER BY n`, `INSERT INTO x SELECT number FROM numbers(10)`)
			batch, err := db.Conn().PrepareBatch(t.Context(), `INSERT INTO x (n)`)
			if err != nil {
				t.Fatal(err)
			}
			if err := batch.Append(uint64(11)); err != nil {
				t.Fatal(err)
			}
			s.Kill()
			if err := batch.Send(); !clickhouse.IsUnavailable(err) || clickhouse.IsTimeout(err) {
				t.Errorf("a batch under way: %v, want unavailable", err)
			}
			if err := db.Conn().Exec(t.Context(), `SELECT 1`); !clickhouse.IsUnavailable(err) {
				t.Errorf("a new statement: %v, want unavailable", err)
			}
			if _, err := clickhouse.Open(t.Context(), dsn, clickhouse.Options{}); !clickhouse.IsUnavailable(err) || !clickhouse.IsOutage(err) {
				t.Errorf("a new handle: %v, want unavailable", err)
			}
			if err := db.Migrate(t.Context(), fstest.MapFS{"0001_a.sql": file(events)}); !clickhouse.IsOutage(err) {
				t.Errorf("migrating: %v, want an outage", err)
			}
			s.Start()
			var n uint64
			if err := db.Conn().QueryRow(t.Context(), `SELECT count() FROM x`).Scan(&n); err != nil || n != 10 {
				t.Errorf("the same handle after the restart: %d rows, %v, want 10", n, err)
			}
		})
	}
}

func TestServerFallsSilent(t *testing.T) {
	s := clickhousetest.Start(t)
	for protocol, dsn := range map[string]string{"native": s.DSN(), "http": s.HTTPDSN()} {
		t.Run(protocol, func(t *testing.T) {
			patient := open(t, with(dsn, "read_timeout=300ms"), clickhouse.Options{})
			db := open(t, dsn, clickhouse.Options{})
			s.Pause()
			defer s.Resume()
			if err := drain(t.Context(), patient.Conn(), `SELECT 1`); !clickhouse.IsTimeout(err) || !clickhouse.IsUnavailable(err) {
				t.Errorf("read timeout: %v, want a timeout and unavailable", err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if err := drain(ctx, db.Conn(), `SELECT 1`); !clickhouse.IsTimeout(err) {
				t.Errorf("context's deadline: %v, want a timeout", err)
			}
			if _, err := clickhouse.Open(t.Context(), with(dsn, "dial_timeout=300ms"), clickhouse.Options{}); err == nil {
				t.Error("opened a server that is silent")
			}
			s.Resume()
			if err := drain(t.Context(), db.Conn(), `SELECT 1`); err != nil {
				t.Errorf("after it: %v", err)
			}
		})
	}
}
