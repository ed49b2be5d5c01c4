package shoutrrr

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/frogstats/uptime/services/alerts/notify"
)

// The limits of what is read of an answer, and repeated.
const (
	maxKept   = 16 << 10  // what is kept of it for people
	maxAnswer = 256 << 10 // what the library may read of it, since it reads all there is
	maxSaid   = 8 << 10   // how long the library's words may be
)

var errAnswer = errors.New("the answer is too long")

// watch passes requests on and keeps what came of them, because the library's errors say little and not always the truth.
type watch struct {
	through http.RoundTripper

	mu   sync.Mutex
	last exchange
	bad  exchange // the last one that went wrong
}

// exchange is one request and what came of it; the zero one was never made.
type exchange struct {
	made       bool
	status     int
	retryAfter string
	body       []byte
	more       bool
	err        error
}

func (e exchange) fine() bool { return e.err == nil && e.status >= 200 && e.status <= 299 }

// RoundTrip implements http.RoundTripper. An answer that leads elsewhere is the answer: what the URL holds is for the receiver that
// it names.
func (w *watch) RoundTrip(req *http.Request) (*http.Response, error) {
	w.begin()
	resp, err := w.through.RoundTrip(req)
	if err != nil {
		w.note(exchange{made: true, err: err})
		return nil, err
	}
	resp.Header.Del("Location")
	e := exchange{made: true, status: resp.StatusCode, retryAfter: resp.Header.Get("Retry-After")}
	body := resp.Body
	e.body, err = io.ReadAll(io.LimitReader(body, maxKept))
	e.more = len(e.body) == maxKept
	w.note(e) // the status decides; what is there of the body explains
	resp.Body = rest{io.MultiReader(bytes.NewReader(e.body), broken(err), &limited{body, maxAnswer}), body}
	return resp, nil
}

// begin notes what it is at, in case that the process has to give up.
func (w *watch) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = exchange{made: true, err: errTime}
}

func (w *watch) note(e exchange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last = e; !e.fine() {
		w.bad = e
	}
}

// told is the outcome when the library has ended with err.
func (w *watch) told(err error) notify.ShoutrrrOutcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.last
	if err != nil && w.bad.made {
		e = w.bad // of several receivers this is the one that it is about
	}
	out := e.outcome()
	out.Taken = err == nil
	if err != nil && len(err.Error()) <= maxSaid { // half of it might end in half of a secret, which nobody would find
		out.Said = err.Error()
	}
	if !e.made {
		out.ForGood = errors.Is(err, errUnfit)
	}
	return out
}

// late is the outcome when the library has not ended in time. It may be waiting to ask again what was refused before.
func (w *watch) late() notify.ShoutrrrOutcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.last.outcome()
	if !w.last.made || w.last.fine() {
		out.Fault = errTime.Error()
	}
	return out
}

func (e exchange) outcome() notify.ShoutrrrOutcome {
	out := notify.ShoutrrrOutcome{Status: e.status, RetryAfter: e.retryAfter, Body: e.body, More: e.more}
	if e.err != nil {
		r := notify.Unreached(e.err)
		out.Fault, out.ForGood = r.Error, r.Refused
		if errors.Is(e.err, errTime) {
			out.Fault = errTime.Error()
		}
	}
	return out
}

// rest is a body of which the beginning has been read.
type rest struct {
	io.Reader
	io.Closer
}

// broken is a reader that ends with err, or at once.
func broken(err error) io.Reader {
	if err == nil {
		return bytes.NewReader(nil)
	}
	return failing{err}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// limited reads no more than left bytes, and says so.
type limited struct {
	io.Reader
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errAnswer
	}
	n, err := l.Reader.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}
