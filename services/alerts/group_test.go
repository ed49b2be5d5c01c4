package alerts

import (
	"fmt"
	"strings"
	"testing"
)

// oracle says what a group is, from its members one by one, in the words of the documentation and with fractions of them.
func oracle(rule GroupRule, members []Status) Status {
	seen := map[Status]int{}
	for _, m := range members {
		seen[m]++
	}
	have := float64(seen[StatusUp] + seen[StatusDegraded] + seen[StatusDown])
	if have == 0 {
		if seen[StatusPaused] > 0 && seen[StatusPaused] == len(members) {
			return StatusPaused
		}
		return StatusUnknown
	}
	need := map[GroupRuleKind]float64{
		RuleAny: 1, RuleAll: have, RuleCount: float64(rule.Value), RulePercent: have * float64(rule.Value) / 100,
	}[rule.Kind]
	if d := float64(seen[StatusDown]); d > 0 && d >= need-1e-9 {
		return StatusDown
	}
	if seen[StatusUp] < int(have) {
		return StatusDegraded
	}
	return StatusUp
}

var sixStatuses = []Status{StatusUp, StatusDegraded, StatusDown, StatusUnknown, StatusPaused, StatusMaintenance}

// everyFour are all states of four members.
func everyFour(visit func([]Status)) {
	for n := range 6 * 6 * 6 * 6 {
		visit([]Status{sixStatuses[n%6], sixStatuses[n/6%6], sixStatuses[n/36%6], sixStatuses[n/216%6]})
	}
}

func viewOf(rule GroupRule, members []Status) GroupView {
	g := GroupView{Group: Group{ID: 1, OrganizationID: testOrg, Name: "shop", Rule: rule, Level: LevelBoth}}
	for i, m := range members {
		g.Members = append(g.Members, GroupMember{ID: uint32(i + 1), Name: fmt.Sprint("m", i+1), Member: Member{Status: m}})
	}
	return g
}

// The whole table of four members, six states and four rules, the counts and percentages from the least to the greatest.
func TestGroupTruthTable(t *testing.T) {
	rules := []GroupRule{{Kind: RuleAny}, {Kind: RuleAll}}
	for n := 1; n <= 4; n++ {
		rules = append(rules, GroupRule{RuleCount, n})
	}
	for _, p := range []int{1, 25, 26, 33, 34, 50, 51, 66, 67, 75, 76, 99, 100} {
		rules = append(rules, GroupRule{RulePercent, p})
	}
	rows, seen := 0, map[Status]int{}
	for _, rule := range rules {
		everyFour(func(members []Status) {
			g, want := viewOf(rule, members), oracle(rule, members)
			if got := rule.status(g.Tally()); got != want {
				t.Fatalf("%v of %v is %s, want %s", rule, members, got, want)
			}
			b := FoldGroups([]GroupView{g}, nil, nil, second(10))
			if len(b.Groups) != 1 || b.Groups[0].State.Status != want || !b.Groups[0].State.Since.Equal(second(10)) {
				t.Fatalf("%v of %v evaluates to %+v, want %s", rule, members, b.Groups, want)
			}
			rows++
			seen[want]++
		})
	}
	if rows != len(rules)*1296 || len(seen) != 5 {
		t.Errorf("%d rows, of which %v", rows, seen)
	}
}

// What is certain is what holds whatever those members turn out to be that are unknown, or of which nobody is told.
func TestGroupCertainty(t *testing.T) {
	class := func(told, s Status) string {
		if told == StatusDown && s != StatusDown {
			return "its end"
		}
		return string(s)
	}
	for _, rule := range []GroupRule{{Kind: RuleAny}, {Kind: RuleAll}, {RuleCount, 2}, {RulePercent, 50}} {
		everyFour(func(members []Status) {
			now := oracle(rule, members)
			if now == StatusUnknown || now == StatusPaused {
				return
			}
			for _, told := range []Status{"", StatusUp, StatusDegraded, StatusDown} {
				if told == now {
					continue
				}
				for quiet := range 16 { // which of those that are down nobody is told of
					g := viewOf(rule, members)
					worlds := [][]Status{members}
					patient := [][]Status{members}
					for i, m := range members {
						var more, still [][]Status
						hidden := m == StatusDown && quiet>>i&1 == 1
						g.Members[i].Quiet = hidden
						if hidden {
							more = append(more, with(worlds, i, StatusUp)...)
							still = append(still, with(patient, i, StatusUp)...)
						}
						if m == StatusUnknown {
							still = append(still, with(patient, i, StatusUp)...)
							still = append(still, with(patient, i, StatusDown)...)
						}
						worlds, patient = append(worlds, more...), append(patient, still...)
					}
					for waits, all := range map[bool][][]Status{true: patient, false: worlds} {
						want := true
						for _, w := range all {
							// Of the worlds in which one is still unknown the others say it.
							if waits && strings.Contains(fmt.Sprint(w), string(StatusUnknown)) {
								continue
							}
							want = want && class(told, oracle(rule, w)) == class(told, now)
						}
						if got := rule.certain(g.Tally(), told, waits); got != want {
							t.Fatalf("%v of %v, quiet %04b, told %q, patient %t: certain %t, want %t", rule, members, quiet, told, waits, got, want)
						}
					}
				}
			}
		})
	}
}

