package app

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
)

const suiteKey = "suite-admin-key-0123456789abcdef"

// suite is every service as a verb of its own, over TCP with certificates on both sides.
type suite struct {
	t       *testing.T
	dir     string
	address map[string]string
	env     map[string]string // of every service
	own     map[string]map[string]string
	up      map[string]*running
}

// newSuite sets up the keys. The stores are given by database and history, or are SQLite files if those are "".
func newSuite(t *testing.T, database, history string) *suite {
	t.Helper()
	s := &suite{t: t, dir: t.TempDir(), address: map[string]string{}, own: map[string]map[string]string{}, up: map[string]*running{}}
	if got := runVerb(t, t.Context(), nil, "", "setup", "--out", s.dir); got.code != exitOK {
		t.Fatalf("setup: %s", got.stderr)
	}
	s.env = map[string]string{"FROGUP_METRICS_LISTEN": "127.0.0.1:0", "FROGUP_SHUTDOWN_DELAY": "0s", "FROGUP_LOG_LEVEL": "debug"}
	for _, name := range members() {
		s.address[name] = closedPort(t)
		if name != gatewayRole {
			s.env["FROGUP_"+strings.ToUpper(name)] = s.address[name]
		}
	}
	for _, name := range members() {
		folder := filepath.Join(s.dir, name)
		env := map[string]string{
			"FROGUP_LISTEN": s.address[name], "FROGUP_CLUSTER_KEY_FILE": filepath.Join(folder, "cluster.key"),
			"FROGUP_TLS_CERT": filepath.Join(folder, certFile), "FROGUP_TLS_KEY": filepath.Join(folder, keyFile), "FROGUP_TLS_CA": filepath.Join(folder, caFile),
		}
		if name != "prober" && name != gatewayRole {
			env["FROGUP_DATABASE"] = database
			if database == "" {
				env["FROGUP_DATABASE"] = "sqlite:" + filepath.Join(folder, "store", "data.db")
			}
		}
		s.own[name] = env
	}
	for _, name := range []string{"monitors", "alerts"} {
		s.own[name]["FROGUP_SECRET_KEYSET_FILE"] = filepath.Join(s.dir, name, "keyset")
	}
	s.own["events"]["FROGUP_HISTORY"] = history
	if history == "" {
		s.own["events"]["FROGUP_HISTORY"] = "sqlite:" + filepath.Join(s.dir, "events", "store", "history")
	}
	s.own["accounts"]["FROGUP_ADMIN_EMAIL"] = "owner@example.com"
	s.own["accounts"]["FROGUP_ADMIN_PASSWORD"] = "correct horse battery staple"
	s.own["accounts"]["FROGUP_ADMIN_API_KEY"] = suiteKey
	return s
}

// of is the whole environment of a service.
func (s *suite) of(name string) map[string]string {
	env := maps.Clone(s.env)
	maps.Copy(env, s.own[name])
	return env
}

func (s *suite) start(names ...string) {
	s.t.Helper()
	for _, name := range names {
		s.up[name] = launch(s.t, s.of(name), name)
	}
}

func (s *suite) url(path string) string { return "http://" + s.address[gatewayRole] + path }

// health runs frogup health for a service.
func (s *suite) health(name string) outcome {
	return runVerb(s.t, s.t.Context(), s.of(name), "", "health", name)
}

// isUp waits until a service says that it is ready.
func (s *suite) isUp(names ...string) {
	s.t.Helper()
	for _, name := range names {
		eventually(s.t, name+" to be ready", func() error {
			if got := s.health(name); got.code != exitOK {
				return fmt.Errorf("exit code %d: %s%s", got.code, got.stdout, got.stderr)
			}
			return nil
		})
	}
}

// checks makes a monitor and waits until it was seen up, which takes all services.
func (s *suite) checks(name string) {
	s.t.Helper()
	client := map[string]string{"FROGUP_SERVER": s.url(""), "FROGUP_API_KEY": suiteKey}
	target := "tcp://" + s.address["accounts"]
	eventually(s.t, "a monitor to be made", func() error {
		got := runVerb(s.t, s.t.Context(), client, "", "monitors", "create", name, target, "--interval", "1s")
		if got.code != exitOK {
			return fmt.Errorf("%s", got.stderr)
		}
		return nil
	})
	eventually(s.t, "the monitor to be up", func() error {
		got := runVerb(s.t, s.t.Context(), client, "", "monitors", "list", "--status", "up")
		if got.code != exitOK || !strings.Contains(got.stdout, name) {
			return fmt.Errorf("exit code %d: %s%s", got.code, got.stdout, got.stderr)
		}
		return nil
	})
}

