package sqlite

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestPlanCoversEachMomentOnce holds plans to what sums rest on: every moment of the range is read from exactly one place, and
// no roll-up that is read reaches over an edge.
func TestPlanCoversEachMomentOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		units := []int64{1, 1000, minutes.width, 5 * minutes.width, hours.width, days.width}
		edges := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) int64 {
			unit := rapid.SampledFrom(units).Draw(t, "unit")
			return rapid.Int64Range(0, 31*days.width/unit).Draw(t, "edge") * unit
		}), 2, 20, rapid.ID).Draw(rt, "edges")
		slices.Sort(edges)
		var p planner
		for i := 0; i+1 < len(edges); i++ {
			p.bucket(span{edges[i], edges[i+1]})
		}
		var q planner // as if every hour were dense
		for _, r := range p.runs {
			if r.from != fromResults {
				q.add(r)
				continue
			}
			for h := hours.floor(r.lo); h < r.hi; h += hours.width {
				q.minutesOf(span{max(r.lo, h), min(r.hi, h+hours.width)}, edges)
			}
		}
		for _, runs := range [][]run{p.runs, q.runs} {
			at := edges[0]
			for _, r := range runs {
				if r.lo != at || r.hi <= r.lo {
					rt.Fatalf("run %+v after %d", r, at)
				}
				at = r.hi
				l, ok := map[source]level{fromMinutes: minutes, fromHours: hours, fromDays: days}[r.from]
				if !ok {
					continue
				}
				if r.lo%l.width != 0 || r.hi%l.width != 0 {
					rt.Fatalf("run %+v does not fit the level", r)
				}
				for _, e := range edges {
					if e > r.lo && e < r.hi && e%l.width != 0 {
						rt.Fatalf("run %+v reaches over the edge %d", r, e)
					}
				}
			}
			if at != edges[len(edges)-1] {
				rt.Fatalf("runs end at %d, edges at %d", at, edges[len(edges)-1])
			}
		}
	})
}

func TestPlanReadsFewRows(t *testing.T) {
	var p planner
	for day := range int64(31) {
		p.bucket(span{day * days.width, (day + 1) * days.width})
	}
	if len(p.runs) != 1 || p.runs[0].from != fromDays {
		t.Errorf("a month of days: %+v", p.runs)
	}
}
