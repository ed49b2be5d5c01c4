package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/frogstats/uptime/services/alerts"
	"github.com/frogstats/uptime/services/alerts/sqlite"
	"github.com/frogstats/uptime/services/alerts/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T) alerts.Store { return openAt(t, filepath.Join(t.TempDir(), "alerts.db")) }

func openAt(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func TestStore(t *testing.T) { storetest.Run(t, open) }

// What was written is there after the file was closed and opened again.
func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alerts.db")
	s := openAt(t, path)
	want := alerts.Progress{Seq: 42, IDs: alerts.IDs{Incident: 1, Trigger: 2}}
	err := s.Advance(t.Context(), nil, alertsTime, func(alerts.Progress, map[uint32]alerts.State) alerts.Batch {
		return alerts.Batch{Progress: want}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := openAt(t, path).Progress(t.Context())
	if err != nil || got != want {
		t.Errorf("progress = %+v, %v, want %+v", got, err, want)
	}
}
