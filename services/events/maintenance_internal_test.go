package events

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/frogstats/uptime/internal/maintenance"
)

// TestOverlayBesideSeconds holds overlaid tallies to a count of single seconds: in maintenance unless paused, or what the state says.
func TestOverlayBesideSeconds(t *testing.T) {
	epoch := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }
	const seconds = 60
	rapid.Check(t, func(t *rapid.T) {
		states := make([]Status, seconds)
		lines := []Timeline{begin(Unknown, epoch)}
		state := Unknown
		for s := range states {
			if rapid.IntRange(0, 5).Draw(t, "changes") == 0 {
				state = rapid.SampledFrom([]Status{Up, Degraded, Down, Unknown, Paused}).Draw(t, "to")
			}
			states[s] = state
			if next := lines[len(lines)-1]; next.move(state, at(s)) {
				lines = append(lines, next)
			}
		}
		lineAt := func(moment time.Time) (l Timeline) { // as StateStore.Timelines has it
			for _, x := range lines {
				if x.Since.Before(moment) {
					l = x
				}
			}
			return l
		}
		var spans []span
		for range rapid.IntRange(0, 4).Draw(t, "windows") {
			from := rapid.IntRange(0, seconds-2).Draw(t, "from")
			spans = append(spans, span{at(from), at(rapid.IntRange(from+1, seconds-1).Draw(t, "to"))})
		}
		inWindow := make([]bool, seconds)
		for _, w := range spans {
			for s := range inWindow {
				inWindow[s] = inWindow[s] || !at(s).Before(w.from) && at(s).Before(w.to)
			}
		}
		var maintained []within
		for _, w := range union(slices.Clone(spans)) {
			maintained = append(maintained, within{w, lineAt(w.from), lineAt(w.to)})
		}
		from := rapid.IntRange(0, seconds-1).Draw(t, "range from")
		to := rapid.IntRange(from, seconds-1).Draw(t, "range to")
		tally := func(s int) Tally { return overlay(lineAt(at(s)).tally(at(s)), at(s), maintained) }
		got := tally(to).Sub(tally(from))
		var want Tally
		for s := from; s < to; s++ {
			if state := states[s]; inWindow[s] && state != Paused {
				want.add(Maintenance, time.Second)
			} else {
				want.add(state, time.Second)
			}
		}
		got.Outages = 0
		if got != want {
			t.Fatalf("%d to %d of %v, windows %v:\ngot  %+v\nwant %+v", from, to, states, inWindow, got, want)
		}
	})
}

// TestOutagesInMaintenance says which count.
func TestOutagesInMaintenance(t *testing.T) {
	epoch := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }
	for name, tt := range map[string]struct {
		down, up, until int
		outages         int64
	}{
		"before it":               {2, 5, 100, 1},
		"within it":               {20, 30, 100, 0},
		"from before until in":    {5, 30, 100, 1},
		"goes on after it":        {20, 50, 100, 1},
		"goes on, and it as well": {20, 99, 35, 0},
		"after it":                {50, 60, 100, 1},
	} {
		t.Run(name, func(t *testing.T) {
			lines := []Timeline{begin(Up, epoch)}
			for _, change := range []Timeline{{Status: Down, Since: at(tt.down)}, {Status: Up, Since: at(tt.up)}} {
				next := lines[len(lines)-1]
				next.move(change.Status, change.Since)
				lines = append(lines, next)
			}
			lineAt := func(moment time.Time) (l Timeline) {
				for _, x := range lines {
					if x.Since.Before(moment) {
						l = x
					}
				}
				return l
			}
			w := span{at(10), at(40)}
			maintained := []within{{w, lineAt(w.from), lineAt(w.to)}}
			tally := func(s int) Tally { return overlay(lineAt(at(s)).tally(at(s)), at(s), maintained) }
			if got := tally(tt.until).Sub(tally(0)); got.Outages != tt.outages {
				t.Errorf("%d outages, want %d", got.Outages, tt.outages)
			}
		})
	}
}

// TestWindowsOf looks at versions that took each other's place, labels, and other organizations.
func TestWindowsOf(t *testing.T) {
	epoch := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	at := func(h int) time.Time { return epoch.Add(time.Duration(h) * time.Hour) }
	var w windows
	daily := maintenance.Spec{Start: epoch, RRule: "FREQ=DAILY;BYHOUR=3;BYMINUTE=0", Length: 3600}
	w.put("o", window{id: 1, version: 1, target: maintenance.Target{MonitorIDs: []uint32{7}}, spec: daily, from: at(0)})
	if w.known() {
		t.Error("known before all was told")
	}
	m := Monitor{ID: 7, OrganizationID: "o"}
	equal := func(name string, got []span, want ...span) {
		t.Helper()
		if !slices.EqualFunc(got, want, func(a, b span) bool { return a.from.Equal(b.from) && a.to.Equal(b.to) }) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	equal("two days", w.of(m, span{at(0), at(48)}), span{at(3), at(4)}, span{at(27), at(28)})
	equal("another monitor", w.of(Monitor{ID: 8, OrganizationID: "o"}, span{at(0), at(48)}))
	equal("another organization", w.of(Monitor{ID: 7, OrganizationID: "p"}, span{at(0), at(48)}))

	// It is changed in its second occurrence, to a longer one for a label, and deleted in the third.
	half := at(27).Add(30 * time.Minute)
	w.put("o", window{id: 1, version: 1, target: maintenance.Target{MonitorIDs: []uint32{7}}, spec: daily, from: at(0), until: half})
	long := daily
	long.Length = 2 * 3600
	w.put("o", window{id: 1, version: 2, target: maintenance.Target{Labels: []string{"team=db"}}, spec: long, from: half, until: at(52)})
	equal("changed", w.of(m, span{at(0), at(240)}), span{at(3), at(4)}, span{at(27), half})
	w.label(7, map[string]string{"team": "db"})
	equal("labelled", w.of(m, span{at(0), at(240)}), span{at(3), at(4)}, span{at(27), at(29)}, span{at(51), at(52)})
	w.label(7, nil)
	w.replace(w.byOrg)
	w.allLabelled()
	if !w.known() {
		t.Error("not known, and all was told")
	}
}
