package nettest_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

func encodeAs(w io.Writer, coding string) io.WriteCloser {
	switch coding {
	case "gzip":
		return gzip.NewWriter(w)
	case "deflate":
		return zlib.NewWriter(w)
	case "br":
		return brotli.NewWriter(w)
	default:
		z, _ := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		return z
	}
}

// anyStatus lets every status be a success.
func anyStatus(*nettest.TestResult) []string { return nil }

// TestConformance holds that a check sees what net/http's client sees, over
// HTTP/1.1 and over HTTP/2: status, headers, decoded body, redirects, failing.
func TestConformance(t *testing.T) {
	type conformCase struct {
		name  string
		own   nettest.HTTPConfig
		serve http.HandlerFunc
	}
	var cases []conformCase
	add := func(name string, own nettest.HTTPConfig, serve http.HandlerFunc) {
		own.Expect = anyStatus
		cases = append(cases, conformCase{name, own, serve})
	}
	get, head := nettest.HTTPConfig{}, nettest.HTTPConfig{Method: "HEAD"}
	for _, code := range []int{200, 201, 202, 203, 204, 205, 206, 300, 304, 400, 401, 404, 407, 418, 429, 451, 500, 502, 503, 599} {
		for _, own := range []nettest.HTTPConfig{get, head} {
			add(fmt.Sprint(own.Method, code), own, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Code", fmt.Sprint(code))
				w.WriteHeader(code)
				_, _ = io.WriteString(w, "body")
			})
		}
	}
	for _, encoding := range []string{"gzip", "deflate", "br", "zstd", "gzip, br", "zstd, deflate, gzip"} {
		for _, size := range []int{0, 1, 100, 30_000} {
			add(fmt.Sprintf("%s of %d", encoding, size), get, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", encoding)
				var out io.Writer = w
				var layers []io.WriteCloser
				for _, coding := range slices.Backward(strings.Split(encoding, ", ")) {
					layer := encodeAs(out, coding)
					layers = append(layers, layer)
					out = layer
				}
				_, _ = io.WriteString(out, strings.Repeat("frog", size))
				for _, layer := range slices.Backward(layers) {
					_ = layer.Close()
				}
			})
		}
	}
	add("false gzip", get, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, "this is no gzip at all")
	})
	add("cut gzip", get, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, strings.Repeat("frog", 1000))
		_ = z.Close()
		_, _ = w.Write(b.Bytes()[:b.Len()/2])
	})
	add("HEAD of gzip", head, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Length", "1234")
	})
	add("empty", get, func(http.ResponseWriter, *http.Request) {})
	add("length", get, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		_, _ = io.WriteString(w, "hello")
	})
	add("pieces", get, func(w http.ResponseWriter, _ *http.Request) {
		for range 20 {
			_, _ = io.WriteString(w, strings.Repeat("x", 3000))
			_ = http.NewResponseController(w).Flush()
		}
	})
	add("large", get, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 900_000)) })
	add("slow", get, func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			_, _ = io.WriteString(w, "tick ")
			_ = http.NewResponseController(w).Flush()
			pauseUnder(r.Context(), 20*time.Millisecond)
		}
	})
	add("trailers", get, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-After")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-After", "late")
	})
	add("early hints", get, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("X-Final", "yes")
		_, _ = io.WriteString(w, "body")
	})
	add("many headers", get, func(w http.ResponseWriter, _ *http.Request) {
		for i := range 50 {
			w.Header().Add("X-Many", fmt.Sprint(i))
		}
		w.Header().Add("X-Empty", "")
		w.Header().Add("X-Long", strings.Repeat("v", 1000))
		w.Header().Add("X-Latin", "caf\xe9 \u00fc")
	})
	add("aborted", get, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "some")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	add("aborted pieces", get, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "some")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	add("aborted at once", get, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	add("less than its length", get, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "some")
	})
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		add(method, nettest.HTTPConfig{Method: method, Body: "what is sent"}, echo2)
	}
	add("POST of much", nettest.HTTPConfig{Method: "POST", Body: strings.Repeat("0123456789abcdef", 16<<10)}, echo2)
	for _, code := range []int{301, 302, 303, 307, 308} {
		for _, own := range []nettest.HTTPConfig{{}, {Method: "HEAD"}, {Method: "POST", Body: "form"}} {
			own.FollowRedirects = true
			add(fmt.Sprint(own.Method, " redirected by ", code), own, func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/":
					w.Header().Set("Location", "sub/../there?a=b%20c#part")
				case "/there":
					http.SetCookie(w, &http.Cookie{Name: "a", Value: "b", Path: "/"})
					w.Header().Set("Location", "/last")
				default:
					_, _ = io.WriteString(w, r.Header.Get("Cookie")+" ")
					echo2(w, r)
					return
				}
				w.WriteHeader(code)
				_, _ = io.WriteString(w, "moved")
			})
		}
	}
	for _, code := range []int{307, 308} {
		add(fmt.Sprint("much redirected by ", code), nettest.HTTPConfig{Method: "POST", Body: strings.Repeat("0123456789abcdef", 16<<10), FollowRedirects: true},
			func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/" {
					echo2(w, r)
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				http.Redirect(w, r, "/there", code)
			})
	}
	add("redirect not followed", get, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) })

	var current atomic.Int64
	plain, secure, test := startBoth(t, func(w http.ResponseWriter, r *http.Request) { cases[current.Load()].serve(w, r) })
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			current.Store(int64(i))
			for _, base := range []string{plain, secure} {
				version2 := base == secure
				want := reference(t, test.TLS, version2, base+"/", c.own)
				r, err := execute(t, test, base+"/", c.own)
				if err != nil && (r.ErrorType.Status() == nettest.StatusError || r.ErrorType == nettest.ErrValidationFailed) {
					t.Errorf("over %s: %v", base, err)
				}
				if diff := cmp.Diff(want, seenBy(r, err)); diff != "" {
					t.Errorf("over %s (- net/http, + check):\n%s\n%v", base, diff, err)
				}
				if wantVersion := map[bool]string{true: "HTTP/2", false: "HTTP/1.1"}[version2]; err == nil && r.HTTPVersion != wantVersion {
					t.Errorf("version %s, want %s", r.HTTPVersion, wantVersion)
				}
			}
		})
	}
}

