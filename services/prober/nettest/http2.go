package nettest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// h2 speaks HTTP/2 over the connection in the context, at once: TLS and the
// choice of HTTP/2 within it are done before. It keeps no connection.
var h2 = func() *http.Transport {
	only2 := new(http.Protocols)
	only2.SetUnencryptedHTTP2(true)
	return &http.Transport{
		Protocols: only2, DisableCompression: true, MaxResponseHeaderBytes: MaxHeaderBytes,
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: window2},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return ctx.Value(connKey{}).(*watchedConn), nil
		},
	}
}()

const (
	// headAllowance2 is how many bytes a peer may send for its response's head,
	// be it settings, pings or headers.
	headAllowance2 = MaxHeaderBytes + 64<<10
	// window2 is how many bytes of a body may be on their way or waiting;
	// windowAllowance2 what may come with them, and frameOverhead2 how many bytes
	// may carry one byte of the body.
	window2          = 1 << 20
	windowAllowance2 = window2 + 128<<10
	frameOverhead2   = 10
)

// connKey is the context key of the connection for h2.
type connKey struct{}

// exchange2 speaks HTTP/2 on conn.
func (r *httpRun) exchange2(conn *watchedConn, h *hop) (*response, *failure) {
	r.watch.enter(slotTTFB)
	// The body may have come before it is known here that the head has.
	conn.left.Store(headAllowance2 + windowAllowance2)
	var (
		firstByte atomic.Pointer[time.Time]
		sent      atomic.Bool
	)
	ctx := httptrace.WithClientTrace(r.ctx, &httptrace.ClientTrace{
		WroteRequest: func(info httptrace.WroteRequestInfo) { sent.Store(info.Err == nil) },
		GotFirstResponseByte: func() {
			now := time.Now()
			firstByte.CompareAndSwap(nil, &now)
		},
	})
	client, err := h2.NewClientConn(context.WithValue(ctx, connKey{}, conn), "http", h.to.String())
	if err != nil {
		return nil, &failure{phase: PhaseRequest, err: cause2(conn, err)}
	}
	resp, err := client.RoundTrip(request2(ctx, h, r.requestFields(h))) //nolint:bodyclose // answer.close does
	if at := firstByte.Load(); at != nil {
		r.watch.enterAt(slotTransfer, *at)
	}
	if err != nil {
		err = cause2(conn, err)
		_ = client.Close()
		phase := PhaseHeaders
		switch {
		case isTLSBreach(err):
			phase = PhaseTLS
		case !sent.Load() && isTimeout(err):
			phase = PhaseRequest
		}
		return nil, &failure{phase: phase, err: err}
	}
	answer := &response{
		version: "HTTP/2", code: resp.StatusCode, fields: fields2(resp.Header),
		length: resp.ContentLength,
		release: func() {
			_ = resp.Body.Close()
			_ = client.Close()
		},
	}
	if h.method != "HEAD" && resp.StatusCode != 204 && resp.StatusCode != 304 {
		answer.body = &body2{r: resp.Body, conn: conn}
	}
	return answer, nil
}

func request2(ctx context.Context, h *hop, fields []HeaderField) *http.Request {
	header := make(http.Header, len(fields))
	for _, f := range fields[1:] {
		name := http.CanonicalHeaderKey(f.Name)
		header[name] = append(header[name], f.Value)
	}
	req := &http.Request{
		Method: h.method, URL: h.url, Host: fields[0].Value, Header: header,
		Proto: "HTTP/2.0", ProtoMajor: 2,
	}
	if h.body != "" {
		req.Body = io.NopCloser(strings.NewReader(h.body))
		req.ContentLength = int64(len(h.body))
	}
	return req.WithContext(ctx)
}

// fields2 lists headers as HTTP/2 sends them: in lower case. Their order is lost.
func fields2(header http.Header) []HeaderField {
	fields := make([]HeaderField, 0, len(header))
	for name, values := range header {
		for _, value := range values {
			fields = append(fields, HeaderField{strings.ToLower(name), value})
		}
	}
	slices.SortStableFunc(fields, func(a, b HeaderField) int { return strings.Compare(a.Name, b.Name) })
	return fields
}

// cause2 prefers what happened to the connection over what the library made of
// it, unless it was the library that closed it. Everything else that the library
// reports is the peer's breach, unless it is about time: the library gives its
// findings no types, and the request itself is known to be sound.
func cause2(conn *watchedConn, err error) error {
	if isTimeout(err) || errors.Is(err, context.Canceled) {
		return err
	}
	if !time.Now().Before(conn.deadline) { // what the library does at the end of the time may look like anything
		return os.ErrDeadlineExceeded
	}
	if conn.http1.Load() {
		return protocolError("it does not speak HTTP/2: it answered in HTTP/1")
	}
	if cause := conn.failed(); cause != nil && !errors.Is(cause, io.EOF) && !errors.Is(cause, net.ErrClosed) {
		return cause
	}
	if classifyProtocol(err) == ErrProtocol {
		return err
	}
	return protocolError(err.Error())
}

// body2 gives the errors of a body their cause.
type body2 struct {
	r    io.Reader
	conn *watchedConn
}

func (b *body2) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.conn.left.Add(frameOverhead2 * int64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		err = cause2(b.conn, err)
	}
	return n, err
}
