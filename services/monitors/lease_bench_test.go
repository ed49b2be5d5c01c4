package monitors_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/services/monitors"
	"github.com/frogstats/uptime/services/monitors/postgres"
	"github.com/frogstats/uptime/services/monitors/sqlite"
	"github.com/frogstats/uptime/services/monitors/storetest"
)

// engines opens a store of each engine.
func engines(b *testing.B, run func(b *testing.B, s monitors.Store)) {
	b.Run("sqlite", func(b *testing.B) {
		s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "monitors.db"))
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		run(b, s)
	})
	b.Run("postgres", func(b *testing.B) {
		s, err := postgres.Open(b.Context(), postgrestest.DSN(b))
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		run(b, s)
	})
}

func openProber(b *testing.B, s monitors.Store, id string) {
	b.Helper()
	_, err := s.OpenSession(b.Context(), monitors.Opening{Session: monitors.Session{
		ProberID: id, Region: "eu", Name: "s", ValidUntil: time.Now().Add(time.Hour), RenewedAt: time.Now(), Capacity: 4096, Durable: true,
	}})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkPlacement places 100,000 monitors over 10 probers; then one of them is gone, and what it held goes to the others;
// then one monitor is added.
func BenchmarkPlacement(b *testing.B) {
	const n, probers = 100_000, 10
	engines(b, func(b *testing.B, s monitors.Store) {
		box, err := secret.Generate()
		if err != nil {
			b.Fatal(err)
		}
		for p := range probers {
			openProber(b, s, fmt.Sprint("p", p))
		}
		add := func(count int) {
			if err := s.Write(b.Context(), func(tx monitors.Tx) error {
				for range count {
					m := storetest.Example("org")
					m.Config.Regions, m.Config.ExternalID, m.Sealed = []string{"eu"}, "", nil
					if _, err := tx.Insert(b.Context(), m); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				b.Fatal(err)
			}
		}
		for range n / 1000 {
			add(1000)
		}
		service, err := monitors.New(monitors.Deps{Store: s, Log: slog.New(slog.DiscardHandler), Secrets: box, PageKey: []byte("k")})
		if err != nil {
			b.Fatal(err)
		}
		place := func() float64 {
			began := time.Now()
			if err := service.Place(context.Background(), "eu"); err != nil {
				b.Fatal(err)
			}
			return float64(time.Since(began).Microseconds()) / 1000
		}
		for b.Loop() {
			b.ReportMetric(place(), "ms/100000")
			if _, err := s.EndSession(b.Context(), monitors.Ending{ProberID: "p0", Name: "s", State: monitors.SessionOver}); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(place(), "ms/takeover")
			add(1)
			b.ReportMetric(place(), "ms/monitor")
		}
		holdings, err := s.Holdings(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		var least, most uint32 = n, 0
		for _, h := range holdings {
			least, most = min(least, h.Monitors), max(most, h.Monitors)
		}
		b.ReportMetric(float64(most)/float64(least), "most/least")
	})
}

// BenchmarkRenewal renews the sessions of 100 probers from 16 goroutines.
func BenchmarkRenewal(b *testing.B) {
	engines(b, func(b *testing.B, s monitors.Store) {
		for p := range 100 {
			openProber(b, s, fmt.Sprint("p", p))
		}
		var n atomic.Int64
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				at := time.Now()
				id := fmt.Sprint("p", n.Add(1)%100)
				if _, err := s.RenewSession(b.Context(), monitors.Renewal{ProberID: id, Name: "s", ValidUntil: at, Sane: at, At: at}); err != nil {
					b.Error(err)
					return
				}
			}
		})
		b.ReportMetric(float64(n.Load())/b.Elapsed().Seconds(), "renewals/s")
	})
}
