package nettest

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// chainFor makes a leaf below an intermediate that lasts longer than the leaf.
func chainFor(t *testing.T, alter func(*x509.Certificate)) (chain []*x509.Certificate, roots *x509.CertPool) {
	t.Helper()
	root, err := faulttest.NewAuthority("root")
	if err != nil {
		t.Fatal(err)
	}
	middle, err := root.Sub("middle", nil)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := middle.Issue(nil, alter)
	if err != nil {
		t.Fatal(err)
	}
	return []*x509.Certificate{leaf.Leaf, middle.Cert}, root.Pool()
}

// TestCertificateFacts compares what is shown with the certificate itself.
func TestCertificateFacts(t *testing.T) {
	chain, roots := chainFor(t, func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "shop", Organization: []string{"Frogs, Inc."}}
		c.DNSNames, c.SerialNumber = []string{"shop.test", "*.shop.test"}, big.NewInt(0xabc0ffee)
	})
	i := inspect(&chainMemory{}, chain, "www.shop.test", roots, time.Now())
	sum := sha256.Sum256(chain[0].Raw)
	want := Certificate{
		Subject: `CN=shop,O=Frogs\, Inc.`, Issuer: "CN=middle",
		Names:     []string{"shop.test", "*.shop.test", "127.0.0.1", "::1"},
		NotBefore: chain[0].NotBefore, NotAfter: chain[0].NotAfter, ChainExpiresAt: chain[0].NotAfter,
		Serial: "abc0ffee", SHA256: hex.EncodeToString(sum[:]), Key: "ECDSA P-256", SignatureAlgorithm: "ECDSA-SHA256",
		ChainLength: 2, Trusted: true, NameMatches: true, Valid: true,
	}
	if diff := cmp.Diff(want, i.shown); diff != "" {
		t.Error(diff)
	}
	if !i.issuer.Equal(chain[1]) {
		t.Errorf("issuer %s", i.issuer.Subject)
	}
}

