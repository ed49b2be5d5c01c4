package nettest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"sync"
)

const (
	// inlineBody is how large a request body may be to be written before reading
	// starts. A larger one is written at the same time, because a server may answer
	// without reading it and then wait for us.
	inlineBody = 64 << 10
	// maxInterim bounds the 1xx responses before the final one.
	maxInterim = 16
)

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4096) }}

// exchange1 speaks HTTP/1.1 on conn, which is open and, for https, secured.
func (r *httpRun) exchange1(conn *watchedConn, h *hop) (*response, *failure) {
	r.watch.enter(slotTTFB)
	written := send(conn, r.requestHead(h), h.body)

	br := readers.Get().(*bufio.Reader)
	br.Reset(conn)
	resp, err := r.readResponse1(br, h.method)
	if err != nil {
		giveBack(br)
		return nil, r.exchangeFailed(conn, written, err)
	}
	resp.release = func() {
		giveBack(br)
		written.wait() // the connection is closed, so this does not take long
	}
	return resp, nil
}

func giveBack(br *bufio.Reader) {
	br.Reset(nil)
	readers.Put(br)
}

// sending is the writing of a request. While done is not closed, err is unknown.
type sending struct {
	done chan struct{} // nil if it ended at once
	err  error
}

func (s *sending) wait() {
	if s.done != nil {
		<-s.done
	}
}

func (s *sending) ended() bool {
	if s.done == nil {
		return true
	}
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// send writes head and body.
func send(conn io.Writer, head []byte, body string) *sending {
	s := &sending{}
	if len(body) <= inlineBody {
		if body != "" {
			head = append(head[:len(head):len(head)], body...)
		}
		_, s.err = conn.Write(head)
		return s
	}
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		if _, s.err = conn.Write(head); s.err == nil {
			_, s.err = io.WriteString(conn, body)
		}
	}()
	return s
}

// exchangeFailed finds out what lies behind a response that could not be read.
func (r *httpRun) exchangeFailed(conn *watchedConn, written *sending, err error) *failure {
	switch {
	case written.ended() && written.err != nil:
		// The request did not go out, and no response explains why.
		return &failure{phase: PhaseRequest, err: written.err}
	case !written.ended() && isTimeout(err):
		return &failure{phase: PhaseRequest, err: err}
	}
	if cause := conn.failed(); cause != nil && !errors.Is(cause, io.EOF) {
		err = cause
	}
	phase := PhaseHeaders
	if isTLSBreach(err) {
		phase = PhaseTLS
	}
	return &failure{phase: phase, err: err}
}

// appendRequest writes the head of the request. fields starts with Host.
// absolute is for a proxy, which must be told where to.
func appendRequest(b []byte, h *hop, fields []HeaderField, absolute bool) []byte {
	b = append(b, h.method...)
	b = append(b, ' ')
	if absolute {
		b = append(b, h.url.Scheme...)
		b = append(b, "://"...)
		b = append(b, h.authority()...)
	}
	b = append(b, h.url.RequestURI()...)
	b = append(b, " HTTP/1.1\r\n"...)
	for _, f := range fields {
		b = append(b, f.Name...)
		b = append(b, ": "...)
		b = append(b, f.Value...)
		b = append(b, "\r\n"...)
	}
	if h.body != "" || h.method == "POST" || h.method == "PUT" || h.method == "PATCH" {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(h.body)), 10)
		b = append(b, "\r\n"...)
	}
	return append(b, "Connection: close\r\n\r\n"...)
}

// readResponse1 reads heads until the final one and prepares its body.
func (r *httpRun) readResponse1(br *bufio.Reader, method string) (*response, error) {
	for range maxInterim {
		if err := r.awaitFirstByte(br); err != nil {
			return nil, err
		}
		raw, err := readHead(br, MaxHeaderBytes)
		if err != nil {
			return nil, err
		}
		resp, err := parseHead(raw)
		if err != nil {
			return nil, err
		}
		switch {
		case resp.code == 101:
			return nil, protocolError("it switched protocols without being asked")
		case resp.code >= 200:
			return resp, frame(resp, br, method)
		}
	}
	return nil, protocolError("too many interim responses")
}

// awaitFirstByte stamps the moment and refuses at once what is not HTTP: a peer
// that speaks another protocol may never send the end of a line.
func (r *httpRun) awaitFirstByte(br *bufio.Reader) error {
	if _, err := br.Peek(1); err != nil {
		if errors.Is(err, io.EOF) {
			return protocolError("the connection was closed without a response")
		}
		return err
	}
	if r.watch.current == slotTTFB {
		r.watch.enter(slotTransfer)
	}
	start, _ := br.Peek(min(br.Buffered(), len(magic)))
	if !bytes.HasPrefix(magic, start) {
		return protocolError("the answer is not HTTP")
	}
	return nil
}
