package e2e

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
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
		// One fault is enough, so that nobody asks for a confirming check off the grid.
		switch m := (obj{"name": fmt.Sprint("monitor ", i), "confirm_down": 1}); i % 4 {
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
	for _, signal := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
		s.signal(signal)
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
	s.statsAgree(ids)
	if reasons["overlap"] == 0 || reasons["observer_offline"] == 0 {
		t.Errorf("nothing was missed because of overlap or a stopped server: %v", reasons)
	}
}

// A machine that stood still while a check was in flight has nothing to say about the
// target: the answer may have been there in time.
func TestStandstillIsNotTheTargetsFault(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	target := newSite(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		select {
		case <-time.After(300 * time.Millisecond):
		case <-r.Context().Done():
		}
	})
	s := start(t)
	id := s.create(httpMonitor(target.url(), obj{"confirm_down": 1, "http_config": obj{"url": target.url(), "timeout_ms": 800}}))
	s.statusIs(id, "up", 15*time.Second)
	for range 3 {
		select { // one that came before
		case <-asked:
		default:
		}
		select {
		case <-asked:
		case <-time.After(15 * time.Second):
			t.Fatal("the target is not asked any more")
		}
		for _, signal := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
			s.signal(signal)
			<-time.After(2500 * time.Millisecond)
		}
	}
	s.statusIs(id, "up", 15*time.Second)
	for _, e := range s.events(id, "&status=timeout&status=failure") {
		t.Errorf("the standstill is booked on the target: %s %s due %v", e.Status, e.errorType(), e.ScheduledAt)
	}
	if states := s.states(id); slices.Contains(states, "down") {
		t.Errorf("the standstill made the monitor down: %v", states)
	}
}

// statsAgree checks that the statistics count what is stored, of monitors that are at rest.
func (s *server) statsAgree(ids []int) {
	s.t.Helper()
	for _, id := range ids {
		want[obj](s, 200, s.do("PATCH", fmt.Sprintf("/api/uptime/monitors/%d", id), obj{"enabled": false}))
	}
	type figures struct {
		Total   int `json:"total_checks"`
		Success int `json:"successful_checks"`
		Failed  int `json:"failed_checks"`
		Timeout int `json:"timeout_checks"`
		Error   int `json:"error_checks"`
		Missed  int `json:"missed_checks"`
	}
	for _, id := range ids {
		eventually(s.t, 20*time.Second, fmt.Sprint("statistics of monitor ", id), func() error {
			var stored figures
			hours := 1
			for _, e := range s.events(id, "") {
				hours = max(hours, int(time.Since(e.ScheduledAt).Hours())+1)
				stored.Missed += e.MissedCount
				stored.Total += map[bool]int{true: 1}[e.Status != "missed"]
				*map[string]*int{
					"success": &stored.Success, "failure": &stored.Failed, "timeout": &stored.Timeout, "error": &stored.Error, "missed": new(int),
				}[e.Status]++
			}
			counted := want[figures](s, 200, s.do("GET", fmt.Sprintf("/api/uptime/monitors/%d/stats?hours=%d", id, hours), nil))
			if counted != stored {
				return fmt.Errorf("they say %+v, stored are %+v", counted, stored)
			}
			return nil
		})
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
	failed := s.t.Failed()
	defer func() {
		if s.t.Failed() && !failed {
			s.t.Logf("rows of monitor %d:\n%s", id, describe(rows))
		}
	}()
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

func describe(rows []event) string {
	var out strings.Builder
	for _, e := range rows {
		fmt.Fprintf(&out, "due %s started %s %s %s, stands for %d\n",
			e.ScheduledAt.Format("05.000"), e.Timestamp.Format("05.000"), e.Status, e.errorType(), e.MissedCount)
	}
	return out.String()
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
