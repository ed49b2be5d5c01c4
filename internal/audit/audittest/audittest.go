// Package audittest holds what every log of changes has to keep.
package audittest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/internal/audit"
)

// Log is a table of changes, as a service's store has it.
type Log interface {
	// Insert writes the rows in one transaction, which ends with then.
	Insert(ctx context.Context, then error, rows ...audit.Row) error
	List(ctx context.Context, f audit.Filter) ([]audit.Row, error)
}

// Run checks a kind of log; open makes an empty one.
func Run(t *testing.T, open func(*testing.T) Log) {
	for name, test := range map[string]func(*testing.T, Log){
		"rows come back as they went":               rowsComeBack,
		"a row lives and dies with its transaction": rowsDieWithTransaction,
		"filters":                     filters,
		"pages cover everything once": pages,
		"a list needs an organization and a limit": needs,
		"odd rows are taken":                       oddRows,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

var start = time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)

func row(n int, change func(*audit.Row)) audit.Row {
	r := audit.Row{
		ID: fmt.Sprintf("id-%03d", n), At: start.Add(time.Duration(n/2) * time.Second), OrganizationID: "o",
		ActorKind: "user", ActorID: "u", ActorName: "u@example.com", IP: "192.0.2.1", Action: "monitor.update",
		ObjectKind: "monitor", ObjectID: "7", After: json.RawMessage(`{"name":"x"}`), RequestID: "req",
	}
	if change != nil {
		change(&r)
	}
	return r
}

func insert(t *testing.T, l Log, rows ...audit.Row) {
	t.Helper()
	if err := l.Insert(t.Context(), nil, rows...); err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, l Log, f audit.Filter) []audit.Row {
	t.Helper()
	got, err := l.List(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func rowsComeBack(t *testing.T, l Log) {
	want := []audit.Row{row(2, func(r *audit.Row) { r.Before, r.After = r.After, nil }), row(0, nil)}
	insert(t, l, want...)
	if diff := cmp.Diff(want, list(t, l, audit.Filter{OrganizationID: "o", Limit: 10})); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func rowsDieWithTransaction(t *testing.T, l Log) {
	refuse := errors.New("no")
	if err := l.Insert(t.Context(), refuse, row(1, nil)); !errors.Is(err, refuse) {
		t.Fatal(err)
	}
	if got := list(t, l, audit.Filter{OrganizationID: "o", Limit: 10}); len(got) != 0 {
		t.Errorf("rows %v", got)
	}
}

func filters(t *testing.T, l Log) {
	insert(t, l,
		row(0, nil),
		row(2, func(r *audit.Row) { r.ActorID = "v" }),
		row(4, func(r *audit.Row) { r.ObjectKind = "alert" }),
		row(6, func(r *audit.Row) { r.ObjectID = "8"; r.Action = "monitor.delete" }),
		row(8, func(r *audit.Row) { r.OrganizationID = "p" }),
	)
	tests := map[string]struct {
		f    audit.Filter
		want []string
	}{
		"all":          {audit.Filter{}, []string{"id-006", "id-004", "id-002", "id-000"}},
		"other":        {audit.Filter{OrganizationID: "p"}, []string{"id-008"}},
		"since":        {audit.Filter{Since: start.Add(2 * time.Second)}, []string{"id-006", "id-004"}},
		"until":        {audit.Filter{Until: start.Add(2 * time.Second)}, []string{"id-002", "id-000"}},
		"actor":        {audit.Filter{ActorID: "v"}, []string{"id-002"}},
		"action":       {audit.Filter{Action: "monitor.delete"}, []string{"id-006"}},
		"object kind":  {audit.Filter{ObjectKind: "alert"}, []string{"id-004"}},
		"object":       {audit.Filter{ObjectKind: "monitor", ObjectID: "8"}, []string{"id-006"}},
		"limit":        {audit.Filter{Limit: 1}, []string{"id-006"}},
		"nothing left": {audit.Filter{ActorID: "v", ObjectKind: "alert"}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.f.OrganizationID == "" {
				tt.f.OrganizationID = "o"
			}
			if tt.f.Limit == 0 {
				tt.f.Limit = 10
			}
			var got []string
			for _, r := range list(t, l, tt.f) {
				got = append(got, r.ID)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

func pages(t *testing.T, l Log) {
	const n = 25 // two rows share each moment
	for i := range n {
		insert(t, l, row(i, nil))
	}
	f := audit.Filter{OrganizationID: "o", Limit: 4}
	var got []string
	for range n {
		page := list(t, l, f)
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			got = append(got, r.ID)
		}
		f.After = page[len(page)-1].Cursor()
	}
	if len(got) != n {
		t.Fatalf("%d rows over all pages, want %d: %v", len(got), n, got)
	}
	for i, id := range got {
		if want := fmt.Sprintf("id-%03d", n-1-i); id != want {
			t.Errorf("place %d holds %s, want %s", i, id, want)
		}
	}
}

func needs(t *testing.T, l Log) {
	for _, f := range []audit.Filter{{Limit: 1}, {OrganizationID: "o"}, {OrganizationID: "o", Limit: -1}} {
		if _, err := l.List(t.Context(), f); err == nil {
			t.Errorf("%+v was listed", f)
		}
	}
}

// JSON keeps its spelling, and what a text column cannot hold does not stop the change that the row tells of.
func oddRows(t *testing.T, l Log) {
	want := row(0, func(r *audit.Row) {
		r.Before, r.After = json.RawMessage(`{"b": 1e2, "a":"\u0000"}`), json.RawMessage(`null`)
		r.ActorName, r.ObjectID = "a\x00b", "\xff"
	})
	insert(t, l, want)
	want.ActorName, want.ObjectID = "a\uFFFDb", "\uFFFD"
	if diff := cmp.Diff([]audit.Row{want}, list(t, l, audit.Filter{OrganizationID: "o", Limit: 10})); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if got := list(t, l, audit.Filter{OrganizationID: "o", ObjectID: "\x00", Limit: 10}); len(got) != 0 {
		t.Errorf("rows of an object that cannot be: %v", got)
	}
}
