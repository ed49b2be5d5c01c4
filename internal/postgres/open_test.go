package postgres_test

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/frogstats/uptime/internal/postgres"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func exec(t testing.TB, db *postgres.DB, sql string, args ...any) {
	t.Helper()
	if _, err := db.Pool().Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// value is the only value that a query gives.
func value[T any](t testing.TB, db *postgres.DB, sql string, args ...any) (v T) {
	t.Helper()
	if err := db.Pool().QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// with adds parameters to a DSN.
func with(t testing.TB, dsn, params string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.RawQuery += "&" + params
	return u.String()
}

func TestSettings(t *testing.T) {
	dsn := postgrestest.DSN(t)
	tests := map[string]struct {
		params string
		opts   postgres.Options
		conns  int32
		want   map[string]string
	}{
		"presets": {
			opts: postgres.Options{Schema: "accounts"}, conns: postgres.DefaultMaxConns,
			want: map[string]string{
				"application_name": "frogup accounts", "statement_timeout": "10s", "lock_timeout": "5s",
				"idle_in_transaction_session_timeout": "30s", "search_path": `"accounts"`, "TimeZone": "UTC",
			},
		},
		"options": {
			opts: postgres.Options{
				Schema: "accounts", Service: "alerts", MaxConns: 3, StatementTimeout: 2 * time.Second, LockTimeout: time.Microsecond,
			}, conns: 3,
			want: map[string]string{"application_name": "frogup alerts", "statement_timeout": "2s", "lock_timeout": "1ms"},
		},
		"the DSN wins": {
			params: "pool_max_conns=2&statement_timeout=7s&lock_timeout=0&application_name=mine&idle_in_transaction_session_timeout=1min",
			opts:   postgres.Options{Schema: "accounts", MaxConns: 3, StatementTimeout: 2 * time.Second, LockTimeout: time.Second}, conns: 2,
			want: map[string]string{
				"application_name": "mine", "statement_timeout": "7s", "lock_timeout": "0", "idle_in_transaction_session_timeout": "1min",
			},
		},
		"so do its options": {
			params: "options=-c%20statement_timeout%3D7s",
			opts:   postgres.Options{Schema: "accounts"}, conns: postgres.DefaultMaxConns,
			want: map[string]string{"statement_timeout": "7s", "lock_timeout": "5s"},
		},
		"but not where rooms rely on it": {
			params: "search_path=public&timezone=Asia%2FTokyo",
			opts:   postgres.Options{Schema: `we"ird`}, conns: postgres.DefaultMaxConns,
			want: map[string]string{"search_path": `"we""ird"`, "TimeZone": "UTC"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			db := postgrestest.OpenAt(t, with(t, dsn, tt.params), tt.opts)
			if got := db.Pool().Stat().MaxConns(); got != tt.conns {
				t.Errorf("%d connections at most, want %d", got, tt.conns)
			}
			for setting, want := range tt.want {
				if got := value[string](t, db, `SELECT current_setting($1)`, setting); got != want {
					t.Errorf("%s is %s, want %s", setting, got, want)
				}
			}
			exec(t, db, `CREATE TABLE IF NOT EXISTS here (x INTEGER)`)
			if !value[bool](t, db, `SELECT EXISTS (SELECT FROM pg_tables WHERE tablename = 'here' AND schemaname = $1)`, tt.opts.Schema) {
				t.Error("a table without a schema is made elsewhere")
			}
		})
	}
	if _, err := postgres.Open(t.Context(), dsn, postgres.Options{}); err == nil {
		t.Error("opened without a schema")
	}
}

func TestOpenByManyAtOnce(t *testing.T) {
	dsn := postgrestest.DSN(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			db, err := postgres.Open(t.Context(), dsn, postgres.Options{Schema: "x", MaxConns: 1})
			if err != nil {
				t.Error(err)
				return
			}
			_ = db.Close()
		})
	}
	group.Wait()
}

// An administrator may make the schema and give the service nothing but that.
func TestOpenWithoutTheRightToCreateSchemas(t *testing.T) {
	dsn := postgrestest.DSN(t)
	admin := postgrestest.OpenAt(t, dsn, postgres.Options{Schema: "x"})
	role := "frogup_test_" + strings.ToLower(strings.ReplaceAll(time.Now().Format("150405.000000"), ".", ""))
	exec(t, admin, `CREATE ROLE `+role+` LOGIN PASSWORD 'secret'`)
	t.Cleanup(func() { _, _ = admin.Pool().Exec(t.Context(), `DROP OWNED BY `+role+`; DROP ROLE `+role) })
	exec(t, admin, `GRANT USAGE, CREATE ON SCHEMA x TO `+role)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "secret")
	db := postgrestest.OpenAt(t, u.String(), postgres.Options{Schema: "x"})
	exec(t, db, `CREATE TABLE y (z INTEGER)`)
	exec(t, db, `DROP TABLE y`)
	if _, err := postgres.Open(t.Context(), u.String(), postgres.Options{Schema: "another"}); err == nil {
		t.Error("a schema was made without the right to")
	}
}