// Each service runs alone, whatever the order of starting, and tells what it is to be ready.
func TestServicesAlone(t *testing.T) {
	s := newSuite(t, "", "")
	s.start(gatewayRole, "prober", "alerts", "events", "monitors")
	s.isUp("prober", "alerts", "events", "monitors") // although accounts is not there
	if got := s.health("accounts"); got.code != exitNo || !strings.Contains(got.stderr, s.address["accounts"]) {
		t.Errorf("health of a service that does not run: %+v", got)
	}
	if got := s.health(gatewayRole); got.code != exitNo || !strings.Contains(got.stdout, `"accounts":"not ready"`) {
		t.Errorf("health of the gateway without accounts: %+v", got)
	}
	operators := s.up[gatewayRole].line("metrics on ")
	if status, body, err := get(operators + "/readyz?format=json"); status != http.StatusServiceUnavailable || !strings.Contains(body, `"accounts":"not ready"`) {
		t.Errorf("operators' readyz of the gateway without accounts: %d %s %v", status, body, err)
	}
	s.start("accounts")
	s.isUp("accounts", gatewayRole)
	s.checks("first")

	for path, want := range map[string]string{"/readyz?format=json": `"peers":{"accounts":"ready","alerts":"ready","events":"ready","monitors":"ready","prober":"ready"}`, "/healthz": "ok", "/metrics": "go_goroutines"} {
		if status, body, err := get(operators + path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s %v", path, status, body, err)
		}
	}
	if _, body, _ := get(s.up["events"].line("metrics on ") + "/readyz?format=json"); !strings.Contains(body, `"stores":{"events database":"ready","events history":"ready"}`) {
		t.Errorf("readyz of events: %s", body)
	}

	for name, r := range s.up {
		for line := range strings.Lines(fileText(t, r.stderr)) {
			if !strings.HasSuffix(line, "\n") { // being written
				break
			}
			if strings.Count(line, `"service":`) != 1 || !strings.Contains(line, `"service":"`+name+`"`) {
				t.Errorf("a record of %s does not name its service once: %s", name, line)
				break
			}
		}
	}

	s.up["prober"].stop(exitOK)
	if err := answers(s.url("/readyz"), http.StatusOK)(); err != nil {
		t.Errorf("without the prober: %v", err)
	}
	s.up["events"].stop(exitOK)
	eventually(t, "the gateway to miss events", answers(s.url("/readyz"), http.StatusServiceUnavailable))
	s.start("events", "prober")
	s.isUp("events", "prober", gatewayRole)
	s.checks("second")
}

// A stranger without a certificate, or with the wrong key for principals, gets nowhere.
func TestStrangersAreRefused(t *testing.T) {
	s := newSuite(t, "", "")
	s.start("accounts")
	s.isUp("accounts")
	plain := s.of("accounts")
	for _, name := range []string{"FROGUP_TLS_CERT", "FROGUP_TLS_KEY", "FROGUP_TLS_CA"} {
		delete(plain, name)
	}
	plain["FROGUP_PLAINTEXT"] = "true"
	if got := runVerb(t, t.Context(), plain, "", "health", "accounts"); got.code != exitNo {
		t.Errorf("without TLS: %+v", got)
	}
	other := newSuite(t, "", "")
	strange := s.of("accounts")
	for _, name := range []string{"FROGUP_TLS_CERT", "FROGUP_TLS_KEY"} {
		strange[name] = other.own["accounts"][name]
	}
	if got := runVerb(t, t.Context(), strange, "", "health", "accounts", "--timeout", "2s"); got.code != exitNo {
		t.Errorf("with another authority's certificate: %+v", got)
	}
	if got := runVerb(t, t.Context(), s.of("accounts"), "", "health", "accounts", "--server-name", "monitors"); got.code != exitNo || !strings.Contains(got.stderr, "monitors") {
		t.Errorf("a server that is not the one expected: %+v", got)
	}
}

