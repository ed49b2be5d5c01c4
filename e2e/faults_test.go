package e2e

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

const (
	// lateness is what a check may take beyond its timeout.
	lateness = 100 // ms
	// daily is an interval so long that only the first check counts.
	daily = 86400
)

// Every way to misbehave ends as what it is, in time.
func TestFaults(t *testing.T) {
	f, trust := faults(t)
	s := start(t, trust)
	for _, c := range faulttest.Cases() {
		t.Run(string(c.Fault), func(t *testing.T) {
			t.Parallel()
			s := s.of(t)
			timeout := 10000
			if c.Stalls {
				timeout = 1000
			}
			e := s.inTime(timeout, httpMonitor(f.URL(c.Fault), obj{
				"name": string(c.Fault), "interval_seconds": daily,
				"http_config": obj{"url": f.URL(c.Fault), "timeout_ms": timeout},
			}))
			if e.Status != c.Status || e.errorType() != c.ErrorType || c.Phase != "" && e.phase() != c.Phase {
				t.Errorf("%s: %s %s in %q, want %s %s in %q", c.About, e.Status, e.errorType(), e.phase(), c.Status, c.ErrorType, c.Phase)
			}
			if c.Stalls && e.ResponseTimeMS < timeout {
				t.Errorf("%s: gave up after %d of %d ms", c.About, e.ResponseTimeMS, timeout)
			}
			if (e.Status == "success") != (e.ErrorMessage == nil) || e.ErrorMessage != nil && len(*e.ErrorMessage) < 20 {
				t.Errorf("%s: the message is %s", c.About, text(e.ErrorMessage))
			}
		})
	}
}

// inTime returns the first result of a monitor and checks that it did not take longer than
// it may. A machine that is busy with other things may be late once, and not each time.
func (s *server) inTime(timeout int, monitor obj) event {
	s.t.Helper()
	var e event
	for range 3 {
		if e = s.firstEvent(s.create(monitor), 30*time.Second); e.ResponseTimeMS <= timeout+lateness {
			return e
		}
	}
	s.t.Errorf("%v: took %d ms with a timeout of %d ms", monitor["name"], e.ResponseTimeMS, timeout)
	return e
}

func text(s *string) string {
	if s == nil {
		return "null"
	}
	return strconv.Quote(*s)
}

// Time is booked on the phase that took it, and the phases make up the whole.
func TestPhases(t *testing.T) {
	f, trust := faults(t)
	s := start(t, trust)
	for fault, slow := range map[faulttest.Fault]func(e event) *float64{
		faulttest.LateTLS:       func(e event) *float64 { return e.TLSUS },
		faulttest.LateFirstByte: func(e event) *float64 { return e.TTFBUS },
		faulttest.LateBody:      func(e event) *float64 { return e.TransferUS },
	} {
		// A busy machine may see what came first late, and so what came then early: one
		// clean look is enough.
		eventually(t, 30*time.Second, string(fault)+" to be seen as it is", func() error {
			e := want[event](s, 200, s.do("POST", "/api/uptime/monitors/test", obj{
				"monitor_type": "http", "http_config": obj{"url": f.URL(fault), "timeout_ms": 5000},
			}))
			return e.bookedOn(slow(e), float64(faulttest.Delay.Microseconds()), fault == faulttest.LateTLS)
		})
	}
}

// bookedOn checks that a phase took at least delay microseconds and longer than any other.
func (e event) bookedOn(slow *float64, delay float64, secured bool) error {
	if e.Status != "success" || slow == nil || *slow < delay {
		return fmt.Errorf("%s, the slow phase took less than %v µs", e.Status, delay)
	}
	sum := 0.0
	for _, phase := range []*float64{e.DNSUS, e.TCPUS, e.TLSUS, e.TTFBUS, e.TransferUS} {
		if phase == nil {
			continue
		}
		if sum += *phase; phase != slow && *phase > *slow {
			return fmt.Errorf("the slow phase took %v µs and another %v µs", *slow, *phase)
		}
	}
	if math.Abs(sum-e.TotalUS) > 1000 {
		return fmt.Errorf("the phases sum to %v µs, the whole is %v µs", sum, e.TotalUS)
	}
	if (e.TLSUS != nil) != secured {
		return fmt.Errorf("TLS is there: %v", e.TLSUS != nil)
	}
	return nil
}

