package prober

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/services/prober/schedule"
)

// However many monitors start at once, every slot of their grids runs, and no second holds more than a fifth above the mean of
// the grids, or above what a few may have.
func TestManyStartAtOnce(t *testing.T) {
	for _, c := range []struct {
		name      string
		monitors  int
		intervals []uint32
		come      time.Duration // over which they are assigned
		lasts     time.Duration // of each check
	}{
		{"a minute each", 100_000, []uint32{60}, 0, 0},
		{"one by one", 30_000, []uint32{60}, 5 * time.Second, 0},
		{"slow targets", 30_000, []uint32{60}, 0, 700 * time.Millisecond},
		{"a minute or a day", 44_000, []uint32{60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 86400}, time.Second, 0},
		{"few", 3000, []uint32{30, 300, 3600}, 0, 20 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				b := startEngine(t, Config{MaxChecksPerHost: 4096}, func(uint32) (time.Duration, checkv1.ResultStatus) {
					return c.lasts, checkv1.ResultStatus_RESULT_STATUS_SUCCESS
				})
				f := crowd{intervals: c.intervals, began: time.Now()}
				for id := range uint32(c.monitors) {
					f.assign(b, id+1)
					if c.come > 0 && id%1000 == 0 {
						pass(c.come * 1000 / time.Duration(c.monitors))
					}
				}
				const watched = 70 * time.Second
				pass(watched - time.Since(f.began))
				synctest.Wait()
				f.ended = time.Now()
				f.judge(t, b.stopAndRead(t))
			})
		})
	}
}

// crowd is monitors without history, and when they began.
type crowd struct {
	intervals    []uint32 // in seconds, in turns
	since        []time.Time
	mean         float64 // checks a second
	began, ended time.Time
}

func (f *crowd) interval(id uint32) uint32 { return f.intervals[int(id)%len(f.intervals)] }

func (f *crowd) grid(id uint32) schedule.Grid {
	return schedule.NewGrid(id, time.Duration(f.interval(id))*time.Second)
}

// assign is for identifiers that count from 1.
func (f *crowd) assign(b *bench, id uint32) {
	f.since = append(f.since, time.Now())
	f.mean += 1 / float64(f.interval(id))
	b.assign(assignment(id, f.interval(id)), nil, false)
}

// judge compares rows with what the grids make due.
func (f *crowd) judge(t *testing.T, rows []*checkv1.CheckResult) {
	t.Helper()
	due, ran, besides := 0, 0, 0
	for i, since := range f.since {
		due += f.grid(uint32(i+1)).Count(since, f.ended.Add(1))
	}
	all := make([]int, f.ended.Sub(f.began)/time.Second+1)
	extra := slices.Clone(all)
	for _, r := range rows {
		at := r.GetScheduledAt().AsTime()
		if r.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_MISSED {
			t.Fatalf("%d slots of monitor %d did not run from %v on: %s", r.GetMissedCount(), r.GetMonitorId(), at.Sub(f.began), r.GetErrorType())
		}
		second := at.Sub(f.began) / time.Second
		all[second]++
		if f.grid(r.GetMonitorId()).Next(at.Add(-time.Millisecond)).Equal(at) {
			ran++
		} else {
			besides++
			extra[second]++
		}
	}
	if ran != due {
		t.Errorf("%d slots of grids ran, due were %d", ran, due)
	}
	if most, bound := slices.Max(all), 1.2*max(f.mean, firstRate); float64(most) > bound {
		t.Errorf("%d checks in a second, want %.0f at most: %v", most, bound, all)
	}
	if f.since[len(f.since)-1].Equal(f.began) { // else there was more room before all had come
		if most, bound := slices.Max(extra), max(firstRate-f.mean, firstShare*f.mean)+float64(atOnce()); float64(most) > bound {
			t.Errorf("%d first checks in a second, want %.0f at most: %v", most, bound, extra)
		}
	}
	if besides == 0 {
		t.Error("no monitor was checked before its grid's slot")
	}
	t.Logf("mean %.0f/s, most %d/s, %d checks besides grids", f.mean, slices.Max(all), besides)
}

// atOnce is how many first checks no time goes by between: those whose turn was not so late that it is lost, and one.
func atOnce() int { return 1 + int(math.Ceil(firstRate*firstSlack.Seconds())) }

// Somebody who makes a monitor sees within a second whether it works, also while many thousands wait for their turns, and
// at most one check runs at a time.
func TestOneMonitorAmongMany(t *testing.T) {
	for _, grid := range []time.Duration{3 * time.Millisecond, 300 * time.Millisecond, 900 * time.Millisecond, 20 * time.Second} {
		t.Run(fmt.Sprint("slot in ", grid), func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				b := startEngine(t, Config{}, func(uint32) (time.Duration, checkv1.ResultStatus) {
					return 50 * time.Millisecond, checkv1.ResultStatus_RESULT_STATUS_SUCCESS
				})
				for id := range uint32(20_000) {
					b.assign(assignment(id+1, 86400), nil, false)
				}
				const mine, interval = 200_001, 60
				pass(time.Until(schedule.NewGrid(mine, interval*time.Second).Next(time.Now().Add(time.Second)).Add(-grid)))
				made := time.Now()
				b.assign(assignment(mine, interval), nil, true)
				pass(time.Second + 2*tick)
				synctest.Wait()
				ran := 0
				for _, r := range b.stopAndRead(t) {
					if r.GetMonitorId() != mine {
						continue
					}
					if r.GetStatus() != checkv1.ResultStatus_RESULT_STATUS_SUCCESS {
						t.Errorf("its slot %v later: %s", r.GetScheduledAt().AsTime().Sub(made), r.GetErrorType())
					}
					ran++
				}
				if ran != 1 {
					t.Errorf("%d checks within a second, want 1", ran)
				}
			})
		})
	}
}

