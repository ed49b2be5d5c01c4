package alerts

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// town is a village with groups.
type town struct {
	*village
	groups   []GroupView
	channels []Channel
	batches  int // of more than one entry
}

// newTown has n monitors, and groups of all of them.
func newTown(n int, s State, on map[uint32][]uint32, groups ...Group) *town {
	w := &town{village: newVillage(n, on, s), channels: s.Channels}
	for i, g := range groups {
		g.ID, g.OrganizationID, g.Name, g.CreatedAt = uint32(i+1), testOrg, fmt.Sprint("g", i+1), second(0)
		w.groups = append(w.groups, GroupView{Group: g})
	}
	w.regroup()
	return w
}

// regroup is what a store does after a change of groups or of the catalogue.
func (w *town) regroup() {
	for id, s := range w.states {
		s.Grouped = slices.ContainsFunc(w.groups, func(g GroupView) bool { return g.Level == LevelGroup })
		w.states[id] = s
	}
	for i := range w.groups {
		w.groups[i].Members = nil
		for _, id := range slices.Sorted(maps.Keys(w.states)) {
			w.groups[i].Members = append(w.groups[i].Members, w.member(id))
		}
	}
}

func (w *town) member(id uint32) GroupMember {
	s := w.states[id]
	m := GroupMember{ID: id, Name: s.Monitor.Name, Member: s.Member(), DetectsDown: s.Monitor.DetectsDown}
	if s.isDown() {
		m.Since = s.Incident.downSince()
	}
	return m
}

// enter evaluates entries in one batch, and the groups with it.
func (w *town) enter(entries ...Entry) {
	if len(entries) > 1 {
		w.batches++
	}
	b := Fold(w.progress, w.given(entries), entries, second(5000))
	var of GroupBatch
	if len(b.Shifts) > 0 {
		of = FoldGroups(w.groups, w.channels, b.Shifts, second(5000))
	}
	before := w.messages
	w.village.feed(entries...)
	w.messages = append(before[:len(before):len(before)], of.Among(b.Messages)...)
	of.Messages = nil
	w.keep(of)
}

// keep stores what has become of the groups.
func (w *town) keep(b GroupBatch) {
	w.messages = append(w.messages, b.Messages...)
	for _, g := range b.Groups {
		w.groups[g.ID-1].Group = g
	}
	w.regroup()
}

// look evaluates the groups at a moment, as the watch does when they are due.
func (w *town) look(at int) { w.keep(FoldGroups(w.groups, w.channels, nil, second(at))) }

func (w *town) turn(at int, id uint32, to Status) Entry {
	e := w.next(transition(0, at, StatusUp, to), id)
	if to != StatusDown {
		e.Transition.Failures = 0
	}
	return e
}

func (w *town) goes(at int, id uint32, to Status) { w.enter(w.turn(at, id, to)) }

// allUp is where stories begin.
func (w *town) allUp() {
	for _, id := range slices.Sorted(maps.Keys(w.states)) {
		w.goes(1, id, StatusUp)
	}
}

