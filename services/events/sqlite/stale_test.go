package sqlite

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/events"
)

// A file that was closed while it held next to nothing is asked as one that holds a million rows: what is asked for by a list is
// looked up, and no table is read whole.
func TestStatisticsThatAreStaleTurnNoQueryRound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	open := func() *State {
		s, err := OpenState(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s, at := open(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	judge := events.NewJudge(events.Snapshot{})
	for id := range uint32(2) {
		judge.Upsert(at, events.Monitor{ID: id + 1, OrganizationID: "org", Regions: []string{"local"}, Enabled: true, CreatedAt: at, UpdatedAt: at})
	}
	c := judge.Take()
	if err := s.Commit(t.Context(), events.Commit{Monitors: c.Monitors, States: c.States, Regions: c.Regions, Transitions: c.Transitions, At: at}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []uint32{1, 2} { // what was asked is what the file gathers statistics for
		if _, err := s.Timelines(t.Context(), []uint32{id}, "", []time.Time{at.Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	const analyze = `ANALYZE` // as closing does for tables that have grown enough
	err := s.db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), analyze)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	defer s.Close()
	for name, query := range map[string]string{"statuses": selectStatuses, "timelines": selectTimelines} {
		args := []any{"[1,2]", "[1]", ""}
		if name == "statuses" {
			args = args[:1]
		}
		var plan []string
		err := rows(t.Context(), s.read, func(r *sql.Rows) error {
			var id, parent, unused int
			var detail string
			err := r.Scan(&id, &parent, &unused, &detail)
			plan = append(plan, detail)
			return err
		}, "EXPLAIN QUERY PLAN "+query, args...)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range plan {
			if strings.HasPrefix(step, "SCAN") && !strings.Contains(step, "VIRTUAL TABLE") {
				t.Errorf("%s reads a table whole: %q", name, plan)
			}
		}
	}
}
