package sqlite_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/sqlite"
	"github.com/frogstats/uptime/services/events/storetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimEnv); dir != "" {
		victim(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

func openState(t testing.TB, path string) *sqlite.State {
	t.Helper()
	s, err := sqlite.OpenState(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openHistory(t testing.TB, dir string) *sqlite.History {
	t.Helper()
	h, err := sqlite.OpenHistory(t.Context(), dir, sqlite.HistoryOptions{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func TestState(t *testing.T) {
	storetest.State(t, func(t *testing.T) events.StateStore {
		return storetest.BreakState(openState(t, filepath.Join(t.TempDir(), "state.db")))
	})
}

func TestEvidence(t *testing.T) {
	storetest.Evidence(t, func(t *testing.T) (events.EvidenceStore, events.StateStore) {
		s := openState(t, filepath.Join(t.TempDir(), "state.db"))
		return s, s
	})
}

func TestHistory(t *testing.T) {
	storetest.Results(t, func(t *testing.T) events.ResultStore { return storetest.BreakResults(openHistory(t, t.TempDir())) })
}

// TestHistoryReopened runs the suite on a history that is closed and opened again before all maintenance.
func TestHistoryReopened(t *testing.T) {
	storetest.Results(t, func(t *testing.T) events.ResultStore {
		dir := t.TempDir()
		if t.Name() == "TestHistoryReopened/readers_see_each_result_once" {
			return openHistory(t, dir) // readers would meet a closed file
		}
		return &reopening{t: t, dir: dir, History: openHistory(t, dir)}
	})
}

type reopening struct {
	*sqlite.History
	t   *testing.T
	dir string
}

func (r *reopening) Maintain(ctx context.Context, all bool) error {
	if err := r.Close(); err != nil {
		return err
	}
	r.History = openHistory(r.t, r.dir)
	return r.History.Maintain(ctx, all)
}
