package events

import (
	"strings"
	"testing"
	"time"
)

func TestUpsert(t *testing.T) {
	edit := func(c *trial, sec int, change func(*Monitor)) {
		m := c.monitors[7]
		m.Version++
		m.UpdatedAt = at(sec)
		change(&m)
		c.j.Upsert(at(sec), m)
		c.take()
	}
	pause := func(m *Monitor) { m.Enabled = false }
	resume := func(m *Monitor) { m.Enabled = true }
	tests := []struct {
		name string
		play func(c *trial)
		want string
	}{
		{"a pause", func(c *trial) { c.play("S0"); edit(c, 20, pause); c.play("T500") }, "unknown@-10 up@0 paused@20"},
		{"checks in flight do not end a pause", func(c *trial) { c.play("S0"); edit(c, 20, pause); c.play("S30 F31 F32") }, "unknown@-10 up@0 paused@20"},
		{"unknown until the first check after it", func(c *trial) { c.play("S0"); edit(c, 20, pause); edit(c, 90, resume); c.play("S100") },
			"unknown@-10 up@0 paused@20 unknown@90 up@100"},
		{"a pause ends an outage, for its findings too", func(c *trial) {
			c.play("F0 F10")
			edit(c, 20, pause)
			edit(c, 90, resume)
			c.play("F100 T101")
		}, "unknown@-10 down@0 paused@20 unknown@90"},
		{"a pause survives a start", func(c *trial) { c.play("S0"); edit(c, 20, pause); c.play("R300 T400") }, "unknown@-10 up@0 paused@20"},
		{"a longer interval waits longer", func(c *trial) {
			c.play("S0")
			edit(c, 60, func(m *Monitor) { m.Interval = time.Hour })
			c.play("T7269 T7270")
		}, "unknown@-10 up@0 unknown@7270"},
		{"a shorter interval waits from the edit", func(c *trial) {
			c.play("S0")
			edit(c, 60, func(m *Monitor) { m.Interval = time.Second })
			c.play("T71 T72")
		}, "unknown@-10 up@0 unknown@72"},
		{"an edit of the name does not wait longer", func(c *trial) {
			c.play("S0")
			edit(c, 60, func(m *Monitor) { m.Name = "other" })
			c.play("T70")
		}, "unknown@-10 up@0 unknown@70"},
		{"confirming less makes down what had begun", func(c *trial) {
			edit(c, -5, func(m *Monitor) { m.ConfirmDown = 3 })
			c.play("S0 F30 F40")
			edit(c, 45, func(m *Monitor) { m.ConfirmDown = 2 })
		}, "unknown@-10 up@0 down@30"},
		{"confirming less brings up what had begun", func(c *trial) {
			edit(c, -5, func(m *Monitor) { m.ConfirmUp = 3 })
			c.play("F0 F10 S30 S60")
			edit(c, 65, func(m *Monitor) { m.ConfirmUp = 2 })
		}, "unknown@-10 down@0 up@30"},
		{"a new region has no vote before it has seen", func(c *trial) {
			c.play("S0")
			edit(c, 20, func(m *Monitor) { m.Regions = []string{"local", "b"} })
			c.play("S30")
		}, "unknown@-10 up@0"},
		{"a region that is taken away takes its vote along", func(c *trial) {
			edit(c, -5, func(m *Monitor) { m.Regions = []string{"local", "b"} })
			c.play("S0 b:F1 b:F11")
			edit(c, 20, func(m *Monitor) { m.Regions = []string{"local"} })
			c.play("b:F31")
		}, "unknown@-10 up@0 degraded@1 up@20"},
		{"another quorum is another verdict", func(c *trial) {
			edit(c, -5, func(m *Monitor) { m.Regions = []string{"local", "b"} })
			c.play("S0 b:F1 b:F11")
			edit(c, 20, func(m *Monitor) { m.Quorum = "any" })
		}, "unknown@-10 up@0 degraded@1 down@20"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newTrial(t, rules())
			tt.play(c)
			if got := line(c.transitions[""]); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRegionTimelineGoesOnWhenTheRegionComesBack(t *testing.T) {
	c := newTrial(t, rules())
	set := func(sec int, names ...string) {
		m := c.monitors[7]
		m.Regions, m.UpdatedAt = names, at(sec)
		c.j.Upsert(at(sec), m)
		c.take()
	}
	set(-5, "local", "b")
	c.play("b:S0")
	set(20, "local")
	c.play("R25")
	set(50, "local", "b")
	c.play("b:S60")
	if got, want := line(c.transitions["b"]), "unknown@-5 up@0 unknown@20 up@60"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	last := c.transitions["b"][len(c.transitions["b"])-1]
	if want := (Tally{Unknown: 45 * time.Second, Up: 20 * time.Second}); last.Before != want {
		t.Errorf("before: got %+v, want %+v", last.Before, want)
	}
}

func TestUpsertOfTheSameChangesNothing(t *testing.T) {
	c := newTrial(t, rules())
	c.play("S0")
	if c.j.Upsert(at(5), rules()) {
		t.Error("known monitor reported as added")
	}
	if ch := c.j.Take(); !ch.Empty() {
		t.Errorf("changes: %+v", ch)
	}
}

func TestRemove(t *testing.T) {
	c := newTrial(t, rules())
	c.play("S0")
	c.j.Remove(at(10), 7)
	ch := c.take()
	if len(ch.Monitors) != 1 || !ch.Monitors[0].Deleted {
		t.Fatalf("monitors: %+v", ch.Monitors)
	}
	if !c.j.Result(at(30), ptr(result('F', "local", 30))) {
		t.Error("result of a deleted monitor is not known")
	}
	c.j.Tick(at(1000))
	c.j.Remove(at(20), 7)
	if ch := c.j.Take(); !ch.Empty() {
		t.Errorf("changes after deletion: %+v", ch)
	}
	for m := range c.j.Monitors {
		t.Errorf("still listed: %v", m)
	}
	j := NewJudge(Snapshot{Deleted: []uint32{7}})
	if !j.Result(at(30), ptr(result('F', "local", 30))) {
		t.Error("deleted before the start is not known")
	}
}

func TestResultOfAnUnknownMonitor(t *testing.T) {
	j := NewJudge(Snapshot{})
	if j.Result(at(0), ptr(result('S', "local", 0))) {
		t.Error("known")
	}
	if ch := j.Take(); !ch.Empty() {
		t.Errorf("changes: %+v", ch)
	}
}

func TestCreatedDisabled(t *testing.T) {
	c := newTrial(t, rules(func(m *Monitor) { m.Enabled = false }))
	if got := line(c.transitions[""]); got != "paused@-10" {
		t.Error(got)
	}
	if len(c.feed) != 0 {
		t.Errorf("creation announced: %+v", c.feed)
	}
}

// words writes a feed as "up obs:S obs:F down".
func words(feed []FeedItem) string {
	var out []string
	for _, f := range feed {
		switch {
		case f.Transition != nil:
			out = append(out, f.Transition.Status.String())
		default:
			out = append(out, f.Observation.Result.Outcome.String())
		}
	}
	return strings.Join(out, " ")
}

func TestObservations(t *testing.T) {
	const rarely = 30 * time.Second
	tests := []struct {
		name, script, want string
		interval           time.Duration
	}{
		{"transition before the check that made it", "S0 F30 F40", "up success failure down failure", rarely},
		{"the first success after a fault, whenever", "S0 F15 S16", "up success failure success", 9 * time.Second},
		{"else one in ten seconds", "S0 S1 S2 S9 S10 S11 S20", "up success success success", 9 * time.Second},
		{"each, of a monitor that is checked rarely", "S0 S1 S30", "up success success success", rarely},
		{"observer faults too", "S0 E5 S6 E12", "up success error", 9 * time.Second},
		{"missed slots are no checks", "S0 M30 M60", "up success", rarely},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newTrial(t, rules(func(m *Monitor) { m.Interval = tt.interval }))
			c.play(tt.script)
			if got := words(c.feed); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestObservationSumsUpWhatLiesBetween(t *testing.T) {
	c := newTrial(t, rules(func(m *Monitor) { m.Interval = 4 * time.Second }))
	c.play("S0")
	for i, ms := range []int{100, 300, 200} {
		r := result('S', "local", 4*(i+1))
		r.ResponseTime = time.Duration(ms) * time.Millisecond
		c.j.Result(at(4*(i+1)), &r)
		c.take()
		c.restart() // what lies between survives a start
	}
	o := c.feed[len(c.feed)-1].Observation
	if o.Successes != 3 || o.MeanResponse != 200*time.Millisecond || o.MaxResponse != 300*time.Millisecond {
		t.Errorf("got %d successes, mean %v, max %v", o.Successes, o.MeanResponse, o.MaxResponse)
	}
	if o.Status != Up || o.ConsecutiveFailures != 0 {
		t.Errorf("got %v, %d failures", o.Status, o.ConsecutiveFailures)
	}
}

func TestStreaksAreObservedToTheirHundredth(t *testing.T) {
	c := newTrial(t, rules(func(m *Monitor) { m.Interval = time.Second }))
	for i := range 130 {
		c.j.Result(at(i), ptr(result('F', "local", i)))
	}
	c.take()
	n := 0
	for _, f := range c.feed {
		if f.Observation != nil {
			n++
		}
	}
	if want := 100 + 3; n != want { // and then at 109, 119 and 129 s
		t.Errorf("got %d observations, want %d", n, want)
	}
}
