package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// length is how long a trouble of a scenario lasts: a whole one only in the long form.
func length(short, whole time.Duration) time.Duration {
	if long {
		return whole
	}
	return short
}

// rigged starts a server on a rig with the probers named.
func rigged(t *testing.T, change func(r *rig), probers ...string) (*server, *rig) {
	t.Helper()
	var r *rig
	s := start(t, func(s *server) {
		s.make = func(s *server) form {
			r = newRig(s, probers...)
			if change != nil {
				change(r)
			}
			return r
		}
	})
	return s, r
}

// told are the accepted messages of a kind to a receiver; kind may be the beginning of several.
func (k *sink) told(to, kind string) []delivery {
	return k.got(func(d delivery) bool {
		return d.to == to && d.answered < 300 && strings.HasPrefix(d.notice.Type, kind)
	})
}

// wellThroughout checks that monitors whose targets were well were never blamed, and that each of their slots has its row.
func (s *server) wellThroughout(ids []int, k *sink) {
	s.t.Helper()
	until := time.Now().UTC().Truncate(time.Second)
	var total account
	for _, id := range ids {
		one := s.account(id, until)
		total.results, total.missed, total.due = total.results+one.results, total.missed+one.missed, total.due+one.due
		if one.results+one.missed != one.due {
			s.t.Errorf("monitor %d: %d results and %d missed slots are not %d due slots", id, one.results, one.missed, one.due)
		}
		if states := s.states(id); slices.Contains(states, "down") || slices.Contains(states, "degraded") {
			s.t.Errorf("monitor %d, whose target was well, was %v", id, states)
		}
	}
	s.t.Logf("%d monitors: %d results + %d missed of %d due", len(ids), total.results, total.missed, total.due)
	if in := s.incidents(0); len(in) != 0 {
		s.t.Errorf("there are %d incidents, the first %+v", len(in), in[0])
	}
	if all := k.told("ops", "monitor."); len(all) != 0 {
		s.t.Errorf("%d messages about targets, the first %+v", len(all), all[0].notice)
	}
}

// notices are those that the API lists.
func (s *server) notices() []obj {
	s.t.Helper()
	return want[struct{ Notices []obj }](s, 200, s.do("GET", "/api/uptime/notices", nil)).Notices
}

// noticesOf are those of a kind.
func (s *server) noticesOf(kind string) []obj {
	s.t.Helper()
	return slices.DeleteFunc(s.notices(), func(n obj) bool { return n["kind"] != kind })
}

// troubles are all but those that the machine itself makes. One with other work may truly have had too little for its checks, which is
// another trouble than the one that a scenario made, and is told as such.
func (s *server) troubles() []obj {
	s.t.Helper()
	return slices.DeleteFunc(s.notices(), func(n obj) bool { return n["kind"] == "overload" })
}

// A database that stands still is nobody's outage: the targets stay up, the operator is told once, and no slot is without its row.
func TestSuiteDatabaseStandsStill(t *testing.T) {
	t.Parallel()
	s, r := rigged(t, nil, "a")
	k := newSink(t)
	s.channel(k, "ops")
	s.channel(k, "operator", "operator")
	target := newSite(t, nil)
	var ids []int
	for i := range map[bool]int{true: 500, false: 60}[long] {
		ids = append(ids, s.create(tcpMonitor("127.0.0.1", target.port(), obj{"name": fmt.Sprint("steady ", i), "confirm_down": 1})))
	}
	s.statusIs(ids[len(ids)-1], "up", 20*time.Second)
	<-time.After(3 * time.Second)
	stood := length(40*time.Second, 5*time.Minute)
	r.postgres.Pause()
	<-time.After(stood)
	r.postgres.Resume()
	s.ready()
	began := k.told("operator", "notice.")
	eventually(t, 60*time.Second, "the operator to be told of the beginning and the end", func() error {
		if began = k.told("operator", "notice."); len(began) == 0 {
			return fmt.Errorf("nothing was said")
		}
		for _, n := range s.notices() {
			if n["ended_at"] == nil {
				return fmt.Errorf("%v is still open", n["key"])
			}
		}
		return nil
	})
	<-time.After(3 * time.Second)
	for _, id := range ids {
		s.statusIs(id, "up", 30*time.Second)
	}
	s.wellThroughout(ids, k)
	if stalls := s.noticesOf("storage_stalled"); len(stalls) != 1 {
		t.Errorf("a database that stood still for %v is %d notices: %v", stood, len(stalls), s.notices())
	}
	if all := s.troubles(); len(all) != 1 {
		t.Errorf("one trouble is %d notices: %v", len(all), all)
	}
}

// Without the history alerts come in time, the operator knows that charts are behind, and afterwards nothing is missing.
func TestSuiteHistoryIsAway(t *testing.T) {
	t.Parallel()
	s, r := rigged(t, nil, "a")
	k := newSink(t)
	s.channel(k, "ops")
	s.channel(k, "operator", "operator")
	well, ill := newSite(t, nil), newSite(t, nil)
	var ids []int
	for i := range 40 {
		ids = append(ids, s.create(tcpMonitor("127.0.0.1", well.port(), obj{"name": fmt.Sprint("steady ", i), "confirm_down": 1})))
	}
	shop := s.create(httpMonitor(ill.url(), obj{"name": "shop", "retry_interval_seconds": 1}))
	s.statusIs(shop, "up", 20*time.Second)
	away := length(45*time.Second, 30*time.Minute)
	r.clickhouse.Pause()
	<-time.After(away / 2)
	ill.stop()
	began := time.Now()
	eventually(t, 15*time.Second, "the alert, while the history is away", func() error {
		if len(k.told("ops", "monitor.down")) == 0 {
			return fmt.Errorf("nothing was said")
		}
		return nil
	})
	t.Logf("alert %v after the target stopped, with the history away", time.Since(began).Round(time.Millisecond))
	ill.start()
	eventually(t, 15*time.Second, "the recovery, while the history is away", func() error {
		if len(k.told("ops", "monitor.recovered")) == 0 {
			return fmt.Errorf("nothing was said")
		}
		return nil
	})
	<-time.After(time.Until(began.Add(away / 2)))
	eventually(t, 30*time.Second, "the notice that charts are behind", func() error {
		if got := s.noticesOf("history_delayed"); len(got) != 1 {
			return fmt.Errorf("notices are %v", s.notices())
		}
		return nil
	})
	r.clickhouse.Resume()
	eventually(t, 60*time.Second, "the notice to end", func() error {
		for _, n := range s.notices() {
			if n["ended_at"] == nil {
				return fmt.Errorf("%v is still open", n["key"])
			}
		}
		return nil
	})
	until := time.Now().UTC().Truncate(time.Second)
	for _, id := range ids {
		if one := s.account(id, until); one.results+one.missed != one.due || one.missed != 0 {
			t.Errorf("monitor %d: %d results and %d missed slots of %d due; nothing had to be missed", id, one.results, one.missed, one.due)
		}
	}
	if in := s.incidents(shop); len(in) != 1 {
		t.Errorf("one outage is %d incidents", len(in))
	}
	s.statsAgree(ids)
}
