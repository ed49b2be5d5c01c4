package sqlite_test

import (
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