// told are the messages so far: a group's as its type and who fails, a monitor's with its number.
func (w *town) told() string {
	var out []string
	for _, m := range w.messages {
		kind := m.Type[strings.Index(m.Type, ".")+1:]
		g := m.Content.Group
		if g == nil {
			out = append(out, fmt.Sprintf("%d %s", m.MonitorID, kind))
			continue
		}
		text := "G " + kind
		for _, f := range g.Failing {
			text += " " + f.Name
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func (w *town) wantTold(t *testing.T, want string) {
	t.Helper()
	if got := w.told(); got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

func count(n int) GroupRule { return GroupRule{RuleCount, n} }

func TestGroupStories(t *testing.T) {
	const up, down, degraded, unknown, paused = StatusUp, StatusDown, StatusDegraded, StatusUnknown, StatusPaused
	for name, story := range map[string]struct {
		group Group
		on    map[uint32][]uint32
		run   func(w *town)
		want  string
	}{
		"two of three": {Group{Rule: count(2), Level: LevelGroup}, nil, func(w *town) {
			w.goes(10, 1, down)
			w.goes(20, 3, down)
			w.goes(25, 2, down)
			w.goes(30, 3, up)
			w.goes(40, 1, up)
			w.goes(50, 2, up)
		}, "G down m1 m3, G recovered m2"},
		"two of three, and both": {Group{Rule: count(2), Level: LevelBoth}, nil, func(w *town) {
			w.goes(10, 1, down)
			w.goes(20, 3, down)
			w.goes(30, 3, up)
			w.goes(40, 1, up)
		}, "1 down, 3 down, G down m1 m3, 3 recovered, G recovered m1, 1 recovered"},
		"members only": {Group{Rule: count(2), Level: LevelMembers}, nil, func(w *town) {
			w.goes(10, 1, down)
			w.goes(20, 3, down)
			w.goes(30, 3, up)
			w.goes(40, 1, up)
		}, "1 down, 3 down, 3 recovered, 1 recovered"},
		"any": {Group{Rule: GroupRule{Kind: RuleAny}, Level: LevelGroup}, nil, func(w *town) {
			w.goes(10, 1, down)
			w.goes(20, 2, down)
			w.goes(30, 1, up)
			w.goes(40, 2, up)
		}, "G down m1, G recovered"},
		"all": {Group{Rule: GroupRule{Kind: RuleAll}, Level: LevelGroup}, nil, func(w *town) {
			w.goes(10, 1, down)
			w.goes(20, 2, down)
			w.goes(30, 3, down)
			w.goes(40, 2, up)
		}, "G down m1 m2 m3, G recovered m1 m3"},
		"all that count": {Group{Rule: GroupRule{Kind: RuleAll}, Level: LevelGroup}, nil, func(w *town) {
			w.goes(5, 3, paused)
			s := w.states[3]
			s.Monitor.Enabled = false
			w.states[3] = s
			w.regroup()
			w.goes(10, 1, down)
			w.goes(20, 2, down)
			w.goes(40, 2, up)
		}, "G down m1 m2, G recovered m1"},
		"half": {Group{Rule: GroupRule{RulePercent, 60}, Level: LevelGroup}, nil, func(w *town) {
			w.goes(10, 1, down)
			w.goes(20, 2, down)
			w.goes(40, 2, up)
		}, "G down m1 m2, G recovered m1"},
		"a member that is unknown might be up, for a while": {Group{Rule: GroupRule{Kind: RuleAll}, Level: LevelGroup}, nil, func(w *town) {
			w.goes(10, 3, unknown)
			w.goes(20, 1, down)
			w.goes(30, 2, down)
			w.look(94)
			w.wantTold(w.t, "")
			w.look(95)
		}, "G down m1 m2"},
		"and is": {Group{Rule: GroupRule{Kind: RuleAll}, Level: LevelGroup}, nil, func(w *town) {
			w.goes(10, 3, unknown)
			w.goes(20, 1, down)
			w.goes(30, 2, down)
			w.goes(40, 3, up)
			w.look(2000)
		}, ""},
		"nobody looked for a while": {Group{Rule: count(2), Level: LevelGroup}, nil, func(w *town) {
			w.goes(10, 1, down)
			w.goes(20, 2, down)
			for id := range uint32(3) {
				w.goes(100, id+1, unknown)
			}
			w.goes(500, 3, up)
			w.goes(501, 2, down)
			w.goes(502, 1, down)
			w.look(2000)
		}, "G down m1 m2"},
		"a start with all unknown": {Group{Rule: GroupRule{Kind: RuleAll}, Level: LevelGroup}, nil, func(w *town) {
			for id := range uint32(3) {
				w.goes(100, id+1, unknown)
			}
			w.goes(500, 1, down)
			w.goes(501, 2, up)
			w.goes(502, 3, up)
			w.look(2000)
		}, ""},
		"all are paused": {Group{Rule: GroupRule{Kind: RuleAny}, Level: LevelGroup}, nil, func(w *town) {
			w.goes(10, 1, down)
			for id := range uint32(3) {
				s := w.states[id+1]
				s.Monitor.Enabled = false
				w.states[id+1] = s
				w.goes(20, id+1, paused)
			}
			w.regroup()
			w.look(21)
			if got := w.groups[0].State; got.Status != paused || got.Told != "" {
				w.t.Errorf("paused: %+v", got)
			}
		}, "G down m1"},
		"held because of a parent": {Group{Rule: GroupRule{Kind: RuleAll}, Level: LevelBoth}, map[uint32][]uint32{2: {1}, 3: {1}}, func(w *town) {
			w.goes(10, 2, down)
			w.goes(11, 3, down)
			w.goes(12, 1, down)
			w.goes(50, 1, up)
			w.goes(55, 2, up)
			w.goes(56, 3, up)
			w.look(3000)
		}, "1 down, 1 recovered"},
		"a level that is changed": {Group{Rule: count(2), Level: LevelGroup}, nil, func(w *town) {
			w.goes(10, 1, down)
			w.goes(20, 2, down)
			w.groups[0].Level = LevelMembers
			w.look(21)
			w.regroup()
			w.ticks(22)
			w.goes(30, 1, up)
			w.goes(40, 2, up)
			w.goes(50, 1, down)
			w.goes(51, 2, down)
		}, "G down m1 m2, 1 down, 2 down, 1 recovered, G recovered m2, 2 recovered, 1 down, 2 down"},
		"a group that comes": {Group{Rule: count(2), Level: LevelMembers}, nil, func(w *town) {
			w.goes(10, 1, down)
			w.groups[0].Level = LevelGroup
			w.regroup()
			w.goes(20, 2, down)
			w.goes(30, 1, up) // as was told of it before
			w.goes(40, 2, up)
			w.groups[0].Level = LevelMembers
			w.regroup()
			w.ticks(45)
		}, "1 down, G down m1 m2, G recovered m2, 1 recovered"},
		"degraded": {Group{Rule: GroupRule{Kind: RuleAll}, Level: LevelGroup}, nil, func(w *town) {
			w.channels[0].Events = append(slices.Clone(w.channels[0].Events), EventDegraded)
			w.goes(10, 1, degraded)
			w.goes(20, 1, down)
			w.goes(30, 2, down)
			w.goes(40, 3, down)
			w.goes(50, 1, up)
			w.goes(60, 2, up)
			w.goes(70, 3, up)
		}, "G degraded m1, G down m1 m2 m3, G recovered m2 m3, G recovered"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(3, State{Channels: []Channel{testChannel(1, EventDown, EventRecovery)}}, story.on, story.group)
			w.t = t
			w.allUp()
			story.run(w)
			w.wantTold(t, story.want)
			if name != "degraded" { // which has no beginning that its end would take the place of
				threadsOf(t, w.village)
			}
		})
	}
}

// ticks let every monitor know how late it is.
func (w *town) ticks(at int) {
	for _, id := range slices.Sorted(maps.Keys(w.states)) {
		w.enter(Entry{OrganizationID: testOrg, MonitorID: id, At: second(at)})
	}
}

// What fails is told of the group, whatever its rules say; a certificate that ends is told of the member.
func TestRulesOfGroupedMonitors(t *testing.T) {
	rules := []RuleState{testRule(1, Conditions{Failures: 1}), testRule(2, Conditions{ResponseTime: time.Second})}
	w := newTown(1, State{Rules: rules, Channels: []Channel{testChannel(1, EventDown, EventRecovery)}}, nil, Group{Rule: GroupRule{Kind: RuleAny}, Level: LevelGroup})
	w.allUp()
	enter := func(e Entry) { w.enter(w.next(e, 1)) }
	enter(passing(0, 10, 2*time.Second))
	w.wantTold(t, "1 triggered")
	enter(failing(0, 20, 1))
	w.goes(25, 1, StatusDown)
	w.wantTold(t, "1 triggered, G down m1")
	w.goes(30, 1, StatusUp)
	enter(passing(0, 31, time.Millisecond))
	w.wantTold(t, "1 triggered, G down m1, G recovered, 1 resolved")
	if len(w.triggers) != 2 || len(w.incidents) != 1 {
		t.Errorf("history: %d triggers, %d incidents", len(w.triggers), len(w.incidents))
	}
	enter(failing(0, 40, 1))
	w.goes(45, 1, StatusDown)
	w.groups[0].Level = LevelBoth
	w.regroup()
	w.ticks(50) // it is told for itself again, and what is so by then
	w.wantTold(t, "1 triggered, G down m1, G recovered, 1 resolved, G down m1, 1 down, 1 triggered")
	if s := w.states[1]; s.Overlay != nil {
		t.Errorf("remembered %+v", s.Overlay)
	}
	w.goes(60, 1, StatusUp)
	enter(passing(0, 61, time.Millisecond))
	threadsOfRules(t, w.village)
}

// In a window of its own a member has no say, and what its rules have to tell beside the group waits for the end of it.
func TestMaintenanceOfGroupedMonitors(t *testing.T) {
	w := newTown(2, State{Rules: []RuleState{testRule(2, Conditions{ResponseTime: time.Second})}, Channels: []Channel{testChannel(1, EventDown, EventRecovery)}},
		nil, Group{Rule: GroupRule{Kind: RuleAny}, Level: LevelGroup})
	s := w.states[2]
	window := windowAt(100, 300)
	window.Target.MonitorIDs = []uint32{2}
	s.Windows = []MaintenanceWindow{window}
	w.states[2] = s
	w.allUp()
	w.goes(110, 2, StatusDown)
	if got := w.groups[0].State.Status; got != StatusUp {
		t.Errorf("with one in maintenance the group is %s", got)
	}
	w.enter(w.next(passing(0, 120, 2*time.Second), 2))
	w.wantTold(t, "")
	w.ticks(301)
	w.wantTold(t, "2 triggered, G down m2")
	w.goes(400, 2, StatusUp)
	w.wantTold(t, "2 triggered, G down m2, G recovered")
}

func TestGroupWords(t *testing.T) {
	w := newTown(20, State{Channels: []Channel{testChannel(1, EventDown, EventRecovery)}}, nil, Group{Rule: count(12), Level: LevelGroup})
	w.allUp()
	w.goes(5, 20, StatusUnknown)
	for id := range uint32(17) {
		w.goes(10+int(id), id+1, StatusDown)
	}
	if len(w.messages) != 1 {
		t.Fatalf("told %q", w.told())
	}
	down := w.messages[0]
	got := down.words(second(81), "https://uptime.example.com")
	if got.Title != "g1 is down (12 of 19 members down; not counted: 1 unknown)" || got.Link != "https://uptime.example.com/uptime/groups?group=1" ||
		!strings.Contains(got.Text, "Down: m1, m10, m11, m12, m2, m3, m4, m5, m6, m7 and 2 more.") || !strings.Contains(got.Text, "(for 1 min)") ||
		!strings.Contains(got.Text, "down when 12 are") {
		t.Errorf("words %q\n%s\n%s", got.Title, got.Text, got.Link)
	}
	for id := range uint32(7) {
		w.goes(321, id+1, StatusUp)
	}
	if len(w.messages) != 2 {
		t.Fatalf("told %q", w.told())
	}
	up := w.messages[1].words(second(321), "")
	if up.Title != "g1 is no longer down, but degraded after 5 min" || up.Thread != got.Thread || !strings.Contains(up.Text, "(5 min)") {
		t.Errorf("words %q in %s, before %s\n%s", up.Title, up.Thread, got.Thread, up.Text)
	}
	body, err := down.body(second(81))
	if err != nil || strings.Contains(string(body), `"monitor":`) || !strings.Contains(string(body), `"group":{"id":1,"name":"g1","rule":{"type":"count","count":12},"members":{"total":20,"counted":19,"up":7,`) {
		t.Errorf("body %s, %v", body, err)
	}
}

// anyTown draws what becomes of some monitors, in the order of the feed.
func anyTown(t *rapid.T) (*town, []Entry) {
	rules := []GroupRule{{Kind: RuleAny}, {Kind: RuleAll}, count(2), {RulePercent, 50}}
	levels := []AlertLevel{LevelGroup, LevelMembers, LevelBoth}
	var groups []Group
	for range rapid.IntRange(1, 3).Draw(t, "groups") {
		groups = append(groups, Group{Rule: rapid.SampledFrom(rules).Draw(t, "rule"), Level: rapid.SampledFrom(levels).Draw(t, "level")})
	}
	on := map[uint32][]uint32{}
	if rapid.Bool().Draw(t, "family") {
		on[4] = []uint32{1}
	}
	events := []Event{EventDown, EventRecovery}
	if rapid.Bool().Draw(t, "degraded") {
		events = append(events, EventDegraded)
	}
	w := newTown(4, State{Channels: []Channel{testChannel(1, events...)}}, on, groups...)
	to := []Status{StatusUp, StatusUp, StatusDown, StatusDown, StatusDegraded, StatusUnknown, StatusPaused}
	var entries []Entry
	at := 0
	for range rapid.IntRange(1, 40).Draw(t, "entries") {
		at += rapid.IntRange(0, 40).Draw(t, "pause")
		id := rapid.Uint32Range(1, 4).Draw(t, "monitor")
		entries = append(entries, w.turn(at, id, rapid.SampledFrom(to).Draw(t, "to")))
	}
	return w, entries
}

// However the feed is cut, the same is told; told is only what has changed, by turns; the state is that of the members as they are
// stored; and a group is down for receivers only after so many of its members were told to be, or would have been.
func TestGroupsFollowTheirMembers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w, entries := anyTown(t)
		again := newTown(4, State{Channels: w.channels}, map[uint32][]uint32{4: w.states[4].Monitor.DependsOn}, groupsOf(w)...)
		for rest := entries; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "batch")
			w.enter(rest[:n]...)
			rest = rest[n:]
		}
		for _, e := range entries {
			before := len(again.messages)
			was := groupsOf(again)
			again.enter(e)
			follows(t, again, was, again.messages[before:], e)
		}
		if diff := cmp.Diff(again.told(), w.told()); diff != "" {
			t.Fatalf("told otherwise in batches: %s", diff)
		}
		if diff := cmp.Diff(idsOf(again.messages), idsOf(w.messages)); diff != "" {
			t.Fatalf("by other names: %s", diff)
		}
		if diff := cmp.Diff(groupsOf(again), groupsOf(w)); diff != "" {
			t.Fatalf("other groups: %s", diff)
		}
	})
}