// The same for connections alone.
func TestTCPFaults(t *testing.T) {
	f, trust := faults(t)
	s := start(t, trust)
	for _, tt := range []struct {
		fault                    faulttest.Fault
		status, errorType, phase string
	}{
		{faulttest.Healthy, "success", "", ""},
		{faulttest.Silent, "success", "", ""}, // a connection is all that is asked
		{faulttest.Refused, "failure", "connection_refused", "connect"},
		{faulttest.BlackHole, "timeout", "connection_timeout", "connect"},
	} {
		t.Run(string(tt.fault), func(t *testing.T) {
			t.Parallel()
			s := s.of(t)
			port := portOf(t, f.Addr(tt.fault))
			e := s.inTime(1000, tcpMonitor("127.0.0.1", port, obj{
				"interval_seconds": daily, "tcp_config": obj{"host": "127.0.0.1", "port": port, "timeout_ms": 1000},
			}))
			if e.Status != tt.status || e.errorType() != tt.errorType || e.phase() != tt.phase {
				t.Errorf("%s %s in %q, want %s %s in %q", e.Status, e.errorType(), e.phase(), tt.status, tt.errorType, tt.phase)
			}
			if e.StatusCode != nil {
				t.Errorf("a connection has the status code %d", *e.StatusCode)
			}
		})
	}
}

// growth is how much memory the server may need beyond what it has at rest while all
// bombs of the test go off at once: 16 checks with their buffers, and what the collector
// lets lie.
const growth = 128 << 20

// Bodies without end and bodies that explode cost a bounded amount of memory.
func TestMemoryIsBounded(t *testing.T) {
	f, trust := faults(t)
	s := start(t, trust)
	warm := s.create(httpMonitor(f.URL(faulttest.Healthy), obj{"interval_seconds": daily}))
	s.firstEvent(warm, 10*time.Second)
	before := s.peakMemory(true)
	var ids []int
	for range 2 {
		for _, fault := range []faulttest.Fault{
			faulttest.HugeBody, faulttest.EndlessBody, faulttest.EndlessChunks, faulttest.H2EndlessBody,
			faulttest.GzipBomb, faulttest.BrotliBomb, faulttest.ZstdBomb, faulttest.NestedBomb,
		} {
			ids = append(ids, s.create(httpMonitor(f.URL(fault), obj{
				"interval_seconds": daily, "http_config": obj{"url": f.URL(fault), "timeout_ms": 20000},
			})))
		}
	}
	for _, id := range ids {
		if e := s.firstEvent(id, 40*time.Second); e.errorType() != "response_too_large" {
			t.Errorf("monitor %d: %s %s", id, e.Status, e.errorType())
		}
	}
	after := s.peakMemory(false)
	t.Logf("resident at rest %d MiB, at most %d MiB", before>>20, after>>20)
	if after-before > growth {
		t.Errorf("memory grew from %d to %d MiB", before>>20, after>>20)
	}
}

// peakMemory is the most memory that the server had resident, in bytes, since its start or
// since the last call with reset.
func (s *server) peakMemory(reset bool) int64 {
	s.t.Helper()
	proc := filepath.Join("/proc", strconv.Itoa(s.process("prober").pid()))
	field := "VmHWM:"
	if reset {
		if err := os.WriteFile(filepath.Join(proc, "clear_refs"), []byte("5"), 0); err != nil {
			s.t.Fatal(err)
		}
		field = "VmRSS:"
	}
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if errors.Is(err, os.ErrNotExist) {
		s.t.Skipf("there is no %s to read the memory of a process from", proc)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, field); ok {
			var kib int64
			if _, err := fmt.Sscanf(value, "%d kB", &kib); err != nil {
				s.t.Fatalf("%s: %v", line, err)
			}
			return kib << 10
		}
	}
	s.t.Fatalf("no %s in %s", field, status)
	return 0
}
