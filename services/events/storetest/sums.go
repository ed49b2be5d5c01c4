package storetest

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/frogstats/uptime/services/events"
)

// naive sums up what lies between neighbouring edges, one result at a time.
func naive(all []events.Result, region string, edges []time.Time) []events.Summary {
	out := make([]events.Summary, len(edges)-1)
	for i := range out {
		for _, r := range all {
			if (region == "" || r.Region == region) && !r.ScheduledAt.Before(edges[i]) && r.ScheduledAt.Before(edges[i+1]) {
				out[i].Add(&r)
			}
		}
	}
	return out
}

// sameSums compares sums; histograms by their bins.
func sameSums(t *testing.T, what string, want, got []events.Summary) {
	t.Helper()
	bins := cmp.Comparer(func(a, b events.Histogram) bool { return slices.Equal(a.Classes(1<<20), b.Classes(1<<20)) })
	if d := cmp.Diff(want, got, bins, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

// random makes a mixed lot of results of two regions, every few seconds of some hours around a month's end, so that some hours
// are dense and some are not.
func random(rng *rand.Rand, id uint32, n int) []events.Result {
	start := time.Date(2026, 3, 31, 20, 0, 0, 0, time.UTC)
	seen := map[events.ResultPlace]bool{}
	var out []events.Result
	for len(out) < n {
		slot := start.Add(time.Duration(rng.IntN(8*3600)) * time.Second)
		if rng.IntN(3) == 0 {
			slot = start.Add(4*time.Hour + time.Duration(rng.IntN(1800_000))*time.Millisecond)
		}
		p := events.ResultPlace{ScheduledAt: slot, Region: []string{"eu", "us"}[rng.IntN(2)]}
		if seen[p] {
			continue
		}
		seen[p] = true
		r := success(id, p.Region, slot)
		switch rng.IntN(10) {
		case 0:
			r = full(id, p.Region, slot)
		case 1:
			r = missed(id, p.Region, slot, uint32(1+rng.IntN(9)), slot.Add(time.Minute))
		default:
			r.ResponseTime = time.Duration(rng.ExpFloat64()*50_000) * time.Microsecond
			if rng.IntN(2) == 0 {
				r.TLS, r.TTFB, r.Transfer = time.Duration(rng.IntN(9000))*time.Microsecond, time.Millisecond, 0
			}
		}
		out = append(out, r)
	}
	return out
}

// randomEdges are up to n moments around those of random, mostly whole minutes, hours or days.
func randomEdges(rng *rand.Rand, n int) []time.Time {
	start := time.Date(2026, 3, 31, 18, 0, 0, 0, time.UTC)
	out := map[time.Time]bool{start.Add(time.Hour): true}
	for range 1 + rng.IntN(n) {
		at := start.Add(time.Duration(rng.IntN(12*3600_000)) * time.Millisecond)
		unit := []time.Duration{time.Millisecond, time.Second, time.Minute, 5 * time.Minute, time.Hour, 24 * time.Hour}[rng.IntN(6)]
		out[at.Truncate(unit)] = true
	}
	return slices.SortedFunc(maps.Keys(out), time.Time.Compare)
}

func resultSums(t *testing.T, s events.ResultStore) {
	rng := rand.New(rand.NewPCG(1, 2))
	for id := uint32(1); id <= 5; id++ {
		all := random(rng, id, 50+rng.IntN(1000))
		for rest := all; len(rest) > 0; {
			n := 1 + rng.IntN(len(rest))
			add(t, s, rest[:n]...)
			rest = rest[n:]
			must(t, s.Maintain(t.Context(), rng.IntN(2) == 0))
			for range 3 {
				edges := randomEdges(rng, 12)
				if len(edges) < 2 {
					continue
				}
				region := []string{"", "eu", "us", "mars"}[rng.IntN(4)]
				got, err := s.Summarize(t.Context(), id, region, edges)
				must(t, err)
				sameSums(t, "sums", naive(all[:len(all)-len(rest)], region, edges), got)

				whole, err := s.Summarize(t.Context(), id, region, []time.Time{edges[0], edges[len(edges)-1]})
				must(t, err)
				var parts events.Summary
				for i := range got {
					parts.Merge(&got[i])
				}
				sameSums(t, "the parts of a whole", whole, []events.Summary{parts})
			}
		}
	}
}

// resultDenseSums looks at every minute of checks that run every second.
func resultDenseSums(t *testing.T, s events.ResultStore) {
	rng := rand.New(rand.NewPCG(3, 4))
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	var all []events.Result
	for i := range 2 * 3600 {
		r := success(7, "eu", start.Add(time.Duration(i)*time.Second))
		r.ResponseTime = time.Duration(1000+rng.IntN(100_000)) * time.Microsecond
		all = append(all, r)
	}
	hole := all[500:700] // arrives last, when its hour has long been summed up
	for i := 0; i < len(all); i += 90 {
		part := all[i:min(i+90, len(all))]
		if i < 700 && i+90 > 500 {
			part = slices.DeleteFunc(slices.Clone(part), func(r events.Result) bool {
				return slices.ContainsFunc(hole, func(h events.Result) bool { return h.ScheduledAt.Equal(r.ScheduledAt) })
			})
		}
		if len(part) > 0 {
			add(t, s, part...)
		}
		must(t, s.Maintain(t.Context(), false))
	}
	add(t, s, hole...)
	var edges []time.Time
	for i := range 121 {
		edges = append(edges, start.Add(time.Duration(i)*time.Minute))
	}
	settled(t, s, func() {
		got, err := s.Summarize(t.Context(), 7, "", edges)
		must(t, err)
		sameSums(t, "minutes", naive(all, "", edges), got)
		odd := []time.Time{start.Add(90500 * time.Millisecond), start.Add(3700 * time.Second), start.Add(7199 * time.Second)}
		got, err = s.Summarize(t.Context(), 7, "eu", odd)
		must(t, err)
		sameSums(t, "odd edges", naive(all, "eu", odd), got)
	})
}

func resultMeans(t *testing.T, s events.ResultStore) {
	rng := rand.New(rand.NewPCG(5, 6))
	lots := map[uint32][]events.Result{}
	for id := uint32(1); id <= 5; id++ {
		lots[id] = random(rng, id, 100*int(id))
		add(t, s, lots[id]...)
		must(t, s.Maintain(t.Context(), id%2 == 0))
	}
	settled(t, s, func() {
		for range 30 {
			since := randomEdges(rng, 1)[0]
			got, err := s.MeanResponses(t.Context(), []uint32{5, 2, 3, 4, 1, 2, 99}, since)
			must(t, err)
			want := map[uint32]events.Mean{}
			for id, all := range lots {
				sum := naive(all, "", []time.Time{since, since.AddDate(1, 0, 0)})[0]
				if sum.Successes > 0 {
					want[id] = sum.Response.Mean
				}
			}
			same(t, want, got)
		}
		got, err := s.MeanResponses(t.Context(), []uint32{1}, t0.AddDate(1, 0, 0))
		must(t, err)
		same(t, map[uint32]events.Mean{}, got)
	})
}

func resultReplay(t *testing.T, s events.ResultStore) {
	all := scattered(t, s, 7)
	slices.Reverse(all)
	tests := []struct {
		name  string
		after map[string]time.Time
	}{
		{"everything", map[string]time.Time{"eu": {}, "us": {}}},
		{"of one region", map[string]time.Time{"us": t0}},
		{"of each from another place on", map[string]time.Time{"eu": t0.AddDate(0, 0, -30), "us": t0.AddDate(0, 0, 10)}},
		{"nothing", nil},
		{"nothing new", map[string]time.Time{"eu": t0.AddDate(1, 0, 0)}},
	}
	settled(t, s, func() {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				var want, got []events.Result
				for _, r := range all {
					if after, ok := tt.after[r.Region]; ok && r.ScheduledAt.After(after) {
						want = append(want, r)
					}
				}
				last := time.Time{}
				must(t, s.Replay(t.Context(), 7, tt.after, func(r *events.Result) error {
					if r.ScheduledAt.Before(last) {
						t.Errorf("%v after %v", r.ScheduledAt, last)
					}
					last = r.ScheduledAt
					got = append(got, *r)
					return nil
				}))
				byPlace := func(a, b events.Result) int {
					if c := a.ScheduledAt.Compare(b.ScheduledAt); c != 0 {
						return c
					}
					return int(a.Region[0]) - int(b.Region[0])
				}
				slices.SortFunc(want, byPlace)
				slices.SortFunc(got, byPlace)
				same(t, want, got)
			})
		}
		enough := errors.New("enough")
		n := 0
		err := s.Replay(t.Context(), 7, map[string]time.Time{"eu": {}}, func(*events.Result) error { n++; return enough })
		if !errors.Is(err, enough) || n != 1 {
			t.Errorf("after %d results: %v", n, err)
		}
	})
}

