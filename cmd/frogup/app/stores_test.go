package app

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
)

// What no waiting mends ends the process at once, with a line that says what it is.
func TestMistakesInTheAddressOfAStoreEndTheProcess(t *testing.T) {
	poor := clickhousetest.User{Name: "poor", Password: "poor", Grants: []string{"SELECT, INSERT ON default.*", "SELECT ON system.numbers"}}
	clickhouse := clickhousetest.Start(t, poor)
	server := postgrestest.Start(t)
	wrong := func(dsn string, change func(u *url.URL)) string {
		u, err := url.Parse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		return u.String()
	}
	password := func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), canary) }
	database := func(u *url.URL) { u.Path = "/nowhere" }
	for name, tt := range map[string]struct{ role, database, history, want string }{
		"PostgreSQL's password":    {"accounts", wrong(server.DSN(), password), "", "password authentication failed"},
		"PostgreSQL's database":    {"monitors", wrong(server.DSN(), database), "", `database "nowhere" does not exist`},
		"the state's password":     {"events", wrong(server.DSN(), password), "", "password authentication failed"},
		"ClickHouse's password":    {"events", "", wrong(clickhouse.DSN(), password), "Authentication failed"},
		"ClickHouse's database":    {"events", "", wrong(clickhouse.DSN(), database), "nowhere"},
		"ClickHouse over HTTP":     {"events", "", wrong(clickhouse.HTTPDSN(), password), "Authentication failed"},
		"a grant in ClickHouse":    {"events", "", clickhouse.DSNOf(poor), "grant CREATE TABLE ON default."},
		"PostgreSQL speaks no TLS": {"alerts", wrong(server.DSN(), func(u *url.URL) { u.RawQuery = "sslmode=require" }), "", "refused TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSuite(t, tt.database, tt.history)
			begun := time.Now()
			got := runVerb(t, t.Context(), s.of(tt.role), "", tt.role)
			if took := time.Since(begun); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			lines := strings.Split(strings.TrimSpace(got.stderr), "\n")
			last := lines[len(lines)-1]
			if got.code != exitError || strings.Contains(got.stderr, "again_in") || strings.Contains(got.stderr, canary) ||
				!strings.HasPrefix(last, "frogup: ") || !strings.Contains(last, tt.want) {
				t.Errorf("exit code %d and\n%s\nwant %d and %s", got.code, got.stderr, exitError, tt.want)
			}
		})
	}
}

// Whoever stops a service that waits for its database has done nothing wrong.
func TestStopWhileWaitingForTheDatabase(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // and nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for name, address := range map[string]string{"between two tries": closedPort(t), "within one": silent.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			s := newSuite(t, "postgres://frogup@"+address+"/frogup", "")
			s.start("accounts")
			s.up["accounts"].line("metrics on ")
			if address != silent.Addr().String() {
				eventually(t, "a word about the database", func() error {
					if said := s.up["accounts"].said(); !strings.Contains(said, "again_in") {
						return fmt.Errorf("it said %s", said)
					}
					return nil
				})
			}
			s.up["accounts"].stop(exitOK)
		})
	}
}

// Replicas of alerts share a database, and nobody shares a file.
func TestAlertsKnowsWhetherItsStoreIsShared(t *testing.T) {
	h := &house{log: slog.New(slog.DiscardHandler), keys: keyring{derive: func(string) []byte { return nil }}}
	for address, want := range map[string]bool{
		"postgres://h/d": true, "postgresql://h/d": true, "sqlite:/data/alerts.db": false, "sqlite:///data/alerts.db": false,
	} {
		if got := h.alertsDeps(address).Shared; got != want {
			t.Errorf("%s: shared %v, want %v", address, got, want)
		}
	}
}
