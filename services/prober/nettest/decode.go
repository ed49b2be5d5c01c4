package nettest

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// acceptEncoding is what decode understands.
const acceptEncoding = "gzip, deflate, br, zstd"

const (
	maxCodings   = 3       // stacked one upon another
	zstdWindow   = 8 << 20 // bytes; what RFC 9659 lets servers use for HTTP
	deflateProbe = 2       // bytes that tell zlib from raw deflate
)

// decode stacks the decoders that encoding (a Content-Encoding) asks for upon
// r. Every layer gives at most limit bytes. An encoding that was never offered
// is left as it is: the body is then what a rule sees. close must be called.
func decode(r io.Reader, encoding string, limit int64) (decoded io.Reader, close func(), err error) {
	if encoding == "" {
		return r, func() {}, nil
	}
	closers := []func(){}
	close = func() {
		for _, c := range closers {
			c()
		}
	}
	codings := strings.Split(strings.ToLower(encoding), ",")
	if len(codings) > maxCodings {
		return nil, close, protocolError("it is encoded more than three times over")
	}
	for i := len(codings) - 1; i >= 0; i-- {
		coding := strings.Trim(codings[i], " \t")
		if coding == "" || coding == "identity" {
			continue
		}
		source := bufio.NewReader(r)
		if _, err := source.Peek(1); errors.Is(err, io.EOF) {
			return source, close, nil // nothing at all is a fine encoding of nothing
		}
		layer, closer, err := decoder(coding, source)
		if err != nil {
			return nil, close, notValid(coding, err)
		}
		if layer == nil {
			return source, close, nil
		}
		if closer != nil {
			closers = append(closers, closer)
		}
		r = &layerReader{r: layer, coding: coding, left: limit}
	}
	return r, close, nil
}

// decoder returns nil for a coding that it does not know.
func decoder(coding string, r *bufio.Reader) (layer io.Reader, closer func(), err error) {
	switch coding {
	case "gzip", "x-gzip":
		layer, err = gzip.NewReader(r)
		return layer, nil, err
	case "deflate":
		// The standard means zlib; servers send raw deflate too.
		if head, _ := r.Peek(deflateProbe); len(head) == deflateProbe && isZlib(head) {
			layer, err = zlib.NewReader(r)
			return layer, nil, err
		}
		return flate.NewReader(r), nil, nil
	case "br":
		return brotli.NewReader(r), nil, nil
	case "zstd":
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return nil, nil, err
		}
		return d, d.Close, nil
	default:
		return nil, nil, nil
	}
}

func isZlib(head []byte) bool {
	return head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0
}

// layerReader bounds what a decoder gives and names its errors.
type layerReader struct {
	r      io.Reader
	coding string
	left   int64
}

func (l *layerReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	l.left -= int64(n)
	switch {
	case l.left < 0:
		return n, tooLargeError("it decompresses to more than a check reads")
	case err != nil && !errors.Is(err, io.EOF):
		return n, notValid(l.coding, err)
	default:
		return n, err
	}
}

// notValid says that content is not what its encoding claims, unless the error
// is already one that says more.
func notValid(coding string, err error) error {
	var (
		protocol protocolError
		tooLarge tooLargeError
	)
	if errors.As(err, &protocol) || errors.As(err, &tooLarge) {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return protocolError(fmt.Sprintf("its %s content ends too early", coding))
	}
	return protocolError(fmt.Sprintf("its content is not valid %s", coding))
}