// Two processes on one SQLite file would not see one another's changes.
func TestSQLiteFilesHaveOneOwner(t *testing.T) {
	s := newSuite(t, "", "")
	s.start("accounts")
	s.isUp("accounts")
	env := s.of("accounts")
	env["FROGUP_LISTEN"] = "127.0.0.1:0"
	if got := runVerb(t, t.Context(), env, "", "accounts"); got.code != exitError || !strings.Contains(got.stderr, "in use") {
		t.Errorf("%+v", got)
	}
}

// A second events service waits for the state, without a port, until the first has gone; then everybody finds it.
func TestServicesOnPostgres(t *testing.T) {
	s := newSuite(t, postgrestest.DSN(t), "")
	first, second := s.address["events"], closedPort(t)
	s.env["FROGUP_EVENTS"] = first + "," + second
	s.start(members()...)
	s.isUp(members()...)
	s.checks("on postgres")

	env := s.of("events")
	env["FROGUP_LISTEN"] = second
	env["FROGUP_HISTORY"] = "sqlite:" + filepath.Join(t.TempDir(), "history")
	standby := launch(t, env, "events")
	operators := standby.line("metrics on ")
	if status, body, err := get(operators + "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "starting") {
		t.Errorf("readyz of the standby: %d %s %v", status, body, err)
	}
	if err := answers(operators+"/healthz", http.StatusOK)(); err != nil {
		t.Errorf("the standby is not alive: %v", err)
	}
	s.up["events"].stop(exitOK)
	standby.line("listening on grpc://" + second)
	eventually(t, "the standby to take over", answers(operators+"/readyz", http.StatusOK))
	s.checks("after taking over")
	s.up["prober"].stop(exitOK) // while there is somebody to take its last results
}

func TestServeOnDatabaseServers(t *testing.T) {
	env := map[string]string{"FROGUP_DATABASE": postgrestest.DSN(t), "FROGUP_HISTORY": clickhousetest.DSN(t), "FROGUP_LOW_MEMORY": "true",
		"FROGUP_ADMIN_EMAIL": "owner@example.com", "FROGUP_ADMIN_PASSWORD": "correct horse battery staple", "FROGUP_ADMIN_API_KEY": suiteKey}
	for round := range 2 { // what the first stored, the second finds
		r := launch(t, env, "serve", "--data", filepath.Join(t.TempDir(), "data"), "--listen", "127.0.0.1:0")
		base := r.line("listening on ")
		eventually(t, "serve to be ready", answers(base+"/readyz", http.StatusOK))
		client := map[string]string{"FROGUP_SERVER": base, "FROGUP_API_KEY": suiteKey}
		if round == 0 {
			got := runVerb(t, t.Context(), client, "", "monitors", "create", "self", base+"/healthz", "--interval", "1s")
			if got.code != exitOK {
				t.Fatalf("%+v", got)
			}
		}
		eventually(t, "checks to be stored", func() error {
			got := runVerb(t, t.Context(), client, "", "monitors", "get", "1", "--json")
			if got.code != exitOK || !strings.Contains(got.stdout, `"success"`) {
				return fmt.Errorf("%+v", got)
			}
			return nil
		})
		r.stop(exitOK)
	}
}

// The link that the accounts service prints leads through a gateway that is another process.
func TestSetupLinkOfSeparateServices(t *testing.T) {
	s := newSuite(t, "", "")
	for _, name := range []string{"FROGUP_ADMIN_EMAIL", "FROGUP_ADMIN_PASSWORD", "FROGUP_ADMIN_API_KEY"} {
		delete(s.own["accounts"], name)
	}
	s.own["accounts"]["FROGUP_PUBLIC_URL"] = s.url("")
	s.start("accounts", gatewayRole)
	s.isUp("accounts")
	link, err := url.Parse(s.up["accounts"].line("create the first owner at "))
	if err != nil {
		t.Fatal(err)
	}
	token := link.Query().Get("token")
	if link.Path != "/setup" || link.Host != s.address[gatewayRole] || token == "" {
		t.Fatalf("the link is %s", link)
	}
	if strings.Contains(s.up["accounts"].said(), token) {
		t.Error("the token is in the log")
	}
	eventually(t, "the page behind the link", answers(link.String(), http.StatusOK))
	body := fmt.Sprintf(`{"token":%q,"email":"owner@example.com","password":"correct horse battery staple"}`, token)
	eventually(t, "the owner to be created", func() error {
		client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Post(s.url("/api/auth/setup"), "application/json", strings.NewReader(body))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
			return fmt.Errorf("%s: %s", resp.Status, answer)
		}
		return nil
	})
}

