package clickhouse_test

import (
	"flag"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	engine "github.com/frogstats/uptime/internal/clickhouse"
	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
	"github.com/frogstats/uptime/services/events/clickhouse"
)

var update = flag.Bool("update", false, "rewrite testdata")

// TestClusterTables shows what is made on a cluster. There is none here to make it on, so the server only parses it.
func TestClusterTables(t *testing.T) {
	files := engine.Render(clickhouse.Migrations(), engine.FactsFor("my cluster"))
	text, err := fs.ReadFile(files, "0001_monitor_events.sql")
	if err != nil {
		t.Fatal(err)
	}
	_, create, _ := strings.Cut(string(text), "-- +goose Up")
	statements := append([]string{strings.TrimSuffix(strings.TrimSpace(create), ";")}, clickhouse.ClusterStatements("my cluster")...)
	got := strings.Join(statements, ";\n\n") + ";\n"
	const golden = "testdata/cluster.sql"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	dsn := clickhousetest.DSN(t)
	for _, s := range statements {
		db, err := engine.Open(t.Context(), dsn, engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var formatted string
		if err := db.Conn().QueryRow(t.Context(), `SELECT formatQuery(?)`, strings.ReplaceAll(s, "?", "'a'")).Scan(&formatted); err != nil {
			t.Errorf("%v\n%s", err, s)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
