package postgres_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/alerts"
	"github.com/frogstats/uptime/services/alerts/postgres"
	"github.com/frogstats/uptime/services/alerts/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start is far from any real time.
var start = time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)

func open(t *testing.T) alerts.Store { return openAt(t, postgrestest.DSN(t)) }

// openAt opens a replica's store.
func openAt(t testing.TB, dsn string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(context.Background(), dsn)
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

// What was written is there after the connections were closed and opened again, and for another replica.
func TestReopen(t *testing.T) {
	dsn := postgrestest.DSN(t)
	s := openAt(t, dsn)
	want := alerts.Progress{Seq: 42, IDs: alerts.IDs{Incident: 1, Trigger: 2}}
	err := s.Advance(t.Context(), nil, start, func(alerts.Progress, map[uint32]alerts.State) alerts.Batch {
		return alerts.Batch{Progress: want}
	})
	if err != nil {
		t.Fatal(err)
	}
	other := openAt(t, dsn)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*postgres.Store{other, openAt(t, dsn)} {
		if got, err := s.Progress(t.Context()); err != nil || got != want {
			t.Errorf("progress = %+v, %v, want %+v", got, err, want)
		}
	}
}

func TestReplicas(t *testing.T) {
	storetest.RunReplicas(t, func(t *testing.T) []alerts.Store {
		dsn := postgrestest.DSN(t)
		return []alerts.Store{openAt(t, dsn), openAt(t, dsn)}
	})
}
