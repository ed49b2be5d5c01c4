package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// namespace is a network of its own, with a loopback device and nothing else.
type namespace struct {
	t    testing.TB
	name string
	file *os.File
}

var namespaces atomic.Int64

// newNamespace makes a namespace until the test ends, or skips the test where it may not.
func newNamespace(t testing.TB) *namespace {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root to make a network namespace")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs the command ip (iproute2) to make a network namespace")
	}
	n := &namespace{t: t, name: fmt.Sprintf("frogup-e2e-%d-%d", os.Getpid(), namespaces.Add(1))}
	if out, err := exec.Command("ip", "netns", "add", n.name).CombinedOutput(); err != nil {
		t.Skipf("may not make a network namespace: %v: %s", err, out)
	}
	t.Cleanup(func() { n.ip("netns", "del", n.name) })
	var err error
	if n.file, err = os.Open(n.path()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.file.Close() })
	n.inside("link", "set", "lo", "up")
	return n
}

func (n *namespace) path() string { return filepath.Join("/run/netns", n.name) }

func (n *namespace) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %v: %v: %s", args, err, out)
	}
}

// inside runs ip within the namespace.
func (n *namespace) inside(args ...string) {
	n.t.Helper()
	n.ip(append([]string{"-n", n.name}, args...)...)
}

// blackHole makes a device that nobody reads from: packets to 10.99.0.0/24 vanish.
func (n *namespace) blackHole() {
	n.t.Helper()
	if out, err := exec.Command("ip", "-n", n.name, "tuntap", "add", "dev", "hole0", "mode", "tun").CombinedOutput(); err != nil {
		n.t.Skipf("may not make a tun device: %v: %s", err, out)
	}
	n.inside("addr", "add", "10.99.0.1/24", "dev", "hole0")
	n.inside("link", "set", "hole0", "up")
}

// do runs f on a thread that is in the namespace. Sockets that f opens stay there; what f
// starts must not open further ones.
func (n *namespace) do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		// The thread is not unlocked: it ends with the goroutine instead of carrying the
		// namespace into others.
		runtime.LockOSThread()
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter %s: %w", n.name, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// listen is a listener within.
func (n *namespace) listen(addr string) (l net.Listener, err error) {
	err = n.do(func() error {
		l, err = net.Listen("tcp4", addr)
		return err
	})
	return l, err
}

// client talks to servers within.
func (n *namespace) client() *http.Client {
	dial := func(ctx context.Context, _, addr string) (c net.Conn, err error) {
		err = n.do(func() error {
			c, err = (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp4", addr)
			return err
		})
		return c, err
	}
	transport := &http.Transport{DialContext: dial}
	n.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: restClient.Timeout, CheckRedirect: restClient.CheckRedirect}
}

// command is what others are run under to be in the namespace.
func (n *namespace) command() []string {
	n.t.Helper()
	for _, name := range []string{"nsenter", "unshare"} {
		if _, err := exec.LookPath(name); err != nil {
			n.t.Skipf("needs the command %s (util-linux)", name)
		}
	}
	return []string{"nsenter", "--net=" + n.path()}
}

// within runs the server in the namespace; resolvConf, if not "", is its /etc/resolv.conf.
func (n *namespace) within(resolvConf string) option {
	n.t.Helper()
	command := n.command()
	if resolvConf != "" {
		file := filepath.Join(n.t.TempDir(), "resolv.conf")
		if err := os.WriteFile(file, []byte(resolvConf), 0o644); err != nil {
			n.t.Fatal(err)
		}
		command = append(command, "unshare", "--mount", "--propagation", "private",
			"sh", "-c", `mount --bind "$0" /etc/resolv.conf && exec "$@"`, file)
	}
	return func(s *server) { s.wrap, s.rest = command, n.client() }
}
