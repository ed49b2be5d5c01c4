package nettest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// inputConn is a connection on which everything has already arrived.
type inputConn struct {
	net.Conn
	io.Reader
}

func (c inputConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }

// respond runs input through the reader of responses.
func respond(input []byte, method string) (*TestResult, error) {
	c := &check{result: &TestResult{}, deadline: time.Now().Add(time.Minute)}
	c.watch.start(time.Now())
	c.watch.enter(slotTTFB)
	r := &httpRun{check: c, HTTPCheck: &HTTPCheck{own: &HTTPConfig{MaxResponseBytes: 1 << 20}}}
	conn := &watchedConn{Conn: inputConn{Reader: bytes.NewReader(input)}}
	resp, err := r.readResponse1(bufio.NewReader(conn), method)
	if err != nil {
		return c.result, err
	}
	resp.conn = conn
	c.result.StatusCode, c.result.Headers = resp.code, resp.fields
	if f := r.readBody(resp); f != nil {
		return c.result, f
	}
	return c.result, nil
}

func TestParseResponse(t *testing.T) {
	for _, tt := range []struct {
		name, input string
		code        int // 0 for a protocol error
		body        string
	}{
		{"plain", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
		{"no reason", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
		{"empty reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", 200, ""},
		{"bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, "ok"},
		{"more than the length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay", 200, "ok"},
		{"same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
		{"until the end", "HTTP/1.0 200 OK\r\n\r\nall of this", 200, "all of this"},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2;x=y\r\nok\r\n3\r\nay!\r\n0\r\nTrailer: x\r\n\r\n", 200, "okay!"},
		{"chunks win over length", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, "ok"},
		{"identity", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
		{"no content", "HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello", 204, ""},
		{"not modified", "HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", 304, ""},
		{"interim", "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\nx", 200, "x"},
		{"empty gzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", 200, ""},
		{"four-digit code", "HTTP/1.1 2000 OK\r\n\r\n", 0, ""},
		{"negative code", "HTTP/1.1 -20 OK\r\n\r\n", 0, ""},
		{"code below 100", "HTTP/1.1 099 OK\r\n\r\n", 0, ""},
		{"no code", "HTTP/1.1\r\n\r\n", 0, ""},
		{"version 3.7", "HTTP/3.7 200 OK\r\n\r\n", 0, ""},
		{"version 1.x", "HTTP/1.x 200 OK\r\n\r\n", 0, ""},
		{"version 1.10", "HTTP/1.10 200 OK\r\n\r\n", 0, ""},
		{"folded start", "HTTP/1.1 200 OK\r\n x: y\r\n\r\n", 0, ""},
		{"space before the colon", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", 0, ""},
		{"length is no number", "HTTP/1.1 200 OK\r\nContent-Length: 2a\r\n\r\nok", 0, ""},
		{"length with a sign", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", 0, ""},
		{"empty length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok", 0, ""},
		{"enormous length", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok", 0, ""},
		{"chunked twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 0, ""},
		{"gzip transfer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0, ""},
		{"short", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", 0, ""},
		{"cut chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", 0, ""},
		{"nothing", "", 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := respond([]byte(tt.input), "GET")
			if tt.code == 0 {
				if err == nil || classify(PhaseHeaders, err) != ErrProtocol {
					t.Errorf("got %v, %+v, want a protocol error", err, r)
				}
				return
			}
			if err != nil || r.StatusCode != tt.code || string(r.Body) != tt.body {
				t.Errorf("got %v, %d %q, want %d %q", err, r.StatusCode, r.Body, tt.code, tt.body)
			}
		})
	}
}

// FuzzResponse holds that whatever arrives is understood as net/http understands
// it, or refused, with bounded memory.
func FuzzResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), false)
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: a\r\n b\r\n\r\n2\r\nok\r\n0\r\n\r\n"), false)
	f.Add([]byte("HTTP/1.0 404 No\r\nContent-Encoding: gzip, br\r\n\r\nxx"), true)
	f.Add([]byte("HTTP/1.1 103 E\r\n\r\nHTTP/1.1 204 OK\r\n\r\n"), false)
	f.Fuzz(func(t *testing.T, input []byte, head bool) {
		method := "GET"
		if head {
			method = "HEAD"
		}
		r, err := respond(input, method)
		if r.ResponseSize > 1<<20+32<<10 || len(r.Body) > 1<<20 {
			t.Fatalf("read %d bytes, kept %d", r.ResponseSize, len(r.Body))
		}
		if err != nil {
			if typ := classify(PhaseBody, err); typ.Status() == StatusError {
				t.Fatalf("a peer's nonsense counts as %s: %v", typ, err)
			}
			return
		}
		want, wantErr := readStandard(input, method) //nolint:bodyclose // nothing is behind it but input
		if wantErr != nil || want.Header.Get("Content-Encoding") != "" {
			return // net/http may be stricter
		}
		body, wantErr := io.ReadAll(want.Body)
		if wantErr != nil {
			return
		}
		if want.StatusCode != r.StatusCode || !bytes.Equal(body, r.Body) {
			t.Fatalf("got %d %q, net/http has %d %q", r.StatusCode, r.Body, want.StatusCode, body)
		}
	})
}

func readStandard(input []byte, method string) (*http.Response, error) {
	br := bufio.NewReader(bytes.NewReader(input))
	for {
		resp, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil || resp.StatusCode >= 200 {
			return resp, err
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1, 0, 0, 0xff, 0xff}, "gzip")
	f.Add([]byte{0x78, 0x9c, 3, 0, 0, 0, 0, 1}, "deflate")
	f.Add([]byte{0x3b}, "br")
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x24, 0, 1, 0, 0}, "zstd, gzip")
	f.Fuzz(func(t *testing.T, data []byte, encoding string) {
		const limit = 1 << 16
		decoded, closeDecoder, err := decode(bytes.NewReader(data), encoding, limit)
		defer closeDecoder()
		if err == nil {
			var n int64
			n, err = io.Copy(io.Discard, struct{ io.Reader }{decoded})
			if n > limit+64<<10 && encoding != "" {
				t.Fatalf("decoded %d bytes", n)
			}
		}
		var protocol protocolError
		var tooLarge tooLargeError
		if err != nil && !errors.As(err, &protocol) && !errors.As(err, &tooLarge) {
			t.Fatalf("untyped error %v", err)
		}
	})
}

// FuzzAddress holds that an address that is accepted leads to one place only and
// cannot add anything to the request.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{
		"http://example.com/", "https://[::1]:8/a?b#c", "http://127。0。0。1/", "http://a@b@127.0.0.1", "http://127.0.0.1#@example.com",
		"http://example.com\\@127.0.0.1", "http:127.0.0.1", "http:/127.0.0.1", "///127.0.0.1", "http://x:080/", "http://0/", "h:1", "[::1%lo]:5",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if h, _, err := parseHTTP(TestConfig{Address: address}); err == nil {
			checkTarget(t, h.to)
			request := string(appendRequest(nil, h, []HeaderField{{"Host", h.authority()}}, false))
			lines := strings.Split(request, "\r\n")
			if len(lines) != 5 || strings.Count(lines[0], " ") != 2 || strings.ContainsAny(request, "\x00\t") {
				t.Fatalf("%q makes the request %q", address, request)
			}
		}
		if to, err := parseTCPAddress(address, 0); err == nil {
			checkTarget(t, to)
		}
	})
}

func checkTarget(t *testing.T, to target) {
	t.Helper()
	if to.port == 0 || to.host == "" || !isASCII(to.host) || strings.ContainsAny(to.host, "/\\@ \t\r\n\x00#?") {
		t.Fatalf("accepted %+v", to)
	}
	addr, err := netip.ParseAddr(to.host)
	if (err == nil) != to.addr.IsValid() || err == nil && addr != to.addr {
		t.Fatalf("%+v does not know its address", to)
	}
}

func TestAuthority(t *testing.T) {
	got := map[string]string{}
	for _, u := range []string{
		"http://Example.com/", "http://example.com:80/", "https://example.com:80/", "https://example.com:443/", "http://[::1]/",
		"http://[::1]:81/", "http://[fe80::1%25eth0]:81/", "http://bücher.example/", "http://①②⑦.⓪.⓪.①/",
	} {
		h, _, err := parseHTTP(TestConfig{Address: u})
		if err != nil {
			t.Fatal(err)
		}
		got[u] = h.authority()
	}
	want := map[string]string{
		"http://Example.com/": "example.com", "http://example.com:80/": "example.com", "https://example.com:80/": "example.com:80",
		"https://example.com:443/": "example.com", "http://[::1]/": "[::1]", "http://[::1]:81/": "[::1]:81",
		"http://[fe80::1%25eth0]:81/": "[fe80::1]:81", "http://bücher.example/": "xn--bcher-kva.example", "http://①②⑦.⓪.⓪.①/": "127.0.0.1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
