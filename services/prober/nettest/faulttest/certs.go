package faulttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"time"
)

// certificates are made anew by every server.
type certificates struct {
	roots *x509.CertPool

	good, expired, future, wrongHost, selfSigned tls.Certificate
}

func newCertificates() (certificates, error) {
	var c certificates
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, err
	}
	now := time.Now()
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fault root"},
		NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
	if err != nil {
		return c, err
	}
	if root, err = x509.ParseCertificate(der); err != nil {
		return c, err
	}
	c.roots = x509.NewCertPool()
	c.roots.AddCert(root)

	for _, leaf := range []struct {
		into       *tls.Certificate
		host       string
		begin, end time.Duration
		selfSigned bool
	}{
		{&c.good, "localhost", -time.Hour, 24 * time.Hour, false},
		{&c.expired, "localhost", -24 * time.Hour, -time.Hour, false},
		{&c.future, "localhost", 23 * time.Hour, 24 * time.Hour, false},
		{&c.wrongHost, "elsewhere.test", -time.Hour, 24 * time.Hour, false},
		{&c.selfSigned, "localhost", -time.Hour, 24 * time.Hour, true},
	} {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: leaf.host},
			NotBefore: now.Add(leaf.begin), NotAfter: now.Add(leaf.end),
			KeyUsage:    x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
			DNSNames:    []string{leaf.host},
		}
		if leaf.host == "localhost" {
			template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
		}
		parent, signer := root, crypto.Signer(key)
		leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return c, err
		}
		if leaf.selfSigned {
			parent, signer = template, leafKey
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, leafKey.Public(), signer)
		if err != nil {
			return c, err
		}
		*leaf.into = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: leafKey}
	}
	return c, nil
}

// The ways to secure a connection.

func serveCert(pick func(*certificates) tls.Certificate) func(*certificates) *tls.Config {
	return func(c *certificates) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{pick(c)}}
	}
}

func goodTLS(c *certificates) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.good}}
}

func goodH2(c *certificates) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.good}, NextProtos: []string{"h2"}}
}

// oldTLS offers what no client should accept any more.
func oldTLS(c *certificates) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{c.good},
		MinVersion:   tls.VersionTLS10, MaxVersion: tls.VersionTLS10,
	}
}

func clientCertTLS(c *certificates) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{c.good},
		ClientAuth:   tls.RequireAnyClientCert,
	}
}
