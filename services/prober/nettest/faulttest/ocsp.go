package faulttest

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"
)

// mustStaple is the TLS feature status_request (RFC 7633).
var mustStaple = pkix.Extension{
	Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}, Value: []byte{0x30, 0x03, 0x02, 0x01, 0x05},
}

// authorityOf lets a leaf sign.
func authorityOf(c tls.Certificate) *Authority {
	return &Authority{Cert: c.Leaf, Key: c.PrivateKey.(crypto.Signer)}
}

// sign makes an OCSP response about a certificate of issuer, signed by signer.
func (m *tlsMaker) sign(r *ocsp.Response, serial *big.Int, issuer, signer *Authority) []byte {
	out := *r
	out.SerialNumber = serial
	if signer != issuer {
		out.Certificate = signer.Cert
	}
	der, err := ocsp.CreateResponse(issuer.Cert, signer.Cert, out, signer.Key)
	m.note(err)
	return der
}

// Responder is an OCSP responder. How it answers is said by the path: /good,
// /revoked, /unknown, /stale, /garbage, /huge, /redirect, /hang, /500 and /close.
type Responder struct {
	issuer *Authority
	server *http.Server
	addr   string
	stop   chan struct{}
	work   sync.WaitGroup

	mu   sync.Mutex
	asks map[string]int
	open int
}

// StartResponder serves answers about certificates of issuer on loopback.
func StartResponder(issuer *Authority) (*Responder, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Responder{issuer: issuer, addr: l.Addr().String(), stop: make(chan struct{}), asks: map[string]int{}}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second, ConnState: r.count}
	r.work.Go(func() { _ = r.server.Serve(l) })
	return r, nil
}

// URL is where the responder answers in the given way.
func (r *Responder) URL(way string) string { return "http://" + r.addr + "/" + way }

// Asked counts the requests for an answer of the given way.
func (r *Responder) Asked(way string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asks["/"+way]
}

// hold answers and waits for the client to hang up.
func (r *Responder) hold(w http.ResponseWriter, der []byte) {
	conn, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	r.mu.Lock()
	r.open++ // hijacking has counted it as gone
	r.mu.Unlock()
	fmt.Fprintf(rw, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(der), der)
	_ = rw.Flush()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, rw)
	}()
	select {
	case <-gone:
	case <-r.stop:
		_ = conn.Close()
		<-gone
	}
	r.mu.Lock()
	r.open--
	r.mu.Unlock()
}

// count follows how many connections are open.
func (r *Responder) count(_ net.Conn, state http.ConnState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch state {
	case http.StateNew:
		r.open++
	case http.StateClosed, http.StateHijacked:
		r.open--
	}
}

// Open counts the connections that nobody has closed.
func (r *Responder) Open() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open
}

// Close ends all connections.
func (r *Responder) Close() error {
	close(r.stop)
	err := r.server.Close()
	r.work.Wait()
	return err
}

// ServeHTTP implements http.Handler.
func (r *Responder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.asks[req.URL.Path]++
	r.mu.Unlock()
	raw, _ := io.ReadAll(io.LimitReader(req.Body, 1<<16))
	question, err := ocsp.ParseRequest(raw)
	if err != nil || req.Header.Get("Content-Type") != "application/ocsp-request" {
		http.Error(w, "no OCSP request", http.StatusBadRequest)
		return
	}
	now := time.Now()
	answer := ocsp.Response{
		Status: ocsp.Good, SerialNumber: question.SerialNumber, ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour),
	}
	switch req.URL.Path {
	case "/good":
	case "/revoked":
		answer.Status, answer.RevokedAt, answer.RevocationReason = ocsp.Revoked, now.Add(-time.Hour), ocsp.Superseded
	case "/unknown":
		answer.Status = ocsp.Unknown
	case "/stale":
		answer.ThisUpdate, answer.NextUpdate = now.Add(-3*time.Hour), now.Add(-2*time.Hour)
	case "/garbage":
		_, _ = w.Write([]byte("\x30\x80no"))
		return
	case "/huge":
		_, _ = w.Write(bytes.Repeat([]byte{0x30}, 1<<20))
		return
	case "/redirect":
		http.Redirect(w, req, "/good", http.StatusFound)
		return
	case "/500":
		http.Error(w, "broken", http.StatusInternalServerError)
		return
	case "/close":
		panic(http.ErrAbortHandler)
	case "/hang":
		select {
		case <-r.stop:
		case <-req.Context().Done():
		}
		return
	}
	der, err := ocsp.CreateResponse(r.issuer.Cert, r.issuer.Cert, answer, r.issuer.Key)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/ocsp-response")
	if req.URL.Path == "/unknown" { // leaves closing to the client
		r.hold(w, der)
		return
	}
	_, _ = w.Write(der)
}

// ServeCertificate opens a port that shakes hands with one certificate and then
// waits for the peer.
func (s *Server) ServeCertificate(name Fault, c tls.Certificate) (string, error) {
	err := s.listen(name, behaviour{
		tls:   func(*certificates) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} },
		serve: (*conn).wait,
	})
	if err != nil {
		return "", err
	}
	return s.Addr(name), nil
}
