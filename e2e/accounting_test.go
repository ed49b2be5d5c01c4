package e2e

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"
)

// long says that scenarios are to be run in full length.
var long = os.Getenv("FROGUP_E2E_LONG") == "1"

// Every due slot is one result or part of one missed row, over all that may get in the
// way: checks that overlap, a machine that stands still, a server that is restarted.
func TestEverySlotIsAccountedFor(t *testing.T) {
	t.Parallel()
	monitors, run := 20, 15*time.Second
	if long {
		monitors, run = 200, 10*time.Minute
	}
	s := start(t)
	quick := newSite(t, nil)
	slow := newSite(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(2500 * time.Millisecond): // longer than two slots
		case <-r.Context().Done():
		}
	})
	var ids []int
	for i := range monitors {
		switch m := (obj{"name": fmt.Sprint("monitor ", i)}); i % 4 {
		case 0:
			ids = append(ids, s.create(httpMonitor(quick.url(), m)))
		case 1:
			m["http_config"] = obj{"url": slow.url(), "timeout_ms": 4000}
			ids = append(ids, s.create(httpMonitor(slow.url(), m)))
		default:
			ids = append(ids, s.create(tcpMonitor("127.0.0.1", quick.port(), m)))
		}
	}
	<-time.After(run / 3)
	pid := s.cmd.Process.Pid
	for _, signal := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
		if err := syscall.Kill(pid, signal); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Second)
	}
	<-time.After(run / 3)
	s.stop()
	<-time.After(2 * time.Second)
	s.run()
	<-time.After(run / 3)

	until := time.Now().UTC().Truncate(time.Second)
	var results, missed, due int
	reasons := map[string]int{}
	for _, id := range ids {
		one := s.account(id, until)
		results, missed, due = results+one.results, missed+one.missed, due+one.due
		for reason, n := range one.reasons {
			reasons[reason] += n
		}
	}
	t.Logf("%d results + %d missed = %d of %d due; missed because of %v", results, missed, results+missed, due, reasons)
	if results+missed != due {
		t.Errorf("%d results and %d missed slots are not %d due slots", results, missed, due)
	}
	if reasons["overlap"] == 0 || reasons["observer_offline"] == 0 {
		t.Errorf("nothing was missed because of overlap or a stopped server: %v", reasons)
	}
}

type account struct {
	results, missed, due int
	reasons              map[string]int
}

// account waits until everything that was due before until is stored, and counts it. The
// grid is derived from the results: all slots lie a whole number of seconds apart, except
// the first check, which comes at once.
func (s *server) account(id int, until time.Time) account {
	s.t.Helper()
	a := account{reasons: map[string]int{}}
	var rows []event
	eventually(s.t, 20*time.Second, fmt.Sprint("the last slots of monitor ", id), func() error {
		rows = s.events(id, "")
		slices.Reverse(rows)
		for _, e := range rows {
			if !e.ScheduledAt.Before(until.Add(time.Second)) && e.Status != "missed" {
				return nil // what comes later than until has come, so what came before has too
			}
		}
		return fmt.Errorf("%d rows", len(rows))
	})
	slices.SortStableFunc(rows, func(a, b event) int { return a.ScheduledAt.Compare(b.ScheduledAt) })
	last := rows[len(rows)-1]
	phase := last.ScheduledAt.UnixMilli() % 1000
	next := int64(0) // slot that must come next
	for _, e := range rows {
		at := e.ScheduledAt.UnixMilli()
		if at%1000 != phase { // the check at once after creation
			if next != 0 {
				s.t.Errorf("monitor %d has a slot off its grid at %v", id, e.ScheduledAt)
			}
			continue
		}
		if next == 0 {
			next = at
			if first := rows[0].ScheduledAt; e.ScheduledAt.Sub(first) > time.Second {
				s.t.Errorf("monitor %d: %v between the first check and the first slot", id, e.ScheduledAt.Sub(first))
			}
		}
		if at != next {
			s.t.Errorf("monitor %d: a slot at %v, want one at %v", id, e.ScheduledAt, time.UnixMilli(next).UTC())
		}
		covers := int64(1)
		if e.Status == "missed" {
			covers = int64(e.MissedCount)
		}
		for range covers {
			if next < until.UnixMilli() {
				a.count(e)
			}
			next += 1000
		}
	}
	first := rows[0]
	if first.ScheduledAt.UnixMilli()%1000 != phase {
		a.count(first)
		a.due++
	}
	for at := firstOnGrid(rows, phase); at < until.UnixMilli(); at += 1000 {
		a.due++
	}
	return a
}

func (a *account) count(e event) {
	if e.Status == "missed" {
		a.missed++
		a.reasons[e.errorType()]++
	} else {
		a.results++
	}
}

// firstOnGrid is the first slot of the grid at or after the first row.
func firstOnGrid(rows []event, phase int64) int64 {
	at := rows[0].ScheduledAt.UnixMilli()
	return at + (phase-at%1000+1000)%1000
}
