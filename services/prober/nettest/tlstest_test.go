package nettest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

func startTLSFaults(t testing.TB) *faulttest.TLSServer {
	t.Helper()
	s, err := faulttest.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// facts are what a certificate must say of itself: trusted, for the name, valid.
type facts struct{ trusted, name, valid bool }

var (
	allGood = &facts{true, true, true}
	badTime = &facts{true, true, false}
	badName = &facts{true, false, false}
	noTrust = &facts{false, true, false}
	allBad  = &facts{false, false, false}
)

// tlsSituations are what a TLS check must say of each way to shake hands. The
// zero options trust the servers' root.
func tlsSituations(s *faulttest.TLSServer) []tlsSituation {
	stranger := func(o *nettest.TLSOptions) { o.Certificates = []tls.Certificate{s.Stranger} }
	client := func(o *nettest.TLSOptions) { o.Certificates = []tls.Certificate{s.Client} }
	name := func(n string) func(*nettest.TLSOptions) { return func(o *nettest.TLSOptions) { o.ServerName = n } }
	least := func(v uint16) func(*nettest.TLSOptions) { return func(o *nettest.TLSOptions) { o.MinVersion = v } }
	old := func(o *nettest.TLSOptions) { o.RootCAs = s.Old.Pool() }
	skip := func(o *nettest.TLSOptions) { o.SkipVerify = true }
	off := func(o *nettest.TLSOptions) { o.Revocation = nettest.RevocationOff }
	expired, invalid, failed := nettest.ErrCertificateExpired, nettest.ErrCertificateInvalid, nettest.ErrTLS
	return []tlsSituation{
		{faulttest.CertValid, nil, "", allGood, ""},
		{faulttest.CertValid, old, invalid, noTrust, "comes from test root"},
		{faulttest.CertExpired, nil, expired, badTime, "The certificate expired on"},
		{faulttest.CertExpired, skip, "", badTime, "The certificate expired on"},
		{faulttest.CertNotYetValid, nil, invalid, badTime, "is not valid before"},
		{faulttest.CertOtherName, nil, invalid, badName, "for a.test, b.test, c.test and 1 more, not for 127.0.0.1"},
		{faulttest.CertOtherName, name("b.test"), "", allGood, ""},
		{faulttest.CertNoAddress, nil, invalid, badName, "for localhost, not for 127.0.0.1"},
		{faulttest.CertNoAddress, name("localhost"), "", allGood, ""},
		{faulttest.CertWildcard, name("www.site.test"), "", allGood, ""},
		{faulttest.CertWildcard, name("a.www.site.test"), invalid, badName, "for *.site.test, not for a.www.site.test"},
		{faulttest.CertWildcard, name("site.test"), invalid, badName, "not for site.test"},
		{faulttest.CertSelfSigned, nil, invalid, noTrust, "signed by itself"},
		{faulttest.CertSelfSigned, skip, "", noTrust, "signed by itself"},
		{faulttest.CertIntermediate, nil, "", allGood, ""},
		{faulttest.CertNoIntermediate, nil, invalid, noTrust, "The certificate of middle is missing, which issued the certificate"},
		{faulttest.CertExpiredIntermediate, nil, expired, noTrust, "The intermediate certificate of late middle expired on"},
		{faulttest.CertUnknownCA, nil, invalid, noTrust, "comes from stranger, which is not trusted"},
		{faulttest.CertUnknownRootSent, nil, invalid, noTrust, "comes from stranger, an authority that is not trusted"},
		{faulttest.CertExpiredWrong, nil, expired, allBad, "The certificate expired on"},
		{faulttest.CertExpiredWrong, nil, expired, allBad, "not for 127.0.0.1"},
		{faulttest.CertExpiredWrong, nil, expired, allBad, "comes from stranger"},
		{faulttest.CertSHA1, old, invalid, noTrust, "is signed with SHA1-RSA"},
		{faulttest.CertMD5, old, invalid, noTrust, "is signed with MD5-RSA"},
		{faulttest.CertRSA1024, nil, "", allGood, "The key of the certificate is RSA 1024: use at least RSA 2048"},
		{faulttest.CertClientOnly, nil, invalid, noTrust, "incompatible key usage"},
		{faulttest.CertHundred, nil, invalid, noTrust, ""},
		{faulttest.CertMegabyte, nil, failed, nil, ""},
		{faulttest.CertManyNames, nil, "", allGood, ""},

		{faulttest.VersionTLS10, nil, failed, nil, ""},
		{faulttest.VersionTLS10, least(tls.VersionTLS10), "", allGood, ""},
		{faulttest.VersionTLS11, nil, failed, nil, ""},
		{faulttest.VersionTLS11, least(tls.VersionTLS11), "", allGood, ""},
		{faulttest.VersionTLS12, nil, "", allGood, ""},
		{faulttest.VersionTLS12, least(tls.VersionTLS13), failed, nil, ""},
		{faulttest.VersionTLS13, least(tls.VersionTLS13), "", allGood, ""},
		{faulttest.ClientCertTLS12, nil, failed, allGood, ""},
		{faulttest.ClientCertTLS12, client, "", allGood, ""},
		{faulttest.ClientCertTLS12, stranger, failed, allGood, ""},
		{faulttest.ClientCertTLS13, nil, failed, allGood, ""},
		{faulttest.ClientCertTLS13, client, "", allGood, ""},
		{faulttest.ClientCertTLS13, stranger, failed, allGood, ""},
		{faulttest.ClientCertOptional, nil, "", allGood, ""},
		{faulttest.ClientCertSilent, nil, "", allGood, ""},

		{faulttest.PlainHTTP, nil, failed, nil, ""},
		{faulttest.PlainSSH, nil, failed, nil, ""},
		{faulttest.PlainSMTP, nil, failed, nil, ""},
		{faulttest.ShakeClose, nil, failed, nil, ""},
		{faulttest.ShakeReset, nil, nettest.ErrConnectionReset, nil, ""},
		{faulttest.ShakeStall, nil, nettest.ErrTLSTimeout, nil, ""},
		{faulttest.ShakeStallMiddle, nil, nettest.ErrTLSTimeout, nil, ""},
		{faulttest.ShakeDrip, nil, nettest.ErrTLSTimeout, nil, ""},

		{faulttest.StapleGood, nil, "", allGood, ""},
		{faulttest.StapleRevoked, nil, invalid, badTime, "was revoked on"},
		{faulttest.StapleRevoked, nil, invalid, badTime, "its key was compromised"},
		{faulttest.StapleRevoked, skip, "", badTime, "was revoked on"},
		{faulttest.StapleRevoked, off, "", allGood, ""},
		{faulttest.StapleUnknown, nil, "", allGood, "does not know the certificate"},
		{faulttest.StapleExpired, nil, "", allGood, "stapled OCSP response cannot be used: it expired on"},
		{faulttest.StapleFuture, nil, "", allGood, "stapled OCSP response cannot be used: it is not valid before"},
		{faulttest.StapleGarbage, nil, "", allGood, "stapled OCSP response cannot be used"},
		{faulttest.StapleForged, nil, "", allGood, "its signer is not allowed"},
		{faulttest.StapleDelegated, nil, "", allGood, ""},
		{faulttest.StapleMissing, nil, "", allGood, "demands a stapled OCSP response"},

		{faulttest.SNIRequired, nil, failed, nil, ""},
		{faulttest.SNIRequired, name("other.test"), failed, nil, ""},
		{faulttest.SNIRequired, name("sni.test"), invalid, badName, "not for sni.test"},
		{faulttest.SNIUnknown, nil, failed, nil, ""},
		{faulttest.ALPNOther, nil, "", allGood, ""},
		{faulttest.NoSharedCipher, nil, failed, nil, ""},
		{faulttest.OnlyX25519, nil, "", allGood, ""},
	}
}

type tlsSituation struct {
	fault   faulttest.Fault
	options func(*nettest.TLSOptions)
	want    nettest.ErrorType
	facts   *facts // nil: no certificate is seen
	problem string // is in one of the problems; empty: there are none, if valid
}

func TestTLSSituations(t *testing.T) {
	s := startTLSFaults(t)
	for _, c := range tlsSituations(s) {
		t.Run(string(c.fault), func(t *testing.T) {
			t.Parallel()
			config := nettest.TLSConfig{TLS: nettest.TLSOptions{RootCAs: s.Root.Pool()}}
			if c.options != nil {
				c.options(&config.TLS)
			}
			outer := nettest.TestConfig{Name: string(c.fault), Address: s.Addr(c.fault), Timeout: 5 * time.Second, Config: config}
			if c.want == nettest.ErrTLSTimeout {
				outer.Timeout = 400 * time.Millisecond
			}
			began := time.Now()
			r, err := (&nettest.TLSTest{}).Execute(context.Background(), outer)
			if took := time.Since(began); took > outer.Timeout+grace {
				t.Errorf("took %s with a timeout of %s", took, outer.Timeout)
			}
			checkResult(t, outer, r, err)
			if r.ErrorType != c.want || c.want != "" && r.FailedPhase != nettest.PhaseTLS {
				t.Fatalf("got %q in phase %q, want %q: %s (%v)", r.ErrorType, r.FailedPhase, c.want, r.Error, errors.Unwrap(err))
			}
			if !r.Phases.Connect.Valid || !r.Phases.TLS.Valid || r.Phases.TTFB.Valid || r.Latency != r.Phases.Total {
				t.Errorf("phases %+v, latency %s", r.Phases, r.Latency)
			}
			c.checkFacts(t, r)
		})
	}
}

func (c *tlsSituation) checkFacts(t *testing.T, r *nettest.TestResult) {
	t.Helper()
	if c.facts == nil {
		if len(r.Certificates) != 0 {
			t.Errorf("certificate %+v out of nothing", r.Certificates[0])
		}
		return
	}
	if len(r.Certificates) != 1 {
		t.Fatalf("%d certificates", len(r.Certificates))
	}
	cert := r.Certificates[0]
	if got := (facts{cert.Trusted, cert.NameMatches, cert.Valid}); got != *c.facts {
		t.Errorf("trusted, name, valid = %v, want %v: %q", got, *c.facts, cert.Problems)
	}
	has := slices.ContainsFunc(cert.Problems, func(p string) bool { return strings.Contains(p, c.problem) })
	if c.problem != "" && !has || c.problem == "" && cert.Valid && len(cert.Problems) > 0 || !cert.Valid && len(cert.Problems) == 0 {
		t.Errorf("problems %q, want one with %q", cert.Problems, c.problem)
	}
	if cert.Peer != netip.AddrPortFrom(r.ResolvedIP, r.Port).String() || cert.Subject == "" || cert.Issuer == "" || cert.NotBefore.IsZero() || cert.NotAfter.IsZero() ||
		cert.Serial == "" || len(cert.SHA256) != 64 || cert.Key == "" || cert.SignatureAlgorithm == "" || cert.ChainLength == 0 ||
		len(cert.Names) == 0 || len(cert.Names) > 100 || !r.CertExpiresAt.Equal(cert.NotAfter) {
		t.Errorf("incomplete: %+v", cert)
	}
	if cert.Trusted == cert.ChainExpiresAt.IsZero() && c.fault != faulttest.CertExpiredIntermediate {
		t.Errorf("trusted %v, chain until %s", cert.Trusted, cert.ChainExpiresAt)
	}
	if ended := r.Status == nettest.StatusSuccess; ended && (cert.TLSVersion == "" || cert.CipherSuite == "" || r.TLSVersion != cert.TLSVersion) {
		t.Errorf("a finished handshake without version or suite: %+v", cert)
	}
	for _, p := range cert.Problems {
		if strings.HasSuffix(p, ".") || p[0] < 'A' || p[0] > 'Z' {
			t.Errorf("not like the others: %q", p)
		}
	}
}

// TestTLSMessages holds what the sentences of failures say.
func TestTLSMessages(t *testing.T) {
	s := startTLSFaults(t)
	for _, c := range []struct {
		fault   faulttest.Fault
		options nettest.TLSOptions
		want    string
	}{
		{faulttest.CertNoIntermediate, nettest.TLSOptions{}, "The certificate of middle is missing"},
		{faulttest.ClientCertTLS13, nettest.TLSOptions{}, "it requires a client certificate"},
		{faulttest.ClientCertTLS13, nettest.TLSOptions{Certificates: []tls.Certificate{s.Stranger}}, "client certificate"},
		{faulttest.ClientCertTLS12, nettest.TLSOptions{}, "client certificate"},
		{faulttest.SNIUnknown, nettest.TLSOptions{}, "does not know the server name"},
		{faulttest.PlainHTTP, nettest.TLSOptions{}, "HTTP without TLS"},
		{faulttest.PlainSSH, nettest.TLSOptions{}, "SSH server"},
		{faulttest.PlainSMTP, nettest.TLSOptions{}, "ask for STARTTLS"},
		{faulttest.ShakeClose, nettest.TLSOptions{}, "closed the connection in the middle of the handshake"},
		{faulttest.VersionTLS12, nettest.TLSOptions{MinVersion: tls.VersionTLS13}, "none of the TLS versions"},
		{faulttest.NoSharedCipher, nettest.TLSOptions{}, "shares no cipher suite"},
		{faulttest.CertMegabyte, nettest.TLSOptions{}, "exceeds maximum"},
	} {
		c.options.RootCAs = s.Root.Pool()
		r, _ := (&nettest.TLSTest{}).Execute(t.Context(), nettest.TestConfig{
			Address: s.Addr(c.fault), Timeout: 5 * time.Second, Config: nettest.TLSConfig{TLS: c.options},
		})
		if !strings.Contains(r.Error, c.want) {
			t.Errorf("%s: %q lacks %q", c.fault, r.Error, c.want)
		}
	}
}

// TestTLSMemory: whatever a peer sends, a check keeps little of it.
func TestTLSMemory(t *testing.T) {
	s := startTLSFaults(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 5 {
		for _, fault := range []faulttest.Fault{faulttest.CertMegabyte, faulttest.CertHundred, faulttest.StapleGarbage} {
			_, _ = (&nettest.TLSTest{Network: &nettest.Network{}}).Execute(t.Context(), nettest.TestConfig{
				Address: s.Addr(fault), Timeout: 5 * time.Second, Config: nettest.TLSConfig{TLS: nettest.TLSOptions{RootCAs: s.Root.Pool()}},
			})
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	// The server's own share is in this number.
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > 8<<20 {
		t.Errorf("%d bytes are kept", kept)
	}
}

// TestTLSLosesNoDescriptor runs all situations and dialogues that end badly.
func TestTLSLosesNoDescriptor(t *testing.T) {
	s := startTLSFaults(t)
	var running sync.WaitGroup
	slots := make(chan struct{}, 16)
	execute := func(test nettest.NetworkTest, address string, own any) {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			_, _ = test.Execute(context.Background(), nettest.TestConfig{Address: address, Timeout: 100 * time.Millisecond, Config: own})
		})
	}
	base := settle(t, 0)
	for _, c := range tlsSituations(s) {
		o := nettest.TLSOptions{RootCAs: s.Root.Pool(), Curves: nettest.FastCurves}
		if c.options != nil {
			c.options(&o)
		}
		for _, start := range []nettest.StartTLS{"", nettest.StartTLSPOP3} {
			network := &nettest.Network{}
			execute(&nettest.TLSTest{Network: network}, s.Addr(c.fault), nettest.TLSConfig{TLS: o, StartTLS: start})
			execute(&nettest.TCPTest{Network: network}, s.Addr(c.fault), nettest.TCPConfig{TLS: &o, StartTLS: start})
		}
	}
	running.Wait()
	if after := settle(t, base+4); after > base+4 { // the poller's own, opened once
		t.Errorf("%d descriptors before, %d after", base, after)
	}
}
