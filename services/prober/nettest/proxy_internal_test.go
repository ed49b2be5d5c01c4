package nettest

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"
)

// FuzzSOCKS holds that whatever a proxy answers ends in a tunnel or in a failure
// that is not this prober's, and that nothing behind the reply is swallowed.
func FuzzSOCKS(f *testing.F) {
	f.Add([]byte{5, 0, 5, 0, 0, 1, 1, 2, 3, 4, 0, 80, 'x'}, false)
	f.Add([]byte{5, 2, 1, 0, 5, 0, 0, 3, 1, 'h', 0, 80}, true)
	f.Add([]byte{5, 0, 5, 0, 0, 4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, 80, 'y', 'z'}, false)
	f.Add([]byte{5, 0, 5, 5}, false)
	f.Add([]byte{5, 255}, true)
	f.Fuzz(func(t *testing.T, input []byte, login bool) {
		c := &check{result: &TestResult{}, ctx: t.Context(), deadline: time.Now().Add(time.Minute)}
		c.watch.start(time.Now())
		route := &proxyRoute{scheme: proxySOCKS, to: target{host: "proxy.test", port: 1080}}
		if login {
			route.username, route.password = "user", "canary"
		}
		r := &httpRun{check: c, HTTPCheck: &HTTPCheck{own: &HTTPConfig{}, proxy: route}}
		answers := bytes.NewReader(input)
		failed := r.tunnelSOCKS(quietConn{inputConn{Reader: answers}}, target{host: "h.test", port: 80})
		if failed != nil {
			c.judge(failed)
			if failed.typ.Status() == StatusError || failed.phase != PhaseConnect {
				t.Fatalf("%v makes %s in phase %s: %s", input, failed.typ, failed.phase, failed.detail)
			}
			return
		}
		whole := answers.Size() - int64(answers.Len())
		if short := input[:whole-1]; r.tunnelSOCKS(quietConn{inputConn{Reader: bytes.NewReader(short)}}, target{host: "h.test", port: 80}) == nil {
			t.Fatalf("%v was read beyond its end", input)
		}
	})
}

// quietConn takes what is written.
type quietConn struct{ inputConn }

func (quietConn) Write(p []byte) (int, error) { return len(p), nil }

// FuzzConnect holds the same of the answer to CONNECT.
func FuzzConnect(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\nmore"))
	f.Add([]byte("HTTP/1.1 100 C\r\n\r\nHTTP/1.0 200\nA: b\n\nPRI"))
	f.Add([]byte("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 504 No\r\n\r\n"))
	f.Fuzz(func(t *testing.T, input []byte) {
		c := &check{result: &TestResult{}, ctx: t.Context(), deadline: time.Now().Add(time.Minute)}
		c.watch.start(time.Now())
		route := &proxyRoute{scheme: proxyHTTP, to: target{host: "proxy.test", port: 1080}, proof: "Basic canary"}
		r := &httpRun{check: c, HTTPCheck: &HTTPCheck{own: &HTTPConfig{}, proxy: route}}
		conn, failed := r.tunnelHTTP(quietConn{inputConn{Reader: bytes.NewReader(input)}}, target{host: "h.test", port: 80})
		if failed != nil {
			c.judge(failed)
			if failed.typ.Status() == StatusError || failed.phase != PhaseConnect {
				t.Fatalf("%q makes %s in phase %s: %s", input, failed.typ, failed.phase, failed.detail)
			}
			return
		}
		rest, err := io.ReadAll(conn)
		if err != nil && !errors.Is(err, io.EOF) || !bytes.HasSuffix(input, rest) {
			t.Fatalf("%q leaves %q, %v", input, rest, err)
		}
		if before := input[:len(input)-len(rest)]; len(before) == 0 || before[len(before)-1] != '\n' {
			t.Fatalf("%q leaves %q", input, rest)
		}
	})
}
