package prober

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/services/prober/schedule"
)

// fleet is what a run of TestAccounting does: monitors with their intervals and how long their checks take, and when each
// comes, is changed and goes.
type fleet struct {
	monitors []fleetMonitor
	maxAll   int
	maxHost  int
	length   time.Duration
}

type fleetMonitor struct {
	interval uint32
	parallel bool
	host     string
	took     []time.Duration // of its checks in turn
	status   []checkv1.ResultStatus
	confirm  bool            // faults are looked at again
	known    bool            // it was checked before the start
	changes  time.Duration   // when it gets another interval; 0 never
	leaves   time.Duration   // when it is removed; 0 never
	asked    []time.Duration // when somebody asks for a check of it
}

func drawFleet(rt *rapid.T) fleet {
	f := fleet{
		maxAll: rapid.IntRange(1, 12).Draw(rt, "all"), maxHost: rapid.IntRange(1, 6).Draw(rt, "per host"),
		length: time.Duration(rapid.IntRange(1_000, 90_000).Draw(rt, "length")) * time.Millisecond,
	}
	moment := rapid.OneOf(rapid.Just(0), rapid.IntRange(1, int(f.length.Milliseconds())))
	for range rapid.IntRange(1, 12).Draw(rt, "monitors") {
		m := fleetMonitor{
			interval: rapid.Uint32Range(1, 15).Draw(rt, "interval"), parallel: rapid.Bool().Draw(rt, "parallel"),
			confirm: rapid.Bool().Draw(rt, "confirm"),
			host:    fmt.Sprint("host", rapid.IntRange(0, 2).Draw(rt, "host")), known: rapid.Bool().Draw(rt, "known"),
			changes: time.Duration(moment.Draw(rt, "changes")) * time.Millisecond, leaves: time.Duration(moment.Draw(rt, "leaves")) * time.Millisecond,
		}
		for range rapid.IntRange(0, 4).Draw(rt, "wishes") {
			m.asked = append(m.asked, time.Duration(moment.Draw(rt, "asked"))*time.Millisecond)
		}
		for range 5 {
			took := rapid.OneOf(rapid.IntRange(0, 5), rapid.IntRange(0, 1500), rapid.IntRange(0, 20_000)).Draw(rt, "took")
			m.took = append(m.took, time.Duration(took)*time.Millisecond)
			m.status = append(m.status, rapid.SampledFrom([]checkv1.ResultStatus{
				checkv1.ResultStatus_RESULT_STATUS_SUCCESS, checkv1.ResultStatus_RESULT_STATUS_FAILURE,
				checkv1.ResultStatus_RESULT_STATUS_TIMEOUT, checkv1.ResultStatus_RESULT_STATUS_ERROR,
			}).Draw(rt, "status"))
		}
		f.monitors = append(f.monitors, m)
	}
	return f
}

func (f fleet) assignment(id uint32, interval uint32) *monitorsv1.Assignment {
	m := f.monitors[id-1]
	a := assignment(id, interval)
	a.Spec.TcpConfig.Host, a.RetryIntervalSeconds = ptr(m.host), 2
	if !m.confirm {
		a.ConfirmDown = 1
	}
	if m.parallel {
		a.Overlap = monitorsv1.Overlap_OVERLAP_PARALLEL
	}
	return a
}

// run lets the fleet live and returns its rows, and what the engine counted as due.
func (f fleet) run(t *testing.T) (rows []*checkv1.CheckResult, due int64) {
	nth := make([]int, len(f.monitors))
	turns := make(chan struct{}, 1)
	b := startEngine(t, Config{MaxChecks: f.maxAll, MaxChecksPerHost: f.maxHost, StopGrace: 2 * time.Second}, func(id uint32) (time.Duration, checkv1.ResultStatus) {
		turns <- struct{}{}
		defer func() { <-turns }()
		m, n := f.monitors[id-1], nth[id-1]
		nth[id-1]++
		return m.took[n%len(m.took)], m.status[n%len(m.status)]
	})
	for i, m := range f.monitors {
		id := uint32(i + 1)
		var known *lastSlot
		if m.known {
			known = &lastSlot{at: time.Now().Add(-time.Minute)}
		}
		b.assign(f.assignment(id, m.interval), known, !m.known)
		if m.changes > 0 {
			time.AfterFunc(m.changes, func() {
				if s := b.shardOf(id); s.known(id) {
					b.assign(f.assignment(id, m.interval+1), nil, true)
				}
			})
		}
		if m.leaves > 0 {
			time.AfterFunc(m.leaves, func() { b.remove(id) })
		}
		for _, at := range m.asked {
			time.AfterFunc(at, func() { b.recheck(id, 0) })
		}
	}
	pass(f.length)
	synctest.Wait()
	rows = b.stopAndRead(t)
	return rows, b.metrics.due.Load()
}

func (s *shard) known(id uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries[id] != nil
}

// Whatever comes, changes, goes, overlaps, waits and is cut off: every due slot is exactly one row or in exactly one missed
// row, no result is told twice, and nothing runs beyond its limits. A monitor that nobody touches has exactly
// the slots of its grid.
func TestAccounting(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := drawFleet(rt)
		bubbletest.Test(t, func(t *testing.T) {
			began := time.Now()
			rows, due := f.run(t)
			ran, missed := tally(rows)
			if int64(ran+missed) != due {
				t.Errorf("%d results + %d missed, due were %d; %+v", ran, missed, due, f)
			}
			slots := map[[2]int64]bool{}
			by := map[uint32][]*checkv1.CheckResult{}
			for _, r := range rows {
				by[r.GetMonitorId()] = append(by[r.GetMonitorId()], r)
				key := [2]int64{int64(r.GetMonitorId()), r.GetScheduledAt().AsTime().UnixMilli()}
				if slots[key] {
					t.Errorf("two rows begin with slot %v of monitor %d; %+v", key[1], key[0], f)
				}
				slots[key] = true
			}
			for i, m := range f.monitors {
				if m.changes != 0 || m.leaves != 0 || !m.known || m.confirm || len(m.asked) > 0 {
					continue
				}
				f.checkGrid(t, uint32(i+1), by[uint32(i+1)], began)
			}
		})
	})
}

// checkGrid holds the rows of a monitor that was checked until a minute before the start to its grid.
func (f fleet) checkGrid(t *testing.T, id uint32, rows []*checkv1.CheckResult, began time.Time) {
	t.Helper()
	grid := schedule.NewGrid(id, time.Duration(f.monitors[id-1].interval)*time.Second)
	covered := 0
	for _, r := range rows {
		covered += max(int(r.GetMissedCount()), 1)
	}
	// A slot is taken at the end of its tick: one within the last tick may not have been.
	since, end := began.Add(-time.Minute), began.Add(f.length)
	if least, most := grid.Count(since, end.Add(-tick)), grid.Count(since, end)+1; covered < least || covered > most {
		t.Errorf("%d slots of monitor %d have rows, due were %d to %d; %+v", covered, id, least, most, f)
	}
}
