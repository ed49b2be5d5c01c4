package storetest

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/monitors"
)

func wish(t testing.TB, s monitors.Store, id uint32, at, forget time.Time, want ...string) {
	t.Helper()
	got, err := s.Recheck(t.Context(), id, []string{"eu", "us"}, at, forget)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("monitor %d is asked for in %q, %v, want %q", id, got, err, want)
	}
}

func testRechecks(t testing.TB, s monitors.Store) {
	open(t, s, opening("p", "a"))
	far := opening("q", "a")
	far.Region = "us"
	open(t, s, far)
	assign(t, s, monitors.Assigned{MonitorID: 1, Wanted: true, Holder: "p", Epoch: 2}, monitors.Assigned{MonitorID: 2, Wanted: true},
		monitors.Assigned{MonitorID: 3, Wanted: false, Holder: "p", Epoch: 3})
	read := func(region string, after int64, limit int, want ...monitors.Recheck) {
		t.Helper()
		if got, err := s.Rechecks(t.Context(), region, after, limit); err != nil || len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("wishes in %s after %d: %+v, %v, want %+v", region, after, got, err, want)
		}
	}
	before := at.Add(-time.Hour)
	wish(t, s, 1, at, before, "eu")
	wish(t, s, 2, at, before, "eu")
	wish(t, s, 3, at, before) // checked nowhere
	wish(t, s, 9, at, before) // unknown
	read("eu", 0, 10, monitors.Recheck{MonitorID: 1, Asked: 1}, monitors.Recheck{MonitorID: 2, Asked: 2})
	read("eu", 0, 1, monitors.Recheck{MonitorID: 1, Asked: 1})
	read("us", 0, 10)
	wish(t, s, 1, at.Add(time.Second), before, "eu")
	read("eu", 1, 10, monitors.Recheck{MonitorID: 2, Asked: 2}, monitors.Recheck{MonitorID: 1, Asked: 3})
	read("eu", 3, 10)
	if p := placement(t, s, "eu"); p.Asked != 3 || p.Rev != 3 || p.Members != 1 {
		t.Errorf("placement %+v", p)
	}
	if p := placement(t, s, "us"); p.Asked != 0 {
		t.Errorf("placement of another region %+v", p)
	}
	wish(t, s, 1, at.Add(2*time.Second), at.Add(time.Second), "eu")
	read("eu", 0, 10, monitors.Recheck{MonitorID: 1, Asked: 4})
	if err := s.Place(t.Context(), "eu", func(tx monitors.PlaceTx) error { return tx.Settle(t.Context(), tx.Placement()) }); err != nil {
		t.Fatal(err)
	}
	if p := placement(t, s, "eu"); p.Asked != 4 {
		t.Errorf("placing has changed the wishes: %+v", p)
	}
}

// Whoever reads on from the last number hears of every monitor that was asked for.
func testNoWishIsMissed(t testing.TB, s monitors.Store) {
	const each, writers = 25, 4
	open(t, s, opening("p", "a"))
	var all []monitors.Assigned
	for id := range uint32(each * writers) {
		all = append(all, monitors.Assigned{MonitorID: id + 1, Wanted: true, Holder: "p", Epoch: 2})
	}
	assign(t, s, all...)
	var writing sync.WaitGroup
	for w := range uint32(writers) {
		writing.Go(func() {
			for i := range uint32(each) {
				if _, err := s.Recheck(t.Context(), w*each+i+1, []string{"eu"}, at, at.Add(-time.Hour)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		writing.Wait()
		close(done)
	}()
	heard, after := map[uint32]bool{}, int64(0)
	hear := func() {
		some, err := s.Rechecks(context.WithoutCancel(t.Context()), "eu", after, 7)
		if err != nil {
			t.Error(err)
		}
		for _, r := range some {
			heard[r.MonitorID], after = true, r.Asked
		}
	}
	for writes := true; writes; {
		select {
		case <-done:
			writes = false
		default:
		}
		hear()
	}
	for range each * writers / 7 {
		hear()
	}
	if hear(); len(heard) != each*writers {
		t.Errorf("heard of %d monitors of %d", len(heard), each*writers)
	}
}
