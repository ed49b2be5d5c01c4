package alerts

import (
	"fmt"
	"slices"
	"testing"
)

// asks are those that are to be checked at once after the last batch.
func (v *village) asks() string {
	var out []uint32
	for _, r := range v.rechecks {
		out = append(out, r.ID)
	}
	return fmt.Sprint(out)
}

// Whoever may be down is checked when it begins to be waited for, and again when nothing has come of that for a while.
func TestWhoIsCheckedAtOnce(t *testing.T) {
	v := newVillage(4, map[uint32][]uint32{2: {1}, 3: {1, 4}}, toAll)
	for id, s := range v.states {
		s.Monitor.DetectsDown = 3 * detects
		v.states[id] = s
	}
	want := func(what, asks, told string) {
		t.Helper()
		if got := v.asks(); got != asks {
			t.Errorf("%s: checked are %s, want %s", what, got, asks)
		}
		if got := v.told(); got != told {
			t.Errorf("%s: told %q, want %q", what, got, told)
		}
	}
	v.goes(10, 3, StatusDown)
	want("a child fails", "[1 4]", "")
	v.passes(11, 1)
	want("one of two works", "[]", "")
	v.goes(12, 2, StatusDown)
	want("another child fails", "[1]", "")
	v.tick(13)
	want("nothing has happened", "[]", "")
	v.passes(14, 1)
	want("the first works again", "[]", "2 down")
	v.tick(26)
	want("a while later", "[4]", "2 down")
	v.goes(30, 4, StatusDown)
	want("the second is down", "[]", "2 down, 4 down")
	if by := v.states[3].Incident.AffectedBy; by != 4 {
		t.Errorf("affected by %d", by)
	}
}

// What begins and ends within a batch needs no check, and what is down already is not asked for.
func TestNobodyIsCheckedForNothing(t *testing.T) {
	v := newVillage(2, map[uint32][]uint32{2: {1}}, toAll)
	down, seen := v.next(transition(0, 10, StatusUp, StatusDown), 2), v.next(passing(0, 11, 1), 1)
	v.feed(down, seen)
	if got := v.asks() + " " + v.told(); got != "[] 2 down" {
		t.Errorf("got %s", got)
	}
	v = newVillage(2, map[uint32][]uint32{2: {1}}, toAll)
	v.goes(10, 1, StatusDown)
	v.goes(20, 2, StatusDown)
	if got := v.asks() + " " + v.told(); got != "[] 1 down" {
		t.Errorf("got %s", got)
	}
}

// A rule that counts failing checks waits as an outage does.
func TestRuleAsksForChecks(t *testing.T) {
	v := newVillage(2, map[uint32][]uint32{2: {1}}, State{Rules: []RuleState{testRule(1, Conditions{Failures: 2})}})
	v.feed(v.next(failing(0, 10, 1), 2))
	if got := v.asks(); got != "[]" {
		t.Errorf("after one failure: %s", got)
	}
	v.feed(v.next(failing(0, 20, 2), 2))
	if got := v.asks(); got != "[1]" || len(v.messages) != 0 {
		t.Errorf("after two: %s, %s", got, v.told())
	}
	if !slices.ContainsFunc(v.rechecks, func(r Recheck) bool { return r.Until.After(second(20)) }) {
		t.Errorf("%+v", v.rechecks)
	}
}
