package postgres_test

import (
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/postgres"
	"github.com/frogstats/uptime/services/events/storetest"
)

func TestMain(m *testing.M) {
	if dsn := os.Getenv(ownerEnv); dsn != "" {
		ownUntilKilled(dsn)
		return
	}
	goleak.VerifyTestMain(m)
}

func openState(t testing.TB, dsn string) *postgres.State {
	t.Helper()
	s, err := postgres.OpenState(t.Context(), dsn, postgres.StateOptions{Holder: t.Name(), Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
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

func own(t testing.TB, s *postgres.State) <-chan error {
	t.Helper()
	lost, err := s.Own(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return lost
}

func TestState(t *testing.T) {
	storetest.State(t, func(t *testing.T) events.StateStore {
		s := openState(t, postgrestest.DSN(t))
		own(t, s)
		return storetest.BreakState(s)
	})
}

func TestEvidence(t *testing.T) {
	storetest.Evidence(t, func(t *testing.T) (events.EvidenceStore, events.StateStore) {
		s := openState(t, postgrestest.DSN(t))
		own(t, s)
		return s, s
	})
}
