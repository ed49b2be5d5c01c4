// Package page makes the tokens by which lists are read page by page. A token holds the place where the next page begins
// (a keyset cursor), so that reading on costs the same on any page and rows that come or go do not shift it; and it is
// signed together with the scope it was made for, so that it cannot be forged or carried to another list.
package page

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"github.com/frogstats/uptime/internal/fault"
)

const (
	macBytes      = 16
	maxTokenBytes = 4 << 10
)

// Codec writes and reads tokens. It is safe for concurrent use.
type Codec struct{ key []byte }

// NewCodec makes a codec; replicas of one service share the key, such as one from secret.Box.Derive.
func NewCodec(key []byte) *Codec { return &Codec{key: append([]byte(nil), key...)} }

// Scope joins everything that a token must not outlive: method, organization, filter, order. No two lists of parts give
// the same scope.
func Scope(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(binary.AppendUvarint(nil, uint64(len(p))))
		io.WriteString(h, p)
	}
	return string(h.Sum(nil))
}

// Encode returns the token for cursor, a small struct or value that encoding/json can write; it panics on one that it
// cannot, such as a channel or NaN. The cursor can be read by whoever holds the token: put no secrets into it.
func (c *Codec) Encode(scope string, cursor any) string {
	body, err := json.Marshal(cursor)
	if err != nil {
		panic(fmt.Sprintf("page cursor of type %T: %v", cursor, err))
	}
	return base64.RawURLEncoding.EncodeToString(append(c.mac(scope, body), body...))
}

// Decode reads a token made by Encode for the same scope into cursor, a pointer. An empty token leaves cursor alone: that
// is the first page. Any other token is a fault.Invalid on the field page_token.
func (c *Codec) Decode(scope, token string, cursor any) error {
	if token == "" {
		return nil
	}
	if len(token) > maxTokenBytes {
		return errToken
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) < macBytes || base64.RawURLEncoding.EncodeToString(raw) != token { // the decoder skips line breaks
		return errToken
	}
	mac, body := raw[:macBytes], raw[macBytes:]
	if !hmac.Equal(mac, c.mac(scope, body)) {
		return errToken
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields() // signed by us, yet perhaps by an older version with another cursor
	if err := d.Decode(cursor); err != nil {
		return errToken.Wrap(err)
	}
	return nil
}

var errToken = fault.Invalid("", fault.Field{
	Name: "page_token", Message: "is not a token of this list; ask for the first page again",
})

func (c *Codec) mac(scope string, body []byte) []byte {
	h := hmac.New(sha256.New, c.key)
	h.Write([]byte("frogup page\x00"))
	h.Write(binary.AppendUvarint(nil, uint64(len(scope))))
	io.WriteString(h, scope)
	h.Write(body)
	return h.Sum(nil)[:macBytes]
}

// Size settles how many rows a page has: def if requested is 0, most if it is more than that, and a fault.Invalid on
// page_size if it is negative.
func Size[N ~int | ~int32 | ~int64 | ~uint32](requested N, def, most int) (int, error) {
	switch {
	case requested < 0:
		return 0, fault.Invalid("", fault.Field{Name: "page_size", Message: "must not be negative"})
	case requested == 0:
		return def, nil
	case int64(requested) > int64(most):
		return most, nil
	}
	return int(requested), nil
}
