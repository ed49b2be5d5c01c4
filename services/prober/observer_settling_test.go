package prober

import (
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// A network that comes back is found again destination by destination: what is silent for a moment after the witnesses answer is
// not blamed, and what is silent after that is.
func TestNetworkComesBackInSteps(t *testing.T) {
	from := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	back := from.Add(time.Minute)
	for name, began := range map[string]struct {
		at   time.Time
		ours bool
	}{
		"before the silence":     {from.Add(-2 * time.Second), false},
		"as it ended":            {back.Add(-time.Millisecond), true},
		"right after":            {back.Add(10 * time.Millisecond), true},
		"before all is found":    {back.Add(settling - time.Millisecond), true},
		"when it must be found":  {back.Add(settling), false},
		"long after the silence": {back.Add(time.Hour), false},
	} {
		t.Run(name, func(t *testing.T) {
			f := &finding{began: began.at, ended: began.at.Add(800 * time.Millisecond), silent: true, place: placeOfText("192.0.2.1")}
			well := &round{began: f.ended.Add(time.Millisecond), decided: true, good: true}
			fam := &family{version: nettest.IPv4, here: true, known: true, silent: span{from, back}, rounds: []*round{well}}
			if v := fam.judge(f); v.wait || (v.typ != "") != began.ours {
				t.Errorf("verdict %+v, want ours to be %v", v, began.ours)
			}
		})
	}
}
