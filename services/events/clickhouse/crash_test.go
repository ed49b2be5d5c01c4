package clickhouse_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	engine "github.com/frogstats/uptime/internal/clickhouse"
	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/clickhouse"
)

// sums compares the sums of results with those that the store has read from its roll-ups, by minutes, hours and days.
func checkSums(t *testing.T, s *clickhouse.Results, want map[uint32][]events.Result) {
	t.Helper()
	bins := cmp.Comparer(func(a, b events.Histogram) bool { return slices.Equal(a.Classes(1<<20), b.Classes(1<<20)) })
	for id, list := range want {
		for _, step := range []time.Duration{time.Minute, time.Hour, 24 * time.Hour} {
			at := edges(month, step, 24)
			got, err := s.Summarize(t.Context(), id, "", at)
			if err != nil {
				t.Fatal(err)
			}
			sums := make([]events.Summary, len(at)-1)
			for i := range list {
				if n := int(list[i].ScheduledAt.Sub(month) / step); n >= 0 && n < len(sums) {
					sums[n].Add(&list[i])
				}
			}
			if d := cmp.Diff(sums, got, bins, cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("monitor %d by %v (-want +got):\n%s", id, step, d)
			}
		}
		n, err := s.Count(t.Context(), events.ResultQuery{MonitorID: id})
		if err != nil || int(n) != len(list) {
			t.Fatalf("monitor %d: counted %d, want %d (%v)", id, n, len(list), err)
		}
	}
}

// stored reads everything that is stored of some monitors, from the rows themselves, and fails if a result is there twice.
func stored(t *testing.T, s *clickhouse.Results, ids ...uint32) map[uint32][]events.Result {
	t.Helper()
	out := map[uint32][]events.Result{}
	for _, id := range ids {
		list, err := s.List(t.Context(), events.ResultQuery{MonitorID: id, Limit: 1_000_000})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for i := range list {
			if seen[list[i].ID()] {
				t.Fatalf("%s is stored twice", list[i].ID())
			}
			seen[list[i].ID()] = true
		}
		out[id] = list
	}
	return out
}

func missing(have map[uint32][]events.Result, want map[string]bool) []string {
	left := maps.Clone(want)
	for _, list := range have {
		for i := range list {
			delete(left, list[i].ID())
		}
	}
	return slices.Collect(maps.Keys(left))
}

// TestCrashes kills the server and the store's process (as far as it can: the store is dropped and opened anew) over and over,
// while results are sent, and sent again in other batches. In the end each is stored once, and every sum is right.
func TestCrashes(t *testing.T) {
	for _, protocol := range []string{"native", "http"} {
		t.Run(protocol, func(t *testing.T) {
			server := clickhousetest.Start(t)
			dsn := server.DSN()
			if protocol == "http" {
				dsn = server.HTTPDSN()
			}
			rng := rand.New(rand.NewPCG(1, 2))
			sent, acknowledged := map[string]bool{}, map[string]bool{}
			var all []events.Result
			next := 0
			rest := func() []events.Result { // some new results and some old ones, in any order
				var out []events.Result
				for range 1 + rng.IntN(400) {
					out = append(out, tcp(uint32(next%3)+1, month.Add(time.Duration(next/3)*time.Second)))
					next++
				}
				all = append(all, out...)
				for range rng.IntN(200) {
					out = append(out, all[max(len(all)-1-rng.IntN(1000), 0)])
				}
				rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
				return out
			}
			for range 5 {
				s := open(t, dsn, clickhouse.Options{})
				var killing sync.WaitGroup
				killed := make(chan struct{})
				after := time.Duration(300+rng.IntN(900)) * time.Millisecond
				killing.Go(func() {
					defer close(killed)
					timer := time.NewTimer(after)
					defer timer.Stop()
					<-timer.C
					server.Kill()
				})
				for failed := false; !failed; {
					batch := rest()
					for i := range batch {
						sent[batch[i].ID()] = true
					}
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
					_, err := s.Append(ctx, batch)
					cancel()
					if failed = err != nil; !failed {
						for i := range batch {
							acknowledged[batch[i].ID()] = true
						}
					}
				}
				killing.Wait()
				<-killed
				server.Start()
				if rng.IntN(2) == 0 { // the same process goes on
					for range 3 {
						batch := rest()
						for i := range batch {
							sent[batch[i].ID()] = true
						}
						if _, err := s.Append(t.Context(), batch); err != nil {
							t.Logf("after the crash: %v", err)
						}
					}
				}
			}
			s := open(t, dsn, clickhouse.Options{})
			have := stored(t, s, 1, 2, 3)
			if lost := missing(have, acknowledged); len(lost) > 0 {
				t.Fatalf("%d of %d acknowledged results are lost", len(lost), len(acknowledged))
			}
			checkSums(t, s, have)
			for part := range slices.Chunk(all, 1000) { // everything again, in other batches
				if _, err := s.Append(t.Context(), part); err != nil {
					t.Fatal(err)
				}
			}
			have = stored(t, s, 1, 2, 3)
			if n := len(have[1]) + len(have[2]) + len(have[3]); n != len(sent) || len(missing(have, sent)) > 0 {
				t.Fatalf("%d results are stored, sent were %d", n, len(sent))
			}
			checkSums(t, s, have)
			t.Logf("%d results, %d acknowledged before the last crash", len(sent), len(acknowledged))
		})
	}
}

