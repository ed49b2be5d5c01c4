package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/monitors"
	"github.com/frogstats/uptime/services/monitors/postgres"
)

// BenchmarkList10k lists an organization of ten thousand monitors among twenty thousand. It prints the 95th percentile, and
// its ratio to that of receiving the same rows unread, which is what the server and the road cost.
func BenchmarkList10k(b *testing.B) {
	s := loaded(b)
	few, text := "5", "04321.example"
	for _, bb := range []struct {
		name string
		f    monitors.Filter
	}{
		{"page of 100", monitors.Filter{Limit: 101}},
		{"page of 1000", monitors.Filter{Limit: 1001}},
		{"later page of 100", monitors.Filter{Limit: 101, Before: 5000}},
		{"label", monitors.Filter{Limit: 101, Labels: []monitors.LabelFilter{{Key: "team", Value: &few}}}},
		{"text of one", monitors.Filter{Limit: 101, Text: text}},
		{"text of all", monitors.Filter{Limit: 101, Text: "example.com"}},
		{"text of none", monitors.Filter{Limit: 101, Text: "nowhere at all"}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			bb.f.OrganizationID = "big"
			var took, floor []time.Duration
			for b.Loop() {
				start := time.Now()
				if _, err := s.Monitors(b.Context(), bb.f); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
				b.StopTimer() // in turn, so that both meet the same machine
				start = time.Now()
				if err := receive(b.Context(), s, bb.f); err != nil {
					b.Fatal(err)
				}
				floor = append(floor, time.Since(start))
				b.StartTimer()
			}
			b.ReportMetric(p95(took).Seconds()*1000, "p95-ms")
			b.ReportMetric(float64(p95(took))/float64(p95(floor)), "p95/floor")
		})
	}
}

// receive runs the statement of a list and looks at nothing that it returns.
func receive(ctx context.Context, s *postgres.Store, f monitors.Filter) error {
	query, args := postgres.ListQuery(f)
	rows, err := s.Pool().Query(ctx, query, args...)
	if err != nil {
		return err
	}
	rows.Close()
	return rows.Err()
}

func p95(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)*95/100]
}

// BenchmarkWrite makes changes from one and from several goroutines; they come one after the other all the same.
func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprint(writers, " writers"), func(b *testing.B) {
			s := openAt(b, postgrestest.DSN(b))
			work := make(chan struct{})
			done := make(chan error, writers)
			for range writers {
				go func() {
					for range work {
						if err := s.Write(b.Context(), func(tx monitors.Tx) error {
							_, err := tx.Insert(b.Context(), tcp("org", "x"))
							return err
						}); err != nil {
							done <- err
							return
						}
					}
					done <- nil
				}()
			}
			for b.Loop() {
				work <- struct{}{}
			}
			close(work)
			for range writers {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
