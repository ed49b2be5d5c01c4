package app

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCerts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	made := runVerb(t, t.Context(), nil, "", "certs", "--out", dir, "--host", "monitors.example.com", "--host", "192.0.2.1", "--days", "30")
	if made.code != exitOK || !strings.Contains(made.stdout, "valid until "+time.Now().AddDate(0, 0, 30).Format(time.DateOnly)) {
		t.Fatalf("%+v", made)
	}
	pool := func() *x509.CertPool {
		ca, err := os.ReadFile(filepath.Join(dir, caFile))
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(ca)
		return pool
	}
	leaf := func(service string) *x509.Certificate {
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, service, certFile), filepath.Join(dir, service, keyFile))
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf
	}
	for _, service := range members() {
		for _, host := range []string{service, "localhost", "127.0.0.1", "::1", "monitors.example.com", "192.0.2.1"} {
			for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
				if _, err := leaf(service).Verify(x509.VerifyOptions{DNSName: host, Roots: pool(), KeyUsages: []x509.ExtKeyUsage{use}}); err != nil {
					t.Errorf("%s as %s: %v", service, host, err)
				}
			}
		}
		for _, key := range []string{filepath.Join(dir, service, keyFile), filepath.Join(dir, caKeyFile)} {
			if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v, want mode 0600", key, info.Mode(), err)
			}
		}
	}

	before, authority := leaf("events").SerialNumber, pool()
	if got := runVerb(t, t.Context(), nil, "", "certs", "--out", dir); got.code != exitError || !strings.Contains(got.stderr, "exists; --renew") {
		t.Errorf("a second time: %+v", got)
	}
	if leaf("events").SerialNumber.Cmp(before) != 0 {
		t.Error("a certificate was overwritten")
	}
	if got := runVerb(t, t.Context(), nil, "", "certs", "--out", dir, "--renew"); got.code != exitOK {
		t.Errorf("--renew: %+v", got)
	}
	if leaf("events").SerialNumber.Cmp(before) == 0 || !pool().Equal(authority) {
		t.Error("--renew makes new certificates of the same authority")
	}
	if got := runVerb(t, t.Context(), nil, "", "certs", "--out", dir, "--force"); got.code != exitOK || pool().Equal(authority) {
		t.Errorf("--force makes a new authority: %+v", got)
	}
	for want, args := range map[string][]string{
		"--out is required": {}, "--days 0": {"--out", dir, "--days", "0"}, "--renew: open": {"--out", t.TempDir(), "--renew"},
		"none of the others can be": {"--out", dir, "--renew", "--force"},
	} {
		if got := runVerb(t, t.Context(), nil, "", append([]string{"certs"}, args...)...); got.code != exitError || !strings.Contains(got.stderr, want) {
			t.Errorf("%q: %+v, want %s", args, got, want)
		}
	}
}

// A single file in the way is enough, and nothing is written then.
func TestCertsAreAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	if err := writeSecret(filepath.Join(dir, "gateway", keyFile), []byte("mine")); err != nil {
		t.Fatal(err)
	}
	if got := runVerb(t, t.Context(), nil, "", "certs", "--out", dir); got.code != exitError {
		t.Errorf("%+v", got)
	}
	if _, err := os.Stat(filepath.Join(dir, caFile)); err == nil {
		t.Error("an authority was made")
	}
}
