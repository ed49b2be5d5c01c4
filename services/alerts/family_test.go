package alerts

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// village is a store of several monitors that depend on each other.
type village struct {
	progress  Progress
	states    map[uint32]State
	incidents map[uint32]Incident
	triggers  map[uint32]Trigger
	messages  []Message
	rechecks  []Recheck // of the last batch
	steps     []Step
	ended     map[uint32]time.Time
	seq       int
	checked   int // messages that were looked at
	t         *testing.T
}

// detects is how long the village takes to see that something is down, and that it is up again.
const detects = 60 * time.Second

// newVillage has monitors 1 to n, each with what it depends on.
func newVillage(n int, on map[uint32][]uint32, s State) *village {
	v := &village{states: map[uint32]State{}, incidents: map[uint32]Incident{}, triggers: map[uint32]Trigger{}, ended: map[uint32]time.Time{}}
	for id := uint32(1); id <= uint32(n); id++ {
		st := s
		st.Monitor = Monitor{
			ID: id, OrganizationID: testOrg, Name: fmt.Sprint("m", id), Enabled: true, Regions: testRegions, DependsOn: on[id],
			DetectsDown: detects, DetectsUp: detects,
		}
		st.Rules = nil
		for _, r := range s.Rules {
			r.Rule.ID, r.Rule.MonitorID = id*10+r.Rule.ID, id
			st.Rules = append(st.Rules, r)
		}
		v.states[id] = st
	}
	return v
}

func (v *village) below(id uint32, found map[uint32]bool) {
	for child, s := range v.states {
		if slices.Contains(s.Monitor.DependsOn, id) && !found[child] {
			found[child] = true
			v.below(child, found)
		}
	}
}

func (v *village) relative(id uint32) Relative {
	s := v.states[id]
	return Relative{ID: id, Name: s.Monitor.Name, Enabled: s.Monitor.Enabled, Down: s.isDown(), Ended: v.ended[id], DetectsDown: s.Monitor.DetectsDown}
}

// given are the states that a store would give for the entries: theirs, and those that are held and depend on them.
func (v *village) given(entries []Entry) map[uint32]State {
	out := map[uint32]State{}
	for _, e := range entries {
		out[e.MonitorID] = v.states[e.MonitorID]
	}
	for id, s := range v.states {
		if s.held() != nil && slices.ContainsFunc(entries, func(e Entry) bool { return slices.Contains(s.Monitor.DependsOn, e.MonitorID) }) {
			out[id] = s
		}
	}
	for id, s := range out {
		for _, p := range s.Monitor.DependsOn {
			s.Parents = append(s.Parents, v.relative(p))
		}
		children := map[uint32]bool{}
		v.below(id, children)
		for _, c := range slices.Sorted(maps.Keys(children)) {
			r := v.relative(c)
			r.Ended, r.DetectsDown = time.Time{}, 0
			s.Children = append(s.Children, r)
		}
		out[id] = s
	}
	return out
}

// feed evaluates entries in one batch and stores it. Entries without a number get the next, but for ticks.
func (v *village) feed(entries ...Entry) {
	b := Fold(v.progress, v.given(entries), entries, second(5000))
	v.progress, v.rechecks = b.Progress, b.Rechecks
	for id, s := range v.states {
		if known, ok := b.Known[id]; ok {
			s.Known = known
		}
		if since, ok := b.Blind[id]; ok {
			s.Blind = since
		}
		if overlay, ok := b.Overlays[id]; ok {
			s.Overlay = stored(overlay)
		}
		if changes, ok := b.Changes[id]; ok {
			s.Changes = changes
		}
		v.states[id] = s
	}
	for _, i := range b.Incidents {
		v.incidents[i.ID] = i
		s := v.states[i.MonitorID]
		if s.Incident = &i; i.Settled {
			s.Incident, v.ended[i.MonitorID] = nil, i.EndTime
		}
		if !i.Down() {
			v.ended[i.MonitorID] = i.UpSince
		}
		v.states[i.MonitorID] = s
	}
	for _, tr := range b.Triggers {
		v.triggers[tr.ID] = tr
		s := v.states[tr.MonitorID]
		s.Rules = slices.Clone(s.Rules)
		for i := range s.Rules {
			if s.Rules[i].Rule.ID == tr.RuleID {
				if s.Rules[i].Open = &tr; !tr.ResolvedAt.IsZero() {
					s.Rules[i].Open = nil
				}
			}
		}
		v.states[tr.MonitorID] = s
	}
	v.messages = append(v.messages, b.Messages...)
	v.steps = append(v.steps, b.Steps...)
}

