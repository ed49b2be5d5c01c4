package prober

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/services/prober/schedule"
)

const rechecked = 7

// asked starts an engine with one monitor that was checked a moment ago, and whose next slot is two minutes away.
func asked(t *testing.T, outcome func(uint32) (time.Duration, checkv1.ResultStatus), change ...func(*monitorsv1.Assignment)) (*bench, schedule.Grid) {
	t.Helper()
	b := startEngine(t, Config{}, outcome)
	a := assignment(rechecked, 300)
	for _, f := range change {
		f(a)
	}
	grid := schedule.NewGrid(rechecked, 300*time.Second)
	pass(time.Until(grid.Next(time.Now().Add(2 * time.Minute)).Add(-2 * time.Minute)))
	b.assign(a, &lastSlot{at: time.Now()}, false)
	synctest.Wait()
	return b, grid
}

// Who is asked checks at once, beside the grid, which stays where it is; the row says when the next slot of it is due.
func TestRecheckAtOnce(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		b, grid := asked(t, success)
		pass(1234 * time.Millisecond)
		at := time.Now()
		next := grid.Next(at)
		b.recheck(rechecked, 0)
		pass(50 * time.Millisecond)
		synctest.Wait()
		if n := b.stats().Finished; n != 1 {
			t.Fatalf("%d checks within 50 ms, want 1", n)
		}
		pass(time.Until(next.Add(time.Second)))
		synctest.Wait()
		due := b.metrics.due.Load()
		rows := b.stopAndRead(t)
		if ran, missed := tally(rows); ran != 2 || missed != 0 || due != 2 {
			t.Fatalf("%d ran and %d did not of %d due, want 2, 0 and 2", ran, missed, due)
		}
		if d := rows[0].GetScheduledAt().AsTime().Sub(at); d < 0 || d > 20*time.Millisecond {
			t.Errorf("its slot lies %v after the wish", d)
		}
		if got := rows[0].GetNextScheduledAt().AsTime(); !got.Equal(next) {
			t.Errorf("its row says that %v is next, want %v", got, next)
		}
		if got := rows[1].GetScheduledAt().AsTime(); !got.Equal(next) {
			t.Errorf("the grid's slot is %v, want %v", got, next)
		}
	})
}

// However often somebody asks, there is one check in ten seconds, and the last wish is not forgotten.
func TestRechecksAreFew(t *testing.T) {
	for _, c := range []struct {
		name     string
		interval uint32
		want     uint64 // in the half minute in which it is asked for all the time, and after it
	}{{"rarely checked", 300, 4}, {"checked often", 4, 0}} {
		t.Run(c.name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				b, _ := asked(t, success, func(a *monitorsv1.Assignment) { a.IntervalSeconds = c.interval })
				for range 30 * 100 {
					b.recheck(rechecked, 0)
					pass(10 * time.Millisecond)
				}
				pass(10 * time.Second)
				synctest.Wait()
				grid := uint64(schedule.NewGrid(rechecked, time.Duration(c.interval)*time.Second).Count(time.Now().Add(-40*time.Second), time.Now()))
				n := b.stats().Finished
				if c.want > 0 && n != c.want+grid {
					t.Errorf("%d checks of which the grid has %d, want %d more", n, grid, c.want)
				}
				if n > grid+40/uint64(c.interval)+4 {
					t.Errorf("%d checks of which the grid has %d", n, grid)
				}
				s := b.shardOf(rechecked)
				pass(11 * time.Second)
				synctest.Wait()
				s.mu.Lock()
				if len(s.asked.all) != 0 || s.asked.next != 0 {
					t.Errorf("remembered for ever: %+v", s.asked)
				}
				s.mu.Unlock()
				b.stopAndRead(t)
			})
		})
	}
}

// A check that was running when somebody asked began before what they ask about: another is run when it has ended, never beside it.
func TestRecheckWhileRunning(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, most := 0, 0
		b, _ := asked(t, func(uint32) (time.Duration, checkv1.ResultStatus) {
			mu.Lock()
			defer mu.Unlock()
			running++
			most = max(most, running)
			time.AfterFunc(4*time.Second, func() {
				mu.Lock()
				defer mu.Unlock()
				running--
			})
			return 4 * time.Second, checkv1.ResultStatus_RESULT_STATUS_SUCCESS
		})
		b.recheck(rechecked, 0)
		pass(time.Second)
		b.recheck(rechecked, 0)
		pass(20 * time.Second)
		synctest.Wait()
		if ran, missed := tally(b.stopAndRead(t)); ran != 2 || missed != 0 || most != 1 {
			t.Errorf("%d ran, %d at once, and %d did not", ran, most, missed)
		}
	})
}