// pauseUnder waits for d, or until ctx ends.
func pauseUnder(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func echo2(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s %d", r.Method, r.URL.RequestURI(), body[:min(len(body), 100)], len(body))
}

// TestConformanceOnTheWire compares with net/http what only a raw HTTP/1.1 server says.
func TestConformanceOnTheWire(t *testing.T) {
	for name, text := range map[string]string{
		"until close":        "HTTP/1.0 200 OK\r\n\r\nall of it",
		"kept alive":         "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
		"kept alive, pieces": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;ext=1\r\nok\r\n0\r\nX-T: 1\r\n\r\n",
		"1.0 with length":    "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"continue":           "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"early hints":        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno",
		"no reason":          "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
		"odd case":           "HTTP/1.1 200 OK\r\ncOnTeNt-LeNgTh: 2\r\nx-ODD:   spaced \t\r\n\r\nok",
		"folded":             "HTTP/1.1 200 OK\r\nX-F: a\r\n\t b\r\nContent-Length: 0\r\n\r\n",
		"bare line feeds":    "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
		"204 with length":    "HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n",
		"304 with length":    "HTTP/1.1 304 No\r\nContent-Length: 5\r\nETag: x\r\n\r\n",
		"two equal lengths":  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
		"two lengths":        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
		"length and chunks":  "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"more than length":   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay",
		"less than length":   "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok",
		"bad chunk":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\nok\r\n0\r\n\r\n",
		"no last chunk":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
		"unknown coding":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx",
		"header without end": "HTTP/1.1 200 OK\r\nX: y",
		"no version":         "200 OK\r\n\r\n",
		"nothing":            "",
		"long head":          "HTTP/1.1 200 OK\r\nX-Pad: " + strings.Repeat("p", 1000) + "\r\n" + strings.Repeat("X-A: b\r\n", 40) + "Content-Length: 2\r\n\r\nok",
	} {
		t.Run(name, func(t *testing.T) {
			alive := strings.HasPrefix(name, "kept alive")
			addr := serveTCP(t, "127.0.0.1:0", func(c net.Conn) {
				if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
					return
				}
				_, _ = io.WriteString(c, text)
				if alive {
					_, _ = c.Read(make([]byte, 1))
				}
			})
			own := nettest.HTTPConfig{Expect: anyStatus}
			want := reference(t, &tls.Config{}, false, "http://"+addr+"/", own)
			r, err := execute(t, &nettest.HTTPTest{}, "http://"+addr+"/", own)
			if diff := cmp.Diff(want, seenBy(r, err)); diff != "" {
				t.Errorf("- net/http, + check:\n%s\n%v", diff, err)
			}
		})
	}
}

