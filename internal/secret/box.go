package secret

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// ErrOpen reports a ciphertext that this box did not seal, or not for that place. Which of the two is not told.
var ErrOpen = errors.New("ciphertext does not open with these keys in this place")

const masterBytes = 32

// Box seals and opens what is stored, and derives the keys that the rest of the program needs. It holds a Tink keyset with
// one primary key, used to seal, and any number of older ones, still able to open; and, apart from them, a master secret
// for derived keys, which rotation leaves alone. It is safe for concurrent use.
type Box struct {
	handle *keyset.Handle
	aead   tink.AEAD
	master []byte
}

// document is how a box is stored: its two halves in JSON.
type document struct {
	Keyset json.RawMessage `json:"keyset"` // Tink's own JSON, in the clear
	Master []byte          `json:"master"`
}

// Generate makes a box with fresh keys.
func Generate() (*Box, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("generate keyset: %w", err)
	}
	master := make([]byte, masterBytes)
	if _, err := rand.Read(master); err != nil {
		return nil, fmt.Errorf("generate master secret: %w", err)
	}
	return newBox(handle, master)
}

// FromEnv reads a box from the base64 text that Export prints, such as an environment variable brings.
func FromEnv(value string) (*Box, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
	if err != nil {
		return nil, errors.New("key: not base64") // the decoder's error would quote the key
	}
	return parse(raw)
}

// Export returns the box as FromEnv reads it.
func (b *Box) Export() (String, error) {
	raw, err := b.marshal()
	if err != nil {
		return String{}, err
	}
	return New(base64.StdEncoding.EncodeToString(raw)), nil
}

func newBox(handle *keyset.Handle, master []byte) (*Box, error) {
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("keyset: %w", err)
	}
	return &Box{handle: handle, aead: primitive, master: master}, nil
}

func parse(raw []byte) (*Box, error) {
	var doc document
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, errors.New("key: not a key document")
	}
	if len(doc.Master) < masterBytes {
		return nil, fmt.Errorf("key: master secret has %d bytes, need %d", len(doc.Master), masterBytes)
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(doc.Keyset)))
	if err != nil {
		return nil, errors.New("key: keyset is malformed")
	}
	return newBox(handle, doc.Master)
}

func (b *Box) marshal() ([]byte, error) {
	var keys bytes.Buffer
	if err := insecurecleartextkeyset.Write(b.handle, keyset.NewJSONWriter(&keys)); err != nil {
		return nil, fmt.Errorf("write keyset: %w", err)
	}
	return json.Marshal(document{Keyset: keys.Bytes(), Master: b.master})
}

// Seal encrypts plain. aad names the place the result is stored in (see AAD); it opens only there.
func (b *Box) Seal(plain, aad []byte) ([]byte, error) {
	out, err := b.aead.Encrypt(plain, aad)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return out, nil
}

// Open decrypts what Seal made with the same aad and any key still in the box. Otherwise it returns ErrOpen.
func (b *Box) Open(ciphertext, aad []byte) ([]byte, error) {
	plain, err := b.aead.Decrypt(ciphertext, aad)
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// Derive returns 32 bytes that only this master secret and this label yield, for one purpose each: signing principals, page
// tokens, ETags. Rotating the keyset does not change them.
func (b *Box) Derive(label string) []byte {
	key, err := hkdf.Key(sha256.New, b.master, nil, "frogup/"+label, sha256.Size)
	if err != nil { // only for more output than HKDF can give
		panic(fmt.Sprintf("derive key: %v", err))
	}
	return key
}

// Rotated returns a box that seals with a new primary key and still opens everything this one opens.
func (b *Box) Rotated() (*Box, error) {
	m := keyset.NewManagerFromHandle(b.handle)
	id, err := m.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("rotate: add key: %w", err)
	}
	if err := m.SetPrimary(id); err != nil {
		return nil, fmt.Errorf("rotate: set primary: %w", err)
	}
	handle, err := m.Handle()
	if err != nil {
		return nil, fmt.Errorf("rotate: %w", err)
	}
	return newBox(handle, b.master)
}

// AAD joins parts so that no two different lists give the same bytes: AAD("monitors", organization, id).
func AAD(parts ...string) []byte {
	b := binary.AppendUvarint(nil, uint64(len(parts)))
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	return b
}
