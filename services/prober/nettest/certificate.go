package nettest

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"
)

// maxNames bounds how many names of a certificate are kept.
const maxNames = 100

// inspect says what chain, as sent by a peer that was asked for name, shows. The
// error is nil if the certificate is right in time, chain and name.
func inspect(chain []*x509.Certificate, name string, roots *x509.CertPool, now time.Time) (Certificate, error) {
	leaf := chain[0]
	shown := factsOf(leaf)
	shown.ChainLength = len(chain)
	verified, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: poolOf(chain[1:]), CurrentTime: now})
	shown.Trusted = err == nil
	shown.ChainExpiresAt = lastingUntil(verified)
	nameErr := leaf.VerifyHostname(name)
	shown.NameMatches = nameErr == nil
	if err == nil {
		err = nameErr
	}
	shown.Valid = err == nil
	if err != nil {
		shown.Problems = append(shown.Problems, err.Error())
	}
	return shown, err
}

func poolOf(certs []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool
}

// factsOf is what a leaf says of itself.
func factsOf(leaf *x509.Certificate) Certificate {
	sum := sha256.Sum256(leaf.Raw)
	return Certificate{
		Subject: printable(leaf.Subject.String(), 1024), Issuer: printable(leaf.Issuer.String(), 1024),
		Names:     namesOf(leaf),
		NotBefore: leaf.NotBefore.UTC(), NotAfter: leaf.NotAfter.UTC(),
		Serial: hex.EncodeToString(leaf.SerialNumber.Bytes()), SHA256: hex.EncodeToString(sum[:]),
		Key: keyOf(leaf), SignatureAlgorithm: leaf.SignatureAlgorithm.String(),
	}
}

func namesOf(leaf *x509.Certificate) []string {
	names := make([]string, 0, min(len(leaf.DNSNames)+len(leaf.IPAddresses), maxNames))
	for _, name := range leaf.DNSNames {
		if len(names) < maxNames {
			names = append(names, printable(name, 253))
		}
	}
	for _, ip := range leaf.IPAddresses {
		if len(names) < maxNames {
			names = append(names, ip.String())
		}
	}
	return names
}

func keyOf(cert *x509.Certificate) string {
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	default:
		return cert.PublicKeyAlgorithm.String()
	}
}

// lastingUntil is the earliest end in the chain that lasts longest.
func lastingUntil(chains [][]*x509.Certificate) time.Time {
	var longest time.Time
	for _, chain := range chains {
		end := chain[0].NotAfter
		for _, c := range chain[1:] {
			if c.NotAfter.Before(end) {
				end = c.NotAfter
			}
		}
		if end.After(longest) {
			longest = end
		}
	}
	return longest.UTC()
}
