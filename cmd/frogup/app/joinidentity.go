package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// identityFile, in the data folder, is who a remote prober is. Its owner alone can read it: the key never leaves the machine.
const identityFile = "prober.identity"

// joinIdentity is what the file holds. Before the prober has joined there is a key and no certificate: a join whose answer
// was lost is tried again with the same key.
type joinIdentity struct {
	URL         string    `json:"url"`
	ProberID    string    `json:"prober_id,omitempty"`
	Region      string    `json:"region,omitempty"`
	Key         []byte    `json:"key"`                   // PKCS #8
	Certificate []byte    `json:"certificate,omitempty"` // DER
	Authority   []byte    `json:"authority,omitempty"`   // DER
	IssuedAt    time.Time `json:"issued_at,omitzero"`    // by this machine's clock
	ExpiresAt   time.Time `json:"expires_at,omitzero"`
	NextKey     []byte    `json:"next_key,omitempty"`   // of the certificate that is being asked for
	TokenHash   string    `json:"token_hash,omitempty"` // of the token that was used, or is being used

	path string
	key  *ecdsa.PrivateKey
	next *ecdsa.PrivateKey // nil without NextKey
}

// joined reports whether there is a certificate.
func (i *joinIdentity) joined() bool { return len(i.Certificate) > 0 }

// hasIdentity reports whether a folder belongs to a remote prober.
func hasIdentity(folder string) bool {
	if folder == "" {
		return false
	}
	_, err := os.Stat(filepath.Join(folder, identityFile))
	return err == nil
}

// readIdentity returns nil if there is none.
func readIdentity(folder string) (*joinIdentity, error) {
	path := filepath.Join(folder, identityFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the prober's identity: %w", err)
	}
	i, err := parseIdentity(b)
	if err != nil {
		return nil, fmt.Errorf("read the prober's identity: %s: %w", path, err)
	}
	i.path = path
	return i, nil
}

// parseIdentity never quotes what it reads: there is a key in it.
func parseIdentity(b []byte) (*joinIdentity, error) {
	i := &joinIdentity{}
	if err := json.Unmarshal(b, i); err != nil {
		return nil, errors.New("is not an identity")
	}
	var err error
	if i.key, err = parseKey(i.Key); err != nil {
		return nil, err
	}
	if len(i.NextKey) > 0 {
		if i.next, err = parseKey(i.NextKey); err != nil {
			return nil, err
		}
	}
	if !i.joined() {
		return i, nil
	}
	cert, err := x509.ParseCertificate(i.Certificate)
	switch {
	case err != nil:
		return nil, errors.New("the certificate cannot be read")
	case !i.key.PublicKey.Equal(cert.PublicKey):
		return nil, errors.New("the certificate is not of the key")
	case i.ProberID == "" || i.Region == "" || i.URL == "":
		return nil, errors.New("the id, the region or the URL is missing")
	}
	return i, nil
}

func parseKey(der []byte) (*ecdsa.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("the key cannot be read")
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok || ec.Curve != elliptic.P256() {
		return nil, errors.New("the key is not an ECDSA key on P-256")
	}
	return ec, nil
}

// newIdentity makes a key pair, and keeps it.
func newIdentity(folder, url, token string) (*joinIdentity, error) {
	key, der, err := newJoinKey()
	if err != nil {
		return nil, err
	}
	i := &joinIdentity{URL: url, Key: der, TokenHash: hashToken(token), path: filepath.Join(folder, identityFile), key: key}
	return i, i.save()
}

func newJoinKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	return key, der, nil
}

// save replaces the file at once.
func (i *joinIdentity) save() error {
	b, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return fmt.Errorf("keep the prober's identity: %w", err)
	}
	if err := writeSecret(i.path, append(b, '\n')); err != nil {
		return fmt.Errorf("keep the prober's identity: %w", err)
	}
	return nil
}

// with is i after it got a certificate for key.
func (i *joinIdentity) with(key *ecdsa.PrivateKey, der []byte, got *monitorsv1.ProberCertificate, now time.Time) (*joinIdentity, error) {
	cert, err := x509.ParseCertificate(got.GetCertificate())
	if err != nil {
		return nil, fmt.Errorf("the server's certificate cannot be read: %w", err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, errors.New("the server has certified another key")
	}
	next := *i
	next.Key, next.key, next.NextKey, next.next = der, key, nil, nil
	next.ProberID, next.Region = got.GetProberId(), got.GetRegion()
	next.Certificate, next.Authority = got.GetCertificate(), got.GetAuthority()
	next.IssuedAt, next.ExpiresAt = now.UTC(), got.GetExpiresAt().AsTime()
	return &next, next.save()
}

// request asks for a certificate of key.
func certificateRequest(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "prober"}}, key)
	if err != nil {
		return nil, fmt.Errorf("ask for a certificate: %w", err)
	}
	return der, nil
}

// hashToken tells tokens apart without keeping them.
func hashToken(token string) string {
	if token == "" {
		return ""
	}
	h := sha256.Sum256([]byte(token))
	return hex.EncodeToString(h[:])
}
