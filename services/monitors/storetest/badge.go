package storetest

import (
	"errors"
	"testing"

	"github.com/frogstats/uptime/services/monitors"
)

func badgeCases() []Case {
	return []Case{
		{"a badge is made, replaced and taken away", testBadge},
		{"a badge of what is deleted, or of others, is none", testBadgeIsNone},
	}
}

func putBadge(t testing.TB, s monitors.Store, b monitors.Badge) {
	t.Helper()
	write(t, s, func(tx monitors.Tx) error { return tx.PutBadge(t.Context(), b) })
}

func noBadge(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, monitors.ErrNoBadge) {
		t.Fatalf("got %v, want ErrNoBadge", err)
	}
}

func testBadge(t testing.TB, s monitors.Store) {
	m := insert(t, s, plain("org", "a"))
	_, err := s.Badge(t.Context(), "org", m.ID)
	noBadge(t, err)
	_, err = s.BadgeOf(t.Context(), "first")
	noBadge(t, err)

	want := monitors.Badge{Token: "first", MonitorID: m.ID, OrganizationID: "org", CreatedAt: at, CreatedBy: "user-1"}
	putBadge(t, s, want)
	for _, next := range []string{"first", "second"} {
		if want.Token != next { // another token: the one before is nobody's
			before := want.Token
			want.Token, want.CreatedBy = next, ""
			putBadge(t, s, want)
			_, err = s.BadgeOf(t.Context(), before)
			noBadge(t, err)
		}
		got, err := s.Badge(t.Context(), "org", m.ID)
		if err != nil || got != want {
			t.Fatalf("badge of the monitor: %+v, %v; want %+v", got, err, want)
		}
		got, err = s.BadgeOf(t.Context(), next)
		if err != nil || got != want {
			t.Fatalf("badge of the token: %+v, %v; want %+v", got, err, want)
		}
	}

	write(t, s, func(tx monitors.Tx) error { return tx.DeleteBadge(t.Context(), "org", m.ID) })
	_, err = s.BadgeOf(t.Context(), "second")
	noBadge(t, err)
	noBadge(t, s.Write(t.Context(), func(tx monitors.Tx) error { return tx.DeleteBadge(t.Context(), "org", m.ID) }))
}

func testBadgeIsNone(t testing.TB, s monitors.Store) {
	m := insert(t, s, plain("org", "a"))
	putBadge(t, s, monitors.Badge{Token: "one", MonitorID: m.ID, OrganizationID: "org", CreatedAt: at})
	_, err := s.Badge(t.Context(), "other", m.ID)
	noBadge(t, err)
	noBadge(t, s.Write(t.Context(), func(tx monitors.Tx) error { return tx.DeleteBadge(t.Context(), "other", m.ID) }))
	write(t, s, func(tx monitors.Tx) error { return tx.Delete(t.Context(), "org", m.ID, at) })
	_, err = s.Badge(t.Context(), "org", m.ID)
	noBadge(t, err)
	_, err = s.BadgeOf(t.Context(), "one")
	noBadge(t, err)
}
