package e2e

import (
	"fmt"
	"testing"
	"time"
)

// wired joins two namespaces by a cable: 10.98.0.1 in n, 10.98.0.2 to .5 in other.
func (n *namespace) wired(other *namespace) {
	n.t.Helper()
	n.cable(other, "cable0", "10.98.0.", 4)
}

// accept listens on an address within until the test ends, and hangs up on whoever connects.
func (n *namespace) accept(addr string) {
	n.t.Helper()
	l, err := n.listen(addr)
	if err != nil {
		n.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	n.t.Cleanup(func() { _ = l.Close(); <-done })
}

// A prober that is cut off says nothing about targets, however it is cut off: no alert about any, the same uptime as if nothing
// had been, and one word to the operator.
func TestProberIsCutOff(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]func(near, far *namespace) (mend func()){
		"the cable is out": func(_, far *namespace) func() {
			far.inside("link", "set", "cable0", "down")
			return func() { far.inside("link", "set", "cable0", "up") }
		},
		"packets vanish": func(_, far *namespace) func() { // whoever is asked cannot answer, and the way there looks well
			far.inside("route", "add", "blackhole", "10.98.0.1/32")
			return func() { far.inside("route", "del", "blackhole", "10.98.0.1/32") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, far := newNamespace(t), newNamespace(t)
			near.wired(far)
			for _, witness := range []string{"10.98.0.3:53", "10.98.0.4:53", "10.98.0.5:53"} {
				far.accept(witness)
			}
			target := newSiteOn(t, far.listen, "10.98.0.2:8000", nil)
			s := start(t, near.within(""), withArgs("--notice-quiet", noticeQuiet, "--witness", "10.98.0.3:53", "--witness", "10.98.0.4:53", "--witness", "10.98.0.5:53"))
			k := newSinkOn(t, near.listen)
			s.channel(k, "ops")
			s.channel(k, "operator", "operator")
			var ids []int
			for i := range map[bool]int{true: 300, false: 20}[long] {
				one := tcpMonitor("10.98.0.2", 8000, obj{"name": fmt.Sprint("steady ", i), "tcp_config": obj{"host": "10.98.0.2", "port": 8000, "timeout_ms": 800}, "confirm_down": 1 + i%2})
				if i%3 == 0 {
					one = httpMonitor(target.url(), obj{"name": fmt.Sprint("steady ", i), "http_config": obj{"url": target.url(), "timeout_ms": 800}, "confirm_down": 1 + i%2})
				}
				ids = append(ids, s.create(one))
			}
			for _, id := range ids {
				s.statusIs(id, "up", 20*time.Second)
			}
			<-time.After(5 * time.Second)
			mend := cut(near, far)
			s.statusIs(ids[0], "unknown", 30*time.Second)
			<-time.After(length(10*time.Second, 10*time.Minute))
			mend()
			for _, id := range ids {
				s.statusIs(id, "up", 60*time.Second)
			}
			eventually(t, 60*time.Second, "the operator to be told of both ends", func() error {
				if got := len(k.told("operator", "notice.")); got < 1 {
					return fmt.Errorf("%d messages", got)
				}
				for _, n := range s.notices() {
					if n["ended_at"] == nil {
						return fmt.Errorf("%v is still open", n["key"])
					}
				}
				return nil
			})
			for _, id := range ids {
				for _, e := range s.events(id, "&status=failure&status=timeout") {
					t.Errorf("monitor %d: %s %s due %v is booked on the target", id, e.Status, e.errorType(), e.ScheduledAt)
				}
				if up := s.uptime(id); up.Percentage == nil || *up.Percentage != 100 || up.Down != 0 {
					t.Errorf("monitor %d: uptime %+v, want 100 %%", id, up)
				}
			}
			if in := s.incidents(0); len(in) != 0 {
				t.Errorf("%d incidents, the first %+v", len(in), in[0])
			}
			if all := k.told("ops", "monitor."); len(all) != 0 {
				t.Errorf("%d messages about targets, the first %+v", len(all), all[0].notice)
			}
			if cuts := s.troubles(); len(cuts) != 1 {
				t.Errorf("one cut is %d notices: %v", len(cuts), cuts)
			}
		})
	}
}
