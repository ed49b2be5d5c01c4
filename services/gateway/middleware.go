package gateway

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/klauspost/compress/gzhttp"
	"google.golang.org/grpc/codes"

	"github.com/frogstats/uptime/internal/requestid"
)

// answerTimeout bounds how long an answer may take to leave after the work is done: a client that does not read holds
// memory of ours.
const answerTimeout = time.Minute

// compressMin is the size in bytes below which compression costs more than it saves: one packet.
const compressMin = 1024

// chain puts the steps around next. The first one here is the last one applied.
func (g *Gateway) chain(next http.Handler) (http.Handler, error) {
	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(compressMin), gzhttp.ContentTypes([]string{
		"application/json", "text/html", "text/css", "text/javascript", "text/plain", "image/svg+xml",
	}))
	if err != nil {
		return nil, fmt.Errorf("compression: %w", err)
	}
	h := exceptStreams(next, compress(next))
	h = limits(h)
	h = securityHeaders(h)
	h = g.accessLog(h)
	h = g.recover(h)
	h = record(h)
	h = g.traced(h)
	return g.identify(h), nil
}

// identify starts the request: everything later finds what is known of it in the context.
func (g *Gateway) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := &request{
			id: requestid.Accept(r.Header.Get(requestid.Key)), start: time.Now(), url: r.URL, client: clientOf(r, g.cfg.TrustedProxies),
		}
		w.Header().Set("X-Request-Id", q.id)
		ctx := requestid.NewContext(context.WithValue(r.Context(), requestKey{}, q), q.id)
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// record lets the steps that look back see what was answered.
func record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(&recorder{ResponseWriter: w}, r) })
}

// recover answers 500 for a panic, if nothing was answered yet.
func (g *Gateway) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && err == http.ErrAbortHandler { //nolint:errorlint // the value itself is the sign
				panic(v)
			}
			g.log.ErrorContext(r.Context(), "request panicked", "request_id", requestOf(r.Context()).id, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			if rec, ok := w.(*recorder); ok && rec.status == 0 {
				g.refuse(w, r, http.StatusInternalServerError, codes.Internal, "internal error")
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// accessLog writes one line per request when it is over. Queries are left out: they may hold a set-up token.
func (g *Gateway) accessLog(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec, _ := w.(*recorder)
		finished := false
		defer func() {
			q := requestOf(r.Context())
			status := rec.status
			switch {
			case !finished && status == 0:
				status = http.StatusInternalServerError
			case status == 0:
				status = http.StatusOK
			}
			attrs := []any{
				"request_id", q.id, "method", r.Method, "path", r.URL.Path, "status", status, "bytes", rec.bytes,
				"duration_ms", float64(time.Since(q.start).Microseconds()) / 1000, "remote_ip", q.client.ip,
			}
			if q.route != nil {
				attrs = append(attrs, "route", q.route.pattern)
			}
			if !q.principal.IsAnonymous() {
				attrs = append(attrs, "actor_kind", string(q.principal.Kind), "actor_id", q.principal.ActorID(), "organization_id", q.principal.OrganizationID)
			}
			switch {
			case q.cause != nil:
				g.log.WarnContext(r.Context(), "request failed", append(attrs, "error", q.cause.Error())...)
			case q.route != nil && q.route.public && q.route.full == "":
				g.log.DebugContext(r.Context(), "request", attrs...) // health and documents, every few seconds
			default:
				g.log.InfoContext(r.Context(), "request", attrs...)
			}
		}()
		next.ServeHTTP(w, r)
		finished = true
	})
}

// recorder notes what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush sends what was written so far.
func (w *recorder) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// contentPolicy lets a page load what this host serves, and nothing else: no script or style within the page, no frame
// around it.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func securityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer") // the link for setting up holds a token
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		next.ServeHTTP(w, r)
	})
}

// limits bounds the time of the answer. Headers are bounded by the server, bodies where they are read.
func limits(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isStream(r) {
			// Not every writer has deadlines; a real connection does.
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(bodyTimeout + checkTimeout + answerTimeout))
		}
		next.ServeHTTP(w, r)
	})
}

const streamPath = "/api/uptime/stream"

func isStream(r *http.Request) bool { return r.URL.Path == streamPath }

// exceptStreams keeps compression away from streams: what waits to be worth compressing is not sent.
func exceptStreams(plain, compressed http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isStream(r) {
			plain.ServeHTTP(w, r)
			return
		}
		compressed.ServeHTTP(w, r)
	})
}
