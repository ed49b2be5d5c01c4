package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/alerts"
	"github.com/frogstats/uptime/services/alerts/postgres"
)

const benchMonitors = 500

// benchRules makes a rule for each of n monitors.
func benchRules(b *testing.B, s alerts.Store, n uint32) (refs []alerts.MonitorRef) {
	b.Helper()
	for id := range n {
		r := alerts.Rule{
			OrganizationID: "org", MonitorID: id + 1, Type: "webhook", Enabled: true,
			Conditions: alerts.Conditions{Failures: 3, ResponseTime: time.Second},
		}
		if _, err := s.CreateRule(b.Context(), r, func(r *alerts.Rule) (audit.Row, error) {
			r.Config = alerts.Config{Public: []byte(`{}`), Sealed: []byte{1}}
			return audit.New(b.Context(), "alert.create", "alert", "1"), nil
		}); err != nil {
			b.Fatal(err)
		}
		refs = append(refs, alerts.MonitorRef{ID: id + 1, OrganizationID: "org"})
	}
	return refs
}

// checks are one of each monitor. A failing one is the third, which triggers the monitor's rule.
func checks(refs []alerts.MonitorRef, seq uint64, fault bool) []alerts.Entry {
	entries := make([]alerts.Entry, len(refs))
	for i, m := range refs {
		o := &alerts.Observation{Region: "eu", Outcome: alerts.OutcomeSuccess, Successes: 10, Slowest: time.Millisecond}
		if fault {
			o = &alerts.Observation{Region: "eu", Outcome: alerts.OutcomeFailure, Failures: 3}
		}
		entries[i] = alerts.Entry{Seq: seq + uint64(i) + 1, OrganizationID: "org", MonitorID: m.ID, At: start, Observation: o}
	}
	return entries
}

// BenchmarkAdvance evaluates one check of each of 500 monitors with a rule each, in one transaction: checks that say nothing
// new, and checks of which each triggers or resolves a rule and writes a message.
func BenchmarkAdvance(b *testing.B) {
	for name, news := range map[string]bool{"nothing new": false, "a message for each": true} {
		b.Run(name, func(b *testing.B) {
			s := openAt(b, postgrestest.DSN(b))
			refs := benchRules(b, s, benchMonitors)
			fault, seq := false, uint64(0)
			for b.Loop() {
				fault = news && !fault
				entries := checks(refs, seq, fault)
				seq += benchMonitors
				if err := s.Advance(b.Context(), refs, start, func(p alerts.Progress, states map[uint32]alerts.State) alerts.Batch {
					return alerts.Fold(p, states, entries, start)
				}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(benchMonitors*b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// BenchmarkDeliver claims and settles 10,000 messages that are due for 200 targets, with two replicas of which each has 16
// workers, as many as a service has.
func BenchmarkDeliver(b *testing.B) {
	const targets, messages, workers = 200, 10_000, 16
	dsn := postgrestest.DSN(b)
	replicas := []*postgres.Store{openAt(b, dsn), openAt(b, dsn)}
	rules := benchRules(b, replicas[0], targets)
	for round := 0; b.Loop(); round++ {
		b.StopTimer()
		batch := alerts.Batch{}
		for i := range uint32(messages) {
			batch.Messages = append(batch.Messages, alerts.Message{
				ID: fmt.Sprint(round, "-", i), OrganizationID: "org", MonitorID: rules[i%targets].ID, Type: alerts.TypeTriggered,
				Target: alerts.Target{Kind: alerts.TargetAlert, ID: i%targets + 1}, Thread: fmt.Sprint("trigger:", i), OccurredAt: start,
			})
		}
		if err := replicas[0].Advance(b.Context(), nil, start, func(p alerts.Progress, _ map[uint32]alerts.State) alerts.Batch {
			batch.Progress = p
			return batch
		}); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		var g errgroup.Group
		for _, s := range replicas {
			g.Go(func() error { return drain(b.Context(), s, workers) })
		}
		if err := g.Wait(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(messages*b.N)/b.Elapsed().Seconds(), "messages/s")
}

// drain delivers until nothing waits, as a service does: one claims, and as many settle at once as it claimed.
func drain(ctx context.Context, s alerts.Store, workers int) error {
	for {
		claims, next, err := s.Claim(ctx, start, time.Minute, workers)
		if err != nil {
			return err
		}
		if len(claims) == 0 {
			if next.IsZero() {
				return nil
			}
			continue // the other replica has the rest
		}
		var g errgroup.Group
		for _, c := range claims {
			g.Go(func() error {
				return s.Settle(ctx, c, alerts.Attempt{At: start, StatusCode: 200}, alerts.Verdict{State: alerts.DeliveryDelivered})
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
}

// BenchmarkClaim looks for work beside 20,000 messages that wait for 500 receivers that are out of order.
func BenchmarkClaim(b *testing.B) {
	s := openAt(b, postgrestest.DSN(b))
	refs := benchRules(b, s, benchMonitors)
	for round := range 40 {
		var batch alerts.Batch
		for _, m := range refs {
			batch.Messages = append(batch.Messages, alerts.Message{
				ID: fmt.Sprint(round, "-", m.ID), OrganizationID: "org", MonitorID: m.ID, Type: alerts.TypeTriggered,
				Target: alerts.Target{Kind: alerts.TargetAlert, ID: m.ID}, OccurredAt: start,
			})
		}
		if err := s.Advance(b.Context(), nil, start, func(p alerts.Progress, _ map[uint32]alerts.State) alerts.Batch {
			batch.Progress = p
			return batch
		}); err != nil {
			b.Fatal(err)
		}
	}
	claims, _, err := s.Claim(b.Context(), start, time.Minute, benchMonitors)
	if err != nil || len(claims) != benchMonitors {
		b.Fatal(len(claims), err)
	}
	for _, c := range claims {
		v := alerts.Verdict{State: alerts.DeliveryPending, NextAttemptAt: start.Add(time.Hour)}
		if err := s.Settle(b.Context(), c, alerts.Attempt{At: start}, v); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if claims, _, err := s.Claim(b.Context(), start, time.Minute, 16); err != nil || len(claims) != 0 {
			b.Fatal(len(claims), err)
		}
	}
}
