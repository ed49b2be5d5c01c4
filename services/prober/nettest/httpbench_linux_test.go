package nettest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// benchTargetEnv makes the test binary a target in a process of its own, so that
// a benchmark counts the CPU of the checking side only.
const benchTargetEnv = "NETTEST_BENCH_TARGET"

const benchAnswer = "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 07:00:00 GMT\r\nServer: bench\r\nContent-Type: text/plain; charset=utf-8\r\n" +
	"Content-Length: 200\r\nConnection: close\r\n\r\n" +
	"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" +
	"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"

func init() {
	if os.Getenv(benchTargetEnv) == "" {
		return
	}
	var addrs []string
	for i := range 8 {
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.1.%d:0", i+1))
		if err != nil {
			os.Exit(1)
		}
		addrs = append(addrs, l.Addr().String())
		go serveBench(l)
	}
	_, _ = io.WriteString(os.Stdout, strings.Join(addrs, " ")+"\n")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the benchmark is gone
	os.Exit(0)
}

func serveBench(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			buf := make([]byte, 4096)
			if n, _ := c.Read(buf); n > 0 {
				_, _ = io.WriteString(c, benchAnswer)
			}
		}()
	}
}

func startBenchTarget(b *testing.B) []string {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), benchTargetEnv+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.Fields(line)
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rawExchange is the least that can be done: system calls without a poller. With
// no request it only connects, and closes with RST.
func rawExchange(to *syscall.SockaddrInet4, request []byte) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	if err := syscall.Connect(fd, to); err != nil {
		return err
	}
	if request == nil {
		return syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	}
	if _, err := syscall.Write(fd, request); err != nil {
		return err
	}
	buf := make([]byte, 4096)
	for {
		if n, err := syscall.Read(fd, buf); n <= 0 {
			return err
		}
	}
}

func rawAddr(b *testing.B, addr string) *syscall.SockaddrInet4 {
	b.Helper()
	tcp, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		b.Fatal(err)
	}
	return &syscall.SockaddrInet4{Port: tcp.Port, Addr: [4]byte(tcp.IP.To4())}
}

// BenchmarkHTTPCost prints the CPU of one HTTP check over a fresh connection, and
// how many times that of a bare connect and close with RST it is, measured before
// and after in the same run (for a floor in C see the figures of the raw loops
// against it: they differ by less than a tenth).
func BenchmarkHTTPCost(b *testing.B) {
	addrs := startBenchTarget(b)
	raw := make([]*syscall.SockaddrInet4, len(addrs))
	for i, a := range addrs {
		raw[i] = rawAddr(b, a)
	}
	floor := func() time.Duration {
		const connects = 2000
		before := cpuTime()
		for i := range connects {
			if err := rawExchange(raw[i%len(raw)], nil); err != nil {
				b.Fatal(err)
			}
		}
		return (cpuTime() - before) / connects
	}
	request := []byte("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	measure := func(name string, at int, do func(i int) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(at)
			var turn atomic.Int64
			low := floor()
			b.ResetTimer()
			before := cpuTime()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := do(int(turn.Add(1)) % len(addrs)); err != nil {
						b.Error(err)
						return
					}
				}
			})
			used := cpuTime() - before
			b.StopTimer()
			low = (low + floor()) / 2
			per := float64(used) / float64(b.N)
			b.ReportMetric(per/1e3, "cpu-µs/op")
			b.ReportMetric(per/float64(low), "x-floor")
		})
	}
	measure("raw-http", 1, func(i int) error { return rawExchange(raw[i], request) })
	dialer := net.Dialer{Timeout: 5 * time.Second, KeepAlive: -1}
	measure("conn", 32, func(i int) error {
		c, err := dialer.DialContext(context.Background(), "tcp4", addrs[i])
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Write(request); err != nil {
			return err
		}
		buf := make([]byte, 4096)
		for {
			if _, err := c.Read(buf); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
		}
	})
	test := &nettest.HTTPTest{}
	configs := make([]nettest.TestConfig, len(addrs))
	checks := make([]*nettest.HTTPCheck, len(addrs))
	for i, a := range addrs {
		configs[i] = nettest.TestConfig{Name: "bench", Address: "http://" + a + "/", Timeout: 5 * time.Second, Config: nettest.HTTPConfig{BodyLimit: -1}}
		var err error
		if checks[i], err = test.Prepare(configs[i]); err != nil {
			b.Fatal(err)
		}
	}
	measure("check", 32, func(i int) error { _, err := test.Execute(context.Background(), configs[i]); return err })
	measure("prepared", 32, func(i int) error { _, err := checks[i].Execute(context.Background()); return err })
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	measure("net-http", 32, func(i int) error {
		resp, err := client.Get(configs[i].Address)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.Body.Close()
	})
}
