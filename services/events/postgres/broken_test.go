package postgres_test

import (
	"testing"

	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/events/storetest"
)

func TestSuiteNoticesBrokenStores(t *testing.T) {
	storetest.NoticeBroken(t, "TestState", storetest.BrokenStates, "FROGUP_TEST_POSTGRES="+postgrestest.DSN(t)) // one server for all
}
