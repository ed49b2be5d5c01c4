//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package nettest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

func listenAt(t *testing.T, address string) (*net.TCPListener, netip.AddrPort) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skip(err) // a machine without the family
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.(*net.TCPListener), netip.MustParseAddrPort(l.Addr().String())
}

// dialOwn connects by system calls.
func dialOwn(t *testing.T, ctx context.Context, n *Network, to netip.AddrPort) (*socketConn, error) {
	t.Helper()
	c, ok, err := n.dialSocket(ctx, to)
	if !ok {
		t.Fatalf("%v is left to a net.Dialer", to)
	}
	if err != nil {
		if c != nil {
			t.Error("a connection beside an error")
		}
		return nil, err
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*socketConn), nil
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestSocketConn(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, to := listenAt(t, address)
		c, err := dialOwn(t, t.Context(), &Network{}, to)
		if err != nil {
			t.Fatal(err)
		}
		peer, err := l.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		if c.RemoteAddr().String() != to.String() || c.LocalAddr().String() != peer.RemoteAddr().String() {
			t.Errorf("from %v to %v", c.LocalAddr(), c.RemoteAddr())
		}
		if _, err := io.WriteString(c, "ask"); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 10)
		if n, err := peer.Read(buf); err != nil || string(buf[:n]) != "ask" {
			t.Fatal(string(buf[:n]), err)
		}
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		var op *net.OpError
		if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &op) || !op.Timeout() || op.Op != "read" {
			t.Errorf("late: %v", err)
		}
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		_ = peer.CloseWrite()
		if n, err := c.Read(buf); n != 0 || err != io.EOF { //nolint:errorlint // exactly that
			t.Errorf("end: %d, %v", n, err)
		}
		if err := c.SetLinger(0); err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		_ = peer.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := peer.Read(buf); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("SetLinger(0) and Close end with %v", err)
		}
		for what, err := range map[string]error{"read": second(c.Read(buf)), "write": second(c.Write(buf)), "close": c.Close(), "linger": c.SetLinger(0)} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s when closed: %v", what, err)
			}
		}
		if c.LocalAddr() != nil {
			t.Error("a closed connection has an address")
		}
	}
}

func second(_ int, err error) error { return err }

// A reset is known by its number.
func TestSocketConnReset(t *testing.T) {
	l, to := listenAt(t, "127.0.0.1:0")
	c, err := dialOwn(t, t.Context(), &Network{}, to)
	if err != nil {
		t.Fatal(err)
	}
	peer, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	_ = peer.SetLinger(0)
	_ = peer.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	var call *os.SyscallError
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) || !errors.As(err, &call) || call.Syscall != "read" {
		t.Errorf("%v", err)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("%v", err)
	}
}

// The errors are those of a net.Dialer, and leave no descriptor behind.
func TestSocketDialErrors(t *testing.T) {
	s, err := faulttest.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	refused, hole := netip.MustParseAddrPort(s.Addr(faulttest.Refused)), netip.MustParseAddrPort(s.Addr(faulttest.BlackHole))
	late := func(c context.Context) (context.Context, context.CancelFunc) {
		return newDeadlineContext(c, time.Now().Add(50*time.Millisecond)), func() {}
	}
	denied := errors.New("denied")
	for name, tt := range map[string]struct {
		network *Network
		to      netip.AddrPort
		limit   func(context.Context) (context.Context, context.CancelFunc)
		want    error
	}{
		"refused":  {&Network{}, refused, context.WithCancel, syscall.ECONNREFUSED},
		"too late": {&Network{}, hole, late, os.ErrDeadlineExceeded},
		"cancelled": {&Network{}, hole, func(c context.Context) (context.Context, context.CancelFunc) {
			c, cancel := context.WithCancel(c)
			time.AfterFunc(20*time.Millisecond, cancel)
			return newDeadlineContext(c, time.Now().Add(5*time.Second)), cancel
		}, context.Canceled},
		"cancelled before": {&Network{}, refused, func(c context.Context) (context.Context, context.CancelFunc) {
			c, cancel := context.WithCancel(c)
			cancel()
			return c, cancel
		}, context.Canceled},
		"denied": {&Network{Policy: denies{denied}}, refused, context.WithCancel, denied},
	} {
		before := descriptors(t)
		ctx, cancel := tt.limit(t.Context())
		_, err := dialOwn(t, ctx, tt.network, tt.to)
		cancel()
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "dial" || op.Net != "tcp4" || op.Addr.String() != tt.to.String() {
			t.Errorf("%s: %v", name, err)
		}
		if !errors.Is(err, tt.want) && !(errors.Is(tt.want, os.ErrDeadlineExceeded) && errors.Is(err, context.DeadlineExceeded)) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		if after := descriptors(t); after > before {
			t.Errorf("%s: %d descriptors, then %d", name, before, after)
		}
	}
}

type denies struct{ reason error }

func (d denies) Check(netip.Addr) error { return d.reason }

// seesSocket is asked with what a net.Dialer's hook is given.
type seesSocket struct {
	denies
	network, address string
	kind             int
}

func (s *seesSocket) ControlContext(_ context.Context, network, address string, c syscall.RawConn) error {
	s.network, s.address = network, address
	return c.Control(func(fd uintptr) { s.kind, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TYPE) })
}

func TestSocketPolicySeesTheSocket(t *testing.T) {
	_, to := listenAt(t, "127.0.0.1:0")
	policy := &seesSocket{denies: denies{errors.New("is not asked")}}
	if _, err := dialOwn(t, t.Context(), &Network{Policy: policy}, to); err != nil {
		t.Fatal(err)
	}
	if policy.network != "tcp4" || policy.address != to.String() || policy.kind != syscall.SOCK_STREAM {
		t.Errorf("%+v", policy)
	}
}

// Addresses that need more than an address are left to a net.Dialer.
func TestSocketDialLeavesOthers(t *testing.T) {
	for _, to := range []string{"[fe80::1%lo]:80", "[::ffff:127.0.0.1]:80"} {
		if _, ok, _ := (&Network{}).dialSocket(t.Context(), netip.MustParseAddrPort(to)); ok {
			t.Errorf("%s is dialled", to)
		}
	}
}

// A peer that resets what it has just accepted resets an open connection: opening it is no failure, using it is.
func TestDialToldOfAResetLater(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		}
	}()
	to := netip.MustParseAddrPort(l.Addr().String())
	n := &Network{}
	for range 2000 {
		conn, ok, err := n.dialSocket(t.Context(), to)
		if err != nil || !ok {
			t.Fatalf("dial: %v, %v", ok, err)
		}
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("read: %v", err)
		}
		_ = conn.Close()
	}
}

// TestSocketConnClosedTwice: what is stacked upon a connection closes it too, which is nobody's
// failure and costs no search for addresses that are gone.
func TestSocketConnClosedTwice(t *testing.T) {
	_, to := listenAt(t, "127.0.0.1:0")
	c, err := dialOwn(t, t.Context(), &Network{}, to)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != net.ErrClosed { //nolint:errorlint // it and nothing around it
		t.Errorf("closed twice: %v", err)
	}
	if n := testing.AllocsPerRun(100, func() { _ = c.Close() }); n > 1 {
		t.Errorf("closing again takes %v pieces of memory", n)
	}
}
