package sqlite_test

import (
	"testing"

	"github.com/frogstats/uptime/services/events/storetest"
)

func TestSuitesNoticeBrokenStores(t *testing.T) {
	storetest.NoticeBroken(t, "TestHistory", storetest.BrokenResults)
	storetest.NoticeBroken(t, "TestState", storetest.BrokenStates)
}
