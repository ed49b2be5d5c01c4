package mtls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"testing"
	"time"
)

func TestCertify(t *testing.T) {
	now := time.Now()
	a, err := NewAuthority("a", now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewAuthority("a", now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := a.Certify(key.Public(), "me", []*url.URL{{Scheme: "x", Host: "y"}}, now, now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil || cert.Subject.CommonName != "me" || cert.URIs[0].String() != "x://y" || !key.PublicKey.Equal(cert.PublicKey) {
		t.Fatalf("certificate %+v, %v", cert, err)
	}
	server, err := a.Issue([]string{"host"}, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		authority *Authority
		cert      *x509.Certificate
		at        time.Time
		want      bool
	}{
		"now":                {a, cert, now, true},
		"somewhat earlier":   {a, cert, now.Add(-backdate / 2), true},
		"long before":        {a, cert, now.Add(-time.Hour), false},
		"too late":           {a, cert, now.Add(2 * time.Minute), false},
		"another authority":  {other, cert, now, false},
		"a server's as well": {a, leaf(t, server), now, true},
		"the authority's":    {a, a.Certificate(), now, false},
	} {
		if got := tt.authority.Issued(tt.cert, tt.at); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func leaf(t *testing.T, p Pair) *x509.Certificate {
	t.Helper()
	b, _ := pem.Decode(p.Cert)
	if b == nil {
		t.Fatal("no PEM")
	}
	cert, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
