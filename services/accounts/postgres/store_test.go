package postgres_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/accounts"
	"github.com/frogstats/uptime/services/accounts/postgres"
	"github.com/frogstats/uptime/services/accounts/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T) accounts.Store {
	t.Helper()
	return openAt(t, postgrestest.DSN(t))
}

func openAt(t testing.TB, dsn string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), dsn)
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
