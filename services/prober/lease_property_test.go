package prober

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
)

// leaseStep is something that happens to a prober after a while.
type leaseStep struct {
	after  time.Duration
	prober int
	what   string
}

// leaseStory is a run of TestLeasesAccountForEverySlot.
type leaseStory struct {
	durable bool
	revives bool
	steps   []leaseStep
}

func drawStory(rt *rapid.T) leaseStory {
	s := leaseStory{durable: rapid.Bool().Draw(rt, "durable"), revives: rapid.Bool().Draw(rt, "revives")}
	whats := []string{"cut", "heal", "lose answers", "stop", "start", "crash", "crash", "start"}
	if !s.durable {
		// Who keeps nothing is succeeded by what is stored when its lease is over. If it is cut off from the centre for longer than
		// that and lives, it goes on having results that its successor cannot have found: those of checks that end later, and all
		// that wait for the events service. Nobody but itself knows of them, and whether it will ever be heard of again cannot be
		// known either: to wait for it may be to wait for ever. Shorter cuts, and everything else, are told of it as well.
		whats = []string{"stop", "start", "crash", "start", "blink", "mumble"}
	}
	for range rapid.IntRange(0, 16).Draw(rt, "steps") {
		after := rapid.OneOf(rapid.IntRange(0, 20), rapid.IntRange(0, 400), rapid.IntRange(0, 15_000), rapid.IntRange(0, 60_000)).Draw(rt, "after")
		s.steps = append(s.steps, leaseStep{
			time.Duration(after) * time.Millisecond, rapid.IntRange(0, 1).Draw(rt, "prober"), rapid.SampledFrom(whats).Draw(rt, "what"),
		})
	}
	return s
}

// seat is where a prober's processes follow each other.
type seat struct {
	id, dir string
	process *process // nil while there is none
	spool   []*checkv1.CheckResult
}

func (x *seat) do(t *testing.T, s *leaseSite, what string) {
	p := x.process
	switch {
	case p == nil && what == "start":
		x.process, x.spool = s.start(x.id, x.dir, x.spool), nil
	case p == nil || what == "start":
	case what == "cut":
		p.monitors.set(true, false)
	case what == "lose answers":
		p.monitors.set(false, true)
	case what == "heal":
		p.monitors.set(false, false)
	case what == "blink" || what == "mumble": // for less than a lease, and until the next renewal has come through
		p.monitors.set(what == "blink", true)
		pass(2 * time.Second)
		p.monitors.set(false, false)
		pass(4 * time.Second)
	case what == "stop":
		p.stop()
		x.process = nil
	case what == "crash" && x.dir == "":
		p.crash(t, "")
		x.process = nil
	case what == "crash":
		dir := t.TempDir()
		x.spool, x.dir = p.crash(t, dir), dir
		x.process = nil
	}
}

// Whatever is cut off, loses answers, ends, dies and begins again: every slot of every monitor is in exactly one row, and no two
// probers run the same.
func TestLeasesAccountForEverySlot(t *testing.T) {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		t.Setenv("TMPDIR", "/dev/shm") // two files are synced in each second of the bubble, of which there are many
	}
	stories(t)
	rapid.Check(t, func(rt *rapid.T) {
		story := drawStory(rt)
		var wrong problems
		bubbletest.Test(t, func(t *testing.T) { story.run(t, &wrong) })
		if len(wrong) > 0 {
			rt.Fatalf("%s", strings.Join(wrong, "\n"))
		}
	})
}

// stories has the next check tell a few stories, the same each time; with FROGUP_TORTURE=1 many others.
func stories(t *testing.T) {
	t.Helper()
	want := map[string]string{"rapid.checks": "60", "rapid.seed": "20"}
	if os.Getenv("FROGUP_TORTURE") != "" {
		want = map[string]string{"rapid.checks": "10000"}
	}
	for name, value := range want {
		f := flag.Lookup(name)
		before := f.Value.String()
		if before != f.DefValue {
			continue // who runs the test has said
		}
		if err := f.Value.Set(value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Value.Set(before) })
	}
}

// problems are what a run found, for rapid to look for a shorter one.
type problems []string

func (p *problems) Helper() {}

func (p *problems) Errorf(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

func (story leaseStory) run(t *testing.T, wrong *problems) {
	all, ids := leaseMonitors(6)
	c := newCentre(all...)
	c.revives = story.revives
	s := newSite(t, c)
	seats := [2]*seat{}
	for i := range seats {
		seats[i] = &seat{id: fmt.Sprint("p", i+1)}
		if story.durable {
			seats[i].dir = t.TempDir()
		}
		seats[i].process = s.start(seats[i].id, seats[i].dir, nil)
	}
	began := time.Now().Add(15 * time.Second)
	pass(20 * time.Second)
	for _, step := range story.steps {
		pass(step.after)
		seats[step.prober].do(t, s, step.what)
	}
	for _, seat := range seats {
		seat.do(t, s, "start")
		seat.do(t, s, "heal")
	}
	pass(time.Minute)
	for _, seat := range seats {
		seat.do(t, s, "stop")
	}
	s.archive.count(wrong, ids, began, time.Now().Add(-3*time.Second))
	if n := s.archive.twice(); n > 0 {
		wrong.Errorf("%d slots were run by both", n)
	}
}
