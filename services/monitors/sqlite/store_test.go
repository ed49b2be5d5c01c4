package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/frogstats/uptime/services/monitors"
	"github.com/frogstats/uptime/services/monitors/sqlite"
	"github.com/frogstats/uptime/services/monitors/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) monitors.Store {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "monitors.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	})
}

func TestOpenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "monitors.db")
	for range 2 {
		s, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Write(t.Context(), func(tx monitors.Tx) error {
			m := storetest.Example("org")
			m.Config.ExternalID = ""
			_, err := tx.Insert(t.Context(), m)
			return err
		})
		if err := errors.Join(err, s.Close(), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ms, err := s.Changes(t.Context(), 0, 10)
	if err := errors.Join(err, s.Close()); err != nil || len(ms) != 2 {
		t.Errorf("%d monitors after opening again, %v", len(ms), err)
	}
}

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "monitors.db")
	if err := os.WriteFile(path, []byte("this is not a database, and long enough to be looked at closely by the engine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := sqlite.Open(t.Context(), path); err == nil {
		t.Errorf("opened; close says %v", s.Close())
	}
}
