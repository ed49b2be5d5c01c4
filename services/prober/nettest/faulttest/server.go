package faulttest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Delay is what each of the late peers loses in its phase.
const Delay = 60 * time.Millisecond

// Server serves every fault on its own loopback port.
type Server struct {
	certs certificates
	bombs bombs
	ports map[Fault]*port
	stop  chan struct{}
	work  sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	holds []io.Closer // sockets that serve nothing
}

// port is where one fault lives.
type port struct {
	addr    string
	accepts atomic.Int64
}

// behaviour is what a fault does with a connection, which is closed afterwards.
type behaviour struct {
	// tls secures the connection first; nil leaves it plain.
	tls   func(*certificates) *tls.Config
	serve func(*conn)
}

// Start opens all ports on 127.0.0.1.
func Start() (*Server, error) {
	s := &Server{
		ports: make(map[Fault]*port), stop: make(chan struct{}), conns: make(map[net.Conn]struct{}),
	}
	var err error
	if s.certs, err = newCertificates(); err != nil {
		return nil, fmt.Errorf("make certificates: %w", err)
	}
	for fault, b := range behaviours() {
		if err := s.listen(fault, b); err != nil {
			_ = s.Close()
			return nil, fmt.Errorf("listen for %s: %w", fault, err)
		}
	}
	for fault, open := range map[Fault]func() (string, []io.Closer, error){Refused: openRefused, BlackHole: openBlackHole} {
		addr, closers, err := open()
		s.holds = append(s.holds, closers...)
		if err != nil {
			_ = s.Close()
			return nil, fmt.Errorf("open %s: %w", fault, err)
		}
		s.ports[fault] = &port{addr: addr}
	}
	return s, nil
}

// Addr is the fault's host:port.
func (s *Server) Addr(f Fault) string { return s.ports[f].addr }

// URL is the fault's URL.
func (s *Server) URL(f Fault) string {
	if strings.HasPrefix(string(f), "tls-") || strings.HasPrefix(string(f), "h2-") {
		return "https://" + s.Addr(f) + "/"
	}
	return "http://" + s.Addr(f) + "/"
}

// Accepts counts the connections that the fault has accepted.
func (s *Server) Accepts(f Fault) int64 { return s.ports[f].accepts.Load() }

// Roots is what to trust so that the good certificates are good.
func (s *Server) Roots() *x509.CertPool { return s.certs.roots }

// Close ends all connections and waits for their goroutines.
func (s *Server) Close() error {
	s.mu.Lock()
	select {
	case <-s.stop:
		s.mu.Unlock()
		return nil
	default:
	}
	close(s.stop)
	for c := range s.conns {
		_ = c.Close()
	}
	for _, h := range s.holds {
		_ = h.Close()
	}
	s.mu.Unlock()
	s.work.Wait()
	return nil
}

func (s *Server) listen(fault Fault, b behaviour) error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	p := &port{addr: l.Addr().String()}
	s.ports[fault] = p
	s.holds = append(s.holds, l)
	s.work.Go(func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			p.accepts.Add(1)
			if !s.admit(raw) {
				return
			}
			s.work.Go(func() { s.handle(raw, b) })
		}
	})
	return nil
}

// admit registers a connection, or closes it if the server is stopping.
func (s *Server) admit(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.stop:
		_ = c.Close()
		return false
	default:
		s.conns[c] = struct{}{}
		return true
	}
}

func (s *Server) handle(raw net.Conn, b behaviour) {
	defer func() {
		_ = raw.Close()
		s.mu.Lock()
		delete(s.conns, raw)
		s.mu.Unlock()
	}()
	c := &conn{Conn: raw, raw: raw.(*net.TCPConn), server: s}
	if b.tls != nil {
		secured := tls.Server(raw, b.tls(&s.certs))
		if err := secured.Handshake(); err != nil {
			c.linger()
			return
		}
		c.Conn = secured
	}
	c.br = bufio.NewReader(c.Conn)
	b.serve(c)
	if c.Conn != raw {
		_ = raw.SetDeadline(time.Now().Add(time.Second))
		_ = c.Conn.Close() // close_notify first
	}
}

// conn is one connection to a fault.
type conn struct {
	net.Conn
	raw    *net.TCPConn
	br     *bufio.Reader
	server *Server
	path   string
	cookie string
}

// request reads a request's head and body; false if the peer did not send one.
func (c *conn) request() bool {
	length := 0
	for first := true; ; first = false {
		line, err := c.br.ReadString('\n')
		if err != nil {
			return false
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			break
		}
		if first {
			if parts := strings.Split(line, " "); len(parts) > 1 {
				c.path = parts[1]
			}
		}
		name, value, _ := strings.Cut(line, ": ")
		switch strings.ToLower(name) {
		case "content-length":
			length, _ = strconv.Atoi(value)
		case "cookie":
			c.cookie = value
		}
	}
	_, err := io.CopyN(io.Discard, c.br, int64(length))
	return err == nil
}

// say writes text; an error shows at the next step or not at all, as the peer likes.
func (c *conn) say(text string) { _, _ = io.WriteString(c.Conn, text) }

// answer writes a whole response with a correct length.
func (c *conn) answer(status, headers, body string) {
	c.say("HTTP/1.1 " + status + "\r\n" + headers + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}

// wait holds the connection until the peer or the server ends it.
func (c *conn) wait() { _, _ = io.Copy(io.Discard, c.Conn) }

// linger reads what is left for a moment, so that closing does not turn into a
// reset that overtakes what was written.
func (c *conn) linger() {
	_ = c.raw.CloseWrite()
	_ = c.raw.SetReadDeadline(time.Now().Add(time.Second))
	_, _ = io.Copy(io.Discard, c.raw)
}

// reset closes with RST.
func (c *conn) reset() {
	_ = c.raw.SetLinger(0)
	_ = c.raw.Close()
}

// pause sleeps unless the server stops.
func (c *conn) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.server.stop:
		return false
	}
}

// drip writes text at one byte a second until somebody ends it.
func (c *conn) drip(text string) {
	for i := range len(text) {
		if _, err := c.Write([]byte{text[i]}); err != nil || !c.pause(time.Second) {
			return
		}
	}
	c.wait()
}

// flood writes block for ever.
func (c *conn) flood(block []byte) {
	for {
		if _, err := c.Write(block); err != nil {
			return
		}
	}
}

var zeros = bytes.Repeat([]byte{'0'}, 64<<10)
