package prober

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/services/prober/schedule"
)

// What was due moments before a hand-over is run by the new holder; what was due longer ago is missed.
func TestHandedOverSlotRunsAtOnce(t *testing.T) {
	for _, tt := range []struct {
		ago  time.Duration
		runs bool
	}{{5 * time.Millisecond, true}, {handGrace, true}, {handGrace + time.Millisecond, false}} {
		t.Run(tt.ago.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := startEngine(t, Config{}, success)
				slot := schedule.NewGrid(7, 10*time.Second).Next(time.Now())
				pass(time.Until(slot) + tt.ago)
				a := assignment(7, 10)
				a.Epoch = 3
				b.hold(arrival{assignment: a, epoch: 3, known: &lastSlot{at: slot.Add(-20 * time.Second)}, handed: true, fresh: true})
				pass(time.Second)
				rows := b.stopAndRead(t)
				ran, missed := tally(rows)
				if want := map[bool][2]int{true: {1, 1}, false: {0, 2}}[tt.runs]; ran != want[0] || missed != want[1] {
					t.Errorf("%d ran and %d were missed, want %v", ran, missed, want)
				}
			})
		})
	}
}

// What another prober has taken over meanwhile is accounted for up to where that one began.
func TestEndAccountsUntilTheOther(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := startEngine(t, Config{}, success)
		began := time.Now()
		b.fence.clock = func() int64 { return int64(time.Since(began)) }
		b.allow(&term{until: int64(10 * time.Second), label: began.Add(12 * time.Second).UnixMilli()})
		b.assign(assignment(7, 1), &lastSlot{at: began}, false)
		pass(time.Minute)
		until := began.Add(25 * time.Second) // granted by an answer that was lost
		b.end(7, until.UnixMilli())
		ran, missed := tally(b.stopAndRead(t))
		if due := schedule.NewGrid(7, time.Second).Count(began, until.Add(1)); ran+missed != due || ran < 9 || ran > 10 {
			t.Errorf("%d ran and %d were missed of %d", ran, missed, due)
		}
	})
}

// A release leaves what was due a moment ago to the next holder, and says so.
func TestReleaseLeavesTheNewestSlot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := startEngine(t, Config{}, success)
		grid := schedule.NewGrid(7, time.Second)
		b.assign(assignment(7, 1), &lastSlot{at: time.Now()}, false)
		pass(10 * time.Second)
		slot := grid.Next(time.Now())
		pass(time.Until(slot)) // the tick is not over
		until, over := b.release(7)
		if _, again := b.release(7); over == nil || again != nil {
			t.Error("released twice, or never")
		}
		pass(time.Second)
		newest := time.Time{}
		for _, r := range b.stopAndRead(t) {
			newest = later(newest, r.GetScheduledAt().AsTime())
		}
		if taken := instant(until); newest.After(taken) || grid.Count(newest, taken.Add(1)) != 0 {
			t.Errorf("accounted for until %v, newest row is of %v", taken, newest)
		}
	})
}

// After a lease had run out nothing is taken before what is held is known anew.
func TestAfterALapseAssignmentsComeFirst(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := &renewals{took: time.Hour}
		k := startKeeper(t, r, plainLease())
		var stopped error
		o := k.open(func(cause error) { stopped = cause })
		pass(10 * time.Second)
		open := func() bool { _, open := k.engine.fence.limit(); return open }
		k.granted(o.session, plainLease(), k.engine.fence.now(), false)
		if open() || stopped != errLapsed { //nolint:errorlint // the very one
			t.Errorf("open %v, the stream was ended with %v", open(), stopped)
		}
		k.synced(o)
		if open() {
			t.Error("a stream from before the lapse is believed")
		}
		o = k.open(func(error) {})
		k.granted(o.session, plainLease(), o.sent, true)
		k.synced(o)
		if !open() {
			t.Error("the fence is closed although everything is known")
		}
	})
}

