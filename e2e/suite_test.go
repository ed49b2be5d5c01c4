package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/internal/clickhouse"
	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
)

// suite is one process for each service, on PostgreSQL and ClickHouse, with TLS between them.
type suite struct {
	config            string // file that all of them read
	addresses         map[string]string
	stores            []string // where they are, for the environment
	postgres, history string   // addresses of the stores
}

// services in starting order. None needs another to start.
var services = []string{"accounts", "events", "alerts", "monitors", "prober", "gateway"}

func newSuite(s *server) *suite {
	s.t.Helper()
	if s.wrap != nil {
		s.t.Skip("a network namespace holds one process: its services could not reach their stores")
	}
	return newSuiteOn(s, postgrestest.DSN(s.t), clickhousetest.DSN(s.t))
}

func newSuiteOn(s *server, postgres, history string) *suite {
	s.t.Helper()
	f := &suite{addresses: map[string]string{}, postgres: postgres, history: history, stores: []string{
		"FROGUP_DATABASE=" + postgres, "FROGUP_HISTORY=" + history,
	}}
	for _, name := range services {
		f.addresses[name] = freeAddress(s.t)
	}
	f.addresses["gateway"] = "127.0.0.1:0"
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	f.config = filepath.Join(s.dir, "frogup.yaml")
	if err := os.WriteFile(f.config, []byte(f.settings(s.args)), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return f
}

// settings is the configuration file: what all services share, where each listens, and what the flags of a scenario say.
func (f *suite) settings(flags []string) string {
	var out strings.Builder
	for _, name := range services {
		if name != "gateway" {
			fmt.Fprintf(&out, "%s: dns:///%s\n", name, strings.Replace(f.addresses[name], "127.0.0.1", "localhost", 1))
		}
	}
	lists := map[string][]string{}
	var names []string
	for i := 0; i+1 < len(flags); i += 2 {
		name := strings.TrimPrefix(flags[i], "--")
		if lists[name] == nil {
			names = append(names, name)
		}
		lists[name] = append(lists[name], flags[i+1])
	}
	for _, name := range names {
		for i, value := range lists[name] {
			lists[name][i] = strconv.Quote(value)
		}
		if value := strings.Join(lists[name], ", "); len(lists[name]) > 1 {
			fmt.Fprintf(&out, "%s: [%s]\n", name, value)
		} else {
			fmt.Fprintf(&out, "%s: %s\n", name, value)
		}
	}
	return out.String()
}

func (f *suite) processes(s *server) []*process {
	var all []*process
	for _, name := range services {
		secrets := filepath.Join(setup(s.t), name)
		p := &process{
			t: s.t, name: name, log: s,
			args: []string{"--config", f.config, "--listen", f.addresses[name], "--metrics-listen", "127.0.0.1:0", "--shutdown-delay", "0s"},
			env: append(append([]string{
				"FROGUP_TLS_CA=" + filepath.Join(secrets, "ca.crt"), "FROGUP_TLS_CERT=" + filepath.Join(secrets, "tls.crt"),
				"FROGUP_TLS_KEY=" + filepath.Join(secrets, "tls.key"), "FROGUP_CLUSTER_KEY_FILE=" + filepath.Join(secrets, "cluster.key"),
			}, s.env...), f.stores...),
		}
		if name == "monitors" || name == "alerts" {
			p.env = append(p.env, "FROGUP_SECRET_KEYSET_FILE="+filepath.Join(secrets, "keyset"))
		}
		all = append(all, p)
	}
	return all
}

// freeAddress is one that nobody listens on just now.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		// Below the ports that the kernel gives to outgoing connections, which may take one before its owner listens.
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12_000+rand.IntN(18_000)))
		if err != nil {
			continue
		}
		_ = l.Close()
		return l.Addr().String()
	}
	t.Fatal("no port is free")
	return ""
}

var secrets = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp(workDir, "secrets-")
	if err != nil {
		return "", err
	}
	if out, err := exec.Command(binary, "setup", "--out", dir).CombinedOutput(); err != nil {
		return "", fmt.Errorf("frogup setup: %w: %s", err, out)
	}
	return dir, nil
})

// setup is a folder with the certificates and keys of a suite.
func setup(t testing.TB) string {
	t.Helper()
	dir, err := secrets()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// dump writes every row of every table to files in the server's folder.
func (f *suite) dump(s *server) {
	s.t.Helper()
	ctx := context.Background()
	db, err := pgx.Connect(ctx, f.postgres)
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close(ctx)
	rows, err := db.Query(ctx, `SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) FROM information_schema.tables
		WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')`)
	if err != nil {
		s.t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Fatal(err)
	}
	for _, table := range tables {
		rows, err := db.Query(ctx, `SELECT t::text FROM `+table+` t`)
		if err != nil {
			s.t.Fatal(err)
		}
		f.write(s, table, rows, pgx.RowTo[string])
	}
	history, err := clickhouse.Open(ctx, f.history, clickhouse.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	defer history.Close()
	found, err := history.Conn().Query(ctx, `SELECT toString(tuple(*)) FROM monitor_events`)
	if err != nil {
		s.t.Fatal(err)
	}
	var all []string
	for found.Next() {
		var row string
		if err := found.Scan(&row); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, row)
	}
	if err := found.Err(); err != nil {
		s.t.Fatal(err)
	}
	f.file(s, "monitor_events", all)
}

func (f *suite) write(s *server, table string, rows pgx.Rows, to pgx.RowToFunc[string]) {
	s.t.Helper()
	all, err := pgx.CollectRows(rows, to)
	if err != nil {
		s.t.Fatal(err)
	}
	f.file(s, table, all)
}

func (f *suite) file(s *server, table string, rows []string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, table+".txt"), []byte(strings.Join(rows, "\n")), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// intact has nothing to do: the stores run on.
func (*suite) intact(*server) {}
