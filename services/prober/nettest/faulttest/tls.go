package faulttest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ocsp"
)

// Ways in which a server may shake hands; each has a port of a TLSServer.
const (
	CertValid               Fault = "cert-valid"
	CertExpired             Fault = "cert-expired"
	CertNotYetValid         Fault = "cert-not-yet-valid"
	CertOtherName           Fault = "cert-other-name"
	CertNoAddress           Fault = "cert-no-address" // for localhost, not for 127.0.0.1
	CertWildcard            Fault = "cert-wildcard"   // *.site.test
	CertSelfSigned          Fault = "cert-self-signed"
	CertIntermediate        Fault = "cert-intermediate"
	CertNoIntermediate      Fault = "cert-no-intermediate"
	CertExpiredIntermediate Fault = "cert-expired-intermediate"
	CertUnknownCA           Fault = "cert-unknown-ca"
	CertUnknownRootSent     Fault = "cert-unknown-root-sent"
	CertExpiredWrong        Fault = "cert-expired-wrong" // expired, for another name, self-signed
	CertSHA1                Fault = "cert-sha1"
	CertMD5                 Fault = "cert-md5"
	CertRSA1024             Fault = "cert-rsa-1024"
	CertClientOnly          Fault = "cert-client-only" // its use is not that of a server
	CertHundred             Fault = "cert-hundred"
	CertMegabyte            Fault = "cert-megabyte"
	CertManyNames           Fault = "cert-many-names"
	VersionTLS10            Fault = "version-1.0"
	VersionTLS11            Fault = "version-1.1"
	VersionTLS12            Fault = "version-1.2"
	VersionTLS13            Fault = "version-1.3"
	ClientCertTLS12         Fault = "client-cert-1.2"
	ClientCertTLS13         Fault = "client-cert-1.3"
	ClientCertOptional      Fault = "client-cert-optional"
	ClientCertSilent        Fault = "client-cert-silent" // wants one, takes any, never hangs up
	PlainHTTP               Fault = "plain-http"
	PlainSSH                Fault = "plain-ssh"
	PlainSMTP               Fault = "plain-smtp"
	ShakeClose              Fault = "shake-close"
	ShakeReset              Fault = "shake-reset"
	ShakeStall              Fault = "shake-stall"
	ShakeStallMiddle        Fault = "shake-stall-middle"
	ShakeDrip               Fault = "shake-drip"
	StapleGood              Fault = "staple-good"
	StapleRevoked           Fault = "staple-revoked"
	StapleUnknown           Fault = "staple-unknown"
	StapleExpired           Fault = "staple-expired"
	StapleFuture            Fault = "staple-future"
	StapleGarbage           Fault = "staple-garbage"
	StapleForged            Fault = "staple-forged"    // signed with the leaf's own key
	StapleDelegated         Fault = "staple-delegated" // signed by a signer that may
	StapleMissing           Fault = "staple-missing"   // the certificate demands one
	SNIRequired             Fault = "sni-required"     // knows sni.test only
	SNIUnknown              Fault = "sni-unknown"      // says so by its alert, without looking
	ALPNOther               Fault = "alpn-other"
	NoSharedCipher          Fault = "no-shared-cipher"
	OnlyX25519              Fault = "only-x25519"
	OnlyP384                Fault = "only-p384"
)

// TLSServer serves every way to shake hands on its own loopback port.
type TLSServer struct {
	*Server
	// Root is what to trust so that the good certificates are good.
	Root *Authority
	// Old is another root, whose signatures are of old kinds.
	Old *Authority
	// Client is a certificate that the servers that want one accept, Stranger one
	// that they do not.
	Client, Stranger tls.Certificate

	clientRoot *Authority
}

// tlsMaker collects behaviours and the first error of making them.
type tlsMaker struct {
	*TLSServer
	all map[Fault]behaviour
	err error
}

