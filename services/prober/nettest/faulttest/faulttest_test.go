package faulttest_test

import (
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryCaseIsServed(t *testing.T) {
	s, err := faulttest.Start()
	if err != nil {
		t.Fatal(err)
	}
	ports := map[string]faulttest.Fault{}
	for _, c := range faulttest.Cases() {
		addr := s.Addr(c.Fault)
		if other, taken := ports[addr]; taken || c.About == "" || c.Status == "" {
			t.Errorf("%+v at %s, which is %q", c, addr, other)
		}
		ports[addr] = c.Fault
	}
	// Connections that nobody ends are ended by Close.
	var open []net.Conn
	for _, f := range []faulttest.Fault{faulttest.Silent, faulttest.SlowBody, faulttest.EndlessBody, faulttest.TLSStall, faulttest.H2Silent} {
		c, err := net.Dial("tcp", s.Addr(f))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	began := time.Now()
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("Close took %s", took)
	}
	for _, c := range open {
		_ = c.Close()
	}
}

func TestDNSCloses(t *testing.T) {
	d, err := faulttest.StartDNS()
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", d.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 2 {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}