func resultLastSlots(t *testing.T, s events.ResultStore) {
	add(t, s,
		success(1, "eu", at(0)), success(1, "eu", at(30)), success(1, "us", at(60)),
		success(2, "eu", at(0)), missed(2, "eu", at(30), 3, at(120)),
		missed(3, "eu", at(30), 1, time.Time{}),
		success(4, "us", at(30)),
		success(5, "eu", t0.AddDate(0, -1, 0)), success(6, "eu", t0.AddDate(0, -1, 0)), success(6, "eu", at(10)),
		success(7, "eu", t0.AddDate(-1, 0, 0)))
	settled(t, s, func() {
		got, err := s.LastSlots(t.Context(), events.SlotQuery{Region: "eu"})
		must(t, err)
		same(t, map[uint32]time.Time{
			1: at(30), 2: at(120).Add(-time.Millisecond), 3: at(30), 5: t0.AddDate(0, -1, 0), 6: at(10),
		}, got)
		for until, want := range map[time.Time]map[uint32]time.Time{
			at(30):                    {1: at(30), 2: at(120).Add(-time.Millisecond), 3: at(30), 6: at(10), 7: t0.AddDate(-1, 0, 0)},
			at(29):                    {1: at(0), 2: at(0), 6: at(10), 7: t0.AddDate(-1, 0, 0)},
			t0.Add(-time.Millisecond): {6: t0.AddDate(0, -1, 0), 7: t0.AddDate(-1, 0, 0)},
			t0.AddDate(-2, 0, 0):      {},
		} {
			got, err := s.LastSlots(t.Context(), events.SlotQuery{Region: "eu", Until: until, MonitorIDs: []uint32{1, 2, 3, 4, 6, 7, 8}})
			must(t, err)
			same(t, want, got)
		}
	})
}

