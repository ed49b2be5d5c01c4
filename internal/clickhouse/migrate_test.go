package clickhouse_test

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/internal/clickhouse"
	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
)

func file(sql string) *fstest.MapFile { return &fstest.MapFile{Data: []byte("-- +goose Up\n" + sql)} }

// tables are the names of what the database holds.
func tables(t *testing.T, db *clickhouse.DB) (names []string) {
	t.Helper()
	err := db.Conn().QueryRow(t.Context(), `SELECT groupArray(name) FROM (SELECT name FROM system.tables WHERE database = currentDatabase()
		AND name NOT LIKE '.inner%' ORDER BY name)`).Scan(&names)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

const events = `CREATE TABLE IF NOT EXISTS events {{.OnCluster}} (n UInt64, at DateTime) ENGINE = {{.Replicated}}MergeTree ORDER BY n;`

func TestMigrateAppliesEachOnceInOrder(t *testing.T) {
	native, http := clickhousetest.DSNs(t)
	first := fstest.MapFS{"migrations/0001_events.sql": file(events + `
-- A comment with a ; in it.
CREATE MATERIALIZED VIEW IF NOT EXISTS by_day ENGINE = SummingMergeTree ORDER BY day
	AS SELECT toDate(at) AS day, count() AS n FROM events GROUP BY day;`)}
	second := fstest.MapFS{
		"migrations/0001_events.sql": first["migrations/0001_events.sql"],
		"migrations/0002_more.sql":   file("ALTER TABLE events ADD COLUMN IF NOT EXISTS name String DEFAULT 'none';"),
	}
	for i, fsys := range []fs.FS{first, first, second, second} {
		for _, dsn := range []string{native, http} {
			if err := open(t, dsn, clickhouse.Options{}).Migrate(t.Context(), fsys); err != nil {
				t.Fatalf("%d: %v", i, err)
			}
		}
	}
	db := open(t, native, clickhouse.Options{})
	if diff := cmp.Diff([]string{"by_day", "events", "schema_migrations"}, tables(t, db)); diff != "" {
		t.Error(diff)
	}
	execute(t, db, `INSERT INTO events (n, at) VALUES (1, now())`, `SELECT name FROM events`)
	var versions []int64
	err := db.Conn().QueryRow(t.Context(), `SELECT arraySort(groupArray(version_id)) FROM schema_migrations`).Scan(&versions)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{0, 1, 2}, versions); diff != "" {
		t.Errorf("applied: %s", diff)
	}
}

func TestSeveralSeriesInOneDatabase(t *testing.T) {
	db := clickhousetest.Open(t)
	if err := db.Migrate(t.Context(), fstest.MapFS{"0001_a.sql": file(events)}); err != nil {
		t.Fatal(err)
	}
	other := fstest.MapFS{"0001_b.sql": file(`CREATE TABLE IF NOT EXISTS b (n UInt8) ENGINE = Memory;`)}
	if err := db.Migrate(t.Context(), other, clickhouse.Table("other_migrations")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b", "events", "other_migrations", "schema_migrations"}, tables(t, db)); diff != "" {
		t.Error(diff)
	}
}

func TestFailedMigrationResumes(t *testing.T) {
	db := clickhousetest.Open(t)
	broken := fstest.MapFS{"0001_a.sql": file(events + "\nCREATE TABLE IF NOT EXISTS more (n Nonsense) ENGINE = Memory;")}
	err := db.Migrate(t.Context(), broken)
	if clickhouse.Code(err) != 50 || strings.Count(err.Error(), "migrate:") != 1 {
		t.Fatalf("%v: want unknown type (50), said once", err)
	}
	mended := fstest.MapFS{"0001_a.sql": file(events + "\nCREATE TABLE IF NOT EXISTS more (n UInt8) ENGINE = Memory;")}
	for range 2 {
		if err := db.Migrate(t.Context(), mended); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"events", "more", "schema_migrations"}, tables(t, db)); diff != "" {
		t.Error(diff)
	}
}

func TestMigrationsMayTakeLongerThanStatements(t *testing.T) {
	native, http := clickhousetest.DSNs(t)
	slow := fstest.MapFS{"0001_a.sql": file("SELECT sleepEachRow(0.1) FROM numbers(15) SETTINGS max_block_size = 1 FORMAT Null;")}
	for protocol, dsn := range map[string]string{"native": native, "http": http} {
		db := open(t, with(dsn, "read_timeout=1s"), clickhouse.Options{QueryTimeout: time.Second})
		if err := db.Migrate(t.Context(), slow, clickhouse.Table(protocol)); err != nil {
			t.Errorf("%s: %v", protocol, err)
		}
	}
}