// StartTLS opens all ports on 127.0.0.1.
func StartTLS() (*TLSServer, error) {
	s := &TLSServer{Server: &Server{
		ports: make(map[Fault]*port), stop: make(chan struct{}), conns: make(map[net.Conn]struct{}),
	}}
	var err error
	if s.Root, err = NewAuthority("test root"); err != nil {
		return nil, err
	}
	if s.clientRoot, err = NewAuthority("client root"); err != nil {
		return nil, err
	}
	m := &tlsMaker{TLSServer: s, all: map[Fault]behaviour{}}
	s.Client = m.issue(s.clientRoot, nil)
	s.Stranger = m.issue(s.Root, nil)
	m.certificates()
	m.weak()
	m.versions()
	m.breakers()
	m.staples()
	if m.err != nil {
		return nil, m.err
	}
	for fault, b := range m.all {
		if err := s.listen(fault, b); err != nil {
			_ = s.Close()
			return nil, fmt.Errorf("listen for %s: %w", fault, err)
		}
	}
	return s, nil
}

func (m *tlsMaker) issue(a *Authority, alter func(*x509.Certificate)) tls.Certificate {
	c, err := a.Issue(nil, alter)
	m.note(err)
	return c
}

func (m *tlsMaker) sub(name string, alter func(*x509.Certificate)) *Authority {
	a, err := m.Root.Sub(name, alter)
	m.note(err)
	return a
}

func (m *tlsMaker) note(err error) {
	if m.err == nil {
		m.err = err
	}
}

// serve adds a server that shakes hands as c says and then waits for the peer.
func (m *tlsMaker) serve(f Fault, c *tls.Config) {
	m.all[f] = behaviour{tls: func(*certificates) *tls.Config { return c }, serve: (*conn).wait}
}

// cert adds a server with a certificate and nothing special.
func (m *tlsMaker) cert(f Fault, c tls.Certificate) {
	m.serve(f, &tls.Config{Certificates: []tls.Certificate{c}})
}

func (m *tlsMaker) certificates() {
	root := m.Root
	m.cert(CertValid, m.issue(root, nil))
	m.cert(CertExpired, m.issue(root, func(t *x509.Certificate) { t.NotAfter = time.Now().Add(-time.Minute) }))
	m.cert(CertNotYetValid, m.issue(root, func(t *x509.Certificate) { t.NotBefore = time.Now().Add(time.Hour) }))
	m.cert(CertOtherName, m.issue(root, func(t *x509.Certificate) {
		t.DNSNames, t.IPAddresses = []string{"a.test", "b.test", "c.test", "d.test"}, nil
	}))
	m.cert(CertNoAddress, m.issue(root, func(t *x509.Certificate) { t.IPAddresses = nil }))
	m.cert(CertWildcard, m.issue(root, func(t *x509.Certificate) { t.DNSNames, t.IPAddresses = []string{"*.site.test"}, nil }))
	m.cert(CertClientOnly, m.issue(root, func(t *x509.Certificate) { t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }))
	m.cert(CertManyNames, m.issue(root, func(t *x509.Certificate) {
		for n := range 500 {
			t.DNSNames = append(t.DNSNames, fmt.Sprintf("host%d.test", n))
		}
	}))
	self, err := SelfSigned()
	m.note(err)
	m.cert(CertSelfSigned, self)

	between := m.sub("middle", nil)
	m.cert(CertIntermediate, With(m.issue(between, nil), between))
	m.cert(CertNoIntermediate, m.issue(between, func(t *x509.Certificate) {
		t.IssuingCertificateURL = []string{"http://192.0.2.1/middle.crt"}
	}))
	late := m.sub("late middle", func(t *x509.Certificate) { t.NotAfter = time.Now().Add(-time.Minute) })
	m.cert(CertExpiredIntermediate, With(m.issue(late, func(t *x509.Certificate) { t.NotAfter = time.Now().Add(48 * time.Hour) }), late))

	stranger, err := NewAuthority("stranger")
	m.note(err)
	if m.err != nil {
		return
	}
	m.cert(CertUnknownCA, m.issue(stranger, nil))
	m.cert(CertUnknownRootSent, With(m.issue(stranger, nil), stranger))
	m.cert(CertExpiredWrong, m.issue(stranger, func(t *x509.Certificate) {
		t.NotAfter, t.DNSNames, t.IPAddresses = time.Now().Add(-time.Minute), []string{"elsewhere.test"}, nil
	}))
	jungle, err := thicket(10, 99)
	m.note(err)
	m.cert(CertHundred, With(m.issue(jungle[0], nil), jungle...))
	leaf := m.issue(root, nil)
	for range 2000 {
		leaf.Certificate = append(leaf.Certificate, root.Cert.Raw, stranger.Cert.Raw)
	}
	m.cert(CertMegabyte, leaf)
}

