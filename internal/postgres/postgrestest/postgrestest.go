// Package postgrestest lends empty databases of a real PostgreSQL server to tests.
//
// The server is the one that FROGUP_TEST_POSTGRES names (the URL of a role that may create databases), or else one that is
// made for the test binary from the initdb and postgres found on PATH or in the usual folders. Where there is neither, tests
// are skipped, or fail if FROGUP_TEST_REQUIRE is 1.
package postgrestest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/frogstats/uptime/internal/postgres"
)

// patience is how long anything that a test waits for here may take.
const patience = 30 * time.Second

// errNoServer is the one failure for which a test may be skipped.
var errNoServer = errors.New("no PostgreSQL: FROGUP_TEST_POSTGRES is not set, and initdb and postgres were not found")

// shared is the URL of the server that the tests of this binary share.
var shared = sync.OnceValues(func() (string, error) {
	if dsn := os.Getenv("FROGUP_TEST_POSTGRES"); dsn != "" {
		return dsn, nil
	}
	var err error
	if own, err = newServer(nil); err != nil {
		return "", err
	}
	return own.url("postgres"), nil
})

// own is the server made for shared. It runs as long as its files are open, which is until the process ends or they are
// collected as garbage.
var own *Server

// DSN returns the URL of a fresh empty database, dropped when the test ends.
func DSN(t testing.TB) string {
	t.Helper()
	dsn, err := shared()
	need(t, err)
	name := "frogup_test_" + random(8)
	mine, err := withDatabase(dsn, name)
	need(t, err)
	need(t, create(dsn, name))
	t.Cleanup(func() {
		if err := execute(dsn, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	return mine
}

// Open opens a fresh empty database with schema, closed and dropped when the test ends.
func Open(t testing.TB, schema string) *postgres.DB {
	t.Helper()
	return OpenAt(t, DSN(t), postgres.Options{Schema: schema})
}

// OpenAt opens the database at dsn, closed when the test ends.
func OpenAt(t testing.TB, dsn string, opts postgres.Options) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(context.Background(), dsn, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close database: %v", err)
		}
	})
	return db
}

// Start makes a server for this test alone, which can be stopped, killed and started again on the same port, with settings
// such as "max_connections=5" beside the usual ones. It is removed when the test ends.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s, err := newServer(settings)
	need(t, err)
	s.t = t
	t.Cleanup(s.remove)
	need(t, create(s.url("postgres"), ownDatabase))
	return s
}

// need ends the test if err is not nil: without a server to be had it is skipped, unless one is required.
func need(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, errNoServer) && os.Getenv("FROGUP_TEST_REQUIRE") != "1":
		t.Skip(err)
	default:
		t.Fatal(err)
	}
}

// create makes a database that sorts as a dictionary does, where the server can: many in production do, and what relies on the
// order of bytes must say so.
func create(dsn, name string) error {
	plain := `CREATE DATABASE ` + name + ` TEMPLATE template0`
	err := execute(dsn, plain+` LOCALE_PROVIDER icu ICU_LOCALE 'en-US'`)
	var p *pgconn.PgError
	if errors.As(err, &p) && (p.Code == "0A000" || p.Code == "42601") { // built without ICU, or older than 15
		return execute(dsn, plain)
	}
	return err
}

func execute(dsn, sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

func withDatabase(dsn, name string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return "", errors.New("FROGUP_TEST_POSTGRES is not a postgres:// URL")
	}
	u.Path = "/" + name
	return u.String(), nil
}

func random(bytes int) string {
	b := make([]byte, bytes)
	if _, err := rand.Read(b); err != nil {
		panic(fmt.Sprintf("no randomness: %v", err)) // never returns an error, see crypto/rand
	}
	return hex.EncodeToString(b)
}
