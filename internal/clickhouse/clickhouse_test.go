package clickhouse_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/frogstats/uptime/internal/clickhouse"
	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
)

func TestMain(m *testing.M) {
	if dsn := os.Getenv(migrateVar); dsn != "" {
		os.Exit(migrateAsChild(dsn))
	}
	goleak.VerifyTestMain(m)
}

func open(t *testing.T, dsn string, opts clickhouse.Options) *clickhouse.DB {
	t.Helper()
	db, err := clickhouse.Open(t.Context(), dsn, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func execute(t *testing.T, db *clickhouse.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if err := db.Conn().Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// with appends parameters to a DSN.
func with(dsn, params string) string { return dsn + "?" + params }

func TestRowsThroughBothProtocolsAndCompressions(t *testing.T) {
	native, http := clickhousetest.DSNs(t)
	for name, dsn := range map[string]string{
		"native lz4": native, "native none": with(native, "compress=none"), "native zstd": with(native, "compress=zstd"),
		"http lz4": http, "http none": with(http, "compress=none"), "http gzip": with(http, "compress=gzip"),
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t, dsn, clickhouse.Options{})
			execute(t, db, `DROP TABLE IF EXISTS x SYNC`,
				`CREATE TABLE x (at DateTime64(3, 'UTC'), name LowCardinality(String), n Nullable(UInt32)) ENGINE = MergeTree ORDER BY at`)
			batch, err := db.Conn().PrepareBatch(t.Context(), `INSERT INTO x (at, name, n)`)
			if err != nil {
				t.Fatal(err)
			}
			type line struct {
				At   time.Time `ch:"at"`
				Name string    `ch:"name"`
				N    *uint32   `ch:"n"`
			}
			var want []line
			for i := range 5000 {
				l := line{At: time.UnixMilli(1_800_000_000_000 + int64(i)).UTC(), Name: fmt.Sprint("target ", i%7)}
				if n := uint32(i); i%3 == 0 {
					l.N = &n
				}
				want = append(want, l)
				if err := batch.AppendStruct(&l); err != nil {
					t.Fatal(err)
				}
			}
			if err := batch.Send(); err != nil {
				t.Fatal(err)
			}
			var got []line
			if err := db.Conn().Select(t.Context(), &got, `SELECT at, name, n FROM x ORDER BY at`); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatTheServerIsTold(t *testing.T) {
	native, http := clickhousetest.DSNs(t)
	for name, dsn := range map[string]string{"native": native, "http": http} {
		t.Run(name, func(t *testing.T) {
			db := open(t, with(dsn, "max_threads=3"), clickhouse.Options{
				Service: "events", QueryTimeout: 17 * time.Second, Settings: map[string]any{"max_threads": 2, "max_insert_threads": 2},
			})
			var limit, threads, inserts string
			err := db.Conn().QueryRow(t.Context(), `SELECT toString(getSetting('max_execution_time')), toString(getSetting('max_threads')),
				toString(getSetting('max_insert_threads'))`).Scan(&limit, &threads, &inserts)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"17", "3", "2"}, []string{limit, threads, inserts}); diff != "" {
				t.Errorf("max_execution_time, max_threads, max_insert_threads: %s", diff)
			}
			execute(t, db, `SYSTEM FLUSH LOGS`)
			var n uint64
			err = db.Conn().QueryRow(t.Context(), `SELECT count() FROM system.query_log WHERE current_database = currentDatabase()
				AND (client_name LIKE '%events%' OR http_user_agent LIKE '%events%')`).Scan(&n)
			if err != nil || n == 0 {
				t.Errorf("%d statements in the log under the service's name, %v", n, err)
			}
		})
	}
}

func TestPoolIsBounded(t *testing.T) {
	db := open(t, clickhousetest.DSN(t), clickhouse.Options{MaxConns: 1, DialTimeout: 50 * time.Millisecond})
	rows, err := db.Conn().Query(t.Context(), `SELECT number FROM system.numbers LIMIT 1000000`)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Ping(t.Context())
	if !clickhouse.IsUnavailable(err) {
		t.Errorf("the second statement of one connection: %v, want unavailable", err)
	}
	if err := rows.Close(); err != nil {
		t.Error(err)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("with the connection free again: %v", err)
	}
}

func TestErrorsNeverHoldThePassword(t *testing.T) {
	native, http := clickhousetest.DSNs(t)
	swap := func(dsn string) string { // another password for the same user
		scheme, rest, _ := strings.Cut(dsn, "://")
		_, host, _ := strings.Cut(rest, "@")
		return scheme + "://frogup:hunter2%2F%23secret@" + host
	}
	for name, dsn := range map[string]string{
		"refused":           swap(native),
		"refused by HTTP":   swap(http),
		"no such host":      "clickhouse://u:hunter2%2F%23secret@no-such-host.invalid:9000/x",
		"no such HTTP host": "http://u:hunter2%2F%23secret@no-such-host.invalid:8123/x",
		"nobody listens":    "http://u:hunter2%2F%23secret@127.0.0.1:1/x",
		"no URL":            "clickhouse://u:hunter2/#secret@127.0.0.1:9000/x",
		"bad parameter":     "clickhouse://127.0.0.1:9000/x?password=hunter2%2F%23secret&dial_timeout=soon",
		"none at all":       "",
	} {
		_, err := clickhouse.Open(t.Context(), dsn, clickhouse.Options{})
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if text := fmt.Sprintf("%v %+v %#v", err, err, errors.Unwrap(err)); strings.Contains(text, "hunter2") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestRefusedHTTPConnectionsAreClosed(t *testing.T) {
	target, err := url.Parse(clickhousetest.HTTPDSN(t))
	if err != nil {
		t.Fatal(err)
	}
	var full atomic.Bool
	var connections atomic.Int64
	to := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: target.Host}) }}
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	proxy := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if full.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		to.ServeHTTP(w, r)
	}))
	proxy.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			connections.Add(1)
		case http.StateClosed:
			connections.Add(-1)
		}
	}
	proxy.Start()
	defer proxy.Close()
	through := *target
	through.Host = proxy.Listener.Addr().String()
	db := open(t, through.String(), clickhouse.Options{})
	rows, err := db.Conn().Query(t.Context(), `SELECT number FROM numbers(10)`) // holds the only connection there is
	if err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	for range 20 {
		if err := db.Ping(t.Context()); !clickhouse.IsUnavailable(err) {
			t.Fatalf("%v, want unavailable", err)
		}
	}
	if n := connections.Load(); n > 3 {
		t.Errorf("%d connections are open", n)
	}
	if err := rows.Close(); err != nil {
		t.Error(err)
	}
}
