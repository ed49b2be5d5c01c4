package main

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// beFrogup makes the test binary be frogup itself.
const beFrogup = "FROGUP_TEST_BE_FROGUP"

func TestMain(m *testing.M) {
	if os.Getenv(beFrogup) == "1" {
		main()
	}
	os.Exit(m.Run())
}

const patience = 60 * time.Second

// process is a real frogup serve.
type process struct {
	*exec.Cmd
	base   string
	ended  chan error
	stderr *bytes.Buffer // to be read when it has ended
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"serve", "--data", filepath.Join(t.TempDir(), "data"), "--listen", "127.0.0.1:0"}, args...)
	p := &process{Cmd: exec.Command(exe, args...), ended: make(chan error, 1), stderr: &bytes.Buffer{}}
	p.Env = append(os.Environ(), beFrogup+"=1")
	p.Stderr = p.stderr
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if at, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
				ready <- at
			}
		}
		p.ended <- p.Wait()
	}()
	t.Cleanup(func() { _ = p.Process.Kill() }) // no harm once it has ended
	select {
	case p.base = <-ready:
	case err := <-p.ended:
		t.Fatalf("frogup ended: %v\n%s", err, p.stderr)
	case <-time.After(patience):
		t.Fatal("frogup does not listen")
	}
	p.until(t, http.StatusOK)
	return p
}

// until waits for a status of /readyz.
func (p *process) until(t *testing.T, want int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		got, err := p.get("/readyz")
		if err == nil && got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("/readyz answers %d, %v, want %d", got, err, want)
		}
	}
}

func (p *process) get(path string) (int, error) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(p.base + path)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func (p *process) signal(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// exit waits for the end and returns the exit code.
func (p *process) exit(t *testing.T) int {
	t.Helper()
	select {
	case err := <-p.ended:
		var status *exec.ExitError
		if errors.As(err, &status) {
			return status.ExitCode()
		}
		if err != nil {
			t.Fatal(err)
		}
		return 0
	case <-time.After(patience):
		t.Fatal("frogup does not end")
		return -1
	}
}

// The first breath: not ready at once, but served as before, new requests too. The second: what is left ends in order.
func TestStopInTwoBreaths(t *testing.T) {
	const delay = 2 * time.Second
	p := start(t, "--shutdown-delay", delay.String())
	begun := time.Now()
	p.signal(t)
	p.until(t, http.StatusServiceUnavailable)
	noticed := time.Since(begun)
	for _, path := range []string{"/", "/healthz", "/api/openapi.json"} {
		if status, err := p.get(path); err != nil || status != http.StatusOK {
			t.Errorf("%s while balancers look elsewhere: %d, %v", path, status, err)
		}
	}
	if code := p.exit(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr)
	}
	if took := time.Since(begun); noticed > delay || took < delay || took > delay+10*time.Second {
		t.Errorf("not ready after %v, ended after %v; the delay was %v", noticed, took, delay)
	}
}

func TestStopWithoutDelay(t *testing.T) {
	p := start(t)
	p.signal(t)
	if code := p.exit(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr)
	}
}

func TestSecondSignalStopsAtOnce(t *testing.T) {
	p := start(t, "--shutdown-delay", "5m")
	p.signal(t)
	p.until(t, http.StatusServiceUnavailable)
	begun := time.Now()
	p.signal(t)
	if code := p.exit(t); code != 128+int(syscall.SIGTERM) || !strings.Contains(p.stderr.String(), "second signal") {
		t.Errorf("exit code %d, said\n%s", code, p.stderr)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}