// A database that is not there yet is waited for, and a service whose database goes away says so until it is back.
// TestHistoryComesLate starts beside a ClickHouse that is down: checks run and are judged, the history is said to be delayed, and
// what was made in the meantime is there when it comes.
func TestHistoryComesLate(t *testing.T) {
	server := clickhousetest.Start(t)
	server.Kill()
	env := map[string]string{"FROGUP_DATABASE": postgrestest.DSN(t), "FROGUP_HISTORY": server.DSN(),
		"FROGUP_ADMIN_EMAIL": "owner@example.com", "FROGUP_ADMIN_PASSWORD": "correct horse battery staple", "FROGUP_ADMIN_API_KEY": suiteKey}
	port := closedPort(t)
	r := launch(t, env, "serve", "--data", filepath.Join(t.TempDir(), "data"), "--listen", "127.0.0.1:0", "--metrics-listen", port)
	base, operators := r.line("listening on "), "http://"+port
	eventually(t, "serve to be ready", answers(base+"/readyz", http.StatusOK))
	shows := func(word string) func() error {
		return func() error {
			if status, body, err := get(operators + "/readyz?format=json"); err != nil || status != http.StatusOK || !strings.Contains(body, `"events history":"`+word+`"`) {
				return fmt.Errorf("%d %s %w", status, body, err)
			}
			return nil
		}
	}
	eventually(t, "the history to be delayed", shows("delayed"))
	client := map[string]string{"FROGUP_SERVER": base, "FROGUP_API_KEY": suiteKey}
	if got := runVerb(t, t.Context(), client, "", "monitors", "create", "self", base+"/healthz", "--interval", "1s"); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	says := func(word string, verb ...string) func() error {
		return func() error {
			got := runVerb(t, t.Context(), client, "", verb...)
			if got.code != exitOK || !strings.Contains(got.stdout, word) {
				return fmt.Errorf("%+v", got)
			}
			return nil
		}
	}
	eventually(t, "checks to be judged", says(`"up"`, "monitors", "list", "--json"))
	server.Start()
	eventually(t, "checks to be stored", says(`"success"`, "monitors", "get", "1", "--json"))
	eventually(t, "the history to be ready", shows("ready"))
	r.stop(exitOK)
}

func TestDatabaseComesAndGoes(t *testing.T) {
	server := postgrestest.Start(t)
	dsn := server.DSN()
	server.Kill()
	s := newSuite(t, dsn, "")
	s.own["accounts"]["FROGUP_STARTUP_TIMEOUT"] = "50s"
	s.start("accounts")
	operators := s.up["accounts"].line("metrics on ")
	if status, body, err := get(operators + "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "starting") {
		t.Errorf("readyz while waiting: %d %s %v", status, body, err)
	}
	eventually(t, "a word about the database", func() error {
		if !strings.Contains(s.up["accounts"].said(), "store cannot be opened yet") {
			return fmt.Errorf("it said %s", s.up["accounts"].said())
		}
		return nil
	})
	server.Start()
	s.isUp("accounts")
	server.Kill()
	eventually(t, "accounts to be not ready", func() error {
		if got := s.health("accounts"); got.code == exitOK {
			return fmt.Errorf("it is ready")
		}
		return nil
	})
	server.Start()
	s.isUp("accounts")
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if password, _ := u.User.Password(); password == "" || strings.Contains(s.up["accounts"].said(), password) {
		t.Error("the log shows the database's password")
	}
}

func TestDatabaseNeverComes(t *testing.T) {
	s := newSuite(t, "postgres://frogup:"+"canary-7f3a"+"@"+closedPort(t)+"/frogup", "")
	s.own["accounts"]["FROGUP_STARTUP_TIMEOUT"] = "1s"
	got := runVerb(t, t.Context(), s.of("accounts"), "", "accounts")
	if got.code != exitError || strings.Count(got.stderr, "store cannot be opened yet") < 2 || strings.Contains(got.stderr, "canary-7f3a") {
		t.Errorf("%+v", got)
	}
}
