package prober

import (
	"testing"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// A prober is given monitors while it does not hear the centre, and is stopped in order as soon as it could: nobody has run
// them, and whoever holds them next accounts for all of that time.
func TestStoppedBeforeItHears(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		all, ids := leaseMonitors(8)
		s := newSite(t, newCentre(all...))
		one, two := s.start("p1", t.TempDir(), nil), s.start("p2", t.TempDir(), nil)
		pass(20 * time.Second)
		began := time.Now().Add(-10 * time.Second)
		two.monitors.set(true, false)
		one.stop()
		pass(5 * time.Second)
		two.monitors.set(false, false)
		two.stop()
		pass(10 * time.Second)
		one = s.start("p1", one.dir, nil)
		pass(30 * time.Second)
		one.stop()
		if missed := s.archive.count(t, ids, began, time.Now().Add(-time.Second)); missed == 0 {
			t.Error("no slot was missed")
		}
	})
}

// A prober hears the centre again after half a minute and dies at once: the row of what went by is written, and that of the newest
// slot, which was still to have one, is not. The next process finds that open.
func TestDeathBetweenTwoRowsOfOneGap(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		all, ids := leaseMonitors(6)
		s := newSite(t, newCentre(all...))
		one, two := s.start("p1", t.TempDir(), nil), s.start("p2", t.TempDir(), nil)
		pass(20 * time.Second)
		began := time.Now().Add(-5 * time.Second)
		two.monitors.set(false, true) // its renewals arrive, and it does not know
		pass(40_880 * time.Millisecond)
		two.monitors.set(false, false)
		pass(378 * time.Millisecond)
		one.stop()
		dir := t.TempDir()
		rows := two.crash(t, dir)
		pass(560 * time.Millisecond)
		one, two = s.start("p1", one.dir, nil), s.start("p2", dir, rows)
		pass(time.Minute)
		one.stop()
		two.stop()
		s.archive.count(t, ids, began, time.Now().Add(-3*time.Second))
	})
}

// Of what a process had when it died only the spool is left, whose rows are of two holdings of the same monitors: neither is
// accounted for again, and what is missing of the first is found out although there are rows of the second.
func TestLossesAreAccountedForOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		all, ids := leaseMonitors(8)
		s := newSite(t, newCentre(all...))
		one := s.start("p1", t.TempDir(), nil)
		pass(20 * time.Second)
		began := time.Now().Add(-10 * time.Second)
		one.events.set(true, false)
		pass(10 * time.Second)
		two := s.start("p2", t.TempDir(), nil)
		pass(time.Second)
		rows := one.crash(t, t.TempDir())
		pass(15 * time.Second) // p2 has it all
		rows = s.start("p1", t.TempDir(), rows).dies(t, 15*time.Second)
		pass(15 * time.Second)
		s.archive.takes(3 * time.Second) // whoever asks at once finds less than there will be
		one = s.start("p1", t.TempDir(), rows)
		pass(30 * time.Second)
		s.archive.takes(0)
		one.stop()
		two.stop()
		if missed := s.archive.count(t, ids, began, time.Now().Add(-time.Second)); missed == 0 {
			t.Error("no slot was missed")
		}
	})
}

func (r *archive) takes(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slow = d
}

// dies has a process live for a while in which it cannot deliver its rows, and returns them.
func (p *process) dies(t *testing.T, after time.Duration) []*checkv1.CheckResult {
	t.Helper()
	p.events.set(true, false)
	pass(after)
	return p.crash(t, t.TempDir())
}

// Without a disk the rows of a hand-over would die with the process that made them. They are stored before it is confirmed.
func TestHandOverAndCrashWithoutADisk(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		all, ids := leaseMonitors(40)
		s := newSite(t, newCentre(all...))
		one := s.start("p1", "", nil)
		pass(20 * time.Second)
		began := time.Now().Add(-10 * time.Second)
		one.stop()
		pass(30 * time.Second) // which the next holder accounts for
		one = s.start("p1", "", nil)
		pass(4 * time.Millisecond)
		two := s.start("p2", "", nil)
		pass(20 * time.Millisecond)
		one.crash(t, "")
		pass(time.Minute)
		two.stop()
		s.archive.count(t, ids, began, time.Now().Add(-time.Second))
	})
}

// Who leaves says how much it has heard, and nothing before it has heard a whole snapshot: what the process before it held is
// accounted for by nobody yet.
func TestLeaveSaysHowMuchWasHeard(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := &renewals{answer: func(*monitorsv1.RenewLeaseRequest) (*monitorsv1.Lease, error) { return plainLease(), nil }}
		k := startKeeper(t, r, plainLease())
		k.hear(2)
		k.leave(t.Context(), time.Now())
		if _, asks := r.heard(); len(asks) != 0 {
			t.Errorf("asked %v, want silence", asks)
		}
		k.synced(k.open(func(error) {}))
		for _, epoch := range []uint64{12, 11} {
			k.hear(plainLease().GetEpoch() + epoch)
		}
		k.leave(t.Context(), time.Now())
		_, asks := r.heard()
		if len(asks) != 1 || !asks[0].GetLeaving() || asks[0].GetHeardEpoch() != plainLease().GetEpoch()+12 {
			t.Errorf("asked %v, want to leave with the greatest epoch", asks)
		}
	})
}