// lastSlots answers what is stored.
type lastSlots struct {
	eventsv1.RecorderServiceClient
	slots []*eventsv1.LastSlot
	ended []*eventsv1.LastSlot // the answer to a question with until; nil where that is not known
	asked [][]uint32
}

func (l *lastSlots) ListLastSlots(_ context.Context, req *eventsv1.ListLastSlotsRequest, _ ...grpc.CallOption) (*eventsv1.ListLastSlotsResponse, error) {
	l.asked = append(l.asked, req.GetMonitorIds())
	if req.GetUntil() != nil && l.ended != nil {
		return &eventsv1.ListLastSlotsResponse{Slots: l.ended}, nil
	}
	return &eventsv1.ListLastSlotsResponse{Slots: l.slots}, nil
}

func accountant(t *testing.T, b *bench, l *lastSlots) *follower {
	t.Helper()
	f := newFollower(nil, nil, Config{ProberID: "p1", Region: "local", Dir: "x"}, b.engine, slog.New(slog.DiscardHandler))
	f.recorder = l
	f.keeper.unleased()
	return f
}

// A process that died, and whose monitor another one has taken over and run since, accounts for its own slots up to then: from
// its last stored one on. An old centre cannot tell which that was; then those that may have rows are told one by one, the others
// together.
func TestRemovalOfWhatTheFormerProcessHeld(t *testing.T) {
	for name, knows := range map[string]bool{"a centre that knows": true, "an old centre": false} {
		t.Run(name, func(t *testing.T) { testRemoval(t, knows) })
	}
}

func testRemoval(t *testing.T, knows bool) {
	inBubble(t, func(t *testing.T) {
		b := startEngine(t, Config{}, success)
		pass(time.Hour)
		died := time.Now()
		l := &lastSlots{slots: []*eventsv1.LastSlot{{MonitorId: 7, ScheduledAt: stamp(died.Add(2 * time.Minute))}}} // the other's
		own := schedule.NewGrid(7, 10*time.Second).Last(died.Add(-time.Hour), died)
		if knows {
			l.ended = []*eventsv1.LastSlot{{MonitorId: 7, ScheduledAt: stamp(own)}}
		}
		f := accountant(t, b, l)
		pass(3 * time.Minute)
		a := assignment(7, 10)
		a.Epoch, a.AccountFrom = 4, stamp(died.Add(-time.Hour))
		f.was = cached{assignments: map[uint32]*monitorsv1.Assignment{7: a}, lease: &monitorsv1.Lease{Epoch: 6}, progress: died.Add(-time.Second)}
		f.restore()
		stored, err := f.ask(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		f.past.stored = stored
		until := died.Add(time.Minute)
		f.removed(&stream{}, &monitorsv1.Removal{MonitorId: 7, Epoch: 4, Until: stamp(until)})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { f.settleOpen(ctx); close(done) }()
		synctest.Wait()
		cancel()
		<-done
		grid := schedule.NewGrid(7, 10*time.Second)
		next := grid.Next(died.Add(-time.Second - doubtBefore))
		if knows {
			next = grid.Next(own)
		}
		for _, r := range b.stopAndRead(t) {
			if !r.GetScheduledAt().AsTime().Equal(next) || r.GetEpoch() != 6 || r.GetStatus() != checkv1.ResultStatus_RESULT_STATUS_MISSED {
				t.Errorf("%d missed from %v under %d, want from %v under 6", r.GetMissedCount(), r.GetScheduledAt().AsTime(), r.GetEpoch(), next)
			}
			if certain := knows || next.After(died.Add(doubtAfter)); r.GetMissedCount() > 1 && !certain {
				t.Errorf("%d slots in a row of which some may have rows", r.GetMissedCount())
			}
			for range r.GetMissedCount() {
				next = grid.Next(next)
			}
		}
		if last := grid.Last(died, until); !next.Equal(grid.Next(last)) {
			t.Errorf("accounted for up to %v, want %v", next, grid.Next(last))
		}
	})
}

// A monitor that goes and comes back in one breath, with no word of who held it, is asked after; one that was just created is not.
func TestLateMonitorsAreAskedAfter(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := startEngine(t, Config{}, success)
		began := time.Now()
		pass(time.Minute)
		l := &lastSlots{slots: []*eventsv1.LastSlot{{MonitorId: 7, ScheduledAt: stamp(began.Add(30 * time.Second))}}}
		f := accountant(t, b, l)
		f.past, f.synced = nil, true
		close(f.learned)
		old, young := assignment(7, 10), assignment(8, 10)
		old.ActiveSince, old.Epoch, young.ActiveSince, young.Epoch = stamp(began), 1, stamp(time.Now()), 1
		b.assign(old, nil, false)
		w := &stream{opening: f.keeper.open(func(error) {}), leased: true, told: true}
		again := assignment(7, 10)
		again.ActiveSince, again.Epoch = old.GetActiveSince(), 2
		if err := f.take(t.Context(), w, []*monitorsv1.WatchAssignmentsResponse{
			removal(&monitorsv1.Removal{MonitorId: 7, Epoch: 1}), assigned(again), assigned(young),
		}); err != nil {
			t.Fatal(err)
		}
		if len(l.asked) != 1 || len(l.asked[0]) != 1 || l.asked[0][0] != 7 {
			t.Errorf("asked after %v, want 7", l.asked)
		}
		missed := 0
		for _, r := range b.stopAndRead(t) {
			if r.GetMonitorId() == 7 && r.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_MISSED {
				missed += int(r.GetMissedCount())
			}
		}
		if missed != 3 {
			t.Errorf("%d slots are missed, want those of thirty seconds", missed)
		}
	})
}