// tick lets everybody who waits for that know how late it is.
func (v *village) tick(at int) {
	for _, id := range slices.Sorted(maps.Keys(v.states)) {
		if v.states[id].Overlay != nil {
			v.feed(Entry{OrganizationID: testOrg, MonitorID: id, At: second(at)})
		}
	}
}

func (v *village) next(e Entry, id uint32) Entry {
	v.seq++
	e.Seq, e.MonitorID = uint64(v.seq), id
	return e
}

func (v *village) goes(at int, id uint32, to Status) {
	from := StatusUp
	if to == StatusUp {
		from = StatusDown
	}
	e := v.next(transition(0, at, from, to), id)
	if to != StatusDown {
		e.Transition.Failures = 0
	}
	v.feed(e)
}

// passes is a check that found nothing wrong.
func (v *village) passes(at int, id uint32) { v.feed(v.next(passing(0, at, time.Millisecond), id)) }

// told are the messages so far, as monitor and type.
func (v *village) told() string {
	var out []string
	for _, m := range v.messages {
		out = append(out, fmt.Sprintf("%d %s", m.MonitorID, m.Type[strings.Index(m.Type, ".")+1:]))
	}
	return strings.Join(out, ", ")
}

func (v *village) wantTold(t *testing.T, want string) {
	t.Helper()
	if got := v.told(); got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

var toAll = State{Channels: []Channel{testChannel(1, EventDown, EventRecovery)}}

func TestDependencies(t *testing.T) {
	behind := map[uint32][]uint32{2: {1}, 3: {1}, 4: {3}}
	for name, story := range map[string]struct {
		run  func(v *village)
		want string
	}{
		"the parent is first": {func(v *village) {
			v.goes(10, 1, StatusDown)
			v.goes(20, 2, StatusDown)
			v.goes(30, 1, StatusUp)
			v.goes(40, 2, StatusUp)
			v.tick(1000)
		}, "1 down, 1 recovered"},
		"the child is first": {func(v *village) {
			v.goes(10, 2, StatusDown)
			v.goes(30, 1, StatusDown)
			v.goes(90, 1, StatusUp)
			v.goes(95, 2, StatusUp)
			v.tick(1000)
		}, "1 down, 1 recovered"},
		"the child is up before the parent": {func(v *village) {
			v.goes(10, 2, StatusDown)
			v.goes(30, 1, StatusDown)
			v.goes(80, 2, StatusUp)
			v.goes(90, 1, StatusUp)
			v.tick(1000)
		}, "1 down, 1 recovered"},
		"the child stays down": {func(v *village) {
			v.goes(10, 1, StatusDown)
			v.goes(20, 2, StatusDown)
			v.goes(30, 1, StatusUp)
			v.tick(94) // 60 s of its own, and the slack
			v.wantToldBefore("1 down, 1 recovered")
			v.tick(95)
			v.goes(200, 2, StatusUp)
		}, "1 down, 1 recovered, 2 down, 2 recovered"},
		"the parent comes and goes": {func(v *village) {
			v.goes(10, 1, StatusDown)
			v.goes(20, 2, StatusDown)
			v.goes(30, 1, StatusUp)
			v.goes(60, 1, StatusDown)
			v.tick(400)
			v.goes(500, 1, StatusUp)
			v.goes(510, 2, StatusUp)
			v.tick(1000)
		}, "1 down, 1 recovered, 1 down, 1 recovered"},
		"the parent is well": {func(v *village) {
			v.goes(10, 2, StatusDown)
			v.passes(9, 1) // before it failed
			v.wantToldBefore("")
			v.passes(11, 1)
			v.wantToldBefore("2 down")
			v.goes(300, 2, StatusUp)
		}, "2 down, 2 recovered"},
		"nothing is heard of the parent": {func(v *village) {
			v.goes(10, 2, StatusDown)
			v.tick(74)
			v.wantToldBefore("")
			v.tick(75)
		}, "2 down"},
		"it is seen late, when the parent would have been": {func(v *village) {
			e := v.next(transition(0, 10, StatusUp, StatusDown), 2)
			e.At = second(75)
			v.feed(e)
		}, "2 down"},
		"told before the parent fell": {func(v *village) {
			v.goes(10, 2, StatusDown)
			v.passes(20, 1)
			v.goes(50, 1, StatusDown)
			v.goes(60, 2, StatusUp)
			v.goes(70, 1, StatusUp)
			v.tick(1000)
		}, "2 down, 1 down, 2 recovered, 1 recovered"},
		"two levels, from below": {func(v *village) {
			v.goes(10, 4, StatusDown)
			v.goes(20, 3, StatusDown)
			v.goes(30, 1, StatusDown)
			v.tick(500)
			v.goes(600, 1, StatusUp)
			v.goes(610, 3, StatusUp)
			v.goes(620, 4, StatusUp)
			v.tick(2000)
		}, "1 down, 1 recovered"},
		"two levels, and the middle is broken": {func(v *village) {
			v.goes(10, 4, StatusDown)
			v.goes(20, 3, StatusDown)
			v.passes(21, 1)
			v.tick(500)
			v.goes(600, 3, StatusUp)
			v.goes(610, 4, StatusUp)
			v.tick(2000)
		}, "3 down, 3 recovered"},
		"its outage was over before the child was seen": {func(v *village) {
			v.goes(10, 1, StatusDown)
			v.goes(30, 1, StatusUp)
			e := v.next(transition(0, 25, StatusUp, StatusDown), 2)
			e.At = second(40)
			v.feed(e)
			v.goes(50, 2, StatusUp)
			v.tick(2000)
		}, "1 down, 1 recovered"},
		"the child is paused": {func(v *village) {
			v.goes(10, 1, StatusDown)
			v.goes(20, 2, StatusDown)
			v.goes(30, 2, StatusPaused)
			v.goes(40, 1, StatusUp)
			v.tick(2000)
		}, "1 down, 1 recovered"},
		"the parent is paused": {func(v *village) {
			v.goes(10, 1, StatusDown)
			v.goes(20, 2, StatusDown)
			v.goes(30, 1, StatusPaused)
			v.tick(94)
			v.wantToldBefore("1 down")
			v.tick(95)
		}, "1 down, 2 down"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVillage(4, behind, toAll)
			v.t = t
			story.run(v)
			v.wantTold(t, story.want)
			threadsOf(t, v)
			for _, s := range v.states {
				if s.Incident == nil && s.held() != nil {
					t.Errorf("monitor %d is held and works: %+v", s.Monitor.ID, s.held())
				}
			}
		})
	}
}

