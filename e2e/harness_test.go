package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the frogup that every scenario runs; built once.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(testMain(m))
}

// atOnce is how many scenarios run together. Most of them wait for checks that are due
// once a second, so there is room for more of them than the machine has processors.
const atOnce = "6"

func testMain(m *testing.M) int {
	if f := flag.Lookup("test.parallel"); f != nil && f.Value.String() == f.DefValue {
		if err := f.Value.Set(atOnce); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			return 1
		}
	}
	if given := os.Getenv("FROGUP_E2E_BINARY"); given != "" { // one that was built elsewhere, such as a release
		path, err := filepath.Abs(given)
		if err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			return 1
		}
		binary = path
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "frogup-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "frogup")
	build := exec.Command("go", "build", "-o", binary, "github.com/frogstats/uptime/cmd/frogup")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // what users get
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "e2e: build frogup: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

const (
	adminEmail    = "owner@example.com"
	adminPassword = "correct horse battery staple"
	adminKey      = "e2e-admin-key-0123456789abcdef"
)

// server is one running `frogup serve` and how to talk to it.
type server struct {
	t    testing.TB
	dir  string
	env  []string
	args []string
	wrap []string // command that the binary is run under, such as unshare …
	rest *http.Client

	cmd    *exec.Cmd
	base   string
	exited chan error

	mu  sync.Mutex
	log bytes.Buffer // all output of all runs
}

type option func(*server)

// withArgs adds flags to `frogup serve`.
func withArgs(args ...string) option { return func(s *server) { s.args = append(s.args, args...) } }

// withEnv replaces the environment that creates the owner.
func withEnv(env ...string) option { return func(s *server) { s.env = env } }

// moreEnv adds to the environment.
func moreEnv(env ...string) option { return func(s *server) { s.env = append(s.env, env...) } }

// start runs a server in a fresh folder until the test ends.
func start(t testing.TB, opts ...option) *server {
	t.Helper()
	s := &server{t: t, dir: filepath.Join(t.TempDir(), "data"), rest: restClient, env: []string{
		"FROGUP_ADMIN_EMAIL=" + adminEmail, "FROGUP_ADMIN_PASSWORD=" + adminPassword, "FROGUP_ADMIN_API_KEY=" + adminKey,
	}}
	for _, o := range opts {
		o(s)
	}
	t.Cleanup(func() {
		if s.cmd != nil {
			s.stop()
		}
		if t.Failed() {
			t.Logf("server output:\n%s", tail(s.remarks(), 8<<10))
		}
	})
	s.run()
	return s
}

// run starts the process and waits until it is ready.
func (s *server) run() {
	s.t.Helper()
	args := append([]string{"serve", "--data", s.dir, "--listen", "127.0.0.1:0"}, s.args...)
	name := binary
	if len(s.wrap) > 0 {
		name, args = s.wrap[0], append(append(append([]string{}, s.wrap[1:]...), binary), args...)
	}
	s.cmd = exec.Command(name, args...)
	s.cmd.Env = append(append([]string{}, os.Environ()...), s.env...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // never outlives the test
	s.cmd.Stderr = s
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	// Pdeathsig follows the thread that started the process, so that thread must not end
	// before the test binary does: one goroutine keeps it for all servers.
	if err := onStarter(s.cmd.Start); err != nil {
		s.t.Fatal(err)
	}
	ready := make(chan string, 1)
	s.exited = make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			_, _ = s.Write(append(lines.Bytes(), '\n'))
			if at, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
				ready <- at
			}
		}
		s.exited <- s.cmd.Wait()
	}()
	select {
	case s.base = <-ready:
	case err := <-s.exited:
		s.exited <- err
		s.t.Fatalf("frogup serve ended before it was ready: %v\n%s", err, s.output())
	case <-time.After(60 * time.Second):
		s.t.Fatalf("frogup serve was not ready within 60 s\n%s", s.output())
	}
	eventually(s.t, 30*time.Second, "the server to be ready", func() error {
		resp, err := s.rest.Get(s.base + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz answers %s", resp.Status)
		}
		return nil
	})
}

var starter = sync.OnceValue(func() chan func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread() // never unlocked
		for f := range work {
			f()
		}
	}()
	return work
})

func onStarter(f func() error) error {
	done := make(chan error, 1)
	starter() <- func() { done <- f() }
	return <-done
}

// stop ends the server with SIGTERM and checks that it goes in order and in time.
func (s *server) stop() {
	s.t.Helper()
	began := time.Now()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Errorf("signal: %v", err)
	}
	select {
	case err := <-s.exited:
		if err != nil {
			s.t.Errorf("frogup serve ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		s.t.Errorf("frogup serve did not stop within 10 s of SIGTERM")
		s.kill()
		return
	}
	s.t.Logf("stopped in %v", time.Since(began).Round(time.Millisecond))
	s.cmd = nil
}

// kill ends the server as a power cut would end the process.
func (s *server) kill() {
	s.t.Helper()
	_ = s.cmd.Process.Kill()
	if <-s.exited == nil {
		s.t.Error("frogup serve ended in order before it could be killed")
	}
	s.cmd = nil
}

// Write collects output.
func (s *server) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

func (s *server) output() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// remarks is the output without the line of each request, of which polling makes hundreds.
func (s *server) remarks() string {
	var out strings.Builder
	for line := range strings.Lines(s.output()) {
		if !strings.Contains(line, `"msg":"request"`) {
			out.WriteString(line)
		}
	}
	return out.String()
}

func tail(s string, n int) string {
	if len(s) > n {
		return "… " + s[len(s)-n:]
	}
	return s
}

// eventually waits until probe is content, and fails the test with its last
// complaint if that takes longer than limit.
func eventually(t testing.TB, limit time.Duration, what string, probe func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := probe()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s: %v", limit, what, err)
		}
		<-tick.C
	}
}

// reply is what the REST surface answered.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// do makes a request with the admin's key unless headers say otherwise.
func (s *server) do(method, path string, body any, headers ...string) reply {
	s.t.Helper()
	r, err := s.try(context.Background(), method, path, body, headers...)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

func (s *server) try(ctx context.Context, method, path string, body any, headers ...string) (reply, error) {
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		in = bytes.NewReader(encode(s.t, b))
	}
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, in)
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Authorization", "Bearer "+adminKey)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Del(headers[i])
		if headers[i+1] != "" {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	resp, err := s.rest.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, b}, err
}

// restClient follows no redirect and keeps no cookie: what the server says is what is seen.
var restClient = &http.Client{
	Timeout:       20 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// of is the same server for a subtest.
func (s *server) of(t testing.TB) *server {
	return &server{t: t, dir: s.dir, rest: s.rest, base: s.base, cmd: s.cmd}
}
