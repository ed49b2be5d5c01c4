package target

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"time"

	"github.com/frogstats/uptime/bench/control"
	"github.com/frogstats/uptime/bench/measure"
)

// ServeHTTPS is ServePlain for HTTPS with a self-signed P-256 certificate, which it
// writes in PEM to the file certificate, and the curves that Go accepts by default, or
// hybrid key exchange alone.
func ServeHTTPS(l Layout, certificate string, hybrid bool, in io.Reader, out io.Writer) error {
	pair, err := selfSigned(l, certificate)
	if err != nil {
		return err
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}
	if hybrid {
		config.CurvePreferences = []tls.CurveID{tls.X25519MLKEM768}
	}
	notes := newLog(l.Size())
	for i := range l.Size() {
		ln, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(l.At(i)))
		if err != nil {
			return fmt.Errorf("listen on %v: %w", l.At(i), err)
		}
		go acceptTLS(ln, config, uint32(i), notes)
	}
	return control.Serve(in, out, notes.handlers())
}

func acceptTLS(ln *net.TCPListener, config *tls.Config, port uint32, notes *log) {
	for {
		c, err := ln.AcceptTCP()
		if err != nil {
			continue
		}
		notes.mu.Lock()
		notes.add(port, measure.Now())
		notes.mu.Unlock()
		go serveTLS(tls.Server(c, config), notes)
	}
}

func serveTLS(c *tls.Conn, notes *log) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if c.Handshake() != nil {
		return
	}
	notes.mu.Lock()
	notes.curves[c.ConnectionState().CurveID.String()]++
	notes.mu.Unlock()
	buffer := make([]byte, 4096)
	for {
		n, err := c.Read(buffer)
		if err != nil {
			return
		}
		if bytes.HasSuffix(buffer[:n], []byte("\r\n\r\n")) {
			if _, err := c.Write(httpAnswer); err != nil {
				return
			}
		}
	}
}

func selfSigned(l Layout, file string) (tls.Certificate, error) {
	var none tls.Certificate
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return none, fmt.Errorf("make key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for i := range l.Addresses {
		template.IPAddresses = append(template.IPAddresses, l.At(i).Addr().AsSlice())
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return none, fmt.Errorf("make certificate: %w", err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return none, fmt.Errorf("write certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
