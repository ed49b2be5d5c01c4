package accounts

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

const tokenBytes = 32

// SecretHash is what is stored of a token or a key. One round of SHA-256 suffices because what goes in is random and long;
// passwords are hashed by Hasher instead.
type SecretHash [sha256.Size]byte

func hashSecret(s string) SecretHash { return sha256.Sum256([]byte(s)) }

// newToken makes 256 random bits for a cookie or a link.
func newToken() string {
	var b [tokenBytes]byte
	_, _ = rand.Read(b[:]) // never fails: the runtime ends the program first
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// plausibleToken tells what newToken may have made from what it cannot have, without asking the store.
func plausibleToken(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == tokenBytes
}
