package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Settings of the long form: FROGUP_E2E_TORTURE_FAULTS and FROGUP_E2E_TORTURE_MONITORS say how much, FROGUP_E2E_TORTURE_MINUTES for how
// long at least, FROGUP_E2E_TORTURE_SEED replays the faults of a run.
func tortureSetting(t testing.TB, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv("FROGUP_E2E_TORTURE_" + name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("FROGUP_E2E_TORTURE_%s=%q is not a positive number", name, text)
	}
	return n
}

// fault is something that happens to a part of the rig, and how it ends.
type fault struct {
	what string
	for_ time.Duration
	on   func()
	off  func()
}

// tormentor draws faults.
type tormentor struct {
	s   *server
	r   *rig
	rng *rand.Rand
}

func (m *tormentor) pick(names []string) string { return names[m.rng.IntN(len(names))] }

// between is a duration, mostly short.
func (m *tormentor) between(least, most time.Duration) time.Duration {
	x := m.rng.Float64()
	return least + time.Duration(x*x*float64(most-least))
}

func (m *tormentor) draw() fault {
	var victims []string
	for _, p := range m.s.processes {
		victims = append(victims, p.as())
	}
	var links []string
	for name := range m.r.links {
		links = append(links, name)
	}
	slices.Sort(links)
	pg, ch := m.r.postgres, m.r.clickhouse
	kinds := []func() fault{
		func() fault { return m.killed(m.pick(victims)) },
		func() fault { return m.stopped(m.pick(victims)) },
		func() fault { return m.broken(m.pick(links)) },
		func() fault { return m.broken(m.pick(links)) },
		func() fault { return fault{"postgres is killed", m.between(0, 3*time.Second), pg.Kill, pg.Start} },
		func() fault {
			return fault{"postgres stands still", m.between(time.Second, 12*time.Second), pg.Pause, pg.Resume}
		},
		func() fault { return fault{"clickhouse is killed", m.between(0, 5*time.Second), ch.Kill, ch.Start} },
		func() fault {
			return fault{"clickhouse stands still", m.between(time.Second, 15*time.Second), ch.Pause, ch.Resume}
		},
	}
	if m.r.disk != "" {
		kinds = append(kinds, func() fault {
			var empty func()
			return fault{"the disk of a prober is full", m.between(time.Second, 8*time.Second),
				func() { empty = full(m.s.t, m.r.disk) }, func() { empty() }}
		})
	}
	if m.r.slow != nil {
		kinds = append(kinds, func() fault {
			each := 200*time.Millisecond + time.Duration(m.rng.Int64N(int64(1800*time.Millisecond)))
			return fault{fmt.Sprintf("the disk of a prober takes %v to sync", each.Round(time.Millisecond)), m.between(time.Second, 12*time.Second),
				func() { m.r.slow.syncsTake(each) }, func() { m.r.slow.syncsTake(0) }}
		})
	}
	return kinds[m.rng.IntN(len(kinds))]()
}

func (m *tormentor) killed(name string) fault {
	p := m.s.process(name)
	return fault{name + " is killed", m.between(0, 10*time.Second), p.kill, func() {
		p.start()
		if p.name == "gateway" {
			p.listening()
		}
	}}
}

// stopped is longer than a lease now and then.
func (m *tormentor) stopped(name string) fault {
	signal := func(sig syscall.Signal) func() {
		return func() {
			if err := syscall.Kill(m.s.process(name).pid(), sig); err != nil {
				m.s.t.Errorf("%v %s: %v", sig, name, err)
			}
		}
	}
	return fault{name + " stands still", m.between(500*time.Millisecond, 12*time.Second), signal(syscall.SIGSTOP), signal(syscall.SIGCONT)}
}

func (m *tormentor) broken(name string) fault {
	k := m.r.links[name]
	modes := []linkMode{linkCut, linkHole, linkSlow, linkOneUp}
	mode := modes[m.rng.IntN(len(modes))]
	delay := time.Duration(50+m.rng.IntN(400)) * time.Millisecond
	return fault{fmt.Sprintf("the way of %s is: %v", name, mode), m.between(500*time.Millisecond, 12*time.Second),
		func() { k.set(mode, delay) }, func() { k.set(linkWell, 0) }}
}

// confess has every process say where it is, in the output, which ends it.
func (s *server) confess() {
	for _, p := range s.processes {
		_ = syscall.Kill(p.pid(), syscall.SIGQUIT) // it may have ended
	}
	<-time.After(time.Second)
}