// weak are certificates of times past.
func (m *tlsMaker) weak() {
	old, err := rsaAuthority("old root")
	m.note(err)
	short, err2 := rsa.GenerateKey(rand.Reader, 1024)
	m.note(err2)
	if m.err != nil {
		return
	}
	m.Old = old
	sha1 := m.issue(old, func(t *x509.Certificate) { t.SignatureAlgorithm = x509.SHA1WithRSA })
	m.cert(CertSHA1, sha1)
	md5, err := old.resignMD5(sha1)
	m.note(err)
	m.cert(CertMD5, md5)
	weak, err := m.Root.Issue(short, nil)
	m.note(err)
	m.cert(CertRSA1024, weak)
}

func (m *tlsMaker) versions() {
	leaf := []tls.Certificate{m.issue(m.Root, nil)}
	for f, v := range map[Fault]uint16{
		VersionTLS10: tls.VersionTLS10, VersionTLS11: tls.VersionTLS11, VersionTLS12: tls.VersionTLS12, VersionTLS13: tls.VersionTLS13,
	} {
		m.serve(f, &tls.Config{Certificates: leaf, MinVersion: v, MaxVersion: v})
	}
	wants := &tls.Config{Certificates: leaf, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: m.clientRoot.Pool()}
	m.serve(ClientCertTLS13, wants)
	wants12 := wants.Clone()
	wants12.MaxVersion = tls.VersionTLS12
	m.serve(ClientCertTLS12, wants12)
	optional := wants.Clone()
	optional.ClientAuth = tls.VerifyClientCertIfGiven
	m.serve(ClientCertOptional, optional)
	m.all[ClientCertSilent] = behaviour{tls: func(*certificates) *tls.Config { return optional }, serve: func(c *conn) { <-c.server.stop }}

	m.serve(SNIRequired, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if h.ServerName != "sni.test" {
			return nil, fmt.Errorf("no certificate for %q", h.ServerName)
		}
		return &leaf[0], nil
	}})
	m.serve(ALPNOther, &tls.Config{Certificates: leaf, NextProtos: []string{"pigeon"}})
	m.serve(NoSharedCipher, &tls.Config{
		Certificates: leaf, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA},
	})
	m.serve(OnlyX25519, &tls.Config{Certificates: leaf, CurvePreferences: []tls.CurveID{tls.X25519}})
	m.serve(OnlyP384, &tls.Config{Certificates: leaf, CurvePreferences: []tls.CurveID{tls.CurveP384}})
}

