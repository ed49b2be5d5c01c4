package clickhouse_test

import (
	"errors"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/clickhouse"
)

// TestServerAway asks everything of a server that is gone: who asked may try again, and is told no driver's words.
func TestServerAway(t *testing.T) {
	server := clickhousetest.Start(t)
	s := open(t, server.DSN(), clickhouse.Options{})
	if _, err := s.Append(t.Context(), burst(0, 10)); err != nil {
		t.Fatal(err)
	}
	q := events.ResultQuery{MonitorID: 1, Limit: 10}
	calls := map[string]func() error{
		"append":         func() error { _, err := s.Append(t.Context(), burst(10, 1)); return err },
		"list":           func() error { _, err := s.List(t.Context(), q); return err },
		"list another's": func() error { _, err := s.List(t.Context(), events.ResultQuery{MonitorID: 99, Limit: 10}); return err },
		"count":          func() error { _, err := s.Count(t.Context(), q); return err },
		"summarize": func() error {
			_, err := s.Summarize(t.Context(), 1, "", []time.Time{month, month.Add(time.Hour)})
			return err
		},
		"means":      func() error { _, err := s.MeanResponses(t.Context(), []uint32{1}, month); return err },
		"last slots": func() error { _, err := s.LastSlots(t.Context(), events.SlotQuery{Region: "local"}); return err },
		"replay": func() error {
			return s.Replay(t.Context(), 1, map[string]time.Time{"local": month}, func(*events.Result) error { return nil })
		},
	}
	ownFault := errors.New("the caller's")
	err := s.Replay(t.Context(), 1, map[string]time.Time{"local": month}, func(*events.Result) error { return ownFault })
	if !errors.Is(err, ownFault) || fault.Is(err, fault.KindUnavailable) {
		t.Errorf("an error of who replays: %v", err)
	}
	server.Kill()
	for name, call := range calls {
		err := call()
		if !fault.Is(err, fault.KindUnavailable) || fault.ToStatus(err).Message() != "temporarily unavailable" {
			t.Errorf("%s: %v, want unavailable", name, err)
		}
	}
	server.Start()
	for name, call := range calls {
		if err := call(); err != nil {
			t.Errorf("%s once it is back: %v", name, err)
		}
	}
}