func with(worlds [][]Status, i int, s Status) (out [][]Status) {
	for _, w := range worlds {
		c := append([]Status{}, w...)
		c[i] = s
		out = append(out, c)
	}
	return out
}

func TestGroupRuleCheck(t *testing.T) {
	for _, c := range []struct {
		rule     GroupRule
		named    int
		labelled bool
		field    string
	}{
		{GroupRule{Kind: RuleAny}, 1, false, ""}, {GroupRule{Kind: RuleAll}, 0, true, ""},
		{GroupRule{RuleCount, 0}, 3, false, "rule.count"}, {GroupRule{RuleCount, 4}, 3, false, "rule.count"},
		{GroupRule{RuleCount, 3}, 3, false, ""}, {GroupRule{RuleCount, 4}, 3, true, ""},
		{GroupRule{RulePercent, 0}, 3, false, "rule.percent"}, {GroupRule{RulePercent, 101}, 3, false, "rule.percent"}, {GroupRule{RulePercent, 100}, 3, false, ""},
	} {
		got := ""
		if bad := c.rule.check(c.named, c.labelled); len(bad) > 0 {
			got = bad[0].Name
		}
		if got != c.field {
			t.Errorf("%v of %d: %q, want %q", c.rule, c.named, got, c.field)
		}
	}
}

func TestRegroup(t *testing.T) {
	groups := []Group{
		{ID: 1, OrganizationID: testOrg}, {ID: 2, OrganizationID: testOrg}, {ID: 3, OrganizationID: "other"},
	}
	groups[0].Target.MonitorIDs, groups[1].Target.Labels, groups[2].Target.Labels = []uint32{7, 8}, []string{"team=db"}, []string{"team"}
	db := map[string]string{"team": "db"}
	monitors := []Monitor{
		{ID: 7, OrganizationID: testOrg, Labels: db}, {ID: 8, OrganizationID: testOrg, Deleted: true}, {ID: 9, OrganizationID: testOrg},
	}
	r := Regroup(groups, monitors, []Membership{{1, 7}, {1, 8}, {2, 9}})
	if fmt.Sprint(r.Join, r.Leave, r.Groups, r.Left()) != "[{2 7}] [{1 8} {2 9}] [1 2] [8 9]" {
		t.Errorf("%+v", r)
	}
	if r := Regroup(groups, monitors[:1], []Membership{{1, 7}, {2, 7}}); len(r.Join)+len(r.Leave) > 0 || fmt.Sprint(r.Groups) != "[1 2]" {
		t.Errorf("again %+v", r)
	}
}

// A member that is known to be another at the same moment is counted once.
func TestTally(t *testing.T) {
	g := viewOf(GroupRule{Kind: RuleAny}, []Status{StatusUp, StatusDown, StatusMaintenance, StatusUnknown})
	tally := g.Tally()
	tally.add(Member{Status: StatusUp}, -1)
	tally.add(Member{StatusDown, true}, 1)
	if want := (Tally{Total: 4, Down: 2, Unknown: 1, Maintenance: 1, quiet: 1}); tally != want || tally.Counted() != 2 {
		t.Errorf("%+v", tally)
	}
	if tally.add(Member{}, 1); tally.Total != 4 {
		t.Errorf("one that is gone: %+v", tally)
	}
}

func TestMember(t *testing.T) {
	well := State{Monitor: Monitor{ID: 1, Enabled: true}, Known: StatusDown}
	for name, c := range map[string]struct {
		change func(*State)
		want   Member
	}{
		"down":        {func(*State) {}, Member{StatusDown, false}},
		"never seen":  {func(s *State) { s.Known = "" }, Member{StatusUnknown, false}},
		"unknown":     {func(s *State) { s.Blind = second(3) }, Member{StatusUnknown, false}},
		"paused":      {func(s *State) { s.Monitor.Enabled, s.Blind = false, second(3) }, Member{StatusPaused, false}},
		"maintenance": {func(s *State) { s.Overlay, s.Blind = &Overlay{From: second(1)}, second(3) }, Member{StatusMaintenance, false}},
		"held":        {func(s *State) { s.Overlay = &Overlay{Hold: &Hold{}} }, Member{StatusDown, true}},
		"unstable":    {func(s *State) { s.Overlay = &Overlay{Unstable: &Unstable{}} }, Member{StatusDown, true}},
		"in a group":  {func(s *State) { s.Overlay = &Overlay{Grouped: true} }, Member{StatusDown, false}},
		"deleted":     {func(s *State) { s.Monitor.Deleted = true }, Member{}},
	} {
		s := well
		c.change(&s)
		if got := s.Member(); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
