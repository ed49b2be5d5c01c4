package nettest_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// TestFaultBody: the beginning of a body is there if the check failed, and only then, wherever the reads of it ended.
func TestFaultBody(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 10_000)
	for _, tt := range []struct {
		name    string
		code    int
		body    string
		chunk   int // bytes that are sent at once
		keep    int
		limit   int
		want    string
		cut     bool
		expects bool // a condition fails, not the status
	}{
		{name: "a fault", code: 500, body: "hello", keep: 4096, limit: -1, want: "hello"},
		{name: "a success", code: 200, body: "hello", keep: 4096, limit: -1, want: "", cut: true},
		{name: "a condition", code: 200, body: "hello", keep: 4096, limit: -1, want: "hello", expects: true},
		{name: "long", code: 500, body: long, keep: 4096, limit: -1, want: long[:4096], cut: true},
		{name: "long, in small pieces", code: 500, body: long, chunk: 100, keep: 4097, limit: -1, want: long[:4097], cut: true},
		{name: "more than there can be", code: 500, body: long, keep: 1 << 20, limit: -1, want: long[:16<<10], cut: true},
		{name: "empty", code: 500, keep: 4096, limit: -1},
		{name: "not wanted", code: 500, body: "hello", limit: -1, cut: true},
		{name: "kept anyway", code: 500, body: long, keep: 4, limit: 100, want: long[:100], cut: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.code)
				chunk := max(tt.chunk, len(tt.body), 1)
				if tt.chunk > 0 {
					chunk = tt.chunk
				}
				for rest := tt.body; rest != ""; {
					n := min(chunk, len(rest))
					_, _ = io.WriteString(w, rest[:n])
					w.(http.Flusher).Flush()
					rest = rest[n:]
				}
			}))
			defer server.Close()
			config := nettest.HTTPConfig{BodyLimit: tt.limit, FaultBody: tt.keep}
			if tt.expects {
				config.Expect = func(*nettest.TestResult) []string { return []string{"no"} }
			}
			for range 3 { // buffers are used again
				r, err := (&nettest.HTTPTest{}).Execute(t.Context(), nettest.TestConfig{Address: server.URL, Timeout: 10 * time.Second, Config: config})
				if string(r.Body) != tt.want || r.BodyTruncated != tt.cut || r.ResponseSize != int64(len(tt.body)) {
					t.Errorf("%d bytes of %d, cut %v: %v", len(r.Body), r.ResponseSize, r.BodyTruncated, err)
				}
			}
		})
	}
}

func TestLookupAsksAnew(t *testing.T) {
	names, err := faulttest.StartDNS()
	if err != nil {
		t.Fatal(err)
	}
	defer names.Close()
	servers := &nettest.DNSConfig{Servers: []netip.AddrPort{names.Addr()}, MaxTTL: time.Hour}
	n := &nettest.Network{WitnessNames: []string{}}
	names.Set("shop.test", faulttest.Records, "192.0.2.1", "2001:db8::1")
	v4, err := n.Lookup(t.Context(), "shop.test", servers, nettest.IPv4)
	if err != nil || len(v4) != 1 || v4[0].String() != "192.0.2.1" {
		t.Fatalf("%v, %v", v4, err)
	}
	v6, err := n.Lookup(t.Context(), "shop.test.", servers, nettest.IPv6)
	if err != nil || len(v6) != 1 || v6[0].String() != "2001:db8::1" {
		t.Fatalf("%v, %v", v6, err)
	}
	for reply, want := range map[faulttest.Reply]nettest.ErrorType{
		faulttest.NXDomain: nettest.ErrDNSNXDomain, faulttest.ServFail: nettest.ErrDNSFailure,
	} {
		names.Set("shop.test", reply)
		_, err = n.Lookup(t.Context(), "shop.test", servers, nettest.IPv4)
		if !errors.Is(err, want) || !strings.Contains(err.Error(), "shop.test") {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if _, err := n.Lookup(t.Context(), "x", &nettest.DNSConfig{Servers: []netip.AddrPort{{}}}, nettest.IPv4); !errors.Is(err, nettest.ErrInvalidConfig) {
		t.Errorf("a server that is none: %v", err)
	}
}

// TestFaultBodyCostsSuccessesNothing compares what checks that succeed allocate, with and without it.
func TestFaultBodyCostsSuccessesNothing(t *testing.T) {
	server, err := faulttest.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	allocations := func(keep int) float64 {
		check, err := (&nettest.HTTPTest{}).Prepare(nettest.TestConfig{
			Address: server.URL(faulttest.Healthy), Timeout: 10 * time.Second, Config: nettest.HTTPConfig{BodyLimit: -1, FaultBody: keep},
		})
		if err != nil {
			t.Fatal(err)
		}
		least := 1e9
		for range 5 { // the server's own are counted too, and differ now and then
			least = min(least, testing.AllocsPerRun(40, func() {
				if r, err := check.Execute(t.Context()); err != nil || r.Body != nil {
					t.Errorf("%v, body %q", err, r.Body)
				}
			}))
		}
		return least
	}
	without, with := allocations(0), allocations(12<<10)
	if with > without+0.5 {
		t.Errorf("%v allocations with, %v without", with, without)
	}
}
