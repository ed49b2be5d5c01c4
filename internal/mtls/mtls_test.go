package mtls

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// identity is a folder with the three files.
type identity struct {
	Files
	t testing.TB
}

func newIdentity(t testing.TB, a *Authority, notAfter time.Time) identity {
	t.Helper()
	dir := t.TempDir()
	id := identity{Files{filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), filepath.Join(dir, "ca.crt")}, t}
	id.issue(a, notAfter)
	id.trust(a)
	return id
}

// issue replaces the certificate and its key the way tools do: one file after the other.
func (id identity) issue(a *Authority, notAfter time.Time) {
	id.t.Helper()
	pair, err := a.Issue([]string{"localhost", "127.0.0.1"}, notAfter)
	if err != nil {
		id.t.Fatal(err)
	}
	id.write(id.Cert, pair.Cert)
	id.write(id.Key, pair.Key)
}

func (id identity) trust(authorities ...*Authority) {
	var all []byte
	for _, a := range authorities {
		all = append(all, a.pem...)
	}
	id.write(id.CA, all)
}

func (id identity) write(path string, b []byte) {
	id.t.Helper()
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		id.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		id.t.Fatal(err)
	}
}

// load makes a source that looks at its files at every handshake.
func (id identity) load(log *slog.Logger) *Source {
	id.t.Helper()
	s, err := Load(id.Files, log)
	if err != nil {
		id.t.Fatal(err)
	}
	s.poll = 0
	return s
}

func authority(t testing.TB, name string) *Authority {
	t.Helper()
	a, err := NewAuthority(name, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var quiet = slog.New(slog.DiscardHandler)

// serve serves health under creds and returns its address.
func serve(t testing.TB, creds credentials.TransportCredentials) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(creds))
	healthv1.RegisterHealthServer(server, health.NewServer())
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return l.Addr().String()
}

// call makes one connection for one call.
func call(t testing.TB, address string, creds credentials.TransportCredentials) error {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err = healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{})
	return err
}

func TestWhoMayTalkToWhom(t *testing.T) {
	ours, theirs := authority(t, "ours"), authority(t, "theirs")
	later, past := time.Now().Add(time.Hour), time.Now().Add(-time.Minute)
	good := newIdentity(t, ours, later)
	trusting := newIdentity(t, theirs, later) // a stranger that believes us
	trusting.trust(ours)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ours.pem)

	tests := map[string]struct {
		server identity
		client credentials.TransportCredentials
		want   string // in the error; "" is a call that succeeds, "any" leaves open how the refusal shows
	}{
		"both ours":                  {good, newIdentity(t, ours, later).load(quiet).Client(""), ""},
		"client of another CA":       {good, trusting.load(quiet).Client(""), "any"},
		"server of another CA":       {newIdentity(t, theirs, later), good.load(quiet).Client(""), "certificate"},
		"client without certificate": {good, credentials.NewTLS(&tls.Config{RootCAs: pool}), "any"},
		"client's has expired":       {good, newIdentity(t, ours, past).load(quiet).Client(""), "any"},
		"server's has expired":       {newIdentity(t, ours, past), good.load(quiet).Client(""), "expired"},
		"server of another name":     {good, good.load(quiet).Client("accounts"), "not accounts"},
		"TLS 1.2": {good, credentials.NewTLS(&tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS12, MinVersion: tls.VersionTLS12}), //nolint:gosec // that is the point
			"any"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := call(t, serve(t, tt.server.load(quiet).Server()), tt.client)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (err == nil || tt.want != "any" && !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// Certificates, keys and in the end the authority itself are replaced while calls are made on standing and on new
// connections; none fails, and in the end only the new authority is believed.
func TestRotationUnderLoad(t *testing.T) {
	old, next := authority(t, "old"), authority(t, "next")
	later := time.Now().Add(time.Hour)
	server, client := newIdentity(t, old, later), newIdentity(t, old, later)
	stale := newIdentity(t, old, later).load(quiet)
	fromServer, fromClient := server.load(quiet), client.load(quiet)
	address := serve(t, fromServer.Server())

	standing, err := grpc.NewClient(address, grpc.WithTransportCredentials(fromClient.Client("")))
	if err != nil {
		t.Fatal(err)
	}
	defer standing.Close()
	var calls atomic.Int64
	stop, round := make(chan struct{}), make(chan struct{})
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				case round <- struct{}{}:
				default:
				}
				if err := call(t, address, fromClient.Client("")); err != nil {
					t.Errorf("on a new connection: %v", err)
				}
				if _, err := healthv1.NewHealthClient(standing).Check(t.Context(), &healthv1.HealthCheckRequest{}); err != nil {
					t.Errorf("on the standing connection: %v", err)
				}
				calls.Add(1)
			}
		})
	}
	settle := func() { // until calls have been made with what is there now
		for range 8 {
			<-round
		}
	}
	both := []identity{server, client}
	for range 5 {
		for _, id := range both {
			id.issue(old, later)
		}
		settle()
	}
	for _, id := range both { // the order of a change of authority: believe both, show the new one, forget the old one
		id.trust(old, next)
	}
	settle()
	for _, id := range both {
		id.issue(next, later)
	}
	settle()
	for _, id := range both {
		id.trust(next)
	}
	settle()
	close(stop)
	load.Wait()
	if err := call(t, address, stale.Client("")); err == nil {
		t.Error("a certificate of the old authority still passes")
	}
	t.Logf("%d rounds of calls", calls.Load())
}

