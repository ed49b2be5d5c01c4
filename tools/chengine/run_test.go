//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mainVar makes the test binary the program itself.
const mainVar = "TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(mainVar) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// program is the launcher with a real engine.
type program struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	facts map[string]string // of the line READY
	said  bytes.Buffer
}

func command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	o, err := parse([]string{"-data", "d"}, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(o.lib); err != nil {
		if os.Getenv("FROGUP_TEST_REQUIRE") == "1" {
			t.Fatalf("needs the engine: %v", err)
		}
		t.Skipf("needs the engine: %v (tools/fetch-chdb gets it)", err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"-lib", o.lib}, args...)...)
	cmd.Env = append(append(os.Environ(), mainVar+"=1", "CLICKHOUSE_USER=", "CLICKHOUSE_PASSWORD=", "CLICKHOUSE_DB="), env...)
	return cmd
}

func start(t *testing.T, env []string, args ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: command(t, env, args...)}
	p.cmd.Stderr = &p.said
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	words, ready := strings.CutPrefix(line, "READY ")
	if err != nil || !ready {
		t.Fatalf("%q, %v\n%s", line, err, p.said.String())
	}
	p.facts = map[string]string{}
	for _, w := range strings.Fields(words) {
		name, value, _ := strings.Cut(w, "=")
		p.facts[name] = value
	}
	return p
}

func (p *program) query(user, password, sql string) string {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, "http://"+p.facts["http"]+"/", strings.NewReader(sql))
	if err != nil {
		p.t.Fatal(err)
	}
	req.SetBasicAuth(user, password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.TrimSpace(string(body))
}

// wait returns the exit code.
func (p *program) wait() int {
	p.t.Helper()
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

func TestServesTheUserAndTheDatabase(t *testing.T) {
	p := start(t, []string{"CLICKHOUSE_USER=frog", `CLICKHOUSE_PASSWORD=<"&'>`, "CLICKHOUSE_DB=up`time", "TZ=America/New_York"},
		"-data", filepath.Join(t.TempDir(), "new", "data"))
	got := p.query("frog", `<"&'>`, "SELECT currentUser(), timezone(), toHour(toDateTime(0)), getSetting('implicit_select'), "+
		"(SELECT engine FROM system.databases WHERE name = 'up`time')")
	if want := "frog\tUTC\t0\tfalse\tAtomic"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for who, password := range map[string]string{"frog": "wrong", "nobody": ""} {
		if got := p.query(who, password, "SELECT 1"); !strings.Contains(got, "AUTHENTICATION_FAILED") {
			t.Errorf("%s with the password %q: %s", who, password, got)
		}
	}
	if got := p.query("default", "", "SELECT name FROM system.databases"); strings.Contains(got, "up`time") {
		t.Errorf("the engine's own user may look around: %s", got)
	}
	if p.facts["pid"] != strconv.Itoa(p.cmd.Process.Pid) || p.facts["version"] == "" {
		t.Errorf("READY %v", p.facts)
	}
	c, err := net.Dial("tcp", p.facts["tcp"])
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

func TestEndsWhenStandardInputCloses(t *testing.T) {
	for name, remove := range map[string]bool{"keeping the data": false, "removing it": true} {
		t.Run(name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			p := start(t, nil, "-data", data, "-watch-stdin", "-remove-data="+strconv.FormatBool(remove))
			if got := p.query("default", "", "CREATE TABLE default.x (n UInt8) ENGINE = MergeTree ORDER BY n"); got != "" {
				t.Error(got)
			}
			_ = p.stdin.Close()
			if code := p.wait(); code != 0 {
				t.Errorf("exit code %d\n%s", code, p.said.String())
			}
			if _, err := os.Stat(data); os.IsNotExist(err) != remove {
				t.Errorf("the data: %v", err)
			}
		})
	}
}

func TestEndsOnSignals(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		p := start(t, nil, "-data", t.TempDir())
		if err := p.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if code := p.wait(); code != 0 {
			t.Errorf("%s: exit code %d\n%s", sig, code, p.said.String())
		}
	}
}

func TestConfigurationFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	users := write("users.xml", `<clickhouse><quotas><default/></quotas>
		<profiles><default/><few><max_threads>3</max_threads></few></profiles><users>
		<default><password/><networks><ip>127.0.0.1</ip></networks></default>
		<a.b><password>p</password><networks><ip>::/0</ip></networks><profile>few</profile></a.b></users></clickhouse>`)
	config := write("config.xml", `<clickhouse><users_config>`+users+`</users_config><mark_cache_size>4194304</mark_cache_size></clickhouse>`)
	p := start(t, nil, "-data", filepath.Join(dir, "data"), "-config", config, "-users", users)
	got := p.query("a.b", "p", "SELECT getSetting('max_threads'), value FROM system.server_settings WHERE name = 'mark_cache_size'")
	if got != "3\t4194304" {
		t.Error(got)
	}
}

func TestRefusals(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	shared := t.TempDir()
	start(t, nil, "-data", shared)
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"taken port":        {[]string{"-data", t.TempDir(), "-tcp-port", taken}, "address already in use"},
		"data of another":   {[]string{"-data", shared}, "the engine has stopped"},
		"no library":        {[]string{"-data", t.TempDir(), "-lib", "/nowhere.so"}, "tools/fetch-chdb"},
		"not the library":   {[]string{"-data", t.TempDir(), "-lib", os.Args[0]}, "load"},
		"broken users":      {[]string{"-data", t.TempDir(), "-users", os.Args[0]}, "the engine has stopped"},
		"data in a file":    {[]string{"-data", os.Args[0]}, "not a directory"},
		"address of a name": {[]string{"-data", t.TempDir(), "-listen", "localhost"}, "listen"},
		"too little time":   {[]string{"-data", t.TempDir(), "-start-timeout", "1ns"}, "does not listen on"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := command(t, nil, tt.args...)
			kill := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
			defer kill()
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), tt.want) {
				t.Errorf("%v\n%s\nwant %q", err, out, tt.want)
			}
		})
	}
}
