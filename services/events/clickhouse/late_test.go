package clickhouse_test

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/clickhouse"
)

func openLate(t *testing.T, dsn string) *clickhouse.Late {
	t.Helper()
	s, err := clickhouse.OpenLate(t.Context(), dsn, clickhouse.Options{})
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

// A server that answers is waited for; what is asked then is asked of its store.
func TestLate(t *testing.T) {
	s := openLate(t, clickhousetest.DSN(t))
	results := burst(0, 10)
	if n, err := s.Append(t.Context(), results); n != 10 || err != nil {
		t.Fatalf("appended %d, %v", n, err)
	}
	first := &results[0]
	q := events.ResultQuery{MonitorID: first.MonitorID, Limit: 100}
	list, err := s.List(t.Context(), q)
	if n, countErr := s.Count(t.Context(), q); err != nil || countErr != nil || len(list) == 0 || int(n) != len(list) {
		t.Errorf("%d listed, %d counted, %v, %v", len(list), n, err, countErr)
	}
	sums, err := s.Summarize(t.Context(), first.MonitorID, "", []time.Time{month.AddDate(-1, 0, 0), month.AddDate(1, 0, 0)})
	if err != nil || len(sums) != 1 || int(sums[0].Rows(0)) != len(list) {
		t.Errorf("summed up to %v, %v", sums, err)
	}
	if _, err := s.MeanResponses(t.Context(), []uint32{first.MonitorID}, month); err != nil {
		t.Error(err)
	}
	replayed := 0
	err = s.Replay(t.Context(), first.MonitorID, map[string]time.Time{first.Region: {}}, func(*events.Result) error { replayed++; return nil })
	if slots, lastErr := s.LastSlots(t.Context(), events.SlotQuery{Region: first.Region}); err != nil || lastErr != nil || replayed == 0 || slots == nil {
		t.Errorf("%d replayed, last slots %v, %v, %v", replayed, slots, err, lastErr)
	}
	if err := errors.Join(s.Ping(t.Context()), s.Maintain(t.Context(), true), s.Prune(t.Context(), month.AddDate(-1, 0, 0))); err != nil {
		t.Error(err)
	}
}

// Whoever asks before the server answers is told so at once.
func TestLateWithoutServer(t *testing.T) {
	s := openLate(t, "clickhouse://frogup:secret@127.0.0.1:1/default")
	q := events.ResultQuery{MonitorID: 1, Limit: 10}
	for name, call := range map[string]func() error{
		"append":    func() error { _, err := s.Append(t.Context(), burst(0, 1)); return err },
		"list":      func() error { _, err := s.List(t.Context(), q); return err },
		"count":     func() error { _, err := s.Count(t.Context(), q); return err },
		"summarize": func() error { _, err := s.Summarize(t.Context(), 1, "", []time.Time{month, month.Add(1)}); return err },
		"means":     func() error { _, err := s.MeanResponses(t.Context(), []uint32{1}, month); return err },
		"replay": func() error {
			return s.Replay(t.Context(), 1, map[string]time.Time{"local": month}, func(*events.Result) error { return nil })
		},
		"last slots": func() error { _, err := s.LastSlots(t.Context(), events.SlotQuery{Region: "local"}); return err },
		"prune":      func() error { return s.Prune(t.Context(), month) },
		"ping":       func() error { return s.Ping(t.Context()) },
	} {
		if err := call(); !fault.Is(err, fault.KindUnavailable) {
			t.Errorf("%s: %v, want unavailable", name, err)
		}
	}
	if err := s.Maintain(t.Context(), true); err != nil {
		t.Errorf("there is nothing to maintain: %v", err)
	}
	if n, d := s.BatchSize(), s.BatchDelay(); n < 1 || d <= 0 {
		t.Errorf("batches of %d after %v", n, d)
	}
}

// A password that is wrong is wrong in a minute too: the operator hears of it at once.
func TestLateRefused(t *testing.T) {
	at, err := url.Parse(clickhousetest.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	at.User = url.UserPassword("frogup", "of another installation")
	if s, err := clickhouse.OpenLate(t.Context(), at.String(), clickhouse.Options{}); err == nil || fault.Is(err, fault.KindUnavailable) {
		t.Errorf("opened with a wrong password: %v, %v", s, err)
	}
}
