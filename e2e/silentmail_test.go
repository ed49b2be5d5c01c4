package e2e

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// silentMail is a mail server that accepts every connection and never says a word.
type silentMail struct {
	addr  string
	calls atomic.Int64
	open  atomic.Int64
}

func newSilentMail(t testing.TB) *silentMail {
	t.Helper()
	l, err := localListener("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &silentMail{addr: l.Addr().String()}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			m.calls.Add(1)
			m.open.Add(1)
			running.Go(func() {
				_, _ = io.Copy(io.Discard, c) // until the caller has had enough
				m.open.Add(-1)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait() // the server has been stopped before: it was started later
	})
	return m
}

// punctual counts the slots of monitors, and those that ran before the next one was due.
func (s *server) punctual(ids []int, until time.Time) (inTime, due int) {
	s.t.Helper()
	for _, id := range ids {
		one := s.account(id, until)
		if one.results+one.missed != one.due {
			s.t.Errorf("monitor %d: %d results and %d missed slots are not %d due slots", id, one.results, one.missed, one.due)
		}
		due += one.due
		for _, e := range s.events(id, "") {
			if e.ScheduledAt.Before(until) && e.Status != "missed" && e.Timestamp.Sub(e.ScheduledAt) < time.Second {
				inTime++
			}
		}
	}
	return inTime, due
}

// A mail server that accepts and never answers keeps mail from going out, and nothing else: checks are in time as they are
// without it, which a second server beside shows, and whoever else is to be told is told.
func TestSilentMailServer(t *testing.T) {
	t.Parallel()
	const monitors, outages = 30, 10
	mail, k := newSilentMail(t), newSink(t)
	up, down := newSite(t, nil), refusing(t)
	host, port, err := net.SplitHostPort(mail.addr)
	if err != nil {
		t.Fatal(err)
	}
	fleet := func(s *server) (ids []int) {
		for i := range monitors {
			ids = append(ids, s.create(tcpMonitor("127.0.0.1", up.port(), obj{"name": fmt.Sprint("well ", i), "confirm_down": 1})))
		}
		for i := range outages {
			s.create(tcpMonitor("127.0.0.1", down, obj{"name": fmt.Sprint("away ", i), "retry_interval_seconds": 1}))
		}
		return ids
	}
	s, control := start(t), start(t)
	want[obj](s, 201, s.do("POST", "/api/uptime/notification-channels", obj{"type": "email", "name": "mail", "config": obj{
		"host": host, "port": portOf(t, net.JoinHostPort(host, port)), "security": "none", "from": "frogup@example.com", "to": []string{"ops@example.com"},
	}}))
	s.channel(k, "ops", "down")
	ids, others := fleet(s), fleet(control)
	eventually(t, 60*time.Second, "mail to be tried", func() error {
		if mail.open.Load() == 0 {
			return fmt.Errorf("%d connections so far", mail.calls.Load())
		}
		return nil
	})
	k.wait(t, "ops", "monitor.down", 60*time.Second)
	<-time.After(length(20*time.Second, 10*time.Minute))
	until := time.Now().UTC().Truncate(time.Second)
	inTime, due := s.punctual(ids, until)
	usual, usualDue := control.punctual(others, until)
	t.Logf("%d of %d slots in time beside %d silent connections, %d of %d without", inTime, due, mail.calls.Load(), usual, usualDue)
	if late, lateAnyway := 1-float64(inTime)/float64(due), 1-float64(usual)/float64(usualDue); late > lateAnyway+0.001 {
		t.Errorf("%.2f %% of the slots are late because of mail; %.2f %% are without", 100*late, 100*lateAnyway)
	}
	waiting := want[struct{ Deliveries []obj }](s, 200, s.do("GET", "/api/uptime/deliveries?state=pending", nil)).Deliveries
	if len(waiting) == 0 {
		t.Error("no mail waits for its next attempt")
	}
}
