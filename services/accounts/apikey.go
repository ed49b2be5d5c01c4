package accounts

import (
	"encoding/binary"
	"hash/crc32"
	"math/big"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/frogstats/uptime/internal/identity"
)

// A key made here is upt_<id>_<secret>_<checksum>: the prefix lets scanners find leaked keys, and the checksum lets us refuse
// a mistyped or invented one without asking the store.
const (
	keyPrefix         = "upt_"
	keySecretLength   = 43 // base62 digits of 32 bytes
	keyChecksumLength = 6  // base62 digits of a CRC-32
	uuidLength        = 36

	// MinOperatorKeyLength is the least number of characters of a key that the operator brings along.
	MinOperatorKeyLength = 20
	maxKeyBytes          = 512
	operatorPrefixRunes  = 4 // of an operator's key, shown to recognise it
)

// Key is an API key without its secret.
type Key struct {
	ID             string // UUIDv7; part of keys made here
	OrganizationID string
	Name           string
	Role           identity.Role
	Prefix         string // first characters of the key
	CreatedBy      string // user
	Operator       bool   // brought along by the operator at start, not made here
	CreatedAt      time.Time
	ExpiresAt      time.Time // zero means never
	LastUsedAt     time.Time // zero means never used; at most touchEvery late
	RevokedAt      time.Time // zero means live
}

// live reports whether the key opens anything at time now.
func (k Key) live(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}

// newKey makes the whole text of the key with this id.
func newKey(id string) string {
	body := keyPrefix + id + "_" + base62(random(tokenBytes), keySecretLength)
	return body + "_" + keyChecksum(body)
}

// displayPrefix is as much of a key as may be shown for ever.
func displayPrefix(key string) string {
	if id, ok := parseKey(key); ok {
		return keyPrefix + id
	}
	n := 0
	for range operatorPrefixRunes {
		_, size := utf8.DecodeRuneInString(key[n:])
		n += size
	}
	return key[:n]
}

// parseKey returns the id in a key made here; false if the form or the checksum is wrong.
func parseKey(key string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(key, keyPrefix)
	if !ok || len(rest) != uuidLength+1+keySecretLength+1+keyChecksumLength {
		return "", false
	}
	id, rest = rest[:uuidLength], rest[uuidLength:]
	secret, sum := rest[1:1+keySecretLength], rest[len(rest)-keyChecksumLength:]
	if rest[0] != '_' || rest[1+keySecretLength] != '_' || !isBase62(secret) {
		return "", false
	}
	if u, err := uuid.Parse(id); err != nil || u.String() != id {
		return "", false
	}
	return id, sum == keyChecksum(key[:len(key)-keyChecksumLength-1])
}

// plausibleKey tells what may be somebody's key from what cannot be. Text that begins like a key made here must be one.
func plausibleKey(key string) bool {
	if strings.HasPrefix(key, keyPrefix) {
		_, ok := parseKey(key)
		return ok
	}
	return len(key) <= maxKeyBytes && utf8.ValidString(key) && utf8.RuneCountInString(key) >= MinOperatorKeyLength
}

func keyChecksum(body string) string {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], crc32.ChecksumIEEE([]byte(body)))
	return base62(b[:], keyChecksumLength)
}

const base62Digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// base62 writes b, a big-endian number, with exactly width digits; width must be enough.
func base62(b []byte, width int) string {
	n, digit, base := new(big.Int).SetBytes(b), new(big.Int), big.NewInt(int64(len(base62Digits)))
	out := make([]byte, width)
	for i := width - 1; i >= 0; i-- {
		n.DivMod(n, base, digit)
		out[i] = base62Digits[digit.Int64()]
	}
	return string(out)
}

func isBase62(s string) bool {
	for _, c := range []byte(s) {
		if strings.IndexByte(base62Digits, c) < 0 {
			return false
		}
	}
	return true
}
