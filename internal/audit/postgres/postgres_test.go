package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/audit/audittest"
	auditpostgres "github.com/frogstats/uptime/internal/audit/postgres"
	"github.com/frogstats/uptime/internal/postgres"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type log struct{ db *postgres.DB }

func (l log) Insert(ctx context.Context, then error, rows ...audit.Row) error {
	return l.db.Write(ctx, func(tx pgx.Tx) error {
		for _, r := range rows {
			if err := auditpostgres.Insert(ctx, tx, r); err != nil {
				return err
			}
		}
		return then
	})
}

func (l log) List(ctx context.Context, f audit.Filter) ([]audit.Row, error) {
	return auditpostgres.List(ctx, l.db.Pool(), f)
}

func TestLog(t *testing.T) {
	audittest.Run(t, func(t *testing.T) audittest.Log {
		db := postgrestest.Open(t, "svc")
		for range 2 { // a second start finds its table
			if err := auditpostgres.Migrate(t.Context(), db); err != nil {
				t.Fatal(err)
			}
		}
		return log{db}
	})
}
