package app

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// patience is far more than anything here takes.
const patience = 60 * time.Second

// running is a verb that runs until it is stopped.
type running struct {
	t      *testing.T
	name   string
	cancel context.CancelFunc
	code   chan int
	lines  chan string // of standard output
	stderr string      // path
}

// launch runs frogup with the environment until stop or the end of the test.
func launch(t *testing.T, env map[string]string, args ...string) *running {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, name: args[0], cancel: cancel, code: make(chan int, 1), lines: make(chan string, 100), stderr: stderr.Name()}
	go func() {
		defer close(r.lines)
		defer out.Close()
		for s := bufio.NewScanner(out); s.Scan(); {
			r.lines <- s.Text()
		}
	}()
	env = maps.Clone(env)
	go func() {
		code := Run(ctx, Process{
			Version: "test", Args: args, Stdin: strings.NewReader(""), Stdout: in, Stderr: stderr,
			Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
			Environ: func() (pairs []string) {
				for name, value := range env {
					pairs = append(pairs, name+"="+value)
				}
				return pairs
			},
		})
		_, _ = in.Close(), stderr.Close()
		r.code <- code
	}()
	t.Cleanup(func() {
		if r.cancel != nil {
			r.stop(exitOK)
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", r.name, r.said())
		}
	})
	return r
}

// line waits for a line of standard output and returns what follows prefix.
func (r *running) line(prefix string) string {
	r.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case line, ok := <-r.lines:
			if !ok {
				r.t.Fatalf("%s ended without saying %q:\n%s", r.name, prefix, r.said())
			}
			if rest, found := strings.CutPrefix(line, prefix); found {
				return rest
			}
		case <-limit:
			r.t.Fatalf("%s did not say %q:\n%s", r.name, prefix, r.said())
		}
	}
}

// stop asks for a stop in order and checks the exit code.
func (r *running) stop(want int) {
	r.t.Helper()
	r.cancel()
	r.cancel = nil
	r.ended(want)
}

// ended waits for the end.
func (r *running) ended(want int) {
	r.t.Helper()
	select {
	case got := <-r.code:
		if got != want {
			r.t.Errorf("%s ended with exit code %d, want %d:\n%s", r.name, got, want, r.said())
		}
	case <-time.After(patience):
		r.t.Fatalf("%s did not end:\n%s", r.name, r.said())
	}
	for range r.lines { // its reader ends with the pipe
	}
	r.cancel = nil
}

func (r *running) said() string {
	b, err := os.ReadFile(r.stderr)
	if err != nil {
		return err.Error()
	}
	lines := slices.DeleteFunc(strings.Split(string(b), "\n"), func(line string) bool { return strings.Contains(line, `"msg":"request"`) })
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// eventually waits until probe is content.
func eventually(t *testing.T, what string, probe func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		err := probe()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s: %v", what, err)
		}
	}
}

// get asks over HTTP, on a connection of its own.
func get(url string) (status int, body string, err error) {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// answers is a probe for a status.
func answers(url string, want int) func() error {
	return func() error {
		status, body, err := get(url)
		if err == nil && status != want {
			err = fmt.Errorf("%s answers %d: %s", url, status, body)
		}
		return err
	}
}
