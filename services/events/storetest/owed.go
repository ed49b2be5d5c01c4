package storetest

import (
	"testing"

	"github.com/frogstats/uptime/services/events"
)

// stateOwed commits what timelines owe, more of it, and that it is paid.
func stateOwed(t *testing.T, s events.StateStore) {
	load := func(want ...events.Owed) {
		t.Helper()
		got, err := s.Load(t.Context())
		must(t, err)
		same(t, want, got.Owed)
	}
	owed := func(id uint32, seconds int) events.Owed { return events.Owed{MonitorID: id, From: at(seconds)} }
	commit := func(rows ...events.Owed) {
		t.Helper()
		must(t, s.Commit(t.Context(), events.Commit{Owed: rows, At: at(0)}))
	}
	for id := range uint32(3) {
		must(t, s.Commit(t.Context(), whole(id+7)))
	}
	load()
	commit(owed(8, 20), owed(7, 10))
	load(owed(7, 10), owed(8, 20))
	commit(owed(8, 5), owed(9, 1))
	load(owed(7, 10), owed(8, 5), owed(9, 1))
	commit(events.Owed{MonitorID: 8}, owed(7, 30))
	load(owed(7, 30), owed(9, 1))
	commit(owed(8, 1), events.Owed{MonitorID: 8}, events.Owed{MonitorID: 9}, owed(9, 4)) // the last of each counts
	load(owed(7, 30), owed(9, 4))
	commit(events.Owed{MonitorID: 123}) // never was
	gone := monitor(7)
	gone.Deleted = true
	must(t, s.Commit(t.Context(), events.Commit{Monitors: []events.Monitor{gone}}))
	load(owed(9, 4))
	must(t, s.Prune(t.Context(), events.PruneBefore{Deleted: at(1000)}))
	load(owed(9, 4))

	must(t, s.Commit(t.Context(), events.Commit{Monitors: []events.Monitor{monitor(7)}}))
	load(owed(9, 4)) // what was pruned does not come back
}
