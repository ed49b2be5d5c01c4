package storetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/maintenance"
	"github.com/frogstats/uptime/services/monitors"
)

func windowCases() []Case {
	return []Case{
		{"windows and their versions", testWindows},
		{"an organization sees its own windows", testWindowOrganizations},
		{"windows are limited", testWindowLimit},
		{"versions of windows come in order", testWindowVersions},
	}
}

// exampleWindow is a window that sets every field that a window that comes again may.
func exampleWindow(organizationID string) monitors.Window {
	return monitors.Window{
		OrganizationID: organizationID, Version: 1, CreatedAt: at, CreatedBy: "user-1", From: at,
		Config: monitors.WindowConfig{
			Name: "nightly 🐸 %_", Description: "line\nline \x00 \\u0000",
			Target: maintenance.Target{MonitorIDs: []uint32{1, 7, 4_000_000_000}, Labels: []string{"team=a=b", "tier/x"}},
			Spec: maintenance.Spec{
				Start: at.Add(time.Hour), RRule: "FREQ=DAILY;BYHOUR=2", Timezone: "Europe/Berlin", Length: 5400,
			},
		},
	}
}

func insertWindow(t testing.TB, s monitors.Store, w monitors.Window) monitors.Window {
	t.Helper()
	write(t, s, func(tx monitors.Tx) (err error) {
		w.ID, err = tx.InsertWindow(t.Context(), w)
		return err
	})
	return w
}

func sameWindow(t testing.TB, got, want monitors.Window) {
	t.Helper()
	if got.Rev == 0 {
		t.Error("a version without a rev")
	}
	got.Rev, want.Rev = 0, 0
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("window differs\n got %+v\nwant %+v", got, want)
	}
}

func testWindows(t testing.TB, s monitors.Store) {
	first := insertWindow(t, s, exampleWindow("org"))
	once := exampleWindow("org")
	once.Config.Spec = maintenance.Spec{Start: at, End: at.Add(time.Hour)}
	once.Config.Labels, once.Config.MonitorIDs, once.Config.Description = []string{}, []uint32{3}, ""
	once = insertWindow(t, s, once)
	if once.ID <= first.ID {
		t.Errorf("id %d after %d", once.ID, first.ID)
	}
	all, err := s.Windows(t.Context(), "org")
	if err != nil || len(all) != 2 {
		t.Fatalf("%d windows, %v", len(all), err)
	}
	sameWindow(t, all[0], once)
	sameWindow(t, all[1], first)

	next := first
	next.Version, next.From, next.Config.Name, next.CreatedBy = 2, at.Add(time.Minute), "after", "somebody else"
	write(t, s, func(tx monitors.Tx) error { return tx.ReplaceWindow(t.Context(), next) })
	next.CreatedBy = first.CreatedBy // creation stays
	got, err := s.Window(t.Context(), "org", first.ID)
	if err != nil {
		t.Fatal(err)
	}
	sameWindow(t, got, next)
	write(t, s, func(tx monitors.Tx) error { // inside as outside
		got, err := tx.Window(t.Context(), "org", first.ID)
		sameWindow(t, got, next)
		return err
	})

	write(t, s, func(tx monitors.Tx) error { return tx.DeleteWindow(t.Context(), "org", first.ID, at.Add(time.Hour)) })
	_, err = s.Window(t.Context(), "org", first.ID)
	wantErr(t, "read after deletion", err, monitors.ErrWindowNotFound)
	for what, change := range map[string]func(tx monitors.Tx) error{
		"replace": func(tx monitors.Tx) error { return tx.ReplaceWindow(t.Context(), next) },
		"delete":  func(tx monitors.Tx) error { return tx.DeleteWindow(t.Context(), "org", first.ID, at.Add(2*time.Hour)) },
	} {
		wantErr(t, what+" after deletion", s.Write(t.Context(), change), monitors.ErrWindowNotFound)
	}
	if last := insertWindow(t, s, exampleWindow("org")); last.ID <= once.ID {
		t.Errorf("id %d after %d", last.ID, once.ID)
	}
}

