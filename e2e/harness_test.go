package e2e

import (
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
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	binary  string // the frogup that every scenario runs; built once
	workDir string // for what all scenarios share; removed at the end
)

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
	dir, err := os.MkdirTemp("", "frogup-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	workDir = dir
	if given := os.Getenv("FROGUP_E2E_BINARY"); given != "" { // one that was built elsewhere, such as a release
		path, err := filepath.Abs(given)
		if err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			return 1
		}
		binary = path
		return m.Run()
	}
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

// server is the product as somebody runs it, in one process or as a suite of services, and how to talk to it.
type server struct {
	t    testing.TB
	make func(*server) form // nil is the one that the environment names
	form form
	dir  string
	env  []string
	args []string
	wrap []string // command that the binary is run under, such as nsenter …
	rest *http.Client

	processes []*process // in starting order
	base      string

	mu  sync.Mutex
	log bytes.Buffer // all output of all runs
}

type option func(*server)

// withArgs adds flags to `frogup serve`, or settings to the services that have them.
func withArgs(args ...string) option { return func(s *server) { s.args = append(s.args, args...) } }

// withEnv replaces the environment that creates the owner.
func withEnv(env ...string) option { return func(s *server) { s.env = env } }

// moreEnv adds to the environment.
func moreEnv(env ...string) option { return func(s *server) { s.env = append(s.env, env...) } }

// start runs a server with nothing in its stores until the test ends.
func start(t testing.TB, opts ...option) *server {
	t.Helper()
	s := &server{t: t, dir: filepath.Join(t.TempDir(), "data"), rest: restClient, env: []string{
		"FROGUP_ADMIN_EMAIL=" + adminEmail, "FROGUP_ADMIN_PASSWORD=" + adminPassword, "FROGUP_ADMIN_API_KEY=" + adminKey,
		"FROGUP_SECOND_RESOLVER=none", // no test asks anybody outside
	}}
	for _, o := range opts {
		o(s)
	}
	if s.make == nil {
		s.make = formOf(t)
	}
	s.form = s.make(s)
	t.Cleanup(func() {
		if s.processes != nil {
			s.stop()
		}
		if t.Failed() {
			t.Logf("server output:\n%s", tail(s.remarks(), 8<<10))
			s.keep(os.Getenv("FROGUP_E2E_LOGS"))
		}
	})
	s.run()
	return s
}

// keep writes the whole output to a file in folder, if there is one.
func (s *server) keep(folder string) {
	if folder == "" {
		return
	}
	path := filepath.Join(folder, strings.ReplaceAll(s.t.Name(), "/", "-")+".log")
	if err := os.WriteFile(path, []byte(s.remarks()), 0o600); err != nil {
		s.t.Errorf("keep the output: %v", err)
		return
	}
	s.t.Logf("the whole of it: %s", path)
}

// run starts the processes and waits until the REST surface is ready.
func (s *server) run() {
	s.t.Helper()
	before := len(s.output())
	s.processes = s.form.processes(s)
	for _, p := range s.processes {
		p.start()
	}
	s.base = s.processes[len(s.processes)-1].listening()
	s.ready()
	eventually(s.t, 60*time.Second, "the prober to know its monitors", func() error {
		if !strings.Contains(s.output()[before:], `"msg":"assignments in step"`) {
			return errors.New("it does not say so")
		}
		return nil
	})
}

// ready waits until the REST surface says so.
func (s *server) ready() {
	s.t.Helper()
	eventually(s.t, 60*time.Second, "the server to be ready", func() error {
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

// stop ends the server with SIGTERM and checks that it goes in order and in time.
func (s *server) stop() {
	s.t.Helper()
	// Whoever gives work to others goes before them, as an operator would have it: a prober has results to hand over.
	for _, p := range slices.Backward(s.processes) {
		p.stop()
	}
	s.processes = nil
}

// kill ends the server as a power cut would end its processes.
func (s *server) kill() {
	s.t.Helper()
	for _, p := range s.processes {
		p.kill()
	}
	s.processes = nil
}

// signal is sent to every process.
func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	for _, p := range s.processes {
		if err := syscall.Kill(p.pid(), sig); err != nil {
			s.t.Fatal(err)
		}
	}
}

// process is the one that a service runs in.
func (s *server) process(service string) *process {
	s.t.Helper()
	for _, p := range s.processes {
		if p.as() == service || p.name == "serve" {
			return p
		}
	}
	s.t.Fatalf("there is no process of %s", service)
	return nil
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
	return &server{t: t, form: s.form, dir: s.dir, rest: s.rest, base: s.base, processes: s.processes}
}
