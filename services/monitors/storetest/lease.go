package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/monitors"
)

// leaseCases are those about sessions of probers and what they hold.
func leaseCases() []Case {
	return []Case{
		{"sessions open, go on and give way", testOpenSession},
		{"sessions renew and end", testRenewSession},
		{"a prober that was removed holds nothing", testRemovedSession},
		{"one session of several wins", testSessionRace},
		{"a renewal or an end, not both", testRenewalRace},
		{"a session that has lost something does not come back", testEnded},
		{"assignments are stored and read", testAssignments},
		{"candidates", testCandidates},
		{"one places at a time", testPlaceRace},
		{"a placement that fails leaves no trace", testPlaceFails},
		{"losses are told once to each session", testLosses},
		{"wishes for checks", testRechecks},
		{"no wish is missed", testNoWishIsMissed},
	}
}

func opening(id, name string) monitors.Opening {
	return monitors.Opening{
		Session: monitors.Session{
			ProberID: id, Region: "eu", Name: name, ValidUntil: at, RenewedAt: at, Capacity: 7, Capabilities: []string{"http", "ipv6"}, Durable: true,
		},
		Sane: at.Add(time.Minute),
	}
}

func open(t testing.TB, s monitors.Store, o monitors.Opening) monitors.Session {
	t.Helper()
	got, err := s.OpenSession(t.Context(), o)
	if err != nil {
		t.Fatalf("open %s/%s: %v", o.ProberID, o.Name, err)
	}
	return got
}

// renew renews a session of p.
func renew(t testing.TB, s monitors.Store, name string) (monitors.Session, error) {
	t.Helper()
	return s.RenewSession(t.Context(), monitors.Renewal{ProberID: "p", Name: name, ValidUntil: at, Sane: at.Add(time.Minute), At: at})
}

func end(t testing.TB, s monitors.Store, e monitors.Ending, want bool) {
	t.Helper()
	if got, err := s.EndSession(t.Context(), e); err != nil || got != want {
		t.Errorf("end %+v = %v, %v, want %v", e, got, err, want)
	}
}

// members changes with the sessions of the region eu.
func members(t testing.TB, s monitors.Store) int64 {
	return placement(t, s, "eu").Members
}

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

func testOpenSession(t testing.TB, s monitors.Store) {
	first := open(t, s, opening("p", "a"))
	want := opening("p", "a").Session
	want.State, want.Beat, want.Epoch, want.Sole = monitors.SessionLive, 1, 1, true
	if !reflect.DeepEqual(first, want) {
		t.Errorf("opened %+v, want %+v", first, want)
	}
	if all, err := s.Sessions(t.Context()); err != nil || !reflect.DeepEqual(all, []monitors.Session{want}) {
		t.Errorf("sessions %+v, %v", all, err)
	}
	before := members(t, s)
	if again := open(t, s, opening("p", "a")); again.Epoch != 1 || again.Beat != 2 {
		t.Errorf("opened again: %+v", again)
	}
	if members(t, s) != before {
		t.Error("who opens again changes who is there")
	}
	wider := opening("p", "a")
	wider.Capacity = 9
	if open(t, s, wider); members(t, s) == before {
		t.Error("another capacity changes nothing")
	}
	if _, err := s.OpenSession(t.Context(), opening("p", "b")); !errors.Is(err, monitors.ErrSessionBusy) {
		t.Errorf("a second session while the first lives: %v", err)
	}
	proof := opening("p", "b")
	proof.Previous = "a"
	if got := open(t, s, proof); got.Name != "b" || got.Epoch != 2 || got.Beat <= 3 {
		t.Errorf("with a proof: %+v", got)
	}
	if _, err := s.OpenSession(t.Context(), opening("p", "a")); !errors.Is(err, monitors.ErrSessionBusy) {
		t.Errorf("the first comes back: %v", err)
	}
	if other := open(t, s, opening("q", "x")); other.Epoch != 3 || other.Sole {
		t.Errorf("a second prober: %+v", other)
	}
	moved := opening("q", "y")
	moved.Region, moved.Previous = "us", "x"
	before = members(t, s)
	if got := open(t, s, moved); got.Region != "us" || got.Epoch != 1 || members(t, s) == before {
		t.Errorf("moved: %+v", got)
	}
	stream := opening("v", "1")
	stream.Stream = true
	open(t, s, stream)
	stream.Name = "2"
	if got := open(t, s, stream); got.Name != "2" || !got.Stream {
		t.Errorf("a stream after a stream: %+v", got)
	}
}

