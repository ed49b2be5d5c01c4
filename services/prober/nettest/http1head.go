package nettest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http/httputil"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

var magic = []byte("HTTP/1.")

// readHead reads up to and including the empty line that ends the head. What it
// returns may be the reader's own buffer, good until the next read.
func readHead(br *bufio.Reader, limit int) ([]byte, error) {
	waiting, _ := br.Peek(br.Buffered())
	if n := headLength(waiting); n > 0 && n <= limit {
		_, _ = br.Discard(n) // it is there
		return waiting[:n], nil
	}
	var head []byte
	for lineStart := 0; ; {
		part, err := br.ReadSlice('\n')
		if len(head)+len(part) > limit {
			return nil, tooLargeError("its headers are longer than " + strconv.Itoa(limit/1024) + " KiB")
		}
		head = append(head, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return nil, protocolError("the connection was closed within the headers")
		case err != nil:
			return nil, err
		}
		if isBlank(head[lineStart:]) {
			return head, nil
		}
		lineStart = len(head)
	}
}

// headLength is how long the head at the start of b is; 0 if b does not hold all of it.
func headLength(b []byte) int {
	for start := 0; ; {
		n := bytes.IndexByte(b[start:], '\n') + 1
		if n == 0 {
			return 0
		}
		if start += n; isBlank(b[start-n : start]) {
			return start
		}
	}
}

// isBlank reports whether a line is empty but for its end.
func isBlank(line []byte) bool { return len(line) == 1 || len(line) == 2 && line[0] == '\r' }

// parseHead parses a status line and header lines. It is as strict as RFC 9112
// about names and lengths, on which the end of the message depends, and lenient
// about bare line feeds and folded lines.
func parseHead(raw []byte) (*response, error) {
	text := string(raw)
	line, rest, _ := strings.Cut(text, "\n")
	resp, err := parseStatusLine(strings.TrimSuffix(line, "\r"))
	if err != nil {
		return nil, err
	}
	resp.fields = make([]HeaderField, 0, 16)
	for rest != "" {
		line, rest, _ = strings.Cut(rest, "\n")
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			break
		}
		if line[0] == ' ' || line[0] == '\t' { // a folded line
			if len(resp.fields) == 0 {
				return nil, protocolError("its first header line starts with a space")
			}
			last := &resp.fields[len(resp.fields)-1]
			last.Value = strings.TrimLeft(last.Value+" "+strings.Trim(line, " \t"), " ")
			if !httpguts.ValidHeaderFieldValue(last.Value) {
				return nil, protocolError("a header has a control character")
			}
			continue
		}
		name, value, found := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		switch {
		case !found || !httpguts.ValidHeaderFieldName(name):
			return nil, protocolError("a header line has no valid name")
		case !httpguts.ValidHeaderFieldValue(value):
			return nil, protocolError("a header has a control character")
		}
		resp.fields = append(resp.fields, HeaderField{name, value})
	}
	return resp, nil
}

// parseStatusLine accepts HTTP/1.x and a code of three digits from 100 up. Codes
// from 600 are no error here: rules may judge them.
func parseStatusLine(line string) (*response, error) {
	version, rest, _ := strings.Cut(line, " ")
	minor := strings.TrimPrefix(version, string(magic))
	if len(version) != len(magic)+1 || minor < "0" || minor > "9" || len(minor) != 1 {
		return nil, protocolError("the answer is not HTTP/1")
	}
	code, _, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseUint(code, 10, 16)
	if err != nil || len(code) != 3 || n < 100 {
		return nil, protocolError("its status code is not a number from 100 to 999")
	}
	return &response{version: version, code: int(n), length: -1}, nil
}

// frame sets up resp.body by the rules of RFC 9112, section 6.3.
func frame(resp *response, br *bufio.Reader, method string) error {
	length, err := contentLength(resp.fields)
	if err != nil {
		return err
	}
	chunked := false
	if resp.version != "HTTP/1.0" { // which knows no transfer codings
		if chunked, err = isChunked(resp.fields); err != nil {
			return err
		}
	}
	switch {
	case method == "HEAD" || resp.code == 204 || resp.code == 304:
		return nil
	case chunked:
		resp.body = httputil.NewChunkedReader(br)
	case length >= 0:
		resp.length = length
		resp.sized = sizedReader{r: br, left: length}
		resp.body = &resp.sized
	default:
		resp.body = br
	}
	return nil
}

// contentLength returns -1 if there is none. Repeated equal lengths are one.
func contentLength(fields []HeaderField) (int64, error) {
	length := int64(-1)
	for _, f := range fields {
		if !strings.EqualFold(f.Name, "Content-Length") {
			continue
		}
		for text := range strings.SplitSeq(f.Value, ",") {
			text = strings.Trim(text, " \t")
			n, err := strconv.ParseUint(text, 10, 63)
			if err != nil || text[0] == '+' {
				return 0, protocolError("its Content-Length is not a number")
			}
			if length >= 0 && int64(n) != length {
				return 0, protocolError("it has two different Content-Lengths")
			}
			length = int64(n)
		}
	}
	return length, nil
}

// isChunked reports whether the body is chunked; that and "identity" are all
// that a client which sent no TE header can be sent.
func isChunked(fields []HeaderField) (bool, error) {
	chunked := false
	for _, f := range fields {
		if !strings.EqualFold(f.Name, "Transfer-Encoding") {
			continue
		}
		for coding := range strings.SplitSeq(f.Value, ",") {
			switch coding = strings.ToLower(strings.Trim(coding, " \t")); {
			case coding == "identity" || coding == "":
			case coding == "chunked" && !chunked:
				chunked = true
			default:
				return false, protocolError("its Transfer-Encoding is not chunked")
			}
		}
	}
	return chunked, nil
}

// sizedReader reads a body of known length; less is an error.
type sizedReader struct {
	r    io.Reader
	left int64
}

func (s *sizedReader) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > s.left {
		p = p[:s.left]
	}
	n, err := s.r.Read(p)
	s.left -= int64(n)
	if errors.Is(err, io.EOF) && s.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
