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