func testRenewSession(t testing.TB, s monitors.Store) {
	if _, err := renew(t, s, "a"); !errors.Is(err, monitors.ErrSessionEnded) {
		t.Errorf("renewed what never was: %v", err)
	}
	open(t, s, opening("p", "a"))
	if _, err := renew(t, s, "b"); !errors.Is(err, monitors.ErrSessionEnded) {
		t.Errorf("renewed another's: %v", err)
	}
	later := monitors.Renewal{ProberID: "p", Name: "a", ValidUntil: at.Add(time.Second), Sane: at.Add(time.Minute), At: at.Add(2 * time.Second), Report: []byte{1}}
	got, err := s.RenewSession(t.Context(), later)
	if err != nil || got.Beat != 2 || !got.ValidUntil.Equal(later.ValidUntil) || !got.RenewedAt.Equal(later.At) || !got.Sole || string(got.Report) != "\x01" {
		t.Errorf("renewed: %+v, %v", got, err)
	}
	if got, err = renew(t, s, "a"); err != nil || !got.ValidUntil.Equal(later.ValidUntil) || string(got.Report) != "\x01" {
		t.Errorf("what was granted is taken back: %+v, %v", got, err)
	}
	jumped := later
	jumped.ValidUntil, jumped.Sane = at.Add(-time.Hour), at.Add(-time.Hour+time.Minute)
	if got, err = s.RenewSession(t.Context(), jumped); err != nil || !got.ValidUntil.Equal(jumped.ValidUntil) {
		t.Errorf("an error is kept: %+v, %v", got, err)
	}
	end(t, s, monitors.Ending{ProberID: "p", Name: "a", Beat: got.Beat - 1, State: monitors.SessionOver}, false)
	end(t, s, monitors.Ending{ProberID: "p", Name: "b", State: monitors.SessionOver}, false)
	before := members(t, s)
	end(t, s, monitors.Ending{ProberID: "p", Name: "a", Beat: got.Beat, State: monitors.SessionOver}, true)
	if members(t, s) == before {
		t.Error("the end of a session changes nothing")
	}
	before = members(t, s)
	if got, err = renew(t, s, "a"); err != nil || got.State != monitors.SessionLive || members(t, s) == before {
		t.Errorf("a session that was over, and lost nothing: %+v, %v", got, err)
	}
	left := at.Add(3 * time.Second)
	end(t, s, monitors.Ending{ProberID: "p", Name: "a", State: monitors.SessionLeft, Until: left, Heard: 7}, true)
	end(t, s, monitors.Ending{ProberID: "p", Name: "a", State: monitors.SessionLeft, Until: left}, false)
	if all, err := s.Sessions(t.Context()); err != nil || all[0].State != monitors.SessionLeft || !all[0].ValidUntil.Equal(left) || all[0].Heard != 7 {
		t.Errorf("left: %+v, %v", all, err)
	}
	if _, err := renew(t, s, "a"); !errors.Is(err, monitors.ErrSessionEnded) {
		t.Errorf("renewed after it left: %v", err)
	}
	if _, err := s.OpenSession(t.Context(), opening("p", "a")); !errors.Is(err, monitors.ErrSessionEnded) {
		t.Errorf("opened after it left: %v", err)
	}
	if got := open(t, s, opening("p", "b")); got.Epoch != 2 || got.Heard != 0 {
		t.Errorf("another after it left: %+v", got)
	}
	if err := s.Probe(t.Context()); err != nil {
		t.Errorf("probe: %v", err)
	}
}

func testRemovedSession(t testing.TB, s monitors.Store) {
	if err := s.ProberArrived(t.Context(), monitors.Prober{ID: "p", Region: "eu", LastSeenAt: at}, "x"); err != nil {
		t.Fatal(err)
	}
	open(t, s, opening("p", "a"))
	mark := func(when time.Time) {
		t.Helper()
		if err := s.ChangeEnrolments(t.Context(), func(tx monitors.EnrolmentTx) error { return tx.MarkProber(t.Context(), "p", when) }); err != nil {
			t.Fatal(err)
		}
	}
	mark(at)
	if _, err := renew(t, s, "a"); !errors.Is(err, monitors.ErrSessionEnded) {
		t.Errorf("renewed: %v", err)
	}
	o := opening("p", "b")
	o.Previous = "a"
	if _, err := s.OpenSession(t.Context(), o); !errors.Is(err, monitors.ErrSessionEnded) {
		t.Errorf("opened: %v", err)
	}
	if all, err := s.Sessions(t.Context()); err != nil || !all[0].Marked || all[0].Live() {
		t.Errorf("sessions %+v, %v", all, err)
	}
	end(t, s, monitors.Ending{ProberID: "p", Name: "a", State: monitors.SessionRemoved}, true)
	mark(time.Time{})
	if got := open(t, s, opening("p", "b")); got.Marked || !got.Live() {
		t.Errorf("joined again: %+v", got)
	}
}