func (v *village) wantToldBefore(want string) {
	v.t.Helper()
	v.wantTold(v.t, want)
}

// threadsOf wants what is told of every monitor to begin and to end by turns, by one name.
func threadsOf(t interface{ Errorf(string, ...any) }, v *village) {
	open := map[string]string{}
	for _, m := range v.messages {
		key := fmt.Sprint(m.Target, m.MonitorID)
		switch {
		case m.Opens() && open[key] != "":
			t.Errorf("%s %s was opened while %s goes on", key, m.Thread, open[key])
		case m.Opens():
			open[key] = m.Thread
		case m.Closes() && open[key] != m.Thread:
			t.Errorf("%s %s was closed while %q goes on", key, m.Thread, open[key])
		case m.Closes():
			open[key] = ""
		}
	}
}

// The message of the parent names what depends on it, those that are down first; the incidents of these name it.
func TestTheParentNamesItsDependents(t *testing.T) {
	v := newVillage(60, func() map[uint32][]uint32 {
		on := map[uint32][]uint32{60: {59}}
		for id := uint32(2); id < 60; id++ {
			on[id] = []uint32{1}
		}
		return on
	}(), toAll)
	v.goes(10, 60, StatusDown)
	v.goes(11, 59, StatusDown)
	v.goes(12, 1, StatusDown)
	if len(v.messages) != 1 {
		t.Fatalf("told %q", v.told())
	}
	d := v.messages[0].Content.Dependents
	if d == nil || d.Total != 59 || d.Down != 2 || len(d.Monitors) != maxDependents {
		t.Fatalf("dependents %+v", d)
	}
	if first, second, third := d.Monitors[0], d.Monitors[1], d.Monitors[2]; first != (ContentDependent{59, "m59", true}) || second != (ContentDependent{60, "m60", true}) || third != (ContentDependent{2, "m2", false}) {
		t.Errorf("first %+v, %+v, %+v", first, second, third)
	}
	w := v.messages[0].words(second(13), "")
	if w.Title != "m1 is down (59 monitors depend on it)" || !strings.Contains(w.Text, "59 monitors depend on it, of which 2 are down as well: m59, m60, m2, m3,") ||
		!strings.Contains(w.Text, ", and 9 more.") {
		t.Errorf("words %q\n%s", w.Title, w.Text)
	}
	for id, by := range map[uint32]uint32{1: 59, 2: 1, 3: 0} { // incidents, in the order in which they began
		if got := v.incidents[id].AffectedBy; got != by {
			t.Errorf("incident %d of monitor %d is affected by %d, want %d", id, v.incidents[id].MonitorID, got, by)
		}
	}
}

