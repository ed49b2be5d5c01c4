package clickhouse_test

import (
	"testing"

	"github.com/frogstats/uptime/services/events/storetest"
)

func TestSuiteNoticesBrokenStores(t *testing.T) {
	storetest.NoticeBroken(t, "TestResults", storetest.BrokenResults)
}