// smallDisk is a file system of a few megabytes; "" where none can be made.
func smallDisk(t testing.TB, folder string) string {
	t.Helper()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=192m", "frogup-e2e", folder).CombinedOutput(); err != nil {
		t.Logf("no disk is filled, because none can be made: %v: %s", err, out)
		return ""
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "--lazy", folder).CombinedOutput(); err != nil {
			t.Errorf("unmount %s: %v: %s", folder, err, out)
		}
	})
	return folder
}

// Whatever is killed, stopped, cut off or filled up, in any order: no slot is lost or counted twice, what was shown stays, no
// target is blamed that was well, and every outage of those that were not is one incident, announced once.
func TestSuiteTorture(t *testing.T) {
	t.Parallel()
	faults, monitors := tortureSetting(t, "FAULTS", 12), tortureSetting(t, "MONITORS", 40)
	least := time.Duration(tortureSetting(t, "MINUTES", 0)) * time.Minute
	seed := uint64(tortureSetting(t, "SEED", int(time.Now().UnixNano()&0x7fffffff)))
	t.Logf("FROGUP_E2E_TORTURE_SEED=%d", seed)
	var r *rig
	s := start(t, func(s *server) {
		s.make = func(s *server) form {
			r = newRig(s, "a", "b")
			below := r.folders["b"] + " below"
			r.disk = smallDisk(t, below)
			if r.slow = newSlowDisk(t, below, r.folders["b"]); r.slow == nil {
				r.disk = smallDisk(t, r.folders["b"])
			}
			return r
		}
	})
	t.Cleanup(func() {
		if t.Failed() {
			s.confess()
		}
	})
	m := &tormentor{s: s, r: r, rng: rand.New(rand.NewPCG(seed, 1))}
	k := newSink(t)
	s.channel(k, "ops")
	f := newFlockOf(t, s, k, monitors)
	d := keepDiary(t, r.folders, f.some(40))
	begun := time.Now()
	n := 0
	for ; n < faults || time.Since(begun) < least; n++ {
		all := []fault{m.draw()}
		if m.rng.IntN(4) == 0 { // troubles come in company
			if other := m.draw(); !strings.HasPrefix(other.what, strings.Fields(all[0].what)[0]) {
				all = append(all, other)
			}
		}
		for _, x := range all {
			t.Logf("%6.1f s  fault %d: %s for %v", time.Since(begun).Seconds(), n+1, x.what, x.for_.Round(time.Millisecond))
			x.on()
		}
		for _, x := range all {
			<-time.After(x.for_)
			x.off()
		}
		s.ready()
		<-time.After(m.between(200*time.Millisecond, 4*time.Second))
		if t.Failed() {
			t.Fatalf("after fault %d; replay with FROGUP_E2E_TORTURE_SEED=%d", n+1, seed)
		}
	}
	f.finish()
	f.stillThere(n)
	m.accounts(f)
	d.close()
	d.stored(s, f.steady)
	s.inOrder(f.all())
}

// all are the monitors of a flock.
func (f *flock) all() []int {
	ids := slices.Clone(f.steady)
	for _, one := range f.flaky {
		ids = append(ids, one.id)
	}
	return ids
}

// some are about n of those whose targets are well, and all others.
func (f *flock) some(n int) (ids []int) {
	every := max(len(f.steady)/n, 1)
	for i, id := range f.all() {
		if i%every == 0 || i >= len(f.steady) {
			ids = append(ids, id)
		}
	}
	return ids
}

// accounts holds every monitor whose target was well to its grid.
func (m *tormentor) accounts(f *flock) {
	t := m.s.t
	t.Helper()
	until := time.Now().UTC().Truncate(time.Second)
	var total account
	total.reasons = map[string]int{}
	for _, id := range f.steady {
		one := m.s.account(id, until)
		total.results, total.missed, total.due = total.results+one.results, total.missed+one.missed, total.due+one.due
		for reason, n := range one.reasons {
			total.reasons[reason] += n
		}
		if one.results+one.missed != one.due {
			t.Errorf("monitor %d: %d results and %d missed slots are not %d due slots", id, one.results, one.missed, one.due)
		}
		if states := m.s.states(id); slices.Contains(states, "down") {
			t.Errorf("monitor %d was called down, and its target was well: %v", id, states)
		}
	}
	t.Logf("of %d monitors whose targets were well: %d results + %d missed of %d due %v; %d outages of %d others",
		len(f.steady), total.results, total.missed, total.due, total.reasons, f.outages, len(f.flaky))
	m.s.statsAgree(f.steady)
}