// What is assigned is on disk at once, not with the next round.
func TestCacheHurries(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, _ := reopen(t, t.TempDir())
		ctx, cancel := context.WithCancel(t.Context())
		var writing sync.WaitGroup
		writing.Go(func() { c.run(ctx, func() int64 { return 1 }) })
		pass(cacheEvery / 4)
		c.put(assignment(1, 10))
		c.hurry()
		pass(time.Millisecond)
		if _, was := reopen(t, c.dir); len(was.assignments) != 1 {
			t.Error("it is not")
		}
		cancel()
		writing.Wait()
	})
}

// What was given up is not taken up again because word of it was on its way; a new holding is another matter.
func TestWhatWasGivenUpStaysSo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := startEngine(t, Config{}, success)
		f := accountant(t, b, &lastSlots{})
		f.past, f.synced = nil, true
		close(f.learned)
		w := &stream{opening: f.keeper.open(func(error) {}), leased: true, told: true, snapshot: map[uint32]bool{}}
		one := assignment(7, 10)
		one.Epoch, one.AccountFrom, one.ActiveSince = 3, stamp(time.Now()), stamp(time.Now())
		held := func() bool { _, held := b.heldUnder(7); return held }
		for i, step := range []struct {
			message *monitorsv1.WatchAssignmentsResponse
			held    bool
		}{
			{assigned(one), true},
			{removal(&monitorsv1.Removal{MonitorId: 7, Epoch: 3, Release: true}), false},
			{assigned(one), false},
			{removal(&monitorsv1.Removal{MonitorId: 7, Epoch: 3, Release: true}), false},
		} {
			if err := f.take(t.Context(), w, []*monitorsv1.WatchAssignmentsResponse{step.message}); err != nil {
				t.Fatal(err)
			}
			if held() != step.held || w.snapshot[7] != step.held {
				t.Errorf("step %d: held %v, in the snapshot %v", i, held(), w.snapshot[7])
			}
		}
		next := assignment(7, 10)
		next.Epoch, next.AccountFrom, next.ActiveSince = 5, stamp(time.Now()), stamp(time.Now())
		if err := f.take(t.Context(), w, []*monitorsv1.WatchAssignmentsResponse{assigned(next)}); err != nil {
			t.Fatal(err)
		}
		if !held() {
			t.Error("a new holding is not taken")
		}
		b.stopAndRead(t)
	})
}
