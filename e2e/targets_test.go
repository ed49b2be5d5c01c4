package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// listener opens a TCP port; in a namespace it is another than net.Listen.
type listener func(addr string) (net.Listener, error)

func localListener(addr string) (net.Listener, error) { return net.Listen("tcp4", addr) }

// site is an HTTP target that can be stopped, as a crashed server is, and started again
// on the same port.
type site struct {
	t      testing.TB
	listen listener
	addr   string
	answer atomic.Pointer[http.HandlerFunc]
	hits   atomic.Int64

	mu     sync.Mutex
	server *http.Server // nil while stopped
}

// newSite starts a site that answers with h until the test ends; nil means a plain 200.
func newSite(t testing.TB, h http.HandlerFunc) *site {
	t.Helper()
	return newSiteOn(t, localListener, reserve(t), h)
}

func newSiteOn(t testing.TB, listen listener, addr string, h http.HandlerFunc) *site {
	t.Helper()
	s := &site{t: t, listen: listen, addr: addr}
	if h == nil {
		h = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("fine\n")) }
	}
	s.behave(h)
	s.start()
	t.Cleanup(s.stop)
	return s
}

// behave changes the answer from the next request on.
func (s *site) behave(h http.HandlerFunc) { s.answer.Store(&h) }

func (s *site) start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		return
	}
	var l net.Listener
	eventually(s.t, 10*time.Second, "the port "+s.addr, func() (err error) {
		l, err = s.listen(s.addr)
		return err
	})
	s.addr = l.Addr().String()
	s.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.hits.Add(1)
		(*s.answer.Load())(w, r)
	})}
	go func(server *http.Server) { _ = server.Serve(l) }(s.server)
}

func (s *site) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		_ = s.server.Close()
		s.server = nil
	}
}

func (s *site) url() string { return "http://" + s.addr + "/" }

// port is the site as the target of a tcp monitor.
func (s *site) port() int { return portOf(s.t, s.addr) }

func portOf(t testing.TB, addr string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// faults starts the server of misbehaving peers, and returns what makes a frogup trust
// its good certificate.
func faults(t testing.TB) (*faulttest.Server, option) {
	t.Helper()
	f, err := faulttest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	conn, err := tls.Dial("tcp", f.Addr(faulttest.HealthyTLS), &tls.Config{RootCAs: f.Roots(), ServerName: "localhost"})
	if err != nil {
		t.Fatalf("ask for the good certificate: %v", err)
	}
	defer conn.Close()
	// A certificate that is itself among the roots needs no other above it.
	return f, moreEnv("SSL_CERT_FILE="+writePEM(t, conn.ConnectionState().PeerCertificates[0]), "SSL_CERT_DIR="+t.TempDir())
}

func writePEM(t testing.TB, cert *x509.Certificate) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// reserve keeps a port of loopback until the test ends: nothing listens on it, unless a
// site does, and nobody else is given it.
func reserve(t testing.TB) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	// Without it a listener of ours could not have the port beside this socket.
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*syscall.SockaddrInet4).Port))
}

// refusing is a port that nothing listens on.
func refusing(t testing.TB) int {
	t.Helper()
	return portOf(t, reserve(t))
}
