package nettest

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"strings"
)

const (
	// maxNames bounds how many names of a certificate are kept, and shownNames how
	// many of them stand in a sentence.
	maxNames   = 100
	shownNames = 3
	// maxDistinguished bounds a distinguished name in bytes.
	maxDistinguished = 1024
)

// factsOf is what a leaf says of itself.
func factsOf(leaf *x509.Certificate) Certificate {
	sum := sha256.Sum256(leaf.Raw)
	return Certificate{
		Subject: printable(leaf.Subject.String(), maxDistinguished),
		Issuer:  printable(leaf.Issuer.String(), maxDistinguished),
		Names:   namesOf(leaf, maxNames), NotBefore: leaf.NotBefore.UTC(), NotAfter: leaf.NotAfter.UTC(),
		Serial: hex.EncodeToString(leaf.SerialNumber.Bytes()), SHA256: hex.EncodeToString(sum[:]),
		Key: keyOf(leaf), SignatureAlgorithm: leaf.SignatureAlgorithm.String(),
	}
}

// namesOf are the first of the names and addresses that a leaf is for.
func namesOf(leaf *x509.Certificate, most int) []string {
	names := make([]string, 0, min(len(leaf.DNSNames)+len(leaf.IPAddresses), most))
	for _, name := range leaf.DNSNames {
		if len(names) < most {
			names = append(names, printable(name, 253))
		}
	}
	for _, ip := range leaf.IPAddresses {
		if len(names) < most {
			names = append(names, ip.String())
		}
	}
	return names
}

func namesInWords(leaf *x509.Certificate) string {
	more := len(leaf.DNSNames) + len(leaf.IPAddresses) - shownNames
	names := strings.Join(namesOf(leaf, shownNames), ", ")
	switch {
	case names == "" && leaf.Subject.CommonName != "":
		return "no name (its common name " + printable(leaf.Subject.CommonName, 100) + " does not count)"
	case names == "":
		return "no name"
	case more > 0:
		return fmt.Sprintf("%s and %d more", names, more)
	default:
		return names
	}
}

func keyOf(c *x509.Certificate) string {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	default:
		return c.PublicKeyAlgorithm.String()
	}
}

// inWords is the part of a distinguished name that people know it by.
func inWords(name pkix.Name) string {
	text := name.CommonName
	if text == "" {
		text = name.String()
	}
	return printable(text, 100)
}

// called names a certificate of chain at the beginning of a sentence.
func called(c *x509.Certificate, chain []*x509.Certificate) string {
	if c == chain[0] {
		return "The certificate"
	}
	return "The certificate of " + inWords(c.Subject)
}

// lower is the same within a sentence.
func lower(called string) string { return "t" + strings.TrimPrefix(called, "T") }