// Many that are made or changed at once are no burst either.
func TestManyAreChangedAtOnce(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		b := startEngine(t, Config{}, success)
		const monitors = 2000
		for _, interval := range []uint32{7200, 14400} {
			began := time.Now()
			for id := range uint32(monitors) {
				b.assign(assignment(id+1, interval), nil, true)
			}
			before := b.stats().Finished
			pass(time.Second)
			synctest.Wait()
			if n := b.stats().Finished - before; n > uint64(firstRate*(1+freshAhead.Seconds()))+uint64(atOnce()) || n < firstRate*9/10 {
				t.Errorf("%d checks in the first second, want about %d", n, firstRate)
			}
			pass(5*time.Second - time.Since(began))
		}
		b.retain(nil)
		if left := b.turns.daily; left != 0 {
			t.Errorf("%d checks a day are left of no monitors", left)
		}
		ran, missed := tally(b.stopAndRead(t))
		if ran < 2*monitors || ran > 2*monitors+10 || missed > 0 {
			t.Errorf("%d checks ran and %d did not, want two of each of %d monitors", ran, missed, monitors)
		}
	})
}

// First checks go on when somebody sets the wall clock while they wait.
func TestFirstChecksWhenTheClockIsSet(t *testing.T) {
	for _, by := range []time.Duration{-3 * time.Hour, -time.Minute, time.Minute} {
		t.Run(by.String(), func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				b := startEngine(t, Config{}, success)
				const monitors = 2000
				for id := range uint32(monitors) {
					b.assign(assignment(id+1, 30*86400), nil, false)
				}
				pass(2 * time.Second)
				b.setClock(by)
				pass(4 * time.Second)
				synctest.Wait()
				ran, missed := tally(b.stopAndRead(t))
				if ran < monitors || ran > monitors+1 || missed > 0 {
					t.Errorf("%d of %d monitors were checked, %d slots missed", ran, monitors, missed)
				}
			})
		})
	}
}

// A monitor that changes while it is checked is checked as it is now, once that check has ended.
func TestChangeWhileRunning(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		b := startEngine(t, Config{}, func(uint32) (time.Duration, checkv1.ResultStatus) {
			return 4 * time.Second, checkv1.ResultStatus_RESULT_STATUS_SUCCESS
		})
		b.assign(assignment(1, 3600), nil, true)
		pass(time.Second)
		b.assign(assignment(1, 7200), nil, true)
		b.assign(assignment(1, 14400), nil, true)
		pass(time.Minute)
		synctest.Wait()
		if ran, missed := tally(b.stopAndRead(t)); ran != 2 || missed != 0 {
			t.Errorf("%d checks ran and %d slots did not, want 2 and 0", ran, missed)
		}
	})
}

// What is to confirm a failure gives way to the slot of the grid that comes with it: two at once would cost one of them.
func TestConfirmingMeetsTheGrid(t *testing.T) {
	const id, interval = 7, 60 * time.Second
	for _, before := range []time.Duration{0, time.Millisecond, 30 * time.Millisecond, 900 * time.Millisecond, 5 * time.Second} {
		t.Run(before.String(), func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var starts []time.Time
				b := startEngine(t, Config{}, func(uint32) (time.Duration, checkv1.ResultStatus) {
					mu.Lock()
					defer mu.Unlock()
					starts = append(starts, time.Now())
					if len(starts) == 1 {
						return 40 * time.Millisecond, checkv1.ResultStatus_RESULT_STATUS_FAILURE
					}
					return 200 * time.Millisecond, checkv1.ResultStatus_RESULT_STATUS_SUCCESS
				})
				a := assignment(id, uint32(interval/time.Second))
				slot := schedule.NewGrid(id, interval).Next(time.Now().Add(30 * time.Second))
				retry := time.Duration(a.GetRetryIntervalSeconds()) * time.Second
				pass(time.Until(slot.Add(-before - retry - 40*time.Millisecond)))
				b.assign(a, nil, true)
				pass(retry + before + time.Second)
				synctest.Wait()
				ran, missed := tally(b.stopAndRead(t))
				want := 2
				if before > soon {
					want = 3
				}
				if ran != want || missed != 0 {
					t.Errorf("%d ran and %d did not, want %d: %v", ran, missed, want, starts)
				}
			})
		})
	}
}

// A turn comes as often as is left of what few may have, or as a tenth of what the grids make due.
func TestTurnsOfFirstChecks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		grids := rapid.Float64Range(0, 50_000).Draw(rt, "checks a second by grids")
		x := turns{daily: int64(grids * 86400)}
		rate := float64(time.Second) / float64(x.pause())
		sum, most := grids+rate, max(firstRate, grids*(1+firstShare))
		if sum > most*1.0001 || sum < most*.9999 {
			rt.Fatalf("%f first checks a second beside %f, want %f together", rate, grids, most)
		}
	})
}