func TestMigrationKilledHalfWayResumes(t *testing.T) {
	s := clickhousetest.Start(t)
	db := open(t, s.DSN(), clickhouse.Options{})
	slow := fstest.MapFS{"0001_a.sql": file(events + `
SELECT sleepEachRow(0.1) FROM numbers(600) SETTINGS max_block_size = 1 FORMAT Null;
CREATE TABLE IF NOT EXISTS more (n UInt8) ENGINE = MergeTree ORDER BY n;`)}
	done := make(chan error, 1)
	go func() { done <- db.Migrate(t.Context(), slow) }()
	for len(tables(t, db)) < 2 { // the first statement is through, the second runs
		select {
		case err := <-done:
			t.Fatalf("migrated already: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	s.Kill()
	if err := <-done; err == nil {
		t.Fatal("migrated on a killed server")
	}
	s.Start()
	quick := fstest.MapFS{"0001_a.sql": file(events + "\nCREATE TABLE IF NOT EXISTS more (n UInt8) ENGINE = MergeTree ORDER BY n;")}
	if err := db.Migrate(t.Context(), quick); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"events", "more", "schema_migrations"}, tables(t, db)); diff != "" {
		t.Error(diff)
	}
}

// migrateVar makes the test binary a process that migrates a database and ends.
const migrateVar = "TEST_MIGRATE_DSN"

// counted leaves a trace of each time that it is carried out, which no real migration may do.
var counted = fstest.MapFS{"0001_a.sql": file(`CREATE TABLE IF NOT EXISTS runs (pid UInt64) ENGINE = MergeTree ORDER BY pid;
SELECT sleep(0.3) FORMAT Null;
INSERT INTO runs SELECT 1;`)}

func migrateAsChild(dsn string) int {
	db, err := clickhouse.Open(context.Background(), dsn, clickhouse.Options{})
	if err == nil {
		err = db.Migrate(context.Background(), counted)
	}
	if err != nil {
		os.Stderr.WriteString(err.Error())
		return 1
	}
	return 0
}

func TestProcessesTakeTurns(t *testing.T) {
	dsn := clickhousetest.DSN(t)
	var children []*exec.Cmd
	for range 4 {
		c := exec.CommandContext(t.Context(), os.Args[0])
		c.Env = append(os.Environ(), migrateVar+"="+dsn)
		c.Stderr = os.Stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		children = append(children, c)
	}
	for _, c := range children {
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	}
	var n uint64
	db := open(t, dsn, clickhouse.Options{})
	if err := db.Conn().QueryRow(t.Context(), `SELECT count() FROM runs`).Scan(&n); err != nil || n != 1 {
		t.Errorf("the migration ran %d times, %v, want once", n, err)
	}
}

func TestTurnOfADeadProcessIsFree(t *testing.T) {
	dsn := clickhousetest.DSN(t)
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), migrateVar+"="+dsn)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	db := open(t, dsn, clickhouse.Options{})
	for len(tables(t, db)) < 2 {
		if err := db.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Process.Kill(); err != nil { // during its pause
		t.Fatal(err)
	}
	_ = c.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := db.Migrate(ctx, counted); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"runs", "schema_migrations"}, tables(t, db)); diff != "" {
		t.Error(diff)
	}
}

func TestCancelledWhileWaitingForItsTurn(t *testing.T) {
	dsn := clickhousetest.DSN(t)
	db := open(t, dsn, clickhouse.Options{})
	slow := fstest.MapFS{"0001_a.sql": file("SELECT sleepEachRow(0.1) FROM numbers(600) SETTINGS max_block_size = 1 FORMAT Null;")}
	first, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- db.Migrate(first, slow) }()
	for len(tables(t, db)) < 1 {
		if err := db.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := db.Migrate(ctx, slow); !clickhouse.IsTimeout(err) {
		t.Errorf("while another migrates: %v, want a timeout", err)
	}
	stop()
	if err := <-done; err == nil {
		t.Error("cancelled, and yet migrated")
	}
}

func TestMigrationsForAClusterAreUnderstood(t *testing.T) {
	// There is no cluster here, and no Keeper. What the server refuses it has parsed.
	db := open(t, clickhousetest.DSN(t), clickhouse.Options{Cluster: "no_such`cluster"})
	err := db.Migrate(t.Context(), fstest.MapFS{"0001_a.sql": file(events)})
	if clickhouse.Code(err) != 701 || !strings.Contains(err.Error(), "make schema_migrations") {
		t.Errorf("%v, want that there is no such cluster (701) for the record of migrations", err)
	}
	f := clickhouse.FactsFor("c")
	f.OnCluster = ""
	text, err := fs.ReadFile(clickhouse.Render(fstest.MapFS{"a.sql": {Data: []byte(events)}}, f), "a.sql")
	if err != nil {
		t.Fatal(err)
	}
	statement := strings.TrimSuffix(string(text), ";")
	if err := db.Conn().Exec(t.Context(), statement); clickhouse.Code(err) == 0 || clickhouse.Code(err) == 62 {
		t.Errorf("%s: %v, want that there is no Keeper", statement, err)
	}
}

func TestRender(t *testing.T) {
	files := fstest.MapFS{
		"migrations/1.sql": {Data: []byte("CREATE TABLE x {{.OnCluster}} (a Map(String, UInt8)) ENGINE = {{.Replicated}}MergeTree")},
		"notes.txt":        {Data: []byte("{{.OnCluster}}")},
		"bad.sql":          {Data: []byte("{{.Nonsense}}")},
	}
	for name, tt := range map[string]struct {
		cluster, path, want string
	}{
		"alone":       {"", "migrations/1.sql", "CREATE TABLE x  (a Map(String, UInt8)) ENGINE = MergeTree"},
		"cluster":     {"a`b", "migrations/1.sql", "CREATE TABLE x ON CLUSTER `a\\`b` (a Map(String, UInt8)) ENGINE = ReplicatedMergeTree"},
		"not SQL":     {"c", "notes.txt", "{{.OnCluster}}"},
		"no template": {"c", "bad.sql", ""},
		"no file":     {"c", "none.sql", ""},
	} {
		fsys := clickhouse.Render(files, clickhouse.FactsFor(tt.cluster))
		got, err := fs.ReadFile(fsys, tt.path)
		if string(got) != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if err == nil {
			if info, err := fs.Stat(fsys, tt.path); err != nil || info.Size() != int64(len(got)) {
				t.Errorf("%s: %v, %v", name, info, err)
			}
		}
	}
}