func testWindowOrganizations(t testing.TB, s monitors.Store) {
	mine := insertWindow(t, s, exampleWindow("mine"))
	_, err := s.Window(t.Context(), "theirs", mine.ID)
	wantErr(t, "read from elsewhere", err, monitors.ErrWindowNotFound)
	if all, err := s.Windows(t.Context(), "theirs"); err != nil || len(all) != 0 {
		t.Errorf("%d windows from elsewhere, %v", len(all), err)
	}
	other := mine
	other.OrganizationID, other.Version, other.From = "theirs", 2, at.Add(time.Hour)
	for what, change := range map[string]func(tx monitors.Tx) error{
		"read": func(tx monitors.Tx) error {
			_, err := tx.Window(t.Context(), "theirs", mine.ID)
			return err
		},
		"replace": func(tx monitors.Tx) error { return tx.ReplaceWindow(t.Context(), other) },
		"delete":  func(tx monitors.Tx) error { return tx.DeleteWindow(t.Context(), "theirs", mine.ID, at) },
	} {
		wantErr(t, what+" from elsewhere", s.Write(t.Context(), change), monitors.ErrWindowNotFound)
	}
	got, err := s.Window(t.Context(), "mine", mine.ID)
	if err != nil {
		t.Fatal(err)
	}
	sameWindow(t, got, mine)
}

func testWindowLimit(t testing.TB, s monitors.Store) {
	var last monitors.Window
	for range monitors.MaxWindows {
		last = insertWindow(t, s, exampleWindow("org"))
	}
	add := func(organizationID string) error {
		return s.Write(t.Context(), func(tx monitors.Tx) error {
			_, err := tx.InsertWindow(t.Context(), exampleWindow(organizationID))
			return err
		})
	}
	wantErr(t, "one too many", add("org"), monitors.ErrTooManyWindows)
	wantErr(t, "of another organization", add("other"), nil)
	write(t, s, func(tx monitors.Tx) error { return tx.DeleteWindow(t.Context(), "org", last.ID, at) })
	wantErr(t, "after a deletion", add("org"), nil)
}

func testWindowVersions(t testing.TB, s monitors.Store) {
	w := insertWindow(t, s, exampleWindow("org"))
	other := insertWindow(t, s, exampleWindow("other"))
	next := w
	next.Version, next.From, next.Config.Name = 2, at.Add(time.Minute), "after"
	write(t, s, func(tx monitors.Tx) error { return tx.ReplaceWindow(t.Context(), next) })
	write(t, s, func(tx monitors.Tx) error { return tx.DeleteWindow(t.Context(), "other", other.ID, at.Add(time.Hour)) })

	ended := w
	ended.Until = next.From
	other.Until = at.Add(time.Hour)
	want := []monitors.Window{ended, next, other}
	var rev int64
	for i, w := range want { // one by one
		page, err := s.WindowVersions(t.Context(), rev, at, 1)
		if err != nil || len(page) != 1 || page[0].Rev <= rev {
			t.Fatalf("version %d: %+v, %v", i, page, err)
		}
		sameWindow(t, page[0], w)
		rev = page[0].Rev
	}
	if page, err := s.WindowVersions(t.Context(), rev, at, 10); err != nil || len(page) != 0 {
		t.Errorf("%d versions after the last, %v", len(page), err)
	}
	page, err := s.WindowVersions(t.Context(), 0, at.Add(2*time.Minute), 10)
	if err != nil || len(page) != 2 {
		t.Fatalf("%d versions, %v, want those that held later", len(page), err)
	}
	sameWindow(t, page[0], next)
	sameWindow(t, page[1], other)

	m := insert(t, s, plain("org", "m")) // monitors and windows are numbered together
	changes, err := s.Changes(t.Context(), 0, 10)
	if err != nil || len(changes) != 1 || changes[0].ID != m.ID {
		t.Fatalf("changes of monitors: %+v, %v", changes, err)
	}
	if next := insertWindow(t, s, exampleWindow("org")); next.ID == 0 {
		t.Error("no id")
	}
}
