// Package clickhousetest gives tests a real ClickHouse. The first of these that is at hand is used:
//
//	FROGUP_TEST_CLICKHOUSE   the DSN of a server on which the test may create databases (native protocol);
//	                         FROGUP_TEST_CLICKHOUSE_HTTP is its HTTP address, default the same host and port 8123
//	clickhouse               on PATH: a server is started
//	libchdb.so               the engine as a library: FROGUP_CHDB_LIB, else where tools/fetch-chdb puts it; the launcher
//	                         tools/chengine is built when it is needed, or FROGUP_CHENGINE names one
//
// There is one server for each test binary, and it ends with it. Without any of them a test is skipped, or fails if
// FROGUP_TEST_REQUIRE is 1.
package clickhousetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	frogup "github.com/frogstats/uptime/internal/clickhouse"
)

// DSN lends a fresh database by the native protocol. It is dropped when the test ends.
func DSN(t testing.TB) string {
	t.Helper()
	native, _ := DSNs(t)
	return native
}

// HTTPDSN lends a fresh database by HTTP. It is dropped when the test ends.
func HTTPDSN(t testing.TB) string {
	t.Helper()
	_, http := DSNs(t)
	return http
}

// DSNs lends one fresh database by both protocols.
func DSNs(t testing.TB) (native, http string) {
	t.Helper()
	at := sharedServer(t)
	database := "t_" + strings.ToLower(rand.Text()[:12])
	if err := at.exec(t.Context(), "CREATE DATABASE "+database+" ENGINE = Atomic"); err != nil {
		t.Fatalf("clickhousetest: make a database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := at.exec(ctx, "DROP DATABASE IF EXISTS "+database+" SYNC"); err != nil {
			t.Errorf("clickhousetest: drop the database: %v", err)
		}
	})
	return at.dsn("clickhouse", database), at.dsn("http", database)
}

// Open opens a fresh database by the native protocol. It is closed and dropped when the test ends.
func Open(t testing.TB) *frogup.DB {
	t.Helper()
	db, err := frogup.Open(t.Context(), DSN(t), frogup.Options{Service: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("clickhousetest: close: %v", err)
		}
	})
	return db
}

// endpoint is where a server is and who may use it.
type endpoint struct {
	native, http string // host:port
	user         *url.Userinfo
	query        string // settings of a DSN that was given
}

func (e endpoint) dsn(scheme, database string) string {
	u := url.URL{Scheme: scheme, User: e.user, Host: e.native, Path: "/" + database, RawQuery: e.query}
	if scheme == "http" {
		u.Host = e.http
		if secure, _ := strconv.ParseBool(u.Query().Get("secure")); secure {
			u.Scheme = "https"
		}
	}
	return u.String()
}

func (e endpoint) exec(ctx context.Context, statement string) error {
	opts, err := clickhouse.ParseDSN(e.dsn("clickhouse", "system"))
	if err != nil {
		return err
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Exec(ctx, statement)
}

var shared struct {
	sync.Mutex
	tried   bool
	at      endpoint
	process *process // held for as long as the test binary lives
	err     error
}

func sharedServer(t testing.TB) endpoint {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if !shared.tried {
		shared.tried = true
		shared.at, shared.process, shared.err = provide()
	}
	if shared.err != nil {
		giveUp(t, shared.err)
	}
	return shared.at
}

// provide finds a server for the whole test binary, or starts one in a directory that it removes at its end.
func provide() (endpoint, *process, error) {
	if dsn := os.Getenv("FROGUP_TEST_CLICKHOUSE"); dsn != "" {
		at, err := given(dsn, os.Getenv("FROGUP_TEST_CLICKHOUSE_HTTP"))
		return at, nil, err
	}
	how, err := locate()
	if err != nil {
		return endpoint{}, nil, err
	}
	dir, err := os.MkdirTemp("", "frogup-clickhouse-")
	if err != nil {
		return endpoint{}, nil, err
	}
	p, err := launch(how, plan{dir: dir, user: "frogup", password: rand.Text(), removeData: true})
	if err != nil {
		_ = os.RemoveAll(dir)
		return endpoint{}, nil, err
	}
	return p.endpoint(), p, nil
}

func given(dsn, http string) (endpoint, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return endpoint{}, fmt.Errorf("FROGUP_TEST_CLICKHOUSE is not a URL") // its text may hold a password
	}
	if http == "" {
		http = net.JoinHostPort(u.Hostname(), "8123")
	}
	native := u.Host
	if u.Port() == "" {
		native = net.JoinHostPort(u.Hostname(), "9000")
	}
	return endpoint{native: native, http: http, user: u.User, query: u.RawQuery}, nil
}

func giveUp(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("FROGUP_TEST_REQUIRE") == "1" {
		t.Fatalf("needs ClickHouse: %v", err)
	}
	t.Skipf("needs ClickHouse: %v", err)
}
