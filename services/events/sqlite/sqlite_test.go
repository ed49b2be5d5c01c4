package sqlite_test

import (
	"log/slog"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/sqlite"
	"github.com/frogstats/uptime/services/events/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

func TestState(t *testing.T) {
	storetest.State(t, func(t *testing.T) events.StateStore {
		return openState(t, filepath.Join(t.TempDir(), "state.db"))
	})
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

func TestHistory(t *testing.T) {
	storetest.Results(t, func(t *testing.T) events.ResultStore { return openHistory(t, t.TempDir()) })
}
