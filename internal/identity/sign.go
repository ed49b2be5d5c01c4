package identity

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/metadata"
)

// MetadataKey is the gRPC metadata key of the signed principal.
const MetadataKey = "x-frogup-principal"

// Validity is how far the clocks of signer and verifier may be apart, travelling time included. A stream is verified
// when it opens and may live longer.
const Validity = 60 * time.Second

const (
	minKeyBytes = 32
	version     = 2
)

// ErrBadSignature reports a principal that was not signed by us, is too old, or is malformed. Which one is not told.
var ErrBadSignature = errors.New("principal signature is not valid")

// Signer writes and verifies signed principals. It is safe for concurrent use.
type Signer struct{ key []byte }

// NewSigner makes a signer; every service of one installation shares the key, of at least 32 bytes.
func NewSigner(key []byte) (*Signer, error) {
	if len(key) < minKeyBytes {
		return nil, fmt.Errorf("signer key has %d bytes, need %d", len(key), minKeyBytes)
	}
	return &Signer{key: append([]byte(nil), key...)}, nil
}

// Sign returns p, the time and a signature as one token.
func (s *Signer) Sign(p Principal) string {
	body := encode(p, time.Now())
	return base64.RawURLEncoding.EncodeToString(append(body, s.mac(body)...))
}

// Verify returns the principal of a token made by Sign with the same key no longer than Validity ago, else ErrBadSignature.
func (s *Signer) Verify(token string) (Principal, error) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) < sha256.Size || base64.RawURLEncoding.EncodeToString(raw) != token { // the decoder skips line breaks
		return Principal{}, ErrBadSignature
	}
	body, mac := raw[:len(raw)-sha256.Size], raw[len(raw)-sha256.Size:]
	if !hmac.Equal(mac, s.mac(body)) {
		return Principal{}, ErrBadSignature
	}
	p, at, err := decode(body)
	if err != nil || time.Since(at).Abs() > Validity {
		return Principal{}, ErrBadSignature
	}
	return p, nil
}

// Outgoing returns ctx with p signed into the outgoing metadata, in place of any principal there. Anonymous only removes.
func (s *Signer) Outgoing(ctx context.Context, p Principal) context.Context {
	md, _ := metadata.FromOutgoingContext(ctx) // a copy
	if md == nil {
		md = metadata.MD{}
	}
	if p.IsAnonymous() {
		md.Delete(MetadataKey)
	} else {
		md.Set(MetadataKey, s.Sign(p))
	}
	return metadata.NewOutgoingContext(ctx, md)
}

// Incoming returns the principal in the incoming metadata: Anonymous if there is none, ErrBadSignature if it does not hold.
func (s *Signer) Incoming(ctx context.Context) (Principal, error) {
	switch tokens := metadata.ValueFromIncomingContext(ctx, MetadataKey); len(tokens) {
	case 0:
		return Anonymous, nil
	case 1:
		return s.Verify(tokens[0])
	default: // somebody added one beside ours
		return Principal{}, ErrBadSignature
	}
}

func (s *Signer) mac(body []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte("frogup principal\x00")) // a key used elsewhere by mistake still signs nothing useful here
	h.Write(body)
	return h.Sum(nil)
}

// encode is canonical: a version byte, the time in Unix milliseconds, then every field with its length before it, in the
// order of fields.
func encode(p Principal, at time.Time) []byte {
	b := binary.BigEndian.AppendUint64([]byte{version}, uint64(at.UnixMilli()))
	for _, f := range fields(&p) {
		b = binary.AppendUvarint(b, uint64(len(*f)))
		b = append(b, *f...)
	}
	return b
}

func decode(b []byte) (Principal, time.Time, error) {
	if len(b) < 9 || b[0] != version {
		return Principal{}, time.Time{}, ErrBadSignature
	}
	at := time.UnixMilli(int64(binary.BigEndian.Uint64(b[1:9])))
	b = b[9:]
	var p Principal
	for _, f := range fields(&p) {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)-used) {
			return Principal{}, time.Time{}, ErrBadSignature
		}
		*f = string(b[used : used+int(n)])
		b = b[used+int(n):]
	}
	if len(b) != 0 {
		return Principal{}, time.Time{}, ErrBadSignature
	}
	return p, at, nil
}

// fields lists the fields in the order of the encoding. Adding one means a new version.
func fields(p *Principal) []*string {
	return []*string{
		(*string)(&p.Kind), &p.UserID, &p.OrganizationID, (*string)(&p.Role),
		&p.SessionID, &p.KeyID, &p.Name, &p.RemoteIP, &p.Region,
	}
}
