package clickhousetest

import (
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/internal/clickhouse"
)

// Rerunnable checks that migrations do no harm when they are carried out again, as they are when one was interrupted: they
// are applied twice to a fresh database, which must be the same afterwards.
func Rerunnable(t testing.TB, fsys fs.FS) {
	t.Helper()
	db := Open(t)
	var first map[string]string
	for _, record := range []string{"applied", "applied_again"} {
		if err := db.Migrate(t.Context(), fsys, clickhouse.Table(record)); err != nil {
			t.Errorf("%s: %v", record, err)
			return
		}
		schema := schemaOf(t, db)
		if first == nil {
			first = schema
		} else if diff := cmp.Diff(first, schema); diff != "" {
			t.Errorf("the second time has changed something:\n%s", diff)
		}
	}
}

// schemaOf is how each table is made, and how many rows it has.
func schemaOf(t testing.TB, db *clickhouse.DB) map[string]string {
	t.Helper()
	schema := map[string]string{}
	err := db.Conn().QueryRow(t.Context(), `
		SELECT mapFromArrays(groupArray(name), groupArray(create_table_query || ' rows: ' || toString(total_rows)))
		FROM system.tables WHERE database = currentDatabase() AND name NOT IN ('applied', 'applied_again')`).Scan(&schema)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
