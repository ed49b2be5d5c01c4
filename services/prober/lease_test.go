package prober

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
)

// crash ends a process as a kill does: what it had on disk is there for the next one, and nothing that it does any more has
// an effect.
func (p *process) crash(t *testing.T, dir string) (rows []*checkv1.CheckResult) {
	t.Helper()
	synctest.Wait() // what it is about to do is done, and nothing more while the picture is taken
	rows = p.pending()
	if dir != "" {
		if err := os.CopyFS(dir, os.DirFS(p.dir)); err != nil {
			t.Fatal(err)
		}
	}
	p.box.mu.Lock()
	p.box.dead = true
	p.box.mu.Unlock()
	p.monitors.set(true, false)
	p.events.set(true, false)
	p.cancel()
	<-p.ended //nolint:errcheck // nobody hears what a killed process ends with
	return rows
}

func inBubble(t *testing.T, f func(t *testing.T)) { t.Helper(); bubbletest.Test(t, f) }

// A prober that cannot renew stops taking slots before its lease is over for the centre, and goes on when it can again,
// as the same session; nothing is lost and nothing is run twice.
func TestLapseStopsInTimeAndResumes(t *testing.T) {
	for _, revives := range []bool{true, false} {
		name := map[bool]string{true: "the session is taken up again", false: "the session is over"}[revives]
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				all, ids := leaseMonitors(8)
				c := newCentre(all...)
				c.revives = revives
				s := newSite(t, c)
				p := s.start("p1", t.TempDir(), nil)
				pass(20 * time.Second)
				began := time.Now().Add(-15 * time.Second)
				p.monitors.set(true, false)
				cut := time.Now()
				pass(time.Minute)
				if newest := s.newestRun(); newest.Sub(cut) > centreTTL || newest.Sub(cut) < centreTTL/3 {
					t.Errorf("the last check began %v after the last word, want before %v", newest.Sub(cut), centreTTL)
				}
				p.monitors.set(false, false)
				pass(time.Minute)
				p.stop()
				if missed := s.archive.count(t, ids, began, time.Now().Add(-time.Second)); missed == 0 {
					t.Error("no slot was missed")
				}
				if newest := s.newestRun(); time.Since(newest) > 10*time.Second {
					t.Errorf("the last check began %v ago", time.Since(newest))
				}
			})
		})
	}
}

// newestRun is when the newest check began.
func (s *leaseSite) newestRun() (newest time.Time) {
	s.archive.mu.Lock()
	defer s.archive.mu.Unlock()
	for _, r := range s.archive.all {
		if r.GetStatus() != checkv1.ResultStatus_RESULT_STATUS_MISSED {
			newest = later(newest, r.GetStartedAt().AsTime())
		}
	}
	return newest
}

// Nobody can take over from the only prober of a region: it goes on for as long as it takes.
func TestSoleProberGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		all, ids := leaseMonitors(8)
		c := newCentre(all...)
		c.sole, c.revives = true, true
		s := newSite(t, c)
		p := s.start("p1", "", nil)
		pass(5 * time.Second)
		began := time.Now()
		p.monitors.set(true, false)
		pass(10 * time.Minute)
		p.monitors.set(false, false)
		pass(30 * time.Second)
		p.stop()
		if missed := s.archive.count(t, ids, began, time.Now().Add(-time.Second)); missed != 0 {
			t.Errorf("%d slots were missed", missed)
		}
	})
}

// A second prober comes and goes: monitors move and no slot is missed or run twice.
func TestHandOverWithoutAGap(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		all, ids := leaseMonitors(40)
		s := newSite(t, newCentre(all...))
		one := s.start("p1", "", nil)
		pass(10 * time.Second)
		began := time.Now()
		two := s.start("p2", "", nil)
		pass(30 * time.Second)
		if n, m := one.engine.size(), two.engine.size(); n == 0 || m == 0 || n+m != len(ids) {
			t.Errorf("%d and %d monitors, want some each of %d", n, m, len(ids))
		}
		two.stop()
		pass(30 * time.Second)
		until := time.Now().Add(-time.Second)
		one.stop()
		if missed := s.archive.count(t, ids, began, until); missed != 0 {
			t.Errorf("%d slots were missed", missed)
		}
		if n := s.archive.twice(); n != 0 {
			t.Errorf("%d slots were run twice", n)
		}
		if len(s.centre.faults) > 0 {
			t.Error(s.centre.faults)
		}
	})
}

