package prober

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/services/prober/schedule"
)

// A disk that takes its time, or does not answer at all for a while, delays no check and loses no result.
func TestChecksDoNotWaitForTheDisk(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		disk := &moodyFS{files: map[string]*moodyFile{}}
		box := openOutbox(t, "", OutboxOptions{fs: disk})
		m, err := newMetrics(nil)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := Config{ProberID: "p1", Region: "local"}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		prepare := func(spec *checkv1.CheckSpec) (check, error) {
			return fakeCheck{"", func() (time.Duration, checkv1.ResultStatus) { return success(spec.GetMonitorId()) }}, nil
		}
		g := newEngine(cfg, prepare, nil, box, m, newTracer(nil, -1), slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var running sync.WaitGroup
		running.Go(func() { g.run(ctx, cfg.StopGrace) })

		begin := time.Now()
		const monitors = 50
		for id := uint32(1); id <= monitors; id++ {
			g.assign(assignment(id, 1), nil, true)
		}
		r := rand.New(rand.NewPCG(1, 2)) // only the writer syncs, while nothing is acknowledged
		disk.tell(func() error {
			pass(200*time.Millisecond + time.Duration(r.Int64N(int64(1800*time.Millisecond))))
			return nil
		})
		pass(time.Minute)
		if err := box.(*diskOutbox).Err(); err != nil {
			t.Errorf("a slow disk is reported: %v", err)
		}
		answer := make(chan struct{})
		disk.tell(func() error { <-answer; return nil })
		pass(30 * time.Second)
		if s := box.(*diskOutbox).log.Stats(); s.Next-1-s.Durable < 25*monitors {
			t.Errorf("%d results wait for a disk that has not answered for half a minute: nothing was tried", s.Next-1-s.Durable)
		}
		close(answer)
		disk.tell(nil)
		pass(10 * time.Second)
		synctest.Wait()
		until := time.Now()
		cancel()
		running.Wait()

		rows, _ := all(t, box, 0)
		due := 0
		for id := uint32(1); id <= monitors; id++ {
			due += 1 + schedule.NewGrid(id, time.Second).Count(begin, until.Add(1)) // the first check at once, then the grid
		}
		ran, missed := tally(rows)
		// A grid slot that falls on the first check is that check.
		if missed != 0 || ran > due || ran < due-monitors {
			t.Errorf("%d results and %d missed slots, due were %d", ran, missed, due)
		}
		for _, row := range rows {
			if late := row.GetStartedAt().AsTime().Sub(row.GetScheduledAt().AsTime()); late > tick {
				t.Fatalf("monitor %d began %v late at %v", row.GetMonitorId(), late, row.GetScheduledAt().AsTime())
			}
		}
	})
}
