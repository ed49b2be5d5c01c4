package clickhousetest_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/frogstats/uptime/internal/clickhouse"
	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func count(t *testing.T, dsn, query string) (n uint64) {
	t.Helper()
	db, err := clickhouse.Open(t.Context(), dsn, clickhouse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Conn().QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDatabasesAreFreshAndDropped(t *testing.T) {
	var first, second string
	t.Run("lent", func(t *testing.T) {
		first, second = clickhousetest.DSN(t), clickhousetest.HTTPDSN(t)
		for _, dsn := range []string{first, second} {
			if n := count(t, dsn, `SELECT count() FROM system.tables WHERE database = currentDatabase()`); n != 0 {
				t.Errorf("%d tables in a fresh database", n)
			}
			if n := count(t, dsn, `SELECT count() FROM system.databases WHERE name = currentDatabase() AND engine = 'Atomic'`); n != 1 {
				t.Error("not an atomic database")
			}
		}
	})
	if first == "" {
		t.Skip("no ClickHouse")
	}
	if n := count(t, clickhousetest.DSN(t), `SELECT count() FROM system.databases WHERE name LIKE 't\_%'`); n != 1 {
		t.Errorf("%d lent databases, want the last alone", n)
	}
}

func TestKillAndStart(t *testing.T) {
	s := clickhousetest.Start(t)
	dsn := s.DSN()
	db, err := clickhouse.Open(t.Context(), dsn, clickhouse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, sql := range []string{
		`CREATE DATABASE d`, `CREATE TABLE d.x (n UInt64) ENGINE = MergeTree ORDER BY n`, `INSERT INTO d.x SELECT number FROM numbers(1000)`,
	} {
		if err := db.Conn().Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		s.Kill()
		if db, err := clickhouse.Open(t.Context(), dsn, clickhouse.Options{}); err == nil {
			_ = db.Close()
			t.Fatal("a killed server answers")
		}
		s.Start()
		if s.DSN() != dsn {
			t.Errorf("%s became %s", dsn, s.DSN())
		}
		for _, dsn := range []string{s.DSN(), s.HTTPDSN()} {
			if n := count(t, dsn, `SELECT count() FROM d.x`); n != 1000 {
				t.Errorf("%d rows after the restart, want 1000", n)
			}
		}
	}
}
