// Package requestid carries the id under which one request is found again in logs, audit rows and answers, from the edge
// through every service that works on it.
package requestid

import (
	"context"
	"crypto/rand"

	"github.com/google/uuid"
)

// Key is the gRPC metadata key, and in canonical form the HTTP header, that carries the id.
const Key = "x-request-id"

const maxLength = 64

// New makes an id that sorts by time.
func New() string {
	id, err := uuid.NewV7()
	if err != nil { // cannot happen with the standard reader, yet an id is no reason to fail a request
		return rand.Text()
	}
	return id.String()
}

// Accept returns id if a stranger's id is fit to be logged and echoed (1 to 64 characters of A–Z a–z 0–9 . _ -), else a new one.
func Accept(id string) string {
	if id == "" || len(id) > maxLength {
		return New()
	}
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return New()
		}
	}
	return id
}

type key struct{}

// NewContext returns ctx carrying id.
func NewContext(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, key{}, id)
}

// FromContext returns the id that ctx carries, or "".
func FromContext(ctx context.Context) string {
	id, _ := ctx.Value(key{}).(string)
	return id
}
