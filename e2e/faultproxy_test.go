package e2e

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// link is a TCP connection's way to a server, with a fault that can be switched on: what a network may do to those who talk
// over it, without the rights that a real one would take.
type link struct {
	target string
	name   string // of the host that it listens on, as those know it who talk over it
	l      net.Listener

	mu      sync.Mutex
	mode    linkMode
	delay   time.Duration
	changed chan struct{} // closed and replaced when the mode changes
	open    map[net.Conn]bool
	carries sync.WaitGroup
}

type linkMode int

const (
	linkWell  linkMode = iota
	linkCut            // connections are reset, new ones refused by closing
	linkHole           // nothing gets through in either direction, and nobody is told
	linkSlow           // every piece is late by delay
	linkOneUp          // only what clients send gets through: acknowledgements are lost
)

func (m linkMode) String() string {
	return [...]string{"well", "cut", "black hole", "slow", "one way"}[m]
}

// newLink leads to target until the test ends.
func newLink(t testing.TB, target string) *link {
	t.Helper()
	return newLinkOn(t, localListener, freeAddress(t), "localhost", target)
}

// newLinkOn listens elsewhere, such as in a namespace.
func newLinkOn(t testing.TB, listen listener, address, name, target string) *link {
	t.Helper()
	l, err := listen(address)
	if err != nil {
		t.Fatal(err)
	}
	k := &link{target: target, name: name, l: l, changed: make(chan struct{}), open: map[net.Conn]bool{}}
	k.carries.Go(k.accept)
	t.Cleanup(func() {
		_ = l.Close()
		k.set(linkCut, 0)
		k.carries.Wait()
	})
	return k
}

func (k *link) address() string { return k.l.Addr().String() }

// named is the address by the host's name.
func (k *link) named() string {
	_, port, _ := net.SplitHostPort(k.address())
	return "dns:///" + net.JoinHostPort(k.name, port)
}

// set switches to a mode. A cut ends what is open.
func (k *link) set(m linkMode, delay time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mode, k.delay = m, delay
	close(k.changed)
	k.changed = make(chan struct{})
	if m == linkCut {
		for c := range k.open {
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			_ = c.Close()
		}
	}
}

func (k *link) now() (linkMode, time.Duration, <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.mode, k.delay, k.changed
}

func (k *link) accept() {
	for {
		client, err := k.l.Accept()
		if err != nil {
			return
		}
		k.carries.Go(func() { k.carry(client) })
	}
}

// hold notes a connection that a cut has to end; false if there is one now.
func (k *link) hold(c net.Conn) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.mode == linkCut {
		return false
	}
	k.open[c] = true
	return true
}

func (k *link) drop(c net.Conn) {
	k.mu.Lock()
	delete(k.open, c)
	k.mu.Unlock()
	_ = c.Close()
}

func (k *link) carry(client net.Conn) {
	if !k.hold(client) {
		_ = client.Close()
		return
	}
	defer k.drop(client)
	server, err := net.DialTimeout("tcp", k.target, 5*time.Second)
	if err != nil {
		return
	}
	if !k.hold(server) {
		_ = server.Close()
		return
	}
	defer k.drop(server)
	var both sync.WaitGroup
	for _, way := range []struct {
		from, to net.Conn
		up       bool
	}{{client, server, true}, {server, client, false}} {
		both.Go(func() {
			k.pump(way.to, way.from, way.up)
			_ = way.to.Close() // either end ends both: nobody here relies on half of a connection
			_ = way.from.Close()
		})
	}
	both.Wait()
}

// pump carries one direction as the mode has it. Pieces in a black hole are kept, as the sender's kernel would, and come when
// it is over.
func (k *link) pump(to io.Writer, from io.Reader, up bool) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		for {
			mode, delay, changed := k.now()
			if mode == linkHole || mode == linkOneUp && !up {
				<-changed
				continue
			}
			if mode == linkSlow {
				select {
				case <-time.After(delay):
				case <-changed:
				}
			}
			if mode == linkCut {
				return
			}
			break
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// A link does what its mode says.
func TestLink(t *testing.T) {
	t.Parallel()
	echo, err := net.Listen("tcp", freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			served.Go(func() { _, _ = io.Copy(c, c); _ = c.Close() })
		}
	})
	t.Cleanup(func() { _ = echo.Close(); served.Wait() })
	k := newLink(t, echo.Addr().String())
	c, err := net.Dial("tcp", k.address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	said := func(patience time.Duration) bool {
		if _, err := c.Write([]byte("x")); err != nil {
			return false
		}
		_ = c.SetReadDeadline(time.Now().Add(patience))
		_, err := io.ReadFull(c, make([]byte, 1))
		return err == nil
	}
	if !said(5 * time.Second) {
		t.Error("a link that is well carries nothing")
	}
	k.set(linkHole, 0)
	if said(200 * time.Millisecond) {
		t.Error("something came out of a black hole")
	}
	k.set(linkWell, 0)
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Errorf("what was held back did not come: %v", err)
	}
	k.set(linkCut, 0)
	if said(5 * time.Second) {
		t.Error("a cut link carries")
	}
	if other, err := net.Dial("tcp", k.address()); err == nil {
		_ = other.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := other.Read(make([]byte, 1)); err == nil {
			t.Error("a cut link takes connections")
		}
		_ = other.Close()
	}
}