func TestBrokenFilesAreNotUsed(t *testing.T) {
	a := authority(t, "ours")
	id := newIdentity(t, a, time.Now().Add(time.Hour))
	var text bytes.Buffer
	s := id.load(slog.New(slog.NewTextHandler(&text, nil)))
	first := s.NotAfter()

	id.write(id.Key, []byte("half a k"))
	for range 3 {
		if got := s.NotAfter(); !got.Equal(first) {
			t.Errorf("certificate until %v, want the earlier one's %v", got, first)
		}
	}
	if n := strings.Count(text.String(), "level=ERROR"); n != 1 || !strings.Contains(text.String(), id.Key) {
		t.Errorf("complained %d times, want once with the path: %s", n, &text)
	}
	id.issue(a, time.Now().Add(30*time.Minute))
	if got := s.NotAfter(); got.Equal(first) {
		t.Error("the repaired files are not used")
	}
}

func TestFilesAreLookedAtOnceInAWhile(t *testing.T) {
	a := authority(t, "ours")
	id := newIdentity(t, a, time.Now().Add(time.Hour))
	s := id.load(quiet)
	s.poll = time.Hour
	first := s.NotAfter()
	id.issue(a, time.Now().Add(time.Minute))
	if !s.NotAfter().Equal(first) {
		t.Error("looked again before its time")
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	a := authority(t, "ours")
	good := newIdentity(t, a, time.Now().Add(time.Hour)).Files
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string]Files{
		"certificate": {Cert: empty, Key: good.Key, CA: good.CA},
		"key":         {Cert: good.Cert, Key: empty, CA: good.CA},
		"authorities": {Cert: good.Cert, Key: good.Key, CA: empty},
		"another key": {Cert: good.Cert, Key: newIdentity(t, a, time.Now().Add(time.Hour)).Key, CA: good.CA},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Load(files, quiet); err == nil || name != "another key" && !strings.Contains(err.Error(), empty) {
				t.Errorf("got %v, want an error that names the file", err)
			}
		})
	}
}

func TestAuthorityIsKept(t *testing.T) {
	a := authority(t, "ours")
	pair, err := a.PEM()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ReadAuthority(pair)
	if err != nil {
		t.Fatal(err)
	}
	server := newIdentity(t, a, time.Now().Add(time.Hour))
	client := newIdentity(t, again, time.Now().Add(time.Hour))
	if err := call(t, serve(t, server.load(quiet).Server()), client.load(quiet).Client("")); err != nil {
		t.Errorf("what the kept authority signs is refused: %v", err)
	}
	other, err := authority(t, "other").PEM()
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]Pair{"nothing": {}, "another's key": {pair.Cert, other.Key}, "no key": {pair.Cert, pair.Cert}} {
		if _, err := ReadAuthority(p); err == nil {
			t.Errorf("%s was taken for an authority", name)
		}
	}
}