func groupsOf(w *town) (out []Group) {
	for _, g := range w.groups {
		out = append(out, g.Group)
	}
	return out
}

func idsOf(messages []Message) map[string]bool {
	ids := map[string]bool{}
	for _, m := range messages {
		ids[m.ID] = true
	}
	return ids
}

func follows(t *rapid.T, w *town, was []Group, messages []Message, e Entry) {
	for i, g := range w.groups {
		members := []Status{}
		for _, m := range g.Members {
			members = append(members, m.Status)
		}
		// One that was never looked at since is as it was.
		if want := oracle(g.Rule, members); g.State.Status != want && g.State.Status != "" {
			t.Fatalf("group %d of %v is %s, want %s", g.ID, members, g.State.Status, want)
		}
		if g.State.Told == StatusDown && was[i].State.Told != StatusDown {
			open := 0 // those that are down and of which somebody is told, or would be without the group
			for _, m := range g.Members {
				if m.Status == StatusDown && !m.Quiet {
					open++
				}
			}
			if open == 0 || g.Rule.Kind == RuleCount && open < g.Rule.Value || g.Rule.Kind == RuleAll && open < g.Tally().Counted() {
				t.Fatalf("group %d leads its members %v", g.ID, g.Members)
			}
		}
	}
	for i, m := range messages {
		g := m.Content.Group
		if g == nil {
			if i > 0 && messages[i-1].Content.Group != nil {
				t.Fatalf("a group is told before its member %d", m.MonitorID)
			}
			continue
		}
		state := w.groups[g.ID-1].State
		if m.Content.Status != state.Status || m.Content.PreviousStatus == state.Status || was[g.ID-1].State.Told == state.Status {
			t.Fatalf("%s at %v, from %+v to %+v: nothing has changed", m.Type, e.At, was[g.ID-1].State, state)
		}
	}
	open := map[uint32]string{}
	for _, m := range w.messages {
		g := m.Content.Group
		if g == nil || g.StartedAt == nil {
			continue
		}
		if m.Closes() && open[g.ID] != m.Thread {
			t.Fatalf("group %d: %s ends, and %q goes on", g.ID, m.Thread, open[g.ID])
		}
		if open[g.ID] = m.Thread; m.Closes() { // a pause may have ended the one before without a word
			open[g.ID] = ""
		}
	}
}
