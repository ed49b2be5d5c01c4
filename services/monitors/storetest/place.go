package storetest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/monitors"
)

func placement(t testing.TB, s monitors.Store, region string) monitors.Placement {
	t.Helper()
	all, err := s.Placements(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(p monitors.Placement) bool { return p.Region == region })
	if i < 0 {
		t.Fatalf("no placement of %s in %+v", region, all)
	}
	return all[i]
}

func inRegion(region string) monitors.Monitor {
	m := plain("org", region)
	m.Config.Regions = []string{region}
	return m
}

// assign stores assignments of the region eu.
func assign(t testing.TB, s monitors.Store, as ...monitors.Assigned) {
	t.Helper()
	if err := s.Place(t.Context(), "eu", func(tx monitors.PlaceTx) error { return tx.Assign(t.Context(), as) }); err != nil {
		t.Fatal(err)
	}
}

func testAssignments(t testing.TB, s monitors.Store) {
	open(t, s, opening("p", "a"))
	first := []monitors.Assigned{
		{MonitorID: 3, Wanted: true, Holder: "p", Epoch: 2, AccountFrom: at, Releasing: true},
		{MonitorID: 1, Wanted: true, Holder: "q", Epoch: 3},
		{MonitorID: 2, Wanted: true},
	}
	assign(t, s, first...)
	assign(t, s, monitors.Assigned{MonitorID: 1, Wanted: false, Epoch: 3})
	read := func(holder string, rev int64, limit int) []monitors.Assigned {
		t.Helper()
		got, err := s.Assignments(t.Context(), "eu", holder, rev, limit)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first[0].Rev, first[2].Rev = 1, 3
	want := []monitors.Assigned{first[0], first[2], {MonitorID: 1, Epoch: 3, Rev: 4}}
	if got := read("", 0, 10); !reflect.DeepEqual(got, want) {
		t.Errorf("assignments %+v, want %+v", got, want)
	}
	if got := read("", 1, 1); !reflect.DeepEqual(got, want[1:2]) {
		t.Errorf("a page %+v, want %+v", got, want[1:2])
	}
	if got := read("p", 0, 10); !reflect.DeepEqual(got, want[:1]) {
		t.Errorf("what p holds %+v, want %+v", got, want[:1])
	}
	if got := read("p", 1, 10); len(got) != 0 {
		t.Errorf("what p holds since %+v", got)
	}
	holdings, err := s.Holdings(t.Context())
	if want := []monitors.Holding{{Region: "eu", Monitors: 1}, {Region: "eu", Holder: "p", Monitors: 1}}; err != nil || !reflect.DeepEqual(holdings, want) {
		t.Errorf("holdings %+v, %v, want %+v", holdings, err, want)
	}
	if err := s.Place(t.Context(), "eu", func(tx monitors.PlaceTx) error {
		p := tx.Placement()
		if p.Rev != 4 || p.Region != "eu" || p.Epoch != 1 {
			t.Errorf("placement %+v", p)
		}
		p.Epoch, p.Cursor, p.Placed = 9, 8, 7
		return tx.Settle(t.Context(), p)
	}); err != nil {
		t.Fatal(err)
	}
	if p := placement(t, s, "eu"); p.Epoch != 9 || p.Cursor != 8 || p.Placed != 7 || p.Rev != 4 {
		t.Errorf("settled %+v", p)
	}
	if next := open(t, s, opening("z", "z")); next.Epoch != 10 {
		t.Errorf("the next session's epoch is %d", next.Epoch)
	}
	m := insert(t, s, Example("org"))
	ms, err := s.MonitorsByID(t.Context(), []uint32{m.ID, 99})
	if err != nil || len(ms) != 1 {
		t.Fatalf("by id: %+v, %v", ms, err)
	}
	same(t, ms[0], m)
}

func testCandidates(t testing.TB, s monitors.Store) {
	open(t, s, opening("p", "a"))
	here, elsewhere, off := insert(t, s, inRegion("eu")), insert(t, s, inRegion("us")), inRegion("eu")
	off.Config.Enabled = false
	off = insert(t, s, off)
	web := Example("org")
	web.Config.Regions = []string{"us", "eu"}
	web = insert(t, s, web)
	assign(t, s, monitors.Assigned{MonitorID: off.ID, Wanted: true, Holder: "p", Epoch: 5, AccountFrom: at})
	read := func(rev int64, limit int) (got []monitors.Candidate) {
		t.Helper()
		if err := s.Place(t.Context(), "eu", func(tx monitors.PlaceTx) (err error) {
			got, err = tx.Candidates(t.Context(), rev, limit)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return got
	}
	all := read(0, 10)
	want := []monitors.Candidate{
		{MonitorID: here.ID, Wanted: true, Type: monitors.TypeTCP, IPVersion: "any", UpdatedAt: at, ActiveSince: at, Assigned: monitors.Assigned{MonitorID: here.ID}},
		{MonitorID: off.ID, Type: monitors.TypeTCP, IPVersion: "any", UpdatedAt: at, ActiveSince: at, Known: true,
			Assigned: monitors.Assigned{MonitorID: off.ID, Wanted: true, Holder: "p", Epoch: 5, AccountFrom: at, Rev: 1}},
		{MonitorID: web.ID, Wanted: true, Type: monitors.TypeHTTP, IPVersion: "ipv6", UpdatedAt: web.UpdatedAt, ActiveSince: web.ActiveSince,
			Assigned: monitors.Assigned{MonitorID: web.ID}},
	}
	for i := range all {
		if i < len(want) {
			want[i].Rev = all[i].Rev
		}
	}
	if !reflect.DeepEqual(all, want) {
		t.Fatalf("candidates %+v, want %+v", all, want)
	}
	if got := read(all[0].Rev, 1); len(got) != 1 || got[0].MonitorID != off.ID {
		t.Errorf("a page: %+v", got)
	}
	if err := s.Place(t.Context(), "eu", func(tx monitors.PlaceTx) error {
		got, err := tx.CandidatesByID(t.Context(), []uint32{web.ID, elsewhere.ID, 99})
		if err != nil || !reflect.DeepEqual(got, want[2:]) {
			t.Errorf("by id: %+v, %v", got, err)
		}
		if p := tx.Placement(); p.MonitorsRev < web.Rev {
			t.Errorf("placement %+v", p)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// testPlaceRace lets several place at once: each reads the epoch, counts it up and gives it to one monitor.
func testPlaceRace(t testing.TB, s monitors.Store) {
	open(t, s, opening("p", "a"))
	const each = 5
	var work []func(ctx context.Context) error
	for w := range rivals {
		work = append(work, func(ctx context.Context) error {
			for i := range each {
				err := s.Place(ctx, "eu", func(tx monitors.PlaceTx) error {
					p := tx.Placement()
					p.Epoch++
					if err := tx.Assign(ctx, []monitors.Assigned{{MonitorID: uint32(w*each + i + 1), Wanted: true, Holder: "p", Epoch: p.Epoch}}); err != nil {
						return err
					}
					return tx.Settle(ctx, p)
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	// A reader who reads on misses nothing.
	var seen []monitors.Assigned
	work = append(work, func(ctx context.Context) error {
		for rev := int64(0); len(seen) < rivals*each && ctx.Err() == nil; {
			as, err := s.Assignments(ctx, "eu", "", rev, 3)
			if err != nil {
				return err
			}
			seen = append(seen, as...)
			if len(as) > 0 {
				rev = as[len(as)-1].Rev
			}
		}
		return nil
	})
	bounded(t, work)
	epochs := map[int64]bool{}
	for i, a := range seen {
		epochs[a.Epoch] = true
		if a.Rev != int64(i+1) {
			t.Errorf("change %d has the number %d", i+1, a.Rev)
		}
	}
	if len(epochs) != rivals*each {
		t.Errorf("%d epochs for %d assignments", len(epochs), rivals*each)
	}
}

func testPlaceFails(t testing.TB, s monitors.Store) {
	open(t, s, opening("p", "a"))
	refused := errors.New("no")
	err := s.Place(t.Context(), "eu", func(tx monitors.PlaceTx) error {
		return errors.Join(tx.Assign(t.Context(), []monitors.Assigned{{MonitorID: 1, Wanted: true}}), refused)
	})
	if !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	if got, err := s.Assignments(t.Context(), "eu", "", 0, 10); err != nil || len(got) != 0 || placement(t, s, "eu").Rev != 0 {
		t.Errorf("left %+v, %v", got, err)
	}
}

func testLosses(t testing.TB, s monitors.Store) {
	open(t, s, opening("p", "a"))
	lost := []monitors.Loss{{ProberID: "p", MonitorID: 2, Epoch: 4, From: at.Add(-time.Second), Until: at}, {ProberID: "p", MonitorID: 2, Epoch: 6, Until: at.Add(time.Second)}}
	if err := s.Place(t.Context(), "eu", func(tx monitors.PlaceTx) error {
		return tx.Lose(t.Context(), append([]monitors.Loss{{ProberID: "q", MonitorID: 2, Epoch: 5, Until: at}}, lost...))
	}); err != nil {
		t.Fatal(err)
	}
	wanted := func(session string, want []monitors.Loss) {
		t.Helper()
		if got, err := s.Losses(t.Context(), "eu", "p", session); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("losses for %s: %+v, %v, want %+v", session, got, err, want)
		}
	}
	tell := func(session string, epoch int64, when, forget time.Time) {
		t.Helper()
		if err := s.TellLosses(t.Context(), "eu", "p", session, epoch, when, forget); err != nil {
			t.Fatal(err)
		}
	}
	wanted("a", lost)
	tell("a", 4, at, at.Add(-time.Hour))
	wanted("a", lost[1:])
	wanted("b", lost)
	tell("b", 6, at.Add(time.Minute), at.Add(-time.Hour))
	wanted("b", nil)
	wanted("c", lost)
	tell("c", 0, at, at.Add(time.Hour))
	wanted("c", nil)
}