// The results of a holding carry its epoch, and a later one's a greater.
func TestRowsCarryTheirEpoch(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		all, _ := leaseMonitors(10)
		s := newSite(t, newCentre(all...))
		one := s.start("p1", "", nil)
		pass(10 * time.Second)
		two := s.start("p2", "", nil)
		pass(20 * time.Second)
		one.stop()
		pass(20 * time.Second)
		two.stop()
		epochs := map[uint32]uint64{}
		for _, r := range s.archive.all {
			if r.GetEpoch() == 0 || r.GetEpoch() < epochs[r.GetMonitorId()] {
				t.Fatalf("monitor %d: epoch %d after %d", r.GetMonitorId(), r.GetEpoch(), epochs[r.GetMonitorId()])
			}
			epochs[r.GetMonitorId()] = r.GetEpoch()
		}
	})
}

// Another process calls itself the same: the one before stops at once and begins anew.
func TestSessionEnded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		all, _ := leaseMonitors(4)
		c := newCentre(all...)
		s := newSite(t, c)
		p := s.start("p1", "", nil)
		pass(10 * time.Second)
		session := p.follower.keeper.session
		c.mu.Lock()
		c.end(c.sessions["p1"])
		c.sessions["p1"].name = "another"
		c.sessions["p1"].over, c.sessions["p1"].ended = false, false
		c.mu.Unlock()
		ended := time.Now()
		pass(centreTTL/3 + 100*time.Millisecond)
		if n := p.engine.size(); n != 0 {
			t.Errorf("%d monitors are run", n)
		}
		if newest := s.newestRun(); newest.Sub(ended) > centreTTL/3+100*time.Millisecond {
			t.Errorf("a check began %v after the end", newest.Sub(ended))
		}
		pass(30 * time.Second)
		if n := p.engine.size(); n != len(all) || p.follower.keeper.session == session {
			t.Errorf("%d monitors are run under session %q, want all under a new one", n, p.follower.keeper.session)
		}
		p.stop()
	})
}

// A restarted process whose lease nobody else could take over runs from its folder while the centre is away; one that has
// company waits. Either way every slot is accounted for once the centre is back.
func TestStartFromTheCache(t *testing.T) {
	for _, sole := range []bool{true, false} {
		t.Run(map[bool]string{true: "sole", false: "in company"}[sole], func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				all, ids := leaseMonitors(12)
				c := newCentre(all...)
				c.sole, c.revives = sole, true
				s := newSite(t, c)
				p := s.start("p1", t.TempDir(), nil)
				pass(20 * time.Second)
				began := time.Now().Add(-10 * time.Second)
				dir := t.TempDir()
				rows := p.crash(t, dir)
				pass(5 * time.Second)

				s.away = true
				again := s.start("p1", dir, rows)
				pass(20 * time.Second)
				if ran := again.Stats().Finished > 0; ran != sole {
					t.Errorf("%+v: ran %v, want %v", again.Stats(), ran, sole)
				}
				again.monitors.set(false, false)
				again.events.set(false, false)
				pass(40 * time.Second)
				if n := again.engine.size(); n != len(ids) {
					t.Errorf("%d monitors are run, want %d", n, len(ids))
				}
				again.stop()
				s.archive.count(t, ids, began, time.Now().Add(-time.Second))
			})
		})
	}
}

// Without a word of a lease the stream is the lease, as it was before.
func TestCentreWithoutLeases(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		one := assignment(1, 1)
		a := &assigner{scripts: [][]*monitorsv1.WatchAssignmentsResponse{{assigned(one), complete}}}
		s := newSite(t, newCentre())
		s.monitors = rpctest.Conn(t, "monitors", func(r grpc.ServiceRegistrar) { monitorsv1.RegisterAssignmentsServiceServer(r, a) }, rpctest.Client(asProber))
		p := s.start("p1", t.TempDir(), nil)
		pass(2 * time.Minute)
		p.stop()
		ran, missed := tally(s.archive.all)
		if ran < 119 || missed != 0 {
			t.Errorf("%d checks ran and %d slots were missed in two minutes", ran, missed)
		}
		for _, r := range s.archive.all {
			if r.GetEpoch() != 0 {
				t.Fatalf("epoch %d without a lease", r.GetEpoch())
			}
		}
	})
}
