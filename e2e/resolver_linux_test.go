package e2e

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// resolver is the name server of a namespace, on port 53, that can be stopped.
type resolver struct {
	*faulttest.DNS
	n    *namespace
	stop func()
}

func newResolver(n *namespace) *resolver {
	n.t.Helper()
	r := &resolver{n: n}
	if err := n.do(func() (err error) {
		r.DNS, err = faulttest.StartDNS()
		return err
	}); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = r.Close() })
	r.start()
	n.t.Cleanup(func() { r.stop() })
	return r
}

// start opens port 53 and passes what comes on to the scripted server, which has a port of
// its own. Closed again, the port answers as that of a machine whose resolver has died.
func (r *resolver) start() {
	r.n.t.Helper()
	var front *net.UDPConn
	if err := r.n.do(func() (err error) {
		front, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53})
		return err
	}); err != nil {
		r.n.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			size, from, err := front.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			question := slices.Clone(buf[:size])
			go func() {
				if answer := r.forward(question); answer != nil {
					_, _ = front.WriteToUDPAddrPort(answer, from)
				}
			}()
		}
	}()
	r.stop = func() { _ = front.Close(); <-done }
}

// forward asks the scripted server; nil if it says nothing.
func (r *resolver) forward(question []byte) []byte {
	var back *net.UDPConn
	if err := r.n.do(func() (err error) {
		back, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(r.Addr()))
		return err
	}); err != nil {
		return nil
	}
	defer back.Close()
	_ = back.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := back.Write(question); err != nil {
		return nil
	}
	buf := make([]byte, 1500)
	size, err := back.Read(buf)
	if err != nil {
		return nil
	}
	return buf[:size]
}

// When the machine's own resolver fails, nothing is known of the targets: they are
// unknown, never down. A single name that does not exist is its owner's fault.
func TestResolverFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		fail, mend func(r *resolver)
	}{
		{"stopped", func(r *resolver) { r.stop() }, (*resolver).start},
		{"silent", func(r *resolver) {
			r.SetDefault(faulttest.Mute)
			r.Set("shop.test", faulttest.Mute)
		}, func(r *resolver) {
			r.SetDefault(faulttest.NXDomain)
			r.Set("shop.test", faulttest.Records, "127.0.0.1")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNamespace(t)
			r := newResolver(n)
			r.Set("shop.test", faulttest.Records, "127.0.0.1")
			target := newSiteOn(t, n.listen, "127.0.0.1:0", nil)
			s := start(t, n.within("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"))
			shop := s.create(tcpMonitor("shop.test", target.port(), obj{"retry_interval_seconds": 1}))
			page := s.create(httpMonitor(fmt.Sprintf("http://shop.test:%d/", target.port()), obj{"retry_interval_seconds": 1}))
			gone := s.create(tcpMonitor("gone.test", target.port(), obj{"retry_interval_seconds": 1}))
			s.statusIs(shop, "up", 15*time.Second)
			s.statusIs(page, "up", 15*time.Second)
			s.statusIs(gone, "down", 15*time.Second)
			if e := s.firstEvent(gone, time.Second); e.errorType() != "dns_nxdomain" || e.phase() != "dns" {
				t.Errorf("a name that does not exist: %s in %q", e.errorType(), e.phase())
			}

			tt.fail(r)
			s.statusIs(shop, "unknown", 30*time.Second)
			s.statusIs(page, "unknown", 30*time.Second)
			newest := s.events(shop, "&status=error&status=success&status=failure&status=timeout")[0]
			if newest.Status != "error" || newest.errorType() != "resolver_unavailable" && newest.errorType() != "observer_offline" {
				t.Errorf("without a resolver: %s %s", newest.Status, newest.errorType())
			}

			tt.mend(r)
			s.statusIs(shop, "up", 30*time.Second)
			s.statusIs(page, "up", 30*time.Second)
			for _, id := range []int{shop, page} {
				if states := s.states(id); slices.Contains(states, "down") || s.uptime(id).Down != 0 {
					t.Errorf("the machine's own fault made monitor %d down: %v", id, states)
				}
				if in := s.incidents(id); len(in) != 0 {
					t.Errorf("the machine's own fault made incidents: %+v", in)
				}
			}
		})
	}
}
