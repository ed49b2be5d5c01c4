package faulttest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// recordWriter writes records of TLS 1.3 with the server's keys, which crypto/tls
// would not write: it knows TLS_AES_128_GCM_SHA256, which peers on a machine with
// AES instructions choose.
type recordWriter struct {
	*conn
	secret   []byte
	aead     cipher.AEAD
	iv       []byte
	sequence uint64
}

const (
	recordApplication = 23
	recordHandshake   = 22
)

// overTLS13 makes a handshake of its own and runs f when the request has come.
func overTLS13(f func(*recordWriter)) behaviour {
	return behaviour{serve: func(c *conn) {
		var secrets bytes.Buffer
		config := goodTLS(&c.server.certs).Clone()
		config.MinVersion, config.SessionTicketsDisabled, config.KeyLogWriter = tls.VersionTLS13, true, &secrets
		secured := tls.Server(c.raw, config)
		if secured.Handshake() != nil || secured.ConnectionState().CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
			return
		}
		if _, err := secured.Read(make([]byte, 4096)); err != nil {
			return
		}
		w := &recordWriter{conn: c}
		for line := range strings.Lines(secrets.String()) {
			if parts := strings.Fields(line); len(parts) == 3 && parts[0] == "SERVER_TRAFFIC_SECRET_0" {
				w.secret, _ = hex.DecodeString(parts[2])
			}
		}
		if w.rekey() {
			c.server.work.Go(func() { (&conn{Conn: c.raw}).wait() })
			f(w)
		}
	}}
}

// expand is HKDF-Expand-Label of RFC 8446, section 7.1.
func (w *recordWriter) expand(label string, length int) []byte {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(length))
	info = append(append(info, byte(len(label))), label...)
	key, _ := hkdf.Expand(sha256.New, w.secret, string(append(info, 0)), length) // the length is right
	return key
}

func (w *recordWriter) rekey() bool {
	block, err := aes.NewCipher(w.expand("key", 16))
	if err != nil {
		return false
	}
	w.aead, err = cipher.NewGCM(block)
	w.iv, w.sequence = w.expand("iv", 12), 0
	return err == nil
}

func (w *recordWriter) write(kind byte, content []byte) error {
	inner := append(bytes.Clone(content), kind)
	head := []byte{recordApplication, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(head[3:], uint16(len(inner)+w.aead.Overhead()))
	nonce := bytes.Clone(w.iv)
	for i := range 8 {
		nonce[4+i] ^= byte(w.sequence >> (56 - 8*i))
	}
	w.sequence++
	_, err := w.raw.Write(w.aead.Seal(head, nonce, inner, head))
	return err
}

func tlsFloodBehaviours() map[Fault]behaviour {
	return map[Fault]behaviour{
		TLSKeyUpdates: overTLS13(func(w *recordWriter) {
			for w.write(recordHandshake, []byte{24, 0, 0, 1, 0}) == nil {
				w.secret = w.expand("traffic upd", sha256.Size)
				if !w.rekey() {
					return
				}
			}
		}),
		TLSTickets: overTLS13(func(w *recordWriter) {
			ticket := []byte{4, 0, 0, 15, 0, 0, 1, 0, 1, 2, 3, 4, 1, 7, 0, 1, 9, 0, 0}
			for w.write(recordHandshake, ticket) == nil {
			}
		}),
	}
}