func TestTimesComeInUTC(t *testing.T) {
	db := postgrestest.Open(t, "x")
	want := time.Date(2026, 7, 1, 2, 3, 4, 567e6, time.UTC)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeSimpleProtocol} {
		got := value[time.Time](t, db, `SELECT $1::timestamptz`, mode, want.In(time.FixedZone("x", 3600)))
		if diff := cmp.Diff(want, got); diff != "" || got.Location() != time.UTC {
			t.Errorf("%v: %v in %v", mode, got, got.Location())
		}
	}
}

// What is wrong with a DSN is said without any of it.
func TestErrorsTellNoPassword(t *testing.T) {
	const canary = "canary7f3a"
	alive, err := url.Parse(postgrestest.Start(t).DSN()) // a server that asks for passwords
	if err != nil {
		t.Fatal(err)
	}
	stranger := *alive
	stranger.User = url.UserPassword(alive.User.Username(), canary)
	for dsn, want := range map[string]string{
		stranger.String():                                                            "password authentication failed",
		"postgres://u:" + canary + "%zz@h/d":                                         "percent-encoded",
		"postgres://u:1/" + canary + "@h:5432/d":                                     "percent-encoded",
		"postgres://u:p#" + canary + "@127.0.0.1:1/d":                                "connection refused",
		"postgres://u:" + canary + "@h:port/d":                                       "port",
		"postgres://u@h/d?password=" + canary + "&sslmode=maybe":                     "TLS",
		"postgres://u:" + canary + "@h/d?pool_max_conns=many":                        "pool setting",
		"postgres://u:" + canary + "@h/d?pool_max_conns=0":                           "positive",
		"postgres://u:" + canary + "@h/d?connect_timeout=soon":                       "connect_timeout",
		"postgres://u:" + canary + "@h/d?sslrootcert=/no/ca.pem&sslmode=verify-full": "/no/ca.pem",
		"postgres://u:" + canary + "@h/d?service=x&servicefile=/no":                  "service",
		"host=h password=x " + canary:                                                "key=value",
		"host=h password='" + canary:                                                 "key=value",
		"mysql://u:" + canary + "@h/d":                                               "key=value",
		canary:                                                                       "key=value",
		"host=h port=99999 password=" + canary:                                       "port",
		"host=127.0.0.1 port=1 user=u password=" + canary:                            "connection refused",
		"postgres://u:" + canary + "@127.0.0.1:1/d?sslmode=disable":                  "connection refused",
		with(t, alive.String(), canary+"=x"):                                         "setting",
	} {
		db, err := postgres.Open(t.Context(), dsn, postgres.Options{Schema: "x"})
		if err == nil {
			_ = db.Close()
			t.Errorf("%s was opened", dsn)
			continue
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			if strings.Contains(e.Error(), canary) {
				t.Errorf("%s: the password is in %q", dsn, e)
			}
		}
		if !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "open postgres") != 1 {
			t.Errorf("%s: %v, want a word about %s", dsn, err, want)
		}
	}
}

// Only what passes by itself is worth another try.
func TestWhichErrorsOfOpenAreOutages(t *testing.T) {
	server := postgrestest.Start(t)
	good, err := url.Parse(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	admin := postgrestest.OpenAt(t, server.DSN(), postgres.Options{Schema: "x"})
	exec(t, admin, `CREATE ROLE poor LOGIN PASSWORD 'poor'`)
	password, database, poor := *good, *good, *good
	password.User = url.UserPassword(good.User.Username(), "wrong")
	database.Path = "/nowhere"
	poor.User = url.UserPassword("poor", "poor")
	check := func(name, dsn string, want bool) {
		t.Helper()
		db, err := postgres.Open(t.Context(), dsn, postgres.Options{Schema: "y"})
		if err == nil {
			_ = db.Close()
		}
		if err == nil || postgres.IsOutage(err) != want {
			t.Errorf("%s: %v: an outage %v, want %v", name, err, !want, want)
		}
	}
	check("wrong password", password.String(), false)
	check("no such database", database.String(), false)
	check("no right to make the schema", poor.String(), false)
	check("no TLS there", with(t, good.String(), "sslmode=require"), false)
	check("no such file", with(t, good.String(), "sslmode=verify-full&sslrootcert=/no/ca.pem"), false)
	check("not a DSN", "mysql://h/d", false)
	check("a standby", with(t, good.String(), "default_transaction_read_only=on"), true)
	check("unknown name", "postgres://u@frogup.invalid/d", true)
	server.Kill()
	check("not running", good.String(), true)
	if err := admin.Migrate(t.Context(), fstest.MapFS{"0001_a.sql": &fstest.MapFile{Data: []byte("-- +goose Up\nSELECT 1;")}}); !postgres.IsOutage(err) {
		t.Errorf("migrating then: %v, want an outage", err)
	}
}

func TestCredentialsFromAPasswordFile(t *testing.T) {
	u, err := url.Parse(postgrestest.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	file := filepath.Join(t.TempDir(), "pgpass")
	if err := os.WriteFile(file, []byte("*:*:*:*:"+password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u.User = url.User(u.User.Username())
	db := postgrestest.OpenAt(t, with(t, u.String(), "passfile="+url.QueryEscape(file)), postgres.Options{Schema: "x"})
	exec(t, db, `SELECT 1`)
}
