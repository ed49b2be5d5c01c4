package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// frogup runs the command as in a shell and returns what it prints and its exit code.
func frogup(t testing.TB, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	c := exec.Command(binary, args...)
	c.Env = append(append([]string{}, os.Environ()...), env...)
	var out, errs strings.Builder
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

// A check from the command line needs no server, and its exit code says how it went.
func TestCommandCheck(t *testing.T) {
	t.Parallel()
	f, _ := faults(t)
	for _, tt := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"healthy", []string{f.URL(faulttest.Healthy)}, 0, "200"},
		{"healthy port", []string{f.Addr(faulttest.Healthy)}, 0, "connect"},
		{"refused", []string{f.URL(faulttest.Refused)}, 1, "refused"},
		{"503", []string{f.URL(faulttest.Unavailable)}, 1, "503"},
		{"503 is what is wanted", []string{f.URL(faulttest.Unavailable), "--rule", "status_code=503"}, 0, "503"},
		{"silent", []string{f.URL(faulttest.Silent), "--timeout", "300ms"}, 1, "300ms"},
		{"self-signed", []string{f.URL(faulttest.TLSSelfSigned)}, 1, "certificate"},
		{"no target", []string{}, 2, "arg"},
		{"bad target", []string{"ftp://example.com"}, 2, "ftp"},
		{"bad flag", []string{f.URL(faulttest.Healthy), "--timeout", "soon"}, 2, "timeout"},
		{"forbidden by policy", []string{"169.254.169.254:80", "--egress", "private"}, 2, "169.254.169.254"},
	} {
		stdout, stderr, code := frogup(t, nil, append([]string{"check"}, tt.args...)...)
		if code != tt.code || !strings.Contains(stdout+stderr, tt.says) {
			t.Errorf("%s: exit code %d, want %d and %q in\n%s%s", tt.name, code, tt.code, tt.says, stdout, stderr)
		}
		if strings.Contains(stdout+stderr, "\x1b[") {
			t.Errorf("%s: colours without a terminal", tt.name)
		}
	}
	stdout, _, _ := frogup(t, nil, "check", f.URL(faulttest.LateFirstByte), "--json")
	var e event
	if err := json.Unmarshal([]byte(stdout), &e); err != nil || e.Status != "success" || e.ResponseTimeMS < int(faulttest.Delay.Milliseconds()) {
		t.Errorf("--json says %s: %v", stdout, err)
	}
}

// The monitors of a server, from the command line.
func TestCommandMonitors(t *testing.T) {
	t.Parallel()
	s, target := start(t), newSite(t, nil)
	env := []string{"FROGUP_SERVER=" + s.base, "FROGUP_API_KEY=" + adminKey}
	id, stderr, code := frogup(t, env, "monitors", "create", "shop", target.url(), "--interval", "2s", "--label", "team=web")
	if id = strings.TrimSpace(id); code != 0 || id == "" {
		t.Fatalf("create: exit code %d, %q %q", code, id, stderr)
	}
	eventually(t, 15*time.Second, "the monitor to be up in the list", func() error {
		stdout, stderr, code := frogup(t, env, "monitors", "list")
		if code != 0 || !strings.Contains(stdout, "shop") || !strings.Contains(stdout, "up") {
			return errors.New(stdout + stderr)
		}
		return nil
	})
	for _, tt := range []struct {
		env  []string
		args []string
		code int
		says string
	}{
		{env, []string{"get", id}, 0, target.url()},
		{env, []string{"get", "4000000"}, 1, "4000000"},
		{env, []string{"create", "bad", "127.0.0.1:0"}, 2, "port"},
		{[]string{env[0], "FROGUP_API_KEY=wrong-wrong-wrong-wrong"}, []string{"list"}, 2, "key"},
		{[]string{"FROGUP_SERVER=http://127.0.0.1:1", env[1]}, []string{"list"}, 2, "127.0.0.1:1"},
		{env, []string{"delete", id}, 0, id},
		{env, []string{"get", id}, 1, id},
	} {
		stdout, stderr, code := frogup(t, tt.env, append([]string{"monitors"}, tt.args...)...)
		if code != tt.code || !strings.Contains(stdout+stderr, tt.says) {
			t.Errorf("%v: exit code %d, want %d and %q in\n%s%s", tt.args, code, tt.code, tt.says, stdout, stderr)
		}
	}
	for _, args := range [][]string{{"version"}, {"--help"}, {"serve", "--help"}, {"check", "--help"}, {"monitors", "--help"}, {"completion", "bash"}} {
		if stdout, stderr, code := frogup(t, nil, args...); code != 0 || len(stdout) < 10 {
			t.Errorf("%v: exit code %d, %q %q", args, code, stdout, stderr)
		}
	}
}
