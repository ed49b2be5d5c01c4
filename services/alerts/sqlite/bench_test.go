package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/services/alerts"
	"github.com/frogstats/uptime/services/alerts/sqlite"
)

const benchMonitors = 500

func benchStore(b *testing.B) *sqlite.Store {
	b.Helper()
	s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "alerts.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	for id := range uint32(benchMonitors) {
		r := alerts.Rule{OrganizationID: "org", MonitorID: id + 1, Type: "webhook", Enabled: true, Conditions: alerts.Conditions{Failures: 3, ResponseTime: time.Second}}
		if _, err := s.CreateRule(b.Context(), r, func(r *alerts.Rule) (audit.Row, error) {
			r.Config = alerts.Config{Public: []byte(`{}`), Sealed: []byte{1}}
			return audit.New(b.Context(), "alert.create", "alert", "1"), nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// BenchmarkAdvance evaluates one check of each of 500 monitors with a rule each, in one transaction.
func BenchmarkAdvance(b *testing.B) {
	s := benchStore(b)
	var refs []alerts.MonitorRef
	for id := range uint32(benchMonitors) {
		refs = append(refs, alerts.MonitorRef{ID: id + 1, OrganizationID: "org"})
	}
	seq := uint64(0)
	for b.Loop() {
		entries := make([]alerts.Entry, benchMonitors)
		for i := range entries {
			seq++
			entries[i] = alerts.Entry{
				Seq: seq, OrganizationID: "org", MonitorID: uint32(i + 1), At: alertsTime,
				Observation: &alerts.Observation{Region: "eu", Outcome: alerts.OutcomeSuccess, Successes: 10, Slowest: time.Millisecond},
			}
		}
		if err := s.Advance(b.Context(), refs, alertsTime, func(p alerts.Progress, states map[uint32]alerts.State) alerts.Batch {
			return alerts.Fold(p, states, entries, alertsTime)
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(benchMonitors*b.N)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkClaim looks for work beside 20,000 messages that wait for receivers that are out of order.
func BenchmarkClaim(b *testing.B) {
	s, now := benchOutbox(b), alertsTime
	for b.Loop() {
		if claims, _, err := s.Claim(b.Context(), now, time.Minute, 16); err != nil || len(claims) != 0 {
			b.Fatal(len(claims), err)
		}
	}
}

// BenchmarkBacklog counts them, as a check of the service's health does.
func BenchmarkBacklog(b *testing.B) {
	s := benchOutbox(b)
	for b.Loop() {
		if w, err := s.Backlog(b.Context()); err != nil || w.Messages == 0 {
			b.Fatal(w, err)
		}
	}
}

// benchOutbox has 20,000 messages, each of which waits for another attempt or behind one that does.
func benchOutbox(b *testing.B) *sqlite.Store {
	b.Helper()
	s, now := benchStore(b), alertsTime
	for round := range 40 {
		var batch alerts.Batch
		for id := range uint32(benchMonitors) {
			batch.Messages = append(batch.Messages, alerts.Message{
				ID: fmt.Sprint(round, "-", id), OrganizationID: "org", MonitorID: id + 1, Type: alerts.TypeTriggered,
				Target: alerts.Target{Kind: alerts.TargetAlert, ID: id + 1}, OccurredAt: now,
			})
		}
		if err := s.Advance(b.Context(), nil, now, func(p alerts.Progress, _ map[uint32]alerts.State) alerts.Batch {
			batch.Progress = p
			return batch
		}); err != nil {
			b.Fatal(err)
		}
	}
	for {
		claims, _, err := s.Claim(b.Context(), now, time.Minute, 100)
		if err != nil {
			b.Fatal(err)
		}
		if len(claims) == 0 {
			break
		}
		for _, c := range claims {
			if err := s.Settle(b.Context(), c, alerts.Attempt{At: now}, alerts.Verdict{State: alerts.DeliveryPending, NextAttemptAt: now.Add(time.Hour)}); err != nil {
				b.Fatal(err)
			}
		}
	}
	return s
}

// BenchmarkIdle is what a service with nothing to do asks its store in ten seconds.
func BenchmarkIdle(b *testing.B) {
	s := benchStore(b)
	for b.Loop() {
		for i := range 10 {
			if _, err := s.DueSilences(b.Context(), alertsTime, 500); err != nil {
				b.Fatal(err)
			}
			if i%2 == 0 {
				if _, err := s.FallBack(b.Context(), alertsTime, 200); err != nil {
					b.Fatal(err)
				}
			}
			if i%5 == 0 {
				if _, err := s.DueMaintenance(b.Context(), alertsTime, 500); err != nil {
					b.Fatal(err)
				}
			}
		}
		if _, err := s.DueReminders(b.Context(), alertsTime, 0, 200); err != nil {
			b.Fatal(err)
		}
	}
}
