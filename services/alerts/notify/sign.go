package notify

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// The secret of a webhook is written as Standard Webhooks asks: a prefix and the base64 of 24 to 64 bytes.
const (
	secretPrefix   = "whsec_"
	minSecretBytes = 24
	maxSecretBytes = 64
	newSecretBytes = 32
)

var errSecretForm = errors.New("must be whsec_ and the base64 of 24 to 64 bytes")

// newSecret makes a secret.
func newSecret() string {
	key := make([]byte, newSecretBytes)
	_, _ = rand.Read(key) // never fails: the runtime ends the process instead
	return secretPrefix + base64.StdEncoding.EncodeToString(key)
}

// secretKey is the key that signs, from the text of the secret.
func secretKey(secret string) ([]byte, error) {
	text, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok {
		return nil, errSecretForm
	}
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(key) < minSecretBytes || len(key) > maxSecretBytes {
		return nil, errSecretForm // the decoder's error would quote the secret
	}
	return key, nil
}

// sign is the value of the header webhook-signature: version 1, HMAC-SHA256 over id, time in seconds and body.
func sign(key []byte, id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + unixSeconds(at) + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func unixSeconds(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }
