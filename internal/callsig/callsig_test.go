package callsig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	at     = time.UnixMilli(1_800_000_000_123)
	method = "/pkg.Service/Method"
	host   = "uptime.example.com"
)

func certificate(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "p"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// signed signs a call of method to host at at.
func signed(t testing.TB, key crypto.Signer, der []byte) *Credential {
	t.Helper()
	cert, signature, err := Sign(key, der, method, host, at)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse([]string{cert}, []string{signature})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSignedCallHolds(t *testing.T) {
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"P-256": newKey(t), "Ed25519": edwards} {
		der := certificate(t, key)
		c := signed(t, key, der)
		for _, h := range []string{host, "Uptime.Example.Com:443", "uptime.example.com."} {
			got, err := c.Verify(method, []string{"other", h}, at.Add(MaxSkew))
			if err != nil || string(got.Raw) != string(der) {
				t.Errorf("%s at %s: %v", name, h, err)
			}
		}
		if !c.At.Equal(at) || c.Host != host {
			t.Errorf("%s: read back as %+v", name, c)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	key, other := newKey(t), newKey(t)
	der := certificate(t, key)
	c := signed(t, key, der)
	refused := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", what, err, want)
		}
	}
	verify := func(c Credential) error {
		_, err := c.Verify(method, []string{host}, at)
		return err
	}
	_, err := c.Verify("/pkg.Service/Other", []string{host}, at)
	refused("another method", err, ErrSignature)
	changed := *c
	changed.Certificate = certificate(t, key) // of the same key
	refused("another certificate of the key", verify(changed), ErrSignature)
	changed.Certificate = certificate(t, other)
	refused("another's certificate", verify(changed), ErrSignature)
	changed = *c
	changed.At = at.Add(time.Millisecond)
	refused("another time", verify(changed), ErrSignature)
	changed = *c
	changed.Nonce = encode(make([]byte, nonceBytes))
	refused("another nonce", verify(changed), ErrSignature)
	changed = *c
	changed.Host = "evil.example"
	_, err = changed.Verify(method, []string{"evil.example"}, at)
	refused("another host, written into the credential", err, ErrSignature)
	changed = *c
	changed.Certificate = []byte("no certificate")
	refused("no certificate", verify(changed), ErrMalformed)

	var skew *SkewError
	for _, d := range []time.Duration{MaxSkew + time.Millisecond, -MaxSkew - time.Millisecond} {
		_, err = c.Verify(method, []string{host}, at.Add(d))
		if !errors.As(err, &skew) || !skew.Signed.Equal(at) {
			t.Errorf("%s later: %v", d, err)
		}
	}
	var wrong *HostError
	_, err = c.Verify(method, []string{"internal:8080", "other"}, at)
	if !errors.As(err, &wrong) || wrong.Signed != host || wrong.Reached != "internal" {
		t.Errorf("another host: %v", err)
	}
	if _, err = c.Verify(method, nil, at); !errors.As(err, &wrong) {
		t.Errorf("no host: %v", err)
	}
}

// Keys that nobody here makes are refused although they could be checked.
func TestOtherKindsOfKeys(t *testing.T) {
	big, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signed(t, big, certificate(t, big)).Verify(method, []string{host}, at); !errors.Is(err, ErrSignature) {
		t.Errorf("P-384: %v", err)
	}
	old, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Sign(old, certificate(t, old), method, host, at); err == nil {
		t.Error("signed with RSA")
	}
}

func TestParseIsStrict(t *testing.T) {
	key := newKey(t)
	cert, good, err := Sign(key, certificate(t, key), method, host, at)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, " ")
	with := func(i int, text string) string {
		p := append([]string(nil), parts...)
		p[i] = text
		return strings.Join(p, " ")
	}
	if _, err := Parse(nil, nil); !errors.Is(err, ErrMissing) {
		t.Errorf("nothing: %v", err)
	}
	for name, tt := range map[string]struct{ certs, signatures []string }{
		"no certificate":        {nil, []string{good}},
		"no signature":          {[]string{cert}, nil},
		"two certificates":      {[]string{cert, cert}, []string{good}},
		"two signatures":        {[]string{cert}, []string{good, good}},
		"empty certificate":     {[]string{""}, []string{good}},
		"padded certificate":    {[]string{cert + "="}, []string{good}},
		"line break":            {[]string{cert + "\n"}, []string{good}},
		"large certificate":     {[]string{strings.Repeat("A", 4*maxCert)}, []string{good}},
		"large signature":       {[]string{cert}, []string{with(4, "s="+strings.Repeat("A", maxSignature))}},
		"another version":       {[]string{cert}, []string{with(0, "v2")}},
		"a part more":           {[]string{cert}, []string{good + " x=1"}},
		"a part less":           {[]string{cert}, []string{strings.Join(parts[:4], " ")}},
		"two spaces":            {[]string{cert}, []string{with(1, " "+parts[1])}},
		"leading zero":          {[]string{cert}, []string{with(1, "t=0"+parts[1][2:])}},
		"sign":                  {[]string{cert}, []string{with(1, "t=+"+parts[1][2:])}},
		"negative time":         {[]string{cert}, []string{with(1, "t=-1")}},
		"time beyond reckoning": {[]string{cert}, []string{with(1, "t="+strconv.Itoa(1<<62))}},
		"short nonce":           {[]string{cert}, []string{with(2, "n=AAAA")}},
		"host in capitals":      {[]string{cert}, []string{with(3, "h=Uptime.example.com")}},
		"host with a port":      {[]string{cert}, []string{with(3, "h=uptime.example.com:443")}},
		"host beyond ASCII":     {[]string{cert}, []string{with(3, "h=üptime")}},
		"no host":               {[]string{cert}, []string{with(3, "h=")}},
		"order":                 {[]string{cert}, []string{strings.Join([]string{parts[0], parts[2], parts[1], parts[3], parts[4]}, " ")}},
	} {
		if c, err := Parse(tt.certs, tt.signatures); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	key := newKey(f)
	cert, signature, err := Sign(key, certificate(f, key), method, host, at)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(cert, signature)
	f.Add("", "v1 t=1 n= h= s=")
	f.Fuzz(func(t *testing.T, cert, signature string) {
		c, err := Parse([]string{cert}, []string{signature})
		if err != nil {
			return
		}
		if c.String() != signature || encode(c.Certificate) != cert {
			t.Errorf("%q came back as %q", signature, c.String())
		}
		_, _ = c.Verify(method, []string{host}, at)
	})
}

func TestSeen(t *testing.T) {
	var s Seen
	now := at
	if !s.First("a", now) || s.First("a", now) {
		t.Error("the first and the second time are not told apart")
	}
	for _, later := range []time.Duration{time.Second, seenFor - time.Second, seenFor, 2*seenFor - time.Second} {
		if s.First("a", at.Add(later)) {
			t.Errorf("forgotten after %s", later)
		}
		s.First("b", at.Add(later))
	}
	if !s.First("a", at.Add(10*seenFor)) {
		t.Error("never forgotten")
	}
}

func TestSeenIsBounded(t *testing.T) {
	var s Seen
	for i := range 2*maxSeen + 10 {
		s.First(strconv.Itoa(i), at)
	}
	if n := len(s.young) + len(s.old); n > 2*maxSeen {
		t.Errorf("%d are held", n)
	}
	if s.First(strconv.Itoa(2*maxSeen+9), at) {
		t.Error("the newest is forgotten")
	}
}