// TestConformanceOfWellBehaved compares with net/http what the well-behaved and
// merely slow peers of faulttest answer.
func TestConformanceOfWellBehaved(t *testing.T) {
	s := startFaults(t)
	trust := &tls.Config{RootCAs: s.Roots()}
	test := &nettest.HTTPTest{TLS: trust}
	own := nettest.HTTPConfig{FollowRedirects: true, Expect: anyStatus}
	for _, c := range faulttest.Cases() {
		if c.Status != "success" || c.Fault == faulttest.RawDeflate { // which the reference here cannot tell from zlib
			continue
		}
		t.Run(string(c.Fault), func(t *testing.T) {
			want := reference(t, trust, true, s.URL(c.Fault), own)
			r, err := execute(t, test, s.URL(c.Fault), own)
			if diff := cmp.Diff(want, seenBy(r, err)); diff != "" || want.Failed {
				t.Errorf("- net/http, + check:\n%s\n%v", diff, err)
			}
		})
	}
}

// TestPreparedCheck runs one check many times, at once too.
func TestPreparedCheck(t *testing.T) {
	plain, secure, test := startBoth(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/next", http.StatusTemporaryRedirect)
			return
		}
		echo(w, r)
	})
	for _, base := range []string{plain, secure} {
		config := nettest.TestConfig{Name: "prepared", Address: base + "/", Timeout: 5 * time.Second, Config: nettest.HTTPConfig{
			Method: "POST", Body: "body", FollowRedirects: true, Auth: nettest.Auth{Type: nettest.AuthBearer, Token: "t"},
			Headers: []nettest.HeaderField{{"Cookie", "a=b"}, {"X-Own", "1"}},
		}}
		check, err := test.Prepare(config)
		if err != nil {
			t.Fatal(err)
		}
		want, err := test.Execute(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		results := make(chan *nettest.TestResult)
		for range 8 {
			go func() {
				r, err := check.Execute(context.Background())
				checkResult(t, config, r, err)
				results <- r
			}()
		}
		for range 8 {
			if r := <-results; r.Status != want.Status || !bytes.Equal(r.Body, want.Body) || len(r.Redirects) != 1 {
				t.Errorf("got %+v, want %+v", r, want)
			}
		}
	}
	if _, err := test.Prepare(nettest.TestConfig{Address: "nonsense"}); err == nil {
		t.Error("nonsense was prepared")
	}
	check, err := test.Prepare(nettest.TestConfig{Address: plain})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := check.Execute(ctx); err == nil || r.Status != nettest.StatusError {
		t.Errorf("cancelled before: %v, %+v", err, r)
	}
}