// A fault that the check finds is confirmed after the monitor's own pause, not by the next wish.
func TestRecheckIsConfirmed(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		b, _ := asked(t, func(uint32) (time.Duration, checkv1.ResultStatus) {
			return 5 * time.Millisecond, checkv1.ResultStatus_RESULT_STATUS_FAILURE
		}, func(a *monitorsv1.Assignment) { a.RetryIntervalSeconds = 15 })
		for range 14 {
			b.recheck(rechecked, 0)
			pass(time.Second)
		}
		synctest.Wait()
		if n := b.stats().Finished; n != 1 {
			t.Errorf("%d checks before the confirming one, want 1", n)
		}
		pass(2 * time.Second)
		synctest.Wait()
		rows := b.stopAndRead(t)
		if ran, _ := tally(rows); ran != 2 {
			t.Fatalf("%d checks, want the one that was asked for and its confirmation", ran)
		}
		if d := rows[1].GetScheduledAt().AsTime().Sub(rows[0].GetScheduledAt().AsTime()); d < 15*time.Second || d > 16*time.Second {
			t.Errorf("confirmed after %v", d)
		}
	})
}

// What is not held, or is held under another epoch, is not checked; nor is what its grid is about to check anyway.
func TestRecheckOfWhatIsNotHeld(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		b, grid := asked(t, success, func(a *monitorsv1.Assignment) { a.Epoch = 5 })
		b.recheck(rechecked+1, 0)
		b.recheck(rechecked, 4)
		pass(5 * time.Second)
		b.remove(rechecked)
		b.recheck(rechecked, 5)
		pass(5 * time.Second)
		synctest.Wait()
		if n := b.stats().Finished; n != 0 {
			t.Errorf("%d checks of what is not held", n)
		}
		b.assign(assignment(rechecked, 300), &lastSlot{at: time.Now()}, false)
		pass(time.Until(grid.Next(time.Now()).Add(-500 * time.Millisecond)))
		b.recheck(rechecked, 0)
		pass(time.Second)
		synctest.Wait()
		if ran, _ := tally(b.stopAndRead(t)); ran != 1 {
			t.Errorf("%d checks around a slot of the grid, want 1", ran)
		}
	})
}

// Nothing is taken outside the lease, also if somebody asks.
func TestRecheckKeepsToTheLease(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		b, _ := asked(t, success)
		b.allow(nothing)
		b.recheck(rechecked, 0)
		pass(time.Second)
		synctest.Wait()
		if n := b.stats().Finished; n != 0 {
			t.Errorf("%d checks without a lease", n)
		}
		b.allow(free)
		pass(time.Second)
		synctest.Wait()
		if n := b.stats().Finished; n != 1 {
			t.Errorf("%d checks when the lease is back, want 1", n)
		}
		b.stopAndRead(t)
	})
}

// The wish comes with the stream of assignments, and its row has the epoch of the holding. A step that this version does not know,
// as this one is to those before, is passed over.
func TestRecheckByTheStream(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := assignment(rechecked, 86400)
		a.ActiveSince = stamp(time.Now())
		c := newCentre(a)
		s := newSite(t, c)
		p := s.start("p1", "", nil)
		pass(20 * time.Second)
		before := len(s.archive.rowsOf(rechecked))
		unknown := &monitorsv1.WatchAssignmentsResponse{}
		b := protowire.AppendTag(nil, 99, protowire.BytesType)
		unknown.ProtoReflect().SetUnknown(protowire.AppendBytes(b, []byte{8, rechecked}))
		c.mu.Lock()
		epoch := c.monitors[rechecked].assignment.GetEpoch()
		c.sessions["p1"].send(unknown)
		c.sessions["p1"].send(&monitorsv1.WatchAssignmentsResponse{Step: &monitorsv1.WatchAssignmentsResponse_Recheck{
			Recheck: &monitorsv1.Recheck{MonitorId: rechecked, Epoch: epoch},
		}})
		c.mu.Unlock()
		pass(5 * time.Second)
		rows := s.archive.rowsOf(rechecked)
		if len(rows) != before+1 {
			t.Fatalf("%d rows more, want 1", len(rows)-before)
		}
		if r := rows[len(rows)-1]; r.GetEpoch() != epoch || time.Since(r.GetScheduledAt().AsTime()) > 6*time.Second {
			t.Errorf("row %v, want it under epoch %d", r, epoch)
		}
		p.stop()
	})
}

// rowsOf are the rows of a monitor in the order in which they came.
func (r *archive) rowsOf(id uint32) (out []*checkv1.CheckResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.all {
		if x.GetMonitorId() == id {
			out = append(out, x)
		}
	}
	return out
}
