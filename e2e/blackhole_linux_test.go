package e2e

import (
	"fmt"
	"testing"
	"time"
)

// Packets that vanish are a timeout of the connection, in time, and the target's fault.
func TestBlackHole(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.blackHole()
	s := start(t, n.within(""))
	const timeout = 700
	for name, monitor := range map[string]obj{
		"http": httpMonitor("http://10.99.0.2/", obj{"http_config": obj{"url": "http://10.99.0.2/", "timeout_ms": timeout}, "retry_interval_seconds": 1}),
		"tcp":  tcpMonitor("10.99.0.3", 443, obj{"tcp_config": obj{"host": "10.99.0.3", "port": 443, "timeout_ms": timeout}, "retry_interval_seconds": 1}),
	} {
		e := s.inTime(timeout, monitor)
		if e.Status != "timeout" || e.errorType() != "connection_timeout" || e.phase() != "connect" {
			t.Errorf("%s: %s %s in %q, want timeout connection_timeout in \"connect\"", name, e.Status, e.errorType(), e.phase())
		}
		if e.ResponseTimeMS < timeout {
			t.Errorf("%s: gave up after %d of %d ms", name, e.ResponseTimeMS, timeout)
		}
		s.statusIs(e.MonitorID, "down", 15*time.Second)
	}
}

// A machine without any network is not the fault of what it watches.
func TestMachineWithoutNetwork(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	s := start(t, n.within(""))
	id := s.create(tcpMonitor("198.51.100.7", 443, obj{"retry_interval_seconds": 1}))
	e := s.firstEvent(id, 10*time.Second)
	if e.Status != "error" || e.errorType() != "observer_offline" {
		t.Errorf("%s %s, want error observer_offline", e.Status, e.errorType())
	}
	eventually(t, 20*time.Second, "five results", func() error {
		if seen := s.events(id, ""); len(seen) < 5 {
			return fmt.Errorf("%d so far", len(seen))
		}
		return nil
	})
	s.statusIs(id, "unknown", 10*time.Second)
	for _, state := range s.states(id) {
		if state != "unknown" {
			t.Errorf("states %v, want unknown alone", s.states(id))
		}
	}
	if in := s.incidents(id); len(in) != 0 {
		t.Errorf("incidents of a machine without network: %+v", in)
	}
}
