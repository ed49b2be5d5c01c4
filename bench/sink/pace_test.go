package sink

import (
	"testing"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

func TestPace(t *testing.T) {
	const success = checkv1.ResultStatus_RESULT_STATUS_SUCCESS
	p := newPace(60_000)
	for i := range 100 { // ten a second for ten seconds, but none in the fifth, and twenty in the sixth
		at := int64(i) * 100
		if at/1000 == 5 {
			at += 1000
		}
		p.add(row{monitor: uint32(i), at: at, status: success, late: uint64(i) * 1_000_000 / 100})
	}
	p.add(row{monitor: 7, at: 100, status: checkv1.ResultStatus_RESULT_STATUS_MISSED, missed: 3})
	got := p.report()
	if got.Checks != 100 || got.Monitors != 100 || got.Seconds != 8 || got.Least != 0 || got.Most != 20 || got.Mean != 10 {
		t.Errorf("pace %+v", got)
	}
	if got.Moved != 0 {
		t.Errorf("%d checks besides grids, want none", got.Moved)
	}
	if got.LateMax != 990_000 || got.LateP50 < 480_000 || got.LateP50 > 500_000 {
		t.Errorf("lateness %+v", got)
	}
	other := newPace(60_000)
	for i := range 100 {
		at := int64(i) * 100
		if at/1000 == 5 {
			at += 1000
		}
		other.add(row{monitor: uint32(i), at: at + 60_000, status: success})
	}
	if other.report().Phases != got.Phases {
		t.Error("the same phases in another interval differ")
	}
	other.add(row{monitor: 3, at: 301, status: success})
	if other.report().Phases == got.Phases {
		t.Error("another phase is not noticed")
	}
	if moved := other.report().Moved; moved != 1 {
		t.Errorf("%d checks were moved, want 1", moved)
	}
}
