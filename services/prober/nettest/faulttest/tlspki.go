package faulttest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/md5" //nolint:gosec // a signature that must be refused
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Authority signs certificates for tests.
type Authority struct {
	Cert *x509.Certificate
	Key  crypto.Signer
	next int64
}

// NewAuthority makes a root.
func NewAuthority(name string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-1000 * time.Hour), NotAfter: now.Add(1000 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &Authority{Cert: cert, Key: key, next: 2}, err
}

// Pool trusts the authority alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Cert)
	return pool
}

// Template is a leaf for localhost and the loopback addresses, valid now.
func (a *Authority) Template() *x509.Certificate {
	now := time.Now()
	a.next++
	return &x509.Certificate{
		SerialNumber: big.NewInt(a.next), Subject: pkix.Name{CommonName: "leaf"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
}

// Issue signs a template, which alter (may be nil) has changed, for key, which is
// made if it is nil.
func (a *Authority) Issue(key crypto.Signer, alter func(*x509.Certificate)) (tls.Certificate, error) {
	template := a.Template()
	if alter != nil {
		alter(template)
	}
	if key == nil {
		var err error
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return tls.Certificate{}, err
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.Cert, key.Public(), a.Key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issue for %v: %w", template.DNSNames, err)
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

// Sub makes an authority below a.
func (a *Authority) Sub(name string, alter func(*x509.Certificate)) (*Authority, error) {
	c, err := a.Issue(nil, func(t *x509.Certificate) {
		t.Subject = pkix.Name{CommonName: name}
		t.IsCA, t.BasicConstraintsValid = true, true
		t.KeyUsage, t.ExtKeyUsage, t.DNSNames, t.IPAddresses = x509.KeyUsageCertSign, nil, nil, nil
		t.NotAfter = t.NotBefore.Add(500 * time.Hour)
		if alter != nil {
			alter(t)
		}
	})
	if err != nil {
		return nil, err
	}
	return &Authority{Cert: c.Leaf, Key: c.PrivateKey.(crypto.Signer), next: 1}, nil
}

// With is c sent together with the certificates of authorities.
func With(c tls.Certificate, above ...*Authority) tls.Certificate {
	c.Certificate = c.Certificate[:1:1]
	for _, a := range above {
		c.Certificate = append(c.Certificate, a.Cert.Raw)
	}
	return c
}

// SelfSigned makes a leaf that signs itself.
func SelfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := (&Authority{next: 76}).Template()
	template.Subject.CommonName = "myself"
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// rsaAuthority is a root whose signatures may be of an old kind.
func rsaAuthority(name string) (*Authority, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	a, err := NewAuthority(name)
	if err != nil {
		return nil, err
	}
	template := *a.Cert
	template.SignatureAlgorithm, template.PublicKey, template.SubjectKeyId = x509.SHA256WithRSA, key.Public(), nil
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	a.Cert, err = x509.ParseCertificate(der)
	a.Key = key
	return a, err
}

// resignMD5 replaces the SHA-1 signature of an RSA authority by one with MD5,
// which crypto/x509 does not make: the identifiers have the same length.
func (a *Authority) resignMD5(sha1 tls.Certificate) (tls.Certificate, error) {
	oldID := []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05}
	newID := []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04}
	var parts struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	der := bytes.ReplaceAll(sha1.Certificate[0], oldID, newID)
	if _, err := asn1.Unmarshal(der, &parts); err != nil {
		return tls.Certificate{}, err
	}
	sum := md5.Sum(parts.TBS.FullBytes) //nolint:gosec // as above
	signature, err := a.Key.Sign(rand.Reader, sum[:], crypto.MD5)
	if err != nil {
		return tls.Certificate{}, err
	}
	parts.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	if der, err = asn1.Marshal(parts); err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: sha1.PrivateKey}, nil
}

// thicket is authorities that sign one another, so that the ways from any of them
// are many and none leads to a root.
func thicket(authorities, certificates int) ([]*Authority, error) {
	all := make([]*Authority, authorities)
	for i := range all {
		var err error
		if all[i], err = NewAuthority(fmt.Sprintf("thicket %d", i)); err != nil {
			return nil, err
		}
	}
	var out []*Authority
	for n := range certificates {
		child, parent := all[n%authorities], all[(n+1+n/authorities)%authorities]
		template := *child.Cert
		template.SerialNumber = big.NewInt(int64(100 + n))
		template.AuthorityKeyId = nil
		der, err := x509.CreateCertificate(rand.Reader, &template, parent.Cert, child.Key.Public(), parent.Key)
		if err != nil {
			return nil, err
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		out = append(out, &Authority{Cert: cert, Key: child.Key})
	}
	return out, nil
}