// testSessionRace lets several processes ask to follow a session that is over.
func testSessionRace(t testing.TB, s monitors.Store) {
	open(t, s, opening("p", "old"))
	end(t, s, monitors.Ending{ProberID: "p", Name: "old", State: monitors.SessionOver}, true)
	var won atomic.Int32
	var work []func(ctx context.Context) error
	for i := range rivals {
		work = append(work, func(ctx context.Context) error {
			_, err := s.OpenSession(ctx, opening("p", fmt.Sprint("new", i)))
			if err == nil {
				won.Add(1)
			}
			if errors.Is(err, monitors.ErrSessionBusy) {
				return nil
			}
			return err
		})
	}
	bounded(t, work)
	if won.Load() != 1 {
		t.Errorf("%d sessions have followed one", won.Load())
	}
}

// testRenewalRace ends a session by its beat, and gives away what it held, while it renews.
func testRenewalRace(t testing.TB, s monitors.Store) {
	m := insert(t, s, inRegion("eu"))
	for round := range 20 {
		o := opening("p", fmt.Sprint("s", round))
		beat := open(t, s, o).Beat
		assign(t, s, monitors.Assigned{MonitorID: m.ID, Wanted: true, Holder: "p", Epoch: 1})
		var renewed, taken atomic.Bool
		work := []func(ctx context.Context) error{
			func(ctx context.Context) error {
				_, err := s.RenewSession(ctx, monitors.Renewal{ProberID: "p", Name: o.Name, ValidUntil: at, Sane: at, At: at})
				renewed.Store(err == nil)
				if errors.Is(err, monitors.ErrSessionEnded) {
					return nil
				}
				return err
			},
			func(ctx context.Context) error {
				ended, err := s.EndSession(ctx, monitors.Ending{ProberID: "p", Name: o.Name, Beat: beat, State: monitors.SessionOver})
				if err != nil || !ended {
					return err
				}
				return s.Place(ctx, "eu", func(tx monitors.PlaceTx) error {
					all, err := tx.Sessions(ctx)
					if err != nil || all[0].State != monitors.SessionOver {
						taken.Store(false)
						return err // it has come back
					}
					taken.Store(true)
					return tx.End(ctx, []string{"p"})
				})
			},
		}
		if round%2 == 1 {
			slices.Reverse(work)
		}
		bounded(t, work)
		state, err := s.Sessions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := monitors.SessionEnded; taken.Load() && state[0].State != want {
			t.Errorf("round %d: its monitors are another's, and it is %s", round, state[0].State)
		}
		if !taken.Load() && !renewed.Load() {
			t.Errorf("round %d: neither of them happened", round)
		}
		if state[0].State == monitors.SessionLive {
			end(t, s, monitors.Ending{ProberID: "p", Name: o.Name, State: monitors.SessionLeft}, true)
		}
	}
}

// testEnded gives away what a session held that is over: it must not come back as if it still had that.
func testEnded(t testing.TB, s monitors.Store) {
	open(t, s, opening("p", "a"))
	end(t, s, monitors.Ending{ProberID: "p", Name: "a", State: monitors.SessionOver}, true)
	if err := s.Place(t.Context(), "eu", func(tx monitors.PlaceTx) error { return tx.End(t.Context(), []string{"p"}) }); err != nil {
		t.Fatal(err)
	}
	if got, err := renew(t, s, "a"); !errors.Is(err, monitors.ErrSessionEnded) {
		t.Errorf("renewed: %+v, %v", got, err)
	}
	if got, err := s.OpenSession(t.Context(), opening("p", "a")); !errors.Is(err, monitors.ErrSessionEnded) {
		t.Errorf("opened: %+v, %v", got, err)
	}
	if got := open(t, s, opening("p", "b")); got.Epoch != 2 {
		t.Errorf("the next: %+v", got)
	}
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
