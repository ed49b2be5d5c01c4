package faulttest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Lateness is how long a Late target made a check wait in each phase, by the
// target's own clock: from the moment at which it had read what the check sent to
// the moment before it wrote its answer.
type Lateness struct {
	DNS, TLS, FirstByte, Body time.Duration
}

// Late is a name server and an HTTPS server that are late in every phase, by a
// time of their own choosing that they measure. Every check asks for a host of
// its own under late.test, so that it can be told what was measured for it.
type Late struct {
	dns     *DNS
	listen  net.Listener
	cert    tls.Certificate
	roots   *x509.CertPool
	longest time.Duration
	work    sync.WaitGroup

	mu    sync.Mutex
	spent map[string]Lateness
	conns map[net.Conn]struct{}
	ended bool
}

// StartLate opens both servers on 127.0.0.1; each phase is late by up to longest,
// evenly distributed.
func StartLate(longest time.Duration) (*Late, error) {
	l := &Late{longest: longest, spent: map[string]Lateness{}, conns: map[net.Conn]struct{}{}}
	if err := l.certify(); err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	var err error
	if l.dns, err = StartDNS(); err != nil {
		return nil, err
	}
	if l.listen, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
		_ = l.dns.Close()
		return nil, fmt.Errorf("listen: %w", err)
	}
	l.work.Go(l.accept)
	return l, nil
}

func (l *Late) certify() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "late"}, DNSNames: []string{"*.late.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	l.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	l.roots = x509.NewCertPool()
	l.roots.AddCert(leaf)
	return nil
}

// Host makes the name server know a host and returns its URL.
func (l *Late) Host(label string) string {
	host := label + ".late.test"
	l.dns.SetRaw(host, func(question []byte, _ bool) []byte {
		heard := time.Now()
		l.pause(heard)
		answer := addressAnswer(question)
		l.note(host, func(s *Lateness) { s.DNS = time.Since(heard) })
		return answer
	})
	_, port, _ := net.SplitHostPort(l.listen.Addr().String())
	return "https://" + host + ":" + port + "/"
}

// addressAnswer answers any question with 127.0.0.1.
func addressAnswer(raw []byte) []byte {
	var p dnsmessage.Parser
	header, err := p.Start(raw)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	e := entry{reply: Records, addrs: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}}
	return e.message(header.ID, q, false)
}

// Server is the name server's address.
func (l *Late) Server() netip.AddrPort { return l.dns.Addr() }

// Roots is what to trust.
func (l *Late) Roots() *x509.CertPool { return l.roots }

// Spent is what was measured for the host with a label.
func (l *Late) Spent(label string) Lateness {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.spent[label+".late.test"]
}

// Close ends the servers.
func (l *Late) Close() error {
	l.mu.Lock()
	l.ended = true
	for c := range l.conns {
		_ = c.Close()
	}
	l.mu.Unlock()
	_ = l.listen.Close()
	l.work.Wait()
	return l.dns.Close()
}

func (l *Late) note(host string, change func(*Lateness)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.spent[host]
	change(&s)
	l.spent[host] = s
}

// pause waits until a random time after heard.
func (l *Late) pause(heard time.Time) {
	if l.longest > 0 {
		<-time.After(time.Until(heard.Add(mathrand.N(l.longest))))
	}
}

func (l *Late) accept() {
	for {
		c, err := l.listen.Accept()
		if err != nil {
			return
		}
		l.mu.Lock()
		if l.ended {
			_ = c.Close()
		}
		l.conns[c] = struct{}{}
		l.mu.Unlock()
		l.work.Go(func() {
			defer func() {
				_ = c.Close()
				l.mu.Lock()
				delete(l.conns, c)
				l.mu.Unlock()
			}()
			l.serve(c)
		})
	}
}

func (l *Late) serve(raw net.Conn) {
	_ = raw.SetDeadline(time.Now().Add(10 * time.Second))
	late := &lateConn{Conn: raw, late: l}
	// A ticket would be a byte of the server's before its answer.
	conn := tls.Server(late, &tls.Config{Certificates: []tls.Certificate{l.cert}, SessionTicketsDisabled: true})
	if err := conn.Handshake(); err != nil {
		return
	}
	request, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	heard := time.Now()
	host, _, _ := strings.Cut(request.Host, ":")
	half := []byte(Body[:len(Body)/2])
	head := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(Body), half)
	l.pause(heard)
	first := time.Now()
	if _, err := conn.Write(head); err != nil {
		return
	}
	l.pause(first)
	last := time.Now()
	l.note(host, func(s *Lateness) { s.TLS, s.FirstByte, s.Body = late.spent, first.Sub(heard), last.Sub(first) })
	_, _ = conn.Write([]byte(Body[len(Body)/2:]))
	_, _ = io.Copy(io.Discard, conn)
}

// lateConn is late with the first thing that is written.
type lateConn struct {
	net.Conn
	late  *Late
	heard time.Time
	spent time.Duration
}

func (c *lateConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.heard.IsZero() {
		c.heard = time.Now()
	}
	return n, err
}

func (c *lateConn) Write(p []byte) (int, error) {
	if c.spent == 0 {
		c.late.pause(c.heard)
		c.spent = time.Since(c.heard)
	}
	return c.Conn.Write(p)
}
