package nettest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// processCPU is the processor time that this process has had.
func processCPU(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// handshakeEnv tells this test binary to be the server of a benchmark.
const handshakeEnv = "NETTEST_SERVE_HANDSHAKES"

// TestServeHandshakes is the other side of a benchmark, so that the processor
// time of this side can be told.
func TestServeHandshakes(t *testing.T) {
	if os.Getenv(handshakeEnv) == "" {
		t.Skip("is run by benchmarks")
	}
	s := startTLSFaults(t)
	fmt.Fprintf(os.Stdout, "%s %x\n", s.Addr(faulttest.CertIntermediate), s.Root.Cert.Raw)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// serveHandshakes starts a process that shakes hands with a certificate below an
// intermediate one.
func serveHandshakes(b *testing.B) (addr string, roots *x509.CertPool) {
	b.Helper()
	server := exec.Command(os.Args[0], "-test.run=^TestServeHandshakes$")
	server.Env = append(os.Environ(), handshakeEnv+"=1")
	in, err := server.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := server.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = in.Close(); _ = server.Wait() })
	var der []byte
	if _, err := fmt.Fscanf(out, "%s %x\n", &addr, &der); err != nil {
		b.Fatal(err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		b.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(root)
	return addr, roots
}

// BenchmarkHandshake compares the processor time of a TLS check with that of a
// bare loop over crypto/tls, each with Go's default curves and with FastCurves,
// in turns, so that both see the same machine; the server is another process.
// The floor is a bare connect and close with RST by system calls. The figures are
// µs of this process's processor time per handshake, and ratios.
func BenchmarkHandshake(b *testing.B) {
	addr, roots := serveHandshakes(b)
	check := func(curves []tls.CurveID) func() {
		test := &nettest.TLSTest{Network: &nettest.Network{}}
		config := nettest.TestConfig{Name: "bench", Address: addr, Timeout: 5 * time.Second, Config: &nettest.TLSConfig{
			TLS: nettest.TLSOptions{RootCAs: roots, Curves: curves},
		}}
		return func() {
			if r, err := test.Execute(context.Background(), config); err != nil {
				b.Error(err, r)
			}
		}
	}
	bare := func(curves []tls.CurveID) func() {
		config := &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", CurvePreferences: curves}
		return func() {
			conn, err := net.Dial("tcp4", addr)
			if err != nil {
				b.Error(err)
				return
			}
			secured := tls.Client(conn, config)
			if err := secured.Handshake(); err != nil {
				b.Error(err)
			}
			_ = secured.Close()
		}
	}
	to := rawAddr(b, addr)
	legs := []struct {
		name string
		run  func()
		cpu  time.Duration
	}{
		{"check", check(nil), 0}, {"bare", bare(nil), 0},
		{"check-fast", check(nettest.FastCurves), 0}, {"bare-fast", bare(nettest.FastCurves), 0},
		{"floor", func() {
			if err := rawExchange(to, nil); err != nil {
				b.Error(err)
			}
		}, 0},
	}
	const batch, inFlight = 64, 32
	for b.Loop() {
		for i := range legs {
			before := processCPU(b)
			var work sync.WaitGroup
			for range inFlight {
				work.Go(func() {
					for range batch / inFlight {
						legs[i].run()
					}
				})
			}
			work.Wait()
			legs[i].cpu += processCPU(b) - before
		}
	}
	for _, l := range legs {
		b.ReportMetric(float64(l.cpu.Nanoseconds())/1e3/float64(b.N)/batch, l.name+"-µs")
	}
	ratio := func(x, y int) float64 { return float64(legs[x].cpu) / float64(legs[y].cpu) }
	b.ReportMetric(ratio(0, 1), "check/bare")
	b.ReportMetric(ratio(2, 3), "check/bare-fast")
	b.ReportMetric(ratio(2, 0), "fast/default")
	b.ReportMetric(ratio(0, 4), "x-floor")
	b.ReportMetric(ratio(2, 4), "x-floor-fast")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkTLS is a whole check with its allocations.
func BenchmarkTLS(b *testing.B) {
	s := startTLSFaults(b)
	test := &nettest.TLSTest{Network: &nettest.Network{}}
	config := nettest.TestConfig{Name: "bench", Address: s.Addr(faulttest.CertIntermediate), Timeout: 5 * time.Second, Config: &nettest.TLSConfig{
		TLS: nettest.TLSOptions{RootCAs: s.Root.Pool()},
	}}
	b.ReportAllocs()
	for b.Loop() {
		if r, err := test.Execute(context.Background(), config); err != nil {
			b.Fatal(err, r)
		}
	}
}
