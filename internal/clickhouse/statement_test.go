package clickhouse

import "testing"

func TestDescribe(t *testing.T) {
	tests := map[string]string{
		`INSERT INTO monitor_events (id, at)`:                                                 "INSERT monitor_events",
		"insert into table db.monitor_events(id) SETTINGS x = 1":                              "INSERT db.monitor_events",
		"-- why\n/* and\nhow */ SELECT count() FROM `monitor_events`":                         "SELECT monitor_events",
		"SELECT 'FROM nowhere', 'it\\'s FROM' FROM x FINAL WHERE y IN (SELECT z FROM other)":  "SELECT x",
		"SELECT a FROM (SELECT b FROM inner_one GROUP BY b)":                                  "SELECT inner_one",
		"SELECT number FROM numbers(10)":                                                      "SELECT",
		"SELECT 1":                                                                            "SELECT",
		"WITH c AS (SELECT a FROM events) SELECT a FROM c":                                    "SELECT events",
		"WITH 1 AS one SELECT one FROM events":                                                "SELECT events",
		"CREATE TABLE IF NOT EXISTS monitor_events ON CLUSTER c (id UUID) ENGINE = MergeTree": "CREATE monitor_events",
		"CREATE MATERIALIZED VIEW IF NOT EXISTS by_hour TO hours AS SELECT a FROM events":     "CREATE by_hour",
		"ALTER TABLE events ADD COLUMN IF NOT EXISTS b String":                                "ALTER events",
		"DROP TABLE IF EXISTS events SYNC":                                                    "DROP events",
		"OPTIMIZE TABLE events FINAL":                                                         "OPTIMIZE events",
		"DELETE FROM events WHERE a = 1":                                                      "DELETE events",
		"INSERT INTO FUNCTION file('x.csv') SELECT 1":                                         "INSERT",
		"SYSTEM FLUSH LOGS":                                                                   "SYSTEM",
		"":                                                                                    "",
		"(SELECT 1 FROM a)":                                                                   "SELECT a",
	}
	for sql, want := range tests {
		if got := describe(sql).summary(); got != want {
			t.Errorf("%q is %q, want %q", sql, got, want)
		}
	}
}

func FuzzDescribe(f *testing.F) {
	for _, s := range []string{"SELECT a FROM b", "INSERT INTO `x", "WITH '\\", "/*", "--", "FROM FROM ("} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		if s := describe(sql); len(s.operation)+len(s.collection) > 4*len(sql) { // capitals of some letters are longer
			t.Errorf("%q became %+v", sql, s)
		}
	})
}

func BenchmarkDescribe(b *testing.B) {
	const sql = `SELECT toStartOfInterval(at, INTERVAL 1 HOUR) AS hour, countIf(status = 'up'), quantileTDigestMerge(0.95)(latency)
		FROM monitor_events WHERE organization_id = ? AND monitor_id = ? AND at >= ? AND at < ? GROUP BY hour ORDER BY hour`
	b.ReportAllocs()
	for b.Loop() {
		describe(sql)
	}
}
