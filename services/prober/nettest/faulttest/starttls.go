package faulttest

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
)

// Step is one thing that a scripted service does; of its fields one is given.
type Step struct {
	// Say is sent.
	Say string
	// Expect is what the peer must send now, byte for byte; if it does not, the
	// service hangs up.
	Expect string
	// Shake shakes hands and waits for the peer.
	Shake bool
	// Stall says nothing more.
	Stall bool
	// Reset ends the connection with RST.
	Reset bool
}

// ServeScript opens a port whose connections go through the steps and are closed
// after the last one. The certificate is that of CertValid's kind.
func (s *TLSServer) ServeScript(steps ...Step) (string, error) {
	leaf, err := s.Root.Issue(nil, nil)
	if err != nil {
		return "", err
	}
	config := &tls.Config{Certificates: []tls.Certificate{leaf}}
	name := Fault(fmt.Sprintf("script-%d", len(s.ports)))
	err = s.listen(name, behaviour{serve: func(c *conn) {
		for _, step := range steps {
			if !c.step(step, config) {
				return
			}
		}
		c.linger()
	}})
	return s.Addr(name), err
}

// step reports whether the script goes on.
func (c *conn) step(s Step, config *tls.Config) bool {
	switch {
	case s.Say != "":
		c.say(s.Say)
	case s.Expect != "":
		got := make([]byte, len(s.Expect))
		if _, err := io.ReadFull(c.br, got); err != nil || !bytes.Equal(got, []byte(s.Expect)) {
			c.say("SCRIPT: unexpected " + strings.ToValidUTF8(string(got), "?") + "\r\n")
			return false
		}
	case s.Shake:
		secured := tls.Server(&readerConn{Conn: c.Conn, r: c.br}, config)
		if secured.Handshake() == nil {
			_, _ = io.Copy(io.Discard, secured)
		}
		return false
	case s.Stall:
		c.wait()
		return false
	case s.Reset:
		c.reset()
		return false
	}
	return true
}

// readerConn reads from what has been buffered of the connection.
type readerConn struct {
	net.Conn
	r io.Reader
}

func (c *readerConn) Read(p []byte) (int, error) { return c.r.Read(p) }
