package clickhouse_test

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/clickhouse"
	"github.com/frogstats/uptime/services/events/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, dsn string, opts clickhouse.Options) *clickhouse.Results {
	t.Helper()
	opts.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	s, err := clickhouse.OpenResults(t.Context(), dsn, opts)
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

func TestResults(t *testing.T) {
	storetest.Results(t, func(t *testing.T) events.ResultStore {
		return storetest.BreakResults(open(t, clickhousetest.DSN(t), clickhouse.Options{}))
	})
}

// The other protocol, and with it the profile for small servers: a third run of the suite would tell no more.
func TestResultsByHTTPOnASmallServer(t *testing.T) {
	storetest.Results(t, func(t *testing.T) events.ResultStore {
		return open(t, clickhousetest.HTTPDSN(t), clickhouse.Options{LowMemory: true})
	})
}