// Rules are held like channels, also those that are sooner than the verdict.
func TestRulesOfDependents(t *testing.T) {
	v := newVillage(2, map[uint32][]uint32{2: {1}}, State{Rules: []RuleState{testRule(1, Conditions{Failures: 1}), testRule(2, Conditions{ResponseTime: time.Second})}})
	fails := func(at int, id uint32, streak uint32) { v.feed(v.next(failing(0, at, streak), id)) }
	fails(10, 2, 1)
	fails(12, 1, 1)
	v.wantTold(t, "1 triggered")
	if d := v.messages[0].Content.Dependents; d == nil || d.Total != 1 {
		t.Errorf("dependents %+v", d)
	}
	v.goes(20, 2, StatusDown)
	v.goes(22, 1, StatusDown)
	v.goes(40, 1, StatusUp)
	v.goes(42, 2, StatusUp)
	v.wantTold(t, "1 triggered, 1 resolved")
	v.feed(v.next(passing(0, 50, 2*time.Second), 2)) // this has nothing to do with the parent
	v.wantTold(t, "1 triggered, 1 resolved, 2 triggered")
	v.feed(v.next(passing(0, 60, time.Millisecond), 2))
	fails(100, 2, 1)
	v.feed(v.next(passing(0, 110, time.Millisecond), 2)) // over before anybody could know why
	v.tick(2000)
	v.wantTold(t, "1 triggered, 1 resolved, 2 triggered, 2 resolved")
	threadsOfRules(t, v)
}

func threadsOfRules(t *testing.T, v *village) {
	for id, s := range v.states {
		for _, r := range s.Rules {
			m := &memory{messages: v.messages}
			threads(t, m, Target{TargetAlert, r.Rule.ID})
			_ = id
		}
	}
}

// A window of the child's that ends while its parent is down changes nothing: it is told when it is down by itself.
func TestMaintenanceOfADependent(t *testing.T) {
	v := newVillage(2, map[uint32][]uint32{2: {1}}, toAll)
	s := v.states[2]
	w := windowAt(100, 300)
	w.Target.MonitorIDs = []uint32{2}
	s.Windows = []MaintenanceWindow{w}
	v.states[2] = s
	v.goes(110, 2, StatusDown)
	v.passes(120, 1)
	v.goes(200, 1, StatusDown)
	v.tick(301)
	v.wantTold(t, "1 down")
	v.goes(400, 1, StatusUp)
	v.tick(470)
	v.wantTold(t, "1 down, 1 recovered, 2 down")
	if i := v.incidents[1]; !i.Maintenance || i.AffectedBy != 1 {
		t.Errorf("incident %+v", i)
	}
}
