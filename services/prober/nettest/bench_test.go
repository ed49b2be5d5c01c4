package nettest_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// acceptAndClose is the cheapest target: it waits for the peer to close.
func acceptAndClose(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

// BenchmarkTCP compares a check with the floor that the net package sets.
func BenchmarkTCP(b *testing.B) {
	b.Run("check", func(b *testing.B) {
		addr := acceptAndClose(b)
		test := &nettest.TCPTest{}
		config := nettest.TestConfig{Name: "bench", Address: addr, Timeout: 5 * time.Second}
		b.ReportAllocs()
		for b.Loop() {
			if r, err := test.Execute(context.Background(), config); err != nil {
				b.Fatal(err, r)
			}
		}
	})
	b.Run("dialer", func(b *testing.B) {
		addr := acceptAndClose(b)
		dialer := net.Dialer{Timeout: 5 * time.Second, KeepAlive: -1}
		b.ReportAllocs()
		for b.Loop() {
			c, err := dialer.DialContext(context.Background(), "tcp", addr)
			if err != nil {
				b.Fatal(err)
			}
			_ = c.Close()
		}
	})
}

// BenchmarkHTTP compares a check with net/http on a fresh connection each time.
func BenchmarkHTTP(b *testing.B) { benchHTTP(b, faulttest.Healthy) }

// BenchmarkHTTPS does the same with a full handshake.
func BenchmarkHTTPS(b *testing.B) { benchHTTP(b, faulttest.HealthyTLS) }

func benchHTTP(b *testing.B, f faulttest.Fault) {
	s := startFaults(b)
	trust := &tls.Config{RootCAs: s.Roots()}
	b.Run("check", func(b *testing.B) {
		test := &nettest.HTTPTest{TLS: trust}
		config := nettest.TestConfig{Name: "bench", Address: s.URL(f), Timeout: 5 * time.Second}
		b.ReportAllocs()
		for b.Loop() {
			if r, err := test.Execute(context.Background(), config); err != nil {
				b.Fatal(err, r)
			}
		}
	})
	b.Run("net-http", func(b *testing.B) {
		client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: trust}}
		b.ReportAllocs()
		for b.Loop() {
			resp, err := client.Get(s.URL(f))
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	})
}
