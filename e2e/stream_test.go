package e2e

import (
	"slices"
	"strconv"
	"testing"
	"time"
)

func isStatus(t testing.TB, monitor int, to string) func(frame) bool {
	return func(f frame) bool {
		if f.event != "status" {
			return false
		}
		c := f.change(t)
		return c.MonitorID == monitor && c.Transition != nil && c.Transition.To == to
	}
}

// A change of state arrives while it happens, and who comes back with the last id that it
// saw is told everything since, once.
func TestStream(t *testing.T) {
	t.Parallel()
	s, target := start(t), newSite(t, nil)
	live := s.stream("", "")
	live.next("the place to resume from", 10*time.Second, func(f frame) bool { return f.event == "ready" && f.id != "" })
	id := s.create(httpMonitor(target.url(), obj{"retry_interval_seconds": 1}))
	live.next("up", 15*time.Second, isStatus(t, id, "up"))

	// One client stays, another one leaves and returns.
	leaver := s.stream("", "")
	leaver.next("the place to resume from", 10*time.Second, func(f frame) bool { return f.id != "" })
	target.stop()
	before := leaver.next("down", 15*time.Second, isStatus(t, id, "down"))
	leaver.close()
	target.start()
	whole := live.next("up again", 15*time.Second, isStatus(t, id, "up"))
	last := before[len(before)-1].id
	after := s.stream("", last).next("up again", 15*time.Second, isStatus(t, id, "up"))

	var want []string
	for _, f := range whole {
		if f.event != "ready" && seqOf(t, f.id) > seqOf(t, last) {
			want = append(want, f.id)
		}
	}
	var got []string
	for _, f := range after {
		if f.event == "reset" {
			t.Errorf("a short absence was too long: %+v", f)
		}
		got = append(got, f.id)
	}
	if !slices.Equal(got, want) {
		t.Errorf("after %s the returned client saw %v, the one that stayed %v", last, got, want)
	}
	for name, ids := range map[string][]string{"returned": got, "stayed": want} {
		for i := 1; i < len(ids); i++ {
			if seqOf(t, ids[i]) <= seqOf(t, ids[i-1]) {
				t.Errorf("ids of the client that %s do not rise: %v", name, ids)
			}
		}
	}

	// The place survives a restart of the server.
	s.stop()
	s.run()
	again := s.stream("?last_event_id="+last, "").next("up again, after a restart", 15*time.Second, isStatus(t, id, "up"))
	if again[0].id != want[0] {
		t.Errorf("after a restart the first frame is %s, want %s", again[0].id, want[0])
	}
}

// seqOf is the id of a frame as a number.
func seqOf(t testing.TB, id string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		t.Fatalf("id of a frame: %v", err)
	}
	return n
}

// A stream of one monitor holds nothing of others, and results come too.
func TestStreamOfOneMonitor(t *testing.T) {
	t.Parallel()
	s, target := start(t), newSite(t, nil)
	quiet := s.create(httpMonitor(target.url(), obj{"name": "quiet"}))
	loud := s.create(httpMonitor(target.url(), obj{"name": "loud"}))
	seen := s.stream("?monitor_id="+strconv.Itoa(loud)+"&last_event_id=0", "").next("a result", 20*time.Second, func(f frame) bool {
		return f.event == "result" && f.change(t).Observation != nil && f.change(t).Observation.Status == "success"
	})
	for _, f := range seen {
		if f.event != "ready" && f.change(t).MonitorID != loud {
			t.Errorf("a stream of monitor %d says %s", loud, f.data)
		}
	}
	s.statusIs(quiet, "up", 10*time.Second)
}

// A stream ends with the server, at once: clients come back by themselves.
func TestStreamDoesNotHoldUpTheStop(t *testing.T) {
	t.Parallel()
	s := start(t)
	st := s.stream("", "")
	st.next("the place to resume from", 10*time.Second, func(f frame) bool { return f.event == "ready" })
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("stopped after %v", took)
	}
	for range st.frames { // closed when the connection has ended
	}
}
