package nettest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	// A body may decode to maxRatio times its size on the wire; smaller bodies
	// than ratioFloor may do what they like.
	maxRatio   = 200
	ratioFloor = 4 << 20

	// What a result keeps of headers.
	maxKeptHeaders     = 64
	maxKeptValue       = 1 << 10
	maxKeptHeaderBytes = 16 << 10
)

// bodyBuffer is what bodies are read into.
type bodyBuffer [32 << 10]byte

var buffers = sync.Pool{New: func() any { return new(bodyBuffer) }}

// maxFaultBody bounds HTTPConfig.FaultBody: the rest of the buffer is read into.
const maxFaultBody = len(bodyBuffer{}) / 2

// readBody reads, decodes and counts the whole body and keeps its start.
func (r *httpRun) readBody(resp *response) *failure {
	if resp.body == nil {
		return nil
	}
	limit := r.own.maxResponse()
	if resp.length > limit {
		return &failure{phase: PhaseBody, err: tooLargeError(fmt.Sprintf("%d bytes by its Content-Length", resp.length))}
	}
	// A promise of the peer, so believed up to a point only.
	if room := min(int64(r.own.bodyLimit()), resp.length, 64<<10); room > 0 {
		r.result.Body = make([]byte, 0, room)
	}
	wire := &resp.wire
	*wire = wireReader{r: resp.body, conn: resp.conn, limit: limit}
	decoded, closeDecoder, err := decode(wire, resp.get("Content-Encoding"), limit)
	if err == nil {
		err = r.consume(decoded, wire, limit)
	}
	closeDecoder()
	r.result.WireSize = wire.n
	if err == nil {
		return nil
	}
	// What went wrong on the wire explains what the decoder made of it.
	if wire.failed != nil {
		err = wire.failed
	}
	return &failure{phase: PhaseBody, err: err}
}

func (r *httpRun) consume(decoded io.Reader, wire *wireReader, limit int64) error {
	buf := buffers.Get().(*bodyBuffer)
	keep, head := r.own.bodyLimit(), r.own.faultBody()
	if head == 0 {
		defer buffers.Put(buf)
	} else {
		r.result.Body = buf[:0] // until settleBody
	}
	for {
		// The beginning stays where it was read, in case it is wanted: no byte is copied.
		free := buf[:]
		if head > 0 {
			free = buf[len(r.result.Body):]
		}
		n, err := decoded.Read(free)
		r.result.ResponseSize += int64(n)
		size := r.result.ResponseSize
		if head > 0 {
			r.result.Body = buf[:min(len(r.result.Body)+n, head)]
		} else if room := keep - len(r.result.Body); room > 0 && n > 0 {
			r.result.Body = append(r.result.Body, free[:min(n, room)]...)
		}
		r.result.BodyTruncated = size > int64(len(r.result.Body))
		switch {
		case size > limit:
			return tooLargeError(fmt.Sprintf("more than %d bytes", limit))
		case size > ratioFloor && size > maxRatio*wire.n:
			return tooLargeError(fmt.Sprintf("it decompresses to more than %d times its size", maxRatio))
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case time.Now().After(r.deadline): // decoding takes time that no socket notices
			return os.ErrDeadlineExceeded
		}
	}
}

// settleBody keeps what was read of the body's beginning if the check did not
// succeed, and gives its buffer back.
func (r *httpRun) settleBody(failed bool) {
	head := r.result.Body
	if r.own.faultBody() == 0 || head == nil {
		return
	}
	r.result.Body = nil
	if failed {
		r.result.Body = bytes.Clone(head)
	} else {
		r.result.BodyTruncated = r.result.ResponseSize > 0
	}
	buffers.Put((*bodyBuffer)(head[:len(bodyBuffer{})]))
}

// wireReader counts a body before decoding and keeps its own failure apart from
// the decoder's.
type wireReader struct {
	r      io.Reader
	conn   *watchedConn
	n      int64
	limit  int64
	failed error
}

func (w *wireReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.n += int64(n)
	switch {
	case w.n > w.limit:
		err = tooLargeError(fmt.Sprintf("more than %d bytes", w.limit))
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	default:
		err = w.explain(err)
	}
	if w.failed == nil {
		w.failed = err
	}
	return n, err
}

// explain turns what the framing says into what happened: the connection failed,
// it was closed too early, or the framing itself is broken.
func (w *wireReader) explain(err error) error {
	cause := w.conn.failed()
	switch {
	case cause != nil && !errors.Is(cause, io.EOF) && !errors.Is(cause, net.ErrClosed):
		return cause
	case errors.Is(err, io.ErrUnexpectedEOF):
		return protocolError("the connection was closed within the body")
	case classify(PhaseBody, err) == ErrInternal:
		return protocolError("the framing of the body is broken")
	default:
		return err
	}
}

// capHeaders cuts the headers of a result to what is kept.
func capHeaders(r *TestResult) {
	if !exceeds(r.Headers) {
		return // nothing is cut, so what they are parts of is not kept in vain
	}
	total := 0
	for i := range r.Headers {
		f := &r.Headers[i]
		value := f.Value
		if len(value) > maxKeptValue {
			value = strings.ToValidUTF8(value[:maxKeptValue], "")
		}
		total += len(f.Name) + len(value)
		if i >= maxKeptHeaders || total > maxKeptHeaderBytes {
			clear(r.Headers[i:])
			r.Headers = r.Headers[:i:i]
			return
		}
		// A copy, so that the whole head is not kept alive by a part of it.
		f.Name, f.Value = strings.Clone(f.Name), strings.Clone(value)
	}
}

// exceeds reports whether anything must be cut.
func exceeds(fields []HeaderField) bool {
	total := 0
	for i := range fields {
		if len(fields[i].Value) > maxKeptValue {
			return true
		}
		total += len(fields[i].Name) + len(fields[i].Value)
	}
	return len(fields) > maxKeptHeaders || total > maxKeptHeaderBytes
}