// TestChainExpiry: a chain ends with its shortest certificate, and of several
// chains the one counts that lasts longest.
func TestChainExpiry(t *testing.T) {
	short, err := faulttest.NewAuthority("short root")
	if err != nil {
		t.Fatal(err)
	}
	long, err := faulttest.NewAuthority("long root")
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(5 * time.Hour).UTC().Truncate(time.Second)
	middle, err := short.Sub("middle", func(c *x509.Certificate) { c.NotAfter = end })
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := middle.Issue(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	template := *middle.Cert // the same authority, signed by the other root
	template.NotAfter, template.AuthorityKeyId = end.Add(3*time.Hour), nil
	der, err := x509.CreateCertificate(rand.Reader, &template, long.Cert, middle.Key.Public(), long.Key)
	if err != nil {
		t.Fatal(err)
	}
	cross, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	both := short.Pool()
	both.AddCert(long.Cert)
	now := time.Now()
	for _, c := range []struct {
		name  string
		chain []*x509.Certificate
		roots *x509.CertPool
		want  time.Time
	}{
		{"one", []*x509.Certificate{leaf.Leaf, middle.Cert}, short.Pool(), end},
		{"the other", []*x509.Certificate{leaf.Leaf, cross}, long.Pool(), end.Add(3 * time.Hour)},
		{"both", []*x509.Certificate{leaf.Leaf, middle.Cert, cross}, both, end.Add(3 * time.Hour)},
		{"both, the other way round", []*x509.Certificate{leaf.Leaf, cross, middle.Cert}, both, end.Add(3 * time.Hour)},
		{"one of two roots", []*x509.Certificate{leaf.Leaf, middle.Cert, cross}, short.Pool(), end},
	} {
		var m chainMemory
		i := inspect(&m, c.chain, "localhost", c.roots, now)
		if !i.shown.Valid || !i.shown.ChainExpiresAt.Equal(c.want) {
			t.Errorf("%s: until %s, want %s: %q", c.name, i.shown.ChainExpiresAt, c.want, i.shown.Problems)
		}
		for _, k := range m.known {
			if !k.end.Equal(c.want) {
				t.Errorf("%s: remembered until %s", c.name, k.end)
			}
		}
	}
	// The first of the chains has ended, the other has not: all is well.
	i := inspect(&chainMemory{}, []*x509.Certificate{leaf.Leaf, middle.Cert, cross}, "localhost", both, end.Add(time.Hour))
	if !i.shown.Valid {
		t.Errorf("%q", i.shown.Problems)
	}
	// Both have.
	i = inspect(&chainMemory{}, []*x509.Certificate{leaf.Leaf, middle.Cert, cross}, "localhost", both, end.Add(4*time.Hour))
	if i.shown.Valid || i.shown.Trusted || classify(PhaseTLS, i.refused) != ErrCertificateInvalid && classify(PhaseTLS, i.refused) != ErrCertificateExpired {
		t.Errorf("%+v", i.shown)
	}
}

// TestChainMemory: what is remembered changes nothing of what is found.
func TestChainMemory(t *testing.T) {
	chain, roots := chainFor(t, nil)
	now := time.Now()
	var m chainMemory
	first := inspect(&m, chain, "localhost", roots, now)
	if !first.shown.Valid || len(m.known) != 1 {
		t.Fatalf("%+v, %d known", first.shown, len(m.known))
	}
	for _, k := range m.known {
		k.shown.Subject = "remembered"
	}
	for _, tt := range []struct {
		name       string
		roots      *x509.CertPool
		chain      []*x509.Certificate
		host       string
		now        time.Time
		remembered bool
		valid      bool
		typ        ErrorType
	}{
		{"again", roots, chain, "localhost", now, true, true, ""},
		{"another name", roots, chain, "other.test", now, true, false, ErrCertificateInvalid},
		{"and again", roots, chain, "localhost", now, true, true, ""},
		{"later", roots, chain, "localhost", now.Add(25 * time.Hour), false, false, ErrCertificateInvalid},
		{"earlier", roots, chain, "localhost", now.Add(-2 * time.Hour), false, false, ErrCertificateInvalid},
		{"other roots", x509.NewCertPool(), chain, "localhost", now, false, false, ErrCertificateInvalid},
		{"no intermediate", roots, chain[:1], "localhost", now, false, false, ErrCertificateInvalid},
	} {
		i := inspect(&m, tt.chain, tt.host, tt.roots, tt.now)
		if got := i.shown.Subject == "remembered"; got != tt.remembered {
			t.Errorf("%s: remembered %v", tt.name, got)
		}
		if i.shown.Valid != tt.valid || (i.refused == nil) != tt.valid || len(i.shown.Problems) == 0 != tt.valid {
			t.Errorf("%s: %+v", tt.name, i.shown)
		}
		if !tt.valid && classify(PhaseTLS, i.refused) != tt.typ {
			t.Errorf("%s: %q", tt.name, classify(PhaseTLS, i.refused))
		}
	}
	if len(m.known) != 1 {
		t.Errorf("%d known: what is wrong was remembered", len(m.known))
	}
}

func TestChainMemoryIsBounded(t *testing.T) {
	chain, roots := chainFor(t, nil)
	i := judgeChain(chain, roots, time.Now())
	var m chainMemory
	for n := range 2 * maxChains {
		m.keep(chainKey{sum: [32]byte{byte(n), byte(n >> 8)}}, i, chain)
	}
	if len(m.known) != maxChains {
		t.Errorf("%d chains", len(m.known))
	}
	long, roots := chainFor(t, func(c *x509.Certificate) {
		for range 400 {
			c.DNSNames = append(c.DNSNames, strings.Repeat("a", 50)+".test")
		}
	})
	var empty chainMemory
	if i := inspect(&empty, long, "localhost", roots, time.Now()); !i.shown.Valid || len(empty.known) != 0 {
		t.Errorf("%v, %d known", i.shown.Valid, len(empty.known))
	}
}

// TestCertificateOfTheSystem: without certificate authorities of its own this
// machine cannot blame the target; with given ones it can.
func TestCertificateOfTheSystem(t *testing.T) {
	chain, _ := chainFor(t, nil)
	var m chainMemory
	if i := inspect(&m, chain, "localhost", nil, time.Now()); !isUnknownAuthority(i.refused) {
		t.Errorf("system: %v", i.refused)
	}
	if i := inspect(&m, chain, "localhost", x509.NewCertPool(), time.Now()); isUnknownAuthority(i.refused) {
		t.Errorf("given: %v", i.refused)
	}
}

// TestCertificateShowsNothingOdd: names are chosen by strangers.
func TestCertificateShowsNothingOdd(t *testing.T) {
	chain, roots := chainFor(t, func(c *x509.Certificate) {
		c.Subject.CommonName = "a\r\nb\x00" + strings.Repeat("x", 5000)
	})
	var m chainMemory
	i := inspect(&m, chain, "elsewhere", roots, time.Now())
	for _, text := range append(i.shown.Problems, i.shown.Subject, i.shown.Issuer) {
		if strings.ContainsAny(text, "\r\n\x00") || len(text) > 1100 {
			t.Errorf("%d bytes: %q", len(text), text[:min(len(text), 80)])
		}
	}
}

// FuzzInspect: no certificate that crypto/x509 can parse breaks the looking.
func FuzzInspect(f *testing.F) {
	root, err := faulttest.NewAuthority("root")
	if err != nil {
		f.Fatal(err)
	}
	leaf, err := root.Issue(nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	self, err := faulttest.SelfSigned()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(leaf.Certificate[0], root.Cert.Raw, "localhost")
	f.Add(self.Certificate[0], leaf.Certificate[0], "[::1]")
	now, roots := time.Now(), root.Pool()
	f.Fuzz(func(t *testing.T, first, second []byte, name string) {
		a, err := x509.ParseCertificate(first)
		if err != nil {
			return
		}
		chain := []*x509.Certificate{a}
		if b, err := x509.ParseCertificate(second); err == nil {
			chain = append(chain, b)
		}
		var m chainMemory
		i := inspect(&m, chain, name, roots, now)
		if i.shown.Valid != (i.refused == nil) || i.refused != nil && len(i.shown.Problems) == 0 || len(i.shown.Names) > maxNames {
			t.Fatalf("%+v", i)
		}
		if again := inspect(&m, chain, name, roots, now); again.shown.Valid != i.shown.Valid {
			t.Fatalf("%+v then %+v", i, again)
		}
	})
}
