// Package callsig lets a caller prove, call by call, that it holds the key of a certificate, where a client certificate in
// the TLS handshake would not arrive: behind proxies that end TLS.
//
// A call carries two entries of metadata, the certificate and a signature by its key over the method, the host that the
// caller meant, the time, a nonce and the certificate itself. So a signature is good for one call: of that method, to that
// host, within MaxSkew of the receiver's clock, and once, as far as the receiver remembers nonces (see Seen). Whether the
// certificate is believed is the receiver's own business.
package callsig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// The entries of metadata.
const (
	CertificateKey = "x-frogup-certificate" // the certificate: DER in URL-safe base64 without padding
	SignatureKey   = "x-frogup-signature"   // "v1 t=<unix ms> n=<nonce> h=<host> s=<signature>"
	TimeKey        = "x-frogup-time"        // in the answer to a call with a wrong time: the receiver's clock, unix ms
)

// MaxSkew is how far the caller's clock may be from the receiver's, travelling time included.
const MaxSkew = 5 * time.Minute

const (
	version       = "v1"
	nonceBytes    = 16
	maxCert       = 8 << 10 // bytes of DER
	maxSignature  = 1 << 10 // of the whole entry
	maxHost       = 255
	signedHeading = "frogup call v1" // so that the key signs nothing else by mistake
)

// The ways in which a credential does not hold; see also SkewError and HostError.
var (
	ErrMissing   = errors.New("the call is not signed")
	ErrMalformed = errors.New("the call's signature is malformed")
	ErrSignature = errors.New("the call's signature does not hold")
)

// SkewError reports a time that is too far from the receiver's.
type SkewError struct{ Signed, Now time.Time }

func (e *SkewError) Error() string {
	return fmt.Sprintf("the call was signed at %s, which is %s from now", e.Signed.UTC().Format(time.RFC3339), e.Signed.Sub(e.Now).Round(time.Second))
}

// HostError reports a call that was meant for another host.
type HostError struct{ Signed, Reached string }

func (e *HostError) Error() string {
	return fmt.Sprintf("the call was signed for the host %q and reached %q", e.Signed, e.Reached)
}

// Credential is what came with a call. Only Verify makes it believable.
type Credential struct {
	Certificate []byte // DER
	Host        string
	At          time.Time // whole milliseconds
	Nonce       string    // base64, of nonceBytes
	signature   []byte
}

// Sign returns the two entries for one call. Host is as in HostOf.
func Sign(key crypto.Signer, certificate []byte, method, host string, at time.Time) (cert, signature string, err error) {
	var raw [nonceBytes]byte
	_, _ = rand.Read(raw[:]) // never fails
	c := Credential{Certificate: certificate, Host: HostOf(host), At: time.UnixMilli(at.UnixMilli()), Nonce: encode(raw[:])}
	content := c.content(method)
	switch key.Public().(type) {
	case *ecdsa.PublicKey:
		digest := sha256.Sum256(content)
		c.signature, err = key.Sign(rand.Reader, digest[:], crypto.SHA256)
	case ed25519.PublicKey:
		c.signature, err = key.Sign(rand.Reader, content, crypto.Hash(0))
	default:
		err = fmt.Errorf("key of type %T", key.Public())
	}
	if err != nil {
		return "", "", fmt.Errorf("sign call: %w", err)
	}
	return encode(certificate), c.String(), nil
}

// content is what is signed.
func (c *Credential) content(method string) []byte {
	of := sha256.Sum256(c.Certificate)
	return []byte(strings.Join([]string{
		signedHeading, method, c.Host, strconv.FormatInt(c.At.UnixMilli(), 10), c.Nonce, hex.EncodeToString(of[:]),
	}, "\n"))
}

// String is the entry under SignatureKey.
func (c *Credential) String() string {
	return fmt.Sprintf("%s t=%d n=%s h=%s s=%s", version, c.At.UnixMilli(), c.Nonce, c.Host, encode(c.signature))
}

// Parse reads the entries of a call, the values of each key as they came. It is strict: there is one spelling of everything.
func Parse(certs, signatures []string) (*Credential, error) {
	if len(certs) == 0 && len(signatures) == 0 {
		return nil, ErrMissing
	}
	if len(certs) != 1 || len(signatures) != 1 || len(signatures[0]) > maxSignature ||
		len(certs[0]) > base64.RawURLEncoding.EncodedLen(maxCert) {
		return nil, ErrMalformed
	}
	parts := strings.Split(signatures[0], " ")
	if len(parts) != 5 || parts[0] != version {
		return nil, ErrMalformed
	}
	var values [4]string
	for i, name := range [...]string{"t=", "n=", "h=", "s="} {
		value, ok := strings.CutPrefix(parts[i+1], name)
		if !ok || value == "" {
			return nil, ErrMalformed
		}
		values[i] = value
	}
	ms, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil || strconv.FormatInt(ms, 10) != values[0] || ms < 0 || ms > maxMillis {
		return nil, ErrMalformed
	}
	c := &Credential{At: time.UnixMilli(ms), Nonce: values[1], Host: values[2]}
	nonce, ok := decode(c.Nonce)
	if !ok || len(nonce) != nonceBytes || len(c.Host) > maxHost || HostOf(c.Host) != c.Host || !isPrintable(c.Host) {
		return nil, ErrMalformed
	}
	if c.signature, ok = decode(values[3]); !ok {
		return nil, ErrMalformed
	}
	if c.Certificate, ok = decode(certs[0]); !ok || len(c.Certificate) == 0 {
		return nil, ErrMalformed
	}
	return c, nil
}

// maxMillis is far in the future, and small enough to reckon with.
const maxMillis = 1 << 48

// Verify reports whether the key of the certificate has signed a call of method to one of hosts at about now, and returns
// the certificate. It does not look at who issued it, nor at its validity. The signature is looked at first, so that the
// other errors are about what the caller really said.
func (c *Credential) Verify(method string, hosts []string, now time.Time) (*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(c.Certificate)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if !c.isSigned(cert.PublicKey, method) {
		return nil, ErrSignature
	}
	if c.At.Sub(now).Abs() > MaxSkew {
		return nil, &SkewError{Signed: c.At, Now: now}
	}
	for _, h := range hosts {
		if HostOf(h) == c.Host {
			return cert, nil
		}
	}
	reached := ""
	if len(hosts) > 0 {
		reached = HostOf(hosts[0])
	}
	return nil, &HostError{Signed: c.Host, Reached: reached}
}

func (c *Credential) isSigned(key any, method string) bool {
	content := c.content(method)
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return false
		}
		digest := sha256.Sum256(content)
		return ecdsa.VerifyASN1(key, digest[:], c.signature)
	case ed25519.PublicKey:
		return ed25519.Verify(key, content, c.signature)
	}
	return false
}

// HostOf is a host as it is signed: in lower case, without a port, which proxies add and take away, and without the dot at
// the end.
func HostOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
}

func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func decode(s string) ([]byte, bool) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	return b, err == nil && encode(b) == s // the decoder skips line breaks and ignores spare bits
}