// breakers do not get as far as a certificate, or not in time.
func (m *tlsMaker) breakers() {
	say := func(text string) behaviour { return behaviour{serve: func(c *conn) { c.say(text); c.linger() }} }
	m.all[PlainHTTP] = behaviour{serve: func(c *conn) {
		_, _ = c.br.Peek(1)
		c.answer("400 Bad Request", "", "speak plainly\n")
		c.linger()
	}}
	m.all[PlainSSH] = say("SSH-2.0-OpenSSH_9.9\r\n")
	m.all[PlainSMTP] = say("220 mail.test ESMTP\r\n")
	m.all[SNIUnknown] = behaviour{serve: func(c *conn) {
		_, _ = c.br.Peek(1)
		c.say("\x15\x03\x03\x00\x02\x02\x70") // a fatal alert, 112
		c.linger()
	}}
	m.all[ShakeClose] = behaviour{serve: (*conn).linger}
	m.all[ShakeReset] = behaviour{serve: func(c *conn) { _, _ = c.br.Peek(1); c.reset() }}
	m.all[ShakeStall] = behaviour{serve: (*conn).wait}
	leaf := &tls.Config{Certificates: []tls.Certificate{m.issue(m.Root, nil)}}
	m.all[ShakeStallMiddle] = behaviour{serve: func(c *conn) {
		_ = tls.Server(&slowConn{Conn: c.raw, c: c, free: 100}, leaf).Handshake()
		c.wait()
	}}
	m.all[ShakeDrip] = behaviour{serve: func(c *conn) {
		_ = tls.Server(&slowConn{Conn: c.raw, c: c, gap: 100 * time.Millisecond}, leaf).Handshake()
	}}
}

// slowConn lets free bytes through; what comes then waits for ever or, with a
// gap, leaves one by one.
type slowConn struct {
	net.Conn
	c    *conn
	free int
	gap  time.Duration
}

func (s *slowConn) Write(p []byte) (int, error) {
	n := min(s.free, len(p))
	if _, err := s.Conn.Write(p[:n]); err != nil {
		return 0, err
	}
	s.free -= n
	for ; n < len(p); n++ {
		if s.gap == 0 {
			s.c.wait()
			return n, net.ErrClosed
		}
		if !s.c.pause(s.gap) {
			return n, net.ErrClosed
		}
		if _, err := s.Conn.Write(p[n : n+1]); err != nil {
			return n, err
		}
	}
	return n, nil
}

// staples are OCSP responses within the handshake.
func (m *tlsMaker) staples() {
	now := time.Now()
	staple := func(f Fault, r ocsp.Response) {
		c := m.issue(m.Root, nil)
		if m.err == nil {
			c.OCSPStaple = m.sign(&r, c.Leaf.SerialNumber, m.Root, m.Root)
		}
		m.cert(f, c)
	}
	fresh := ocsp.Response{Status: ocsp.Good, ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour)}
	staple(StapleGood, fresh)
	revoked := fresh
	revoked.Status, revoked.RevokedAt, revoked.RevocationReason = ocsp.Revoked, now.Add(-30*time.Minute), ocsp.KeyCompromise
	staple(StapleRevoked, revoked)
	unknown := fresh
	unknown.Status = ocsp.Unknown
	staple(StapleUnknown, unknown)
	stale := fresh
	stale.ThisUpdate, stale.NextUpdate = now.Add(-3*time.Hour), now.Add(-time.Hour)
	staple(StapleExpired, stale)
	early := fresh
	early.ThisUpdate, early.NextUpdate = now.Add(time.Hour), now.Add(3*time.Hour)
	staple(StapleFuture, early)

	garbage := m.issue(m.Root, nil)
	garbage.OCSPStaple = []byte(strings.Repeat("\x30\x80\xff", 1000))
	m.cert(StapleGarbage, garbage)

	forged := m.issue(m.Root, nil)
	delegated := m.issue(m.Root, nil)
	signer := m.issue(m.Root, func(t *x509.Certificate) { t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning} })
	if m.err != nil {
		return
	}
	forged.OCSPStaple = m.sign(&fresh, forged.Leaf.SerialNumber, m.Root, authorityOf(forged))
	m.cert(StapleForged, forged)
	delegated.OCSPStaple = m.sign(&fresh, delegated.Leaf.SerialNumber, m.Root, authorityOf(signer))
	m.cert(StapleDelegated, delegated)
	m.cert(StapleMissing, m.issue(m.Root, func(t *x509.Certificate) { t.ExtraExtensions = []pkix.Extension{mustStaple} }))
}