// TestUnknownOutcome lets the server freeze in the middle of appends. What was in doubt comes again in other company.
func TestUnknownOutcome(t *testing.T) {
	server := clickhousetest.Start(t)
	s := open(t, server.DSN(), clickhouse.Options{})
	var all []events.Result
	for i := range 400 {
		all = append(all, tcp(1, month.Add(time.Duration(i)*time.Second)))
	}
	add := func(ctx context.Context, from, to int) (int, error) { return s.Append(ctx, all[from:to]) }
	if n, err := add(t.Context(), 0, 100); n != 100 || err != nil {
		t.Fatal(n, err)
	}
	server.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if n, err := add(ctx, 100, 250); err == nil {
		t.Fatalf("a frozen server took %d results", n)
	}
	server.Resume()
	if n, err := add(t.Context(), 150, 300); err != nil || n != 150 {
		t.Fatalf("added %d, want 150, %v", n, err) // those of the block in doubt count for who sends them again
	}
	if n, err := add(t.Context(), 0, 400); err != nil || n != 100 {
		t.Fatalf("added %d, want 100, %v", n, err)
	}
	have := stored(t, s, 1)
	if len(have[1]) != 400 {
		t.Fatalf("%d results", len(have[1]))
	}
	checkSums(t, s, have)
}

// TestLostAcknowledgement has an insert done whose answer is lost.
func TestLostAcknowledgement(t *testing.T) {
	s := open(t, clickhousetest.DSN(t), clickhouse.Options{})
	if _, err := s.Append(t.Context(), burst(0, 10)); err != nil {
		t.Fatal(err)
	}
	if err := s.LoseAcknowledgement(t.Context(), burst(10, 20)); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Append(t.Context(), burst(25, 10)); err != nil || n != 10 {
		t.Fatalf("added %d, want 10, %v", n, err)
	}
	have := stored(t, s, 1)
	if len(have[1]) != 35 {
		t.Fatalf("%d results", len(have[1]))
	}
	checkSums(t, s, have)
}

// TestTakeOver begins to append while an insert of a process that is gone still runs on the server.
func TestTakeOver(t *testing.T) {
	dsn := clickhousetest.DSN(t)
	first := open(t, dsn, clickhouse.Options{})
	if _, err := first.Append(t.Context(), []events.Result{tcp(1, month)}); err != nil {
		t.Fatal(err)
	}
	db, err := engine.Open(t.Context(), dsn, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const slow = `INSERT INTO monitor_events (organization_id, monitor_id, timestamp, region, status)
SELECT '` + organization + `', 1, fromUnixTimestamp64Milli(toInt64(%d + number * 1000), 'UTC'), 'local', 'success'
FROM numbers(1, 60) WHERE sleepEachRow(0.2) = 0 SETTINGS max_block_size = 1, min_insert_block_size_rows = 1, min_insert_block_size_bytes = 1`
	var orphan sync.WaitGroup
	orphan.Go(func() {
		ctx := ch.Context(t.Context(), ch.WithQueryID("monitor_events-gone-1-1"+strings.ToLower(t.Name())))
		if err := db.Conn().Exec(ctx, fmt.Sprintf(slow, month.UnixMilli())); err == nil {
			t.Error("the insert ended by itself")
		}
	})
	defer orphan.Wait()
	for scalar[uint64](t, dsn, `SELECT count() FROM monitor_events`) < 3 {
		if t.Context().Err() != nil {
			t.Fatal("the slow insert does not begin")
		}
	}
	second := open(t, dsn, clickhouse.Options{})
	var all []events.Result
	for i := range 61 {
		all = append(all, tcp(1, month.Add(time.Duration(i)*time.Second)))
	}
	if _, err := second.Append(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	orphan.Wait()
	if have := stored(t, second, 1); len(have[1]) != 61 {
		t.Fatalf("%d results", len(have[1]))
	}
}

// TestBins compares the server's bins with the histogram's, on both sides of every boundary between bins.
func TestBins(t *testing.T) {
	s := open(t, clickhousetest.DSN(t), clickhouse.Options{})
	durations := map[time.Duration]bool{0: true}
	for us := 1; us < 2000; us++ {
		durations[time.Duration(us)*time.Microsecond] = true
	}
	for bin, us := 0, 1.0; us < 1e11; bin++ { // 28 hours
		for d := -2; d <= 2; d++ {
			durations[time.Duration(max(int(us)+d, 0))*time.Microsecond] = true
		}
		us *= 1.01 / .99
	}
	var list []events.Result
	for d := range durations {
		r := tcp(1, month.Add(time.Duration(len(list))*time.Millisecond))
		r.ResponseTime, r.DNS, r.TCP = d, events.Absent, events.Absent
		list = append(list, r)
	}
	if _, err := s.Append(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	checkSums(t, s, map[uint32][]events.Result{1: list})
}
