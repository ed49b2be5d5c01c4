package sqlite_test

import (
	"context"
	"database/sql"
	"testing"

	"go.uber.org/goleak"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/audit/audittest"
	auditsqlite "github.com/frogstats/uptime/internal/audit/sqlite"
	"github.com/frogstats/uptime/internal/sqlite"
	"github.com/frogstats/uptime/internal/sqlite/sqlitetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type log struct{ db *sqlite.DB }

func (l log) Insert(ctx context.Context, then error, rows ...audit.Row) error {
	return l.db.Write(ctx, func(tx *sql.Tx) error {
		for _, r := range rows {
			if err := auditsqlite.Insert(ctx, tx, r); err != nil {
				return err
			}
		}
		return then
	})
}

func (l log) List(ctx context.Context, f audit.Filter) ([]audit.Row, error) {
	return auditsqlite.List(ctx, l.db.Read(), f)
}

func TestLog(t *testing.T) {
	audittest.Run(t, func(t *testing.T) audittest.Log {
		db := sqlitetest.Open(t)
		for range 2 { // a second start finds its table
			if err := auditsqlite.Migrate(t.Context(), db); err != nil {
				t.Fatal(err)
			}
		}
		return log{db}
	})
}
