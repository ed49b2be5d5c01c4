package clickhousetest

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// Server is a server of the test's own, which it may ill-treat.
type Server struct {
	t    testing.TB
	how  means
	plan plan
	run  *process // nil while it is down
}

// Start starts a server for this test alone, with the users beside its own. It ends, and its data is removed, when the test
// does.
func Start(t testing.TB, users ...User) *Server {
	t.Helper()
	how, err := locate()
	if err != nil {
		giveUp(t, err)
	}
	s := &Server{t: t, how: how, plan: plan{dir: filepath.Join(t.TempDir(), "clickhouse"), user: "frogup", password: rand.Text()}}
	if err := os.Mkdir(s.plan.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := writeUsers(s.plan.dir, users); err != nil {
		t.Fatalf("clickhousetest: make users: %v", err)
	}
	t.Cleanup(s.Kill)
	s.Start()
	return s
}

// DSN leads to the database "default" by the native protocol, and stays the same through Kill and Start.
func (s *Server) DSN() string {
	return (&process{plan: s.plan}).endpoint().dsn("clickhouse", "default")
}

// DSNOf is DSN for one of the users that the server was started with.
func (s *Server) DSNOf(u User) string {
	at := (&process{plan: s.plan}).endpoint()
	at.user = url.UserPassword(u.Name, u.Password)
	return at.dsn("clickhouse", "default")
}

// HTTPDSN is DSN by HTTP.
func (s *Server) HTTPDSN() string { return (&process{plan: s.plan}).endpoint().dsn("http", "default") }

// Kill ends the server as a crash would (SIGKILL). Killing it twice is one kill.
func (s *Server) Kill() {
	s.t.Helper()
	if s.run == nil {
		return
	}
	if err := syscall.Kill(s.run.server, syscall.SIGKILL); err != nil {
		s.t.Errorf("clickhousetest: kill: %v", err)
	}
	if err := s.run.end(); err != nil {
		s.t.Errorf("clickhousetest: kill: %v", err)
	}
	s.run = nil
}

// Start starts a killed server again, on the same ports, with the same data. It returns once the server serves.
func (s *Server) Start() {
	s.t.Helper()
	if s.run != nil {
		return
	}
	var err error
	for wait := 50 * time.Millisecond; wait < 10*time.Second; wait *= 2 {
		if s.run, err = launch(s.how, s.plan); err == nil {
			s.plan = s.run.plan
			return
		}
		if s.plan.tcpPort == 0 {
			break // not a matter of ports that are still in use
		}
		select {
		case <-time.After(wait):
		case <-s.t.Context().Done():
		}
	}
	s.t.Fatalf("clickhousetest: start: %v", err)
}

// Pause stops the server in its tracks (SIGSTOP): connections stay open, nothing is answered.
func (s *Server) Pause() {
	s.t.Helper()
	s.signal(syscall.SIGSTOP)
	for deadline := time.Now().Add(10 * time.Second); !stopped(s.run.server); {
		if time.Now().After(deadline) {
			s.t.Fatal("clickhousetest: pause: the server does not stop")
		}
		runtime.Gosched()
	}
}

// stopped reports whether all threads of a process have stopped, which takes them a moment.
func stopped(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, stat := range threads {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state …; the name may hold anything
		if end := bytes.LastIndexByte(text, ')'); end < 0 || !bytes.HasPrefix(text[end+1:], []byte(" T")) {
			return false
		}
	}
	return true
}

// Resume lets a paused server go on (SIGCONT).
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if s.run == nil {
		s.t.Fatalf("clickhousetest: %s: the server is down", sig)
	}
	if err := syscall.Kill(s.run.server, sig); err != nil {
		s.t.Fatalf("clickhousetest: %s: %v", sig, err)
	}
}
