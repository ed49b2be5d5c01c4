package nettest

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// ocspBench is a server of certificates, a responder and a way to check.
type ocspBench struct {
	*faulttest.TLSServer
	responder *faulttest.Responder
}

func startOCSP(t *testing.T) *ocspBench {
	t.Helper()
	s, err := faulttest.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	r, err := faulttest.StartResponder(s.Root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return &ocspBench{s, r}
}

// serve opens a port whose certificate names responders.
func (b *ocspBench) serve(t *testing.T, name string, urls ...string) string {
	t.Helper()
	c, err := b.Root.Issue(nil, func(c *x509.Certificate) { c.OCSPServer = urls })
	if err != nil {
		t.Fatal(err)
	}
	addr, err := b.ServeCertificate(faulttest.Fault("ocsp-"+name), c)
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func (b *ocspBench) check(n *Network, addr string, depth Revocation, timeout time.Duration) (*TestResult, error) {
	return (&TLSTest{Network: n}).Execute(context.Background(), TestConfig{Address: addr, Timeout: timeout, Config: TLSConfig{
		TLS: TLSOptions{RootCAs: b.Root.Pool(), Revocation: depth},
	}})
}

func TestOCSPResponder(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which closes what is forgotten
	b := startOCSP(t)
	refused, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + refused.Addr().String() + "/"
	_ = refused.Close()
	for _, c := range []struct {
		name   string
		urls   []string
		status string
		typ    ErrorType
		text   string // of the warning, or else of a problem
	}{
		{"good", []string{b.responder.URL("good")}, ocspGood, "", ""},
		{"revoked", []string{b.responder.URL("revoked")}, ocspRevoked, ErrCertificateInvalid, "it was superseded"},
		{"unknown", []string{b.responder.URL("unknown")}, ocspUnknown, "", "does not know"},
		{"stale", []string{b.responder.URL("stale")}, "", "", "it expired on"},
		{"garbage", []string{b.responder.URL("garbage")}, "", "", "cannot be used"},
		{"huge", []string{b.responder.URL("huge")}, "", "", "more than 64 KiB"},
		{"500", []string{b.responder.URL("500")}, "", "", "status 500"},
		{"redirect", []string{b.responder.URL("redirect")}, "", "", "status 302"},
		{"close", []string{b.responder.URL("close")}, "", "", "did not answer with HTTP"},
		{"hang", []string{b.responder.URL("hang")}, "", "", "took too long"},
		{"refused", []string{nobody}, "", "", "could not be reached"},
		{"https", []string{strings.Replace(b.responder.URL("good"), "http:", "https:", 1), "ldap://x/", "http:///", "http://u:p@h/", "%"}, "", "", "no URL that can be asked"},
		{"none", nil, "", "", "names no OCSP responder"},
	} {
		network := &Network{}
		addr := b.serve(t, c.name, c.urls...)
		for round := range 2 {
			began := time.Now()
			r, err := b.check(network, addr, RevocationOnline, 8*time.Second)
			took := time.Since(began)
			if r.ErrorType != c.typ {
				t.Fatalf("%s: %q (%v)", c.name, r.ErrorType, err)
			}
			cert := r.Certificates[0]
			if cert.OCSPStatus != c.status || cert.Valid != (c.typ == "") || (cert.OCSPSource == ocspResponder) != (c.status != "") {
				t.Errorf("%s: %+v", c.name, cert)
			}
			said := strings.Join(r.Warnings, "|")
			if c.status != "" {
				said = strings.Join(cert.Problems, "|")
			}
			if !strings.Contains(said, c.text) || c.text == "" && said != "" {
				t.Errorf("%s: %q lacks %q", c.name, said, c.text)
			}
			if c.typ != "" && !strings.Contains(r.Error, c.text) {
				t.Errorf("%s: %q lacks %q", c.name, r.Error, c.text)
			}
			if took > 8*time.Second/2 {
				t.Errorf("%s: took %s in round %d: %+v", c.name, took, round, r.Phases)
			}
		}
		if asked := b.responder.Asked(c.name); asked > 1 {
			t.Errorf("%s was asked %d times", c.name, asked)
		}
	}
	if b.responder.Asked("good") != 1 {
		t.Error("a redirect was followed, or nobody asked")
	}
	for tries := 0; b.responder.Open() > 0 && tries < 100; tries++ {
		<-time.After(10 * time.Millisecond)
	}
	if n := b.responder.Open(); n > 0 {
		t.Errorf("%d connections to the responder are open", n)
	}
}

// TestOCSPNotAsked: a responder is only asked if that is wanted and needed.
func TestOCSPNotAsked(t *testing.T) {
	b := startOCSP(t)
	addr := b.serve(t, "good", b.responder.URL("good"))
	for _, depth := range []Revocation{"", RevocationOff, RevocationStapled} {
		if r, err := b.check(&Network{}, addr, depth, time.Second); err != nil || len(r.Warnings) > 0 || r.Certificates[0].OCSPStatus != "" {
			t.Errorf("%q: %v, %+v", depth, err, r)
		}
	}
	r, err := b.check(&Network{}, b.Addr(faulttest.StapleGood), RevocationOnline, time.Second)
	if err != nil || r.Certificates[0].OCSPStatus != ocspGood || r.Certificates[0].OCSPSource != ocspStapled || len(r.Warnings) > 0 {
		t.Errorf("stapled: %v, %+v", err, r)
	}
	if n := b.responder.Asked("good"); n != 0 {
		t.Errorf("asked %d times", n)
	}
}

// onlyPort is a policy that allows one address and port.
type onlyPort struct {
	AddressPolicy
	allowed string
}

func (p onlyPort) ControlContext(_ context.Context, _, address string, _ syscall.RawConn) error {
	if address != p.allowed {
		return errors.New("not " + address)
	}
	return nil
}

// TestOCSPKeepsToThePolicy: the URL of a responder is the choice of the tenant,
// who has the certificate made.
func TestOCSPKeepsToThePolicy(t *testing.T) {
	b := startOCSP(t)
	for _, url := range []string{b.responder.URL("good"), strings.Replace(b.responder.URL("good"), "127.0.0.1", "localhost", 1)} {
		addr := b.serve(t, url, url)
		r, err := b.check(&Network{Policy: onlyPort{allowed: addr}}, addr, RevocationOnline, 4*time.Second)
		if err != nil || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "egress policy") {
			t.Errorf("%v, warnings %q", err, r.Warnings)
		}
	}
	if n := b.responder.Asked("good"); n != 0 {
		t.Errorf("asked %d times", n)
	}
}

func TestOCSPMemoryForgets(t *testing.T) {
	var m ocspMemory
	now := time.Now()
	m.keep([32]byte{1}, knownAnswer{expiry: now.Add(time.Minute)})
	if _, ok := m.recall([32]byte{1}, now); !ok {
		t.Error("forgotten at once")
	}
	if _, ok := m.recall([32]byte{1}, now.Add(time.Minute)); ok {
		t.Error("remembered for too long")
	}
	for n := range 2 * maxAnswers {
		m.keep([32]byte{2, byte(n), byte(n >> 8)}, knownAnswer{})
	}
	if len(m.known) > maxAnswers {
		t.Errorf("%d answers", len(m.known))
	}
}

func FuzzParseOCSP(f *testing.F) {
	root, err := faulttest.NewAuthority("root")
	if err != nil {
		f.Fatal(err)
	}
	leaf, err := root.Issue(nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	now := time.Now()
	for _, r := range []ocsp.Response{
		{Status: ocsp.Good, ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour)},
		{Status: ocsp.Revoked, ThisUpdate: now.Add(-time.Hour), RevokedAt: now.Add(-time.Hour), RevocationReason: ocsp.KeyCompromise},
		{Status: ocsp.Unknown, ThisUpdate: now.Add(-time.Hour)},
	} {
		r.SerialNumber = leaf.Leaf.SerialNumber
		der, err := ocsp.CreateResponse(root.Cert, root.Cert, r, root.Key)
		if err != nil {
			f.Fatal(err)
		}
		if a, err := parseOCSP(der, leaf.Leaf, root.Cert, now); err != nil || a.status == "" {
			f.Fatal(a, err)
		}
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := parseOCSP(raw, leaf.Leaf, root.Cert, now)
		if err == nil && a.status != ocspGood && a.status != ocspRevoked && a.status != ocspUnknown {
			t.Fatalf("%+v", a)
		}
	})
}
