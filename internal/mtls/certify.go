package mtls

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/url"
	"time"
)

// Certify signs a certificate of somebody else's key, for a client, and returns it in DER. Its common name is name; uris are
// what else is known of the owner.
func (a *Authority) Certify(key crypto.PublicKey, name string, uris []*url.URL, notBefore, notAfter time.Time) ([]byte, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, URIs: uris,
		NotBefore: notBefore.Add(-backdate), NotAfter: notAfter, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, a.cert, key, a.key)
	if err != nil {
		return nil, fmt.Errorf("certify %s: %w", name, err)
	}
	return der, nil
}

// Certificate is the authority's own. It must not be changed.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// Issued reports whether the authority has signed cert for a client, and cert is valid at a time.
func (a *Authority) Issued(cert *x509.Certificate, at time.Time) bool {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	_, err := cert.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: x509.NewCertPool(), CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err == nil && !cert.IsCA
}

func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	return serial, nil
}
