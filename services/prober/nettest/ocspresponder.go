package nettest

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"
)

const (
	// responderPatience is how long a responder may take, within the check's time.
	responderPatience = 3 * time.Second
	// fairPatience is what a responder must have had to be called too slow.
	fairPatience = time.Second
	// maxResponderBytes bounds what is read of one, head included.
	maxResponderBytes = 64 << 10
	// maxAnswers bounds how many answers are remembered.
	maxAnswers = 4096
	// maxAnswerAge is how long an answer counts at most, however late the next
	// update: a revocation shall be seen within the day.
	maxAnswerAge = 12 * time.Hour
	// failureAge is for how long a responder that failed is left alone, so that not
	// every check waits for it.
	failureAge = 5 * time.Minute
)

// ocspMemory remembers what responders said. The zero value is empty.
type ocspMemory struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]knownAnswer // by leaf and issuer
}

type knownAnswer struct {
	ocspAnswer
	failed string // why there is no answer
	expiry time.Time
}

func (m *ocspMemory) recall(key [sha256.Size]byte, now time.Time) (knownAnswer, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.known[key]
	return a, ok && now.Before(a.expiry)
}

func (m *ocspMemory) keep(key [sha256.Size]byte, a knownAnswer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[[sha256.Size]byte]knownAnswer{}
	}
	if _, again := m.known[key]; !again && len(m.known) >= maxAnswers {
		for other := range m.known {
			delete(m.known, other)
			break
		}
	}
	m.known[key] = a
}

// askResponder asks the responder that a trusted leaf names, if that is wanted
// and the server has stapled nothing of use. That it cannot be asked is a
// warning: attackers and outages look the same, and the target is not at fault.
func (h *handshake) askResponder() {
	i := h.found
	if h.options.Revocation != RevocationOnline || i.shown.OCSPStatus != "" || !i.shown.Trusted || i.issuer == nil {
		return
	}
	if i.issuer == h.leaf { // a root is not revoked by itself
		return
	}
	if len(h.leaf.OCSPServer) == 0 {
		h.warn("The certificate of " + h.shownAt() + " names no OCSP responder, so its revocation could not be looked up")
		return
	}
	now := time.Now()
	// What servers that a check was given make of the responder's name is theirs.
	key := sha256.Sum256(slices.Concat(h.leaf.Raw, i.issuer.Raw, []byte(h.names.givenBy())))
	a, known := h.network.tls.answers.recall(key, now)
	if !known {
		a = h.consult(now)
		if h.ctx.Err() == nil {
			h.network.tls.answers.keep(key, a)
		}
	}
	if a.failed != "" {
		h.warn("The revocation of the certificate of " + h.shownAt() + " could not be looked up: " + a.failed)
		return
	}
	i.noteOCSP(a.ocspAnswer, ocspResponder)
}

func (h *handshake) warn(text string) {
	h.result.Warnings = append(h.result.Warnings, text)
}

func (h *handshake) shownAt() string { return h.found.shown.Peer }

// consult asks the first responder and says until when its answer holds. It
// takes a quarter of the time that is left at most: the rest is the target's.
func (h *handshake) consult(now time.Time) knownAnswer {
	patience := min(responderPatience, h.deadline.Sub(now)/4)
	ctx, cancel := context.WithTimeout(h.ctx, patience)
	defer cancel()
	raw, err := h.names.fetchOCSP(ctx, h.leaf, h.found.issuer)
	if err != nil {
		a := knownAnswer{failed: "the responder " + describe(err), expiry: now.Add(failureAge)}
		if patience < fairPatience && isTimeout(err) {
			a.expiry = now // our own hurry is no finding
		}
		return a
	}
	a, err := parseOCSP(raw, h.leaf, h.found.issuer, now)
	if err != nil {
		return knownAnswer{failed: "the responder's answer cannot be used: " + printable(err.Error(), 200), expiry: now.Add(failureAge)}
	}
	expiry := now.Add(maxAnswerAge)
	if !a.until.IsZero() && a.until.Before(expiry) {
		expiry = a.until
	}
	return knownAnswer{ocspAnswer: a, expiry: expiry}
}

// describe completes "the responder …" without telling what a private network
// answers to whom: the kind of failure, and what our own parser found.
func describe(err error) string {
	var protocol protocolError
	switch {
	case errors.As(err, &protocol):
		return string(protocol)
	case isTimeout(err):
		return "took too long"
	}
	var denied *deniedError
	if errors.As(err, &denied) {
		return "has an address that the egress policy forbids"
	}
	return "could not be reached"
}

// fetchOCSP makes one request over plain HTTP, to an address that the network's
// policy allows: the URL is the choice of who had the certificate made. OCSP is
// signed in itself, and https would need a certificate to be checked. No
// redirect is followed.
func (n *names) fetchOCSP(ctx context.Context, leaf, issuer *x509.Certificate) ([]byte, error) {
	to, u, err := responderOf(leaf)
	if err != nil {
		return nil, err
	}
	question, err := ocsp.CreateRequest(leaf, issuer, nil)
	if err != nil {
		return nil, fmt.Errorf("make an OCSP request: %w", err)
	}
	at := resolved{addrs: []netip.Addr{to.addr}}
	if !to.addr.IsValid() {
		if at, err = n.lookup(ctx, to.host, IPAny); err != nil {
			return nil, err
		}
	}
	a := n.network.connect(ctx, at.addrs, at.late, to.port)
	if a.err != nil {
		return nil, a.err
	}
	defer a.conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = a.conn.SetDeadline(deadline)
	}
	defer context.AfterFunc(ctx, func() { _ = a.conn.SetDeadline(time.Unix(1, 0)) })()

	host := to.String()
	if to.port == 80 {
		host = strings.TrimSuffix(host, ":80")
	}
	head := "POST " + u.RequestURI() + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: " + DefaultUserAgent +
		"\r\nContent-Type: application/ocsp-request\r\nAccept: application/ocsp-response\r\nContent-Length: " +
		strconv.Itoa(len(question)) + "\r\nConnection: close\r\n\r\n"
	if _, err := a.conn.Write(append([]byte(head), question...)); err != nil {
		return nil, err
	}
	return readResponder(a.conn)
}

// responderOf is the first responder that leaf names and that can be asked.
func responderOf(leaf *x509.Certificate) (target, *url.URL, error) {
	for _, text := range leaf.OCSPServer[:min(len(leaf.OCSPServer), 4)] {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" || u.Host == "" || u.Opaque != "" || u.User != nil || len(text) > 2048 {
			continue
		}
		to, problem := parseHost(u.Hostname())
		if problem != "" {
			continue
		}
		to.port = 80
		if port := u.Port(); port != "" {
			var ok bool
			if to.port, ok = parsePort(port); !ok {
				continue
			}
		}
		u.RawQuery = escapeQuery(u.RawQuery)
		return to, u, nil
	}
	return target{}, nil, protocolError("has no URL that can be asked (http is)")
}

func readResponder(conn io.Reader) ([]byte, error) {
	limited := &io.LimitedReader{R: conn, N: maxResponderBytes}
	resp, err := http.ReadResponse(bufio.NewReaderSize(limited, 4096), nil)
	if err != nil {
		return nil, responderError(limited, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, protocolError("answered with status " + strconv.Itoa(resp.StatusCode))
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || limited.N <= 0 {
		return nil, responderError(limited, err)
	}
	return body, nil
}

func responderError(limited *io.LimitedReader, err error) error {
	switch {
	case limited.N <= 0:
		return protocolError("answered with more than 64 KiB")
	case isTimeout(err):
		return err
	default:
		return protocolError("did not answer with HTTP")
	}
}