// resultConcurrency appends, maintains and reads at once. Whatever Append has acknowledged is counted, nothing is counted twice.
func resultConcurrency(t *testing.T, s events.ResultStore) {
	const batches, rows = 60, 40
	var n appended
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	writers.Go(func() {
		for b := range batches {
			var part []events.Result
			for i := range rows {
				part = append(part, success(7, "eu", at(b*rows+i)))
			}
			n.add(rows, 0)
			if _, err := s.Append(t.Context(), part); err != nil {
				t.Error(err)
				return
			}
			n.add(0, rows)
		}
	})
	writers.Go(func() {
		for range batches / 2 {
			if err := s.Maintain(t.Context(), true); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 2 {
		readers.Go(func() {
			for isSeen(t, s, &n, at(batches*rows)) {
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}

// appended counts results whose appending has begun, and those of which the store has said that it has them.
type appended struct {
	mu                  sync.Mutex
	begun, acknowledged int
}

func (a *appended) add(begun, acknowledged int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begun += begun
	a.acknowledged += acknowledged
}

func (a *appended) now() (begun, acknowledged int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.begun, a.acknowledged
}

// isSeen reports whether everything of monitor 7 that was acknowledged can be read, and nothing that was not begun.
func isSeen(t *testing.T, s events.ResultStore, n *appended, end time.Time) bool {
	_, least := n.now()
	sums, err := s.Summarize(t.Context(), 7, "", []time.Time{at(0), end})
	if err != nil {
		t.Error(err)
		return false
	}
	list, err := s.List(t.Context(), events.ResultQuery{MonitorID: 7, Limit: 3})
	if err != nil {
		t.Error(err)
		return false
	}
	most, _ := n.now()
	if n := int(sums[0].Successes); n < least || n > most || int(sums[0].Histogram.Count()) != n {
		t.Errorf("counted %d of %d to %d, %d in the histogram", n, least, most, sums[0].Histogram.Count())
		return false
	}
	if least > 0 && list[0].ScheduledAt.Before(at(least-1)) {
		t.Errorf("newest is %v, acknowledged are %d", list[0].ScheduledAt, least)
		return false
	}
	return true
}

func resultPrunes(t *testing.T, s events.ResultStore) {
	all := scattered(t, s, 7)
	bound := t0.AddDate(0, 0, 20)
	must(t, s.Prune(t.Context(), bound))
	got := listed(t, s, events.ResultQuery{MonitorID: 7})
	young := wanted(all, events.ResultQuery{From: bound})
	if len(got) < len(young) || len(got) == len(all) {
		t.Fatalf("%d of %d left, of which %d are young enough", len(got), len(all), len(young))
	}
	same(t, young, got[:len(young)])
	must(t, s.Prune(t.Context(), t0.AddDate(1, 0, 0)))
	same(t, []events.Result(nil), listed(t, s, events.ResultQuery{MonitorID: 7}))
	add(t, s, success(7, "eu", at(0)))
	same(t, []events.Result{success(7, "eu", at(0))}, listed(t, s, events.ResultQuery{MonitorID: 7}))
}
