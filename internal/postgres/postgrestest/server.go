package postgrestest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// ownDatabase is the database of a server that a test has for itself.
const ownDatabase = "frogup"

// Server is a PostgreSQL server on the loopback interface, made for one test. Not safe for concurrent use, except DSN.
type Server struct {
	t        testing.TB
	bin      string // the folder of the binaries
	folder   string // holds data/ and log
	port     int
	password string
	settings []string

	watchdog *os.File  // takes the pid of the running postmaster, and ends the server when this process ends
	guard    *exec.Cmd // reads it
	running  *exec.Cmd // nil while stopped
	alive    *os.File  // ends when no process of the running server is left
}

// newServer starts a server that ends with this process at the latest, and leaves nothing behind.
func newServer(settings []string) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, password: random(12), settings: settings}
	if err := s.create(); err != nil {
		return nil, fmt.Errorf("make a PostgreSQL server: %w", err)
	}
	// A port that was free a moment ago may be taken by now; several test binaries start at once.
	for range 5 {
		if s.port, err = freePort(); err != nil {
			break
		}
		if err = s.start(); err == nil {
			return s, nil
		}
	}
	s.remove()
	return nil, fmt.Errorf("start PostgreSQL: %w", err)
}

// create makes the data folder and the watchdog over it.
func (s *Server) create() (err error) {
	if s.folder, err = os.MkdirTemp("", "frogup-postgres-"); err != nil {
		return err
	}
	if err := s.watch(); err != nil {
		return errors.Join(err, os.RemoveAll(s.folder))
	}
	secret := filepath.Join(s.folder, "password")
	known, err := verifier(s.password)
	if err != nil {
		return err
	}
	if err := os.WriteFile(secret, []byte(known+"\n"), 0o600); err != nil {
		return err
	}
	if err := chown(s.folder, secret); err != nil {
		return err
	}
	initdb := s.command("initdb", "-D", s.data(), "-U", "frogup", "--auth=scram-sha-256", "--pwfile="+secret,
		"--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if out, err := initdb.CombinedOutput(); err != nil {
		s.remove()
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// verifier is what the server keeps of a password (RFC 5802), with one iteration instead of thousands: tests connect often,
// and the password is random.
func verifier(password string) (string, error) {
	salt := []byte(random(8))
	salted, err := pbkdf2.Key(sha256.New, password, salt, 1, sha256.Size)
	if err != nil {
		return "", err
	}
	sign := func(text string) []byte {
		h := hmac.New(sha256.New, salted)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	stored := sha256.Sum256(sign("Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return "SCRAM-SHA-256$1:" + b64(salt) + "$" + b64(stored[:]) + ":" + b64(sign("Server Key")), nil
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

// guardian ends the server and removes its folder once nobody holds the other end of its standard input any more, however
// this process ended. The lines say which postmaster runs; 0 is none. A server that was killed leaves the shared memory
// named in the seventh line of its lock file.
const guardian = `
pid=0
while read -r line; do pid=$line; done
if [ "$pid" -gt 0 ] && kill -QUIT "$pid"; then
	n=0
	while [ $n -lt 100 ] && kill -0 "$pid"; do n=$((n+1)); sleep 0.05; done
elif [ -f "$1/data/postmaster.pid" ]; then
	sed -n '7s/.* //p' "$1/data/postmaster.pid" | while read -r id; do ipcrm -m "$id"; done
fi
rm -rf "$1"`

func (s *Server) watch() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	s.guard = exec.Command("/bin/sh", "-c", guardian, "frogup-postgres-watchdog", s.folder)
	s.guard.Dir, s.guard.Stdin, s.guard.SysProcAttr = "/", r, detached()
	if err := s.guard.Start(); err != nil {
		return errors.Join(err, w.Close())
	}
	s.watchdog = w
	return nil
}

// Start starts a server that was stopped or killed, on the port that it had.
func (s *Server) Start() {
	s.t.Helper()
	if s.running != nil {
		s.t.Fatal("start PostgreSQL: it runs")
	}
	if err := s.start(); err != nil {
		s.t.Fatalf("start PostgreSQL again: %v", err)
	}
}

func (s *Server) start() error {
	log, err := os.OpenFile(filepath.Join(s.folder, "log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	alive, held, err := os.Pipe()
	if err != nil {
		return err
	}
	defer held.Close()
	args := []string{"-D", s.data()}
	for _, setting := range append([]string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(s.port), "unix_socket_directories=",
		// A crash of the machine may take all of it; a crash of the server alone loses nothing all the same.
		"fsync=off", "full_page_writes=off",
		"shared_buffers=16MB", "max_connections=200", "max_wal_size=128MB", "dynamic_shared_memory_type=mmap",
	}, s.settings...) {
		args = append(args, "-c", setting)
	}
	cmd := s.command("postgres", args...)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{held}
	if err := cmd.Start(); err != nil {
		return errors.Join(err, alive.Close())
	}
	s.running, s.alive = cmd, alive
	if _, err := fmt.Fprintln(s.watchdog, cmd.Process.Pid); err != nil {
		return err
	}
	if err := held.Close(); err != nil {
		return err
	}
	return s.ready()
}

// ready waits until the server lets clients in. What has ended by itself is reaped.
func (s *Server) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.url("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		ended := s.gone(20 * time.Millisecond)
		if ended {
			s.reap()
		}
		if ended || ctx.Err() != nil {
			said, _ := os.ReadFile(filepath.Join(s.folder, "log"))
			return fmt.Errorf("%w; its log:\n%s", err, said[max(0, len(said)-4000):])
		}
	}
}

// gone reports whether every process of the running server has ended, and waits up to d for it.
func (s *Server) gone(d time.Duration) bool {
	if err := s.alive.SetReadDeadline(time.Now().Add(d)); err != nil {
		return false
	}
	_, err := s.alive.Read(make([]byte, 1))
	return errors.Is(err, io.EOF)
}

// reap takes note that the server has ended.
func (s *Server) reap() {
	_ = s.running.Wait() // how it ended is not news
	s.running = nil
	_ = s.alive.Close()
	_, _ = fmt.Fprintln(s.watchdog, 0)
}

// Stop ends the server in an orderly way: clients are disconnected and told so.
func (s *Server) Stop() {
	s.t.Helper()
	s.end(func() error { return s.running.Process.Signal(interrupt) })
}

// Kill ends every process of the server in mid-step with SIGKILL, as a crash does. Committed transactions are recovered by
// the next Start.
func (s *Server) Kill() {
	s.t.Helper()
	s.end(func() error { return killTree(s.running.Process) })
}

func (s *Server) end(how func() error) {
	s.t.Helper()
	if s.running == nil {
		s.t.Fatal("end PostgreSQL: it does not run")
	}
	if err := how(); err != nil {
		s.t.Fatalf("end PostgreSQL: %v", err)
	}
	if !s.gone(patience) {
		s.t.Fatal("PostgreSQL has not ended")
	}
	s.reap()
}

// remove ends the server if it runs, and deletes its folder: the watchdog does both.
func (s *Server) remove() {
	_ = s.watchdog.Close()
	if s.running != nil {
		s.gone(patience)
		_ = s.running.Wait()
		_ = s.alive.Close()
		s.running = nil
	}
	_ = s.guard.Wait()
}

// DSN returns the URL of the server's database, which is empty at first and lives as long as the server.
func (s *Server) DSN() string { return s.url(ownDatabase) }

// Addr returns the host and port that the server listens on, for a test that puts something in between.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

func (s *Server) url(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword("frogup", s.password), Host: s.Addr(), Path: "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// freePort finds a port below those that the kernel gives to outgoing connections, so that nobody takes it by chance while
// the server is stopped.
func freePort() (int, error) {
	var err error
	for range 100 {
		port := 15000 + rand.IntN(15000)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir, cmd.SysProcAttr = s.folder, detached()
	// Settings of the developer's own (PGDATA, PGPORT, a language) have no say here.
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC"}
	return cmd
}

// binaries returns the folder that holds initdb and postgres; of several versions the newest.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), "postgres")); err == nil {
				return filepath.Dir(path), nil
			}
		}
	}
	best, newest := "", -1.0
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql@*/bin",
	} {
		found, err := filepath.Glob(filepath.Join(pattern, "initdb"))
		if err != nil {
			return "", err
		}
		for _, path := range found {
			digits := bytes.Trim([]byte(filepath.Base(filepath.Dir(filepath.Dir(path)))), "abcdefghijklmnopqrstuvwxyz-@")
			if v, _ := strconv.ParseFloat(string(digits), 64); v > newest {
				best, newest = filepath.Dir(path), v
			}
		}
	}
	if best == "" {
		return "", errNoServer
	}
	return best, nil
}
