package events

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func drawDurations(t *rapid.T) []time.Duration {
	us := rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(0, 200), rapid.Int64Range(0, 300_000_000), rapid.Int64Range(15_000, 25_000)), 1, 300).Draw(t, "us")
	out := make([]time.Duration, len(us))
	for i, u := range us {
		out[i] = time.Duration(u) * time.Microsecond
	}
	return out
}

// TestMergedQuantiles cuts durations into parts, stores, loads and merges their histograms, and compares with the exact quantile.
func TestMergedQuantiles(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := drawDurations(rt)
		var merged Histogram
		for rest := all; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "part")
			var part Histogram
			for _, d := range rest[:n] {
				part.Add(d)
			}
			rest = rest[n:]
			if rapid.Bool().Draw(rt, "stored") {
				if err := merged.MergeEncoded(part.Encode()); err != nil {
					rt.Fatal(err)
				}
				continue
			}
			merged.Merge(&part)
		}
		sorted := slices.Sorted(slices.Values(all))
		for _, q := range []float64{0, 0.5, 0.75, 0.9, 0.95, 0.99, 1} {
			exact := sorted[max(int(math.Ceil(q*float64(len(sorted))-1e-9))-1, 0)]
			got, ok := merged.Quantile(q)
			if off := math.Abs(float64(got - exact)); !ok || off > Accuracy*float64(exact)+1 {
				rt.Fatalf("quantile %v of %d: got %v, exact %v", q, len(all), got, exact)
			}
		}
		if got := merged.Count(); got != int64(len(all)) {
			rt.Fatalf("count %d of %d", got, len(all))
		}
	})
}

// With a mean above what 95 % of the answers took, one of the two would be wrong.
func TestQuantilesOfAFew(t *testing.T) {
	for n, want := range map[int]time.Duration{1: 70 * time.Millisecond, 8: 70 * time.Millisecond, 19: 70 * time.Millisecond, 20: 5 * time.Millisecond, 40: 5 * time.Millisecond} {
		var h Histogram
		for range n - 1 {
			h.Add(5 * time.Millisecond)
		}
		h.Add(70 * time.Millisecond)
		if got, ok := h.Quantile(0.95); !ok || math.Abs(float64(got-want)) > Accuracy*float64(want) {
			t.Errorf("%d answers, one of them slow: 95 %% within %v, want %v", n, got, want)
		}
	}
}

func TestClasses(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := drawDurations(rt)
		var h Histogram
		for _, d := range all {
			h.Add(d)
		}
		n := rapid.IntRange(2, 30).Draw(rt, "classes")
		classes := h.Classes(n)
		if len(classes) > n {
			rt.Fatalf("%d classes of at most %d", len(classes), n)
		}
		var sum int64
		for i, c := range classes {
			if c.From >= c.To || i > 0 && c.From != classes[i-1].To {
				rt.Fatalf("class %d is %v to %v after %v", i, c.From, c.To, classes)
			}
			var want int64
			for _, d := range all {
				if d >= c.From && d < c.To {
					want++
				}
			}
			if c.Count != want {
				rt.Fatalf("class %v to %v: got %d, want %d", c.From, c.To, c.Count, want)
			}
			sum += c.Count
		}
		if sum != int64(len(all)) {
			rt.Fatalf("classes hold %d of %d", sum, len(all))
		}
	})
}

func TestEmptyHistogram(t *testing.T) {
	var h Histogram
	if _, ok := h.Quantile(0.5); ok || h.Count() != 0 || h.Encode() != nil || h.Classes(5) != nil {
		t.Error("an empty histogram says something")
	}
	if err := h.MergeEncoded(nil); err != nil {
		t.Error(err)
	}
}

func drawResult(t *rapid.T) Result {
	r := Result{Outcome: Outcome(rapid.IntRange(1, outcomes).Draw(t, "outcome"))}
	d := func(name string) time.Duration {
		if rapid.Bool().Draw(t, "has "+name) {
			return time.Duration(rapid.Int64Range(0, 1e7).Draw(t, name)) * time.Microsecond
		}
		return Absent
	}
	r.ResponseTime = max(d("response"), 0)
	r.DNS, r.TCP, r.TLS, r.TTFB, r.Transfer = d("dns"), d("tcp"), d("tls"), d("ttfb"), d("transfer")
	if r.Outcome != Success {
		r.ErrorType = rapid.SampledFrom([]string{"", "connection_refused", "overload"}).Draw(t, "type")
	}
	if r.Outcome == Missed {
		r.MissedCount = uint32(rapid.IntRange(1, 100).Draw(t, "missed"))
	}
	return r
}

// diffSummaries compares two summaries; histograms by their bins.
func diffSummaries(a, b Summary) string {
	return cmp.Diff(a, b, cmpopts.EquateEmpty(), cmp.Comparer(func(x, y Histogram) bool {
		return slices.Equal(x.Classes(1<<20), y.Classes(1<<20))
	}))
}

func TestPartsOfASummaryMakeTheWhole(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := rapid.SliceOf(rapid.Custom(drawResult)).Draw(rt, "results")
		var whole, merged Summary
		parts := make([]Summary, 3)
		for _, r := range all {
			whole.Add(&r)
			parts[rapid.IntRange(0, 2).Draw(rt, "part")].Add(&r)
		}
		for i := range parts {
			merged.Merge(&parts[i])
		}
		if d := diffSummaries(whole, merged); d != "" {
			rt.Fatal(d)
		}
		if whole.Rows(0) != int64(len(all)) {
			rt.Fatalf("%d rows of %d", whole.Rows(0), len(all))
		}
		for q := range 11 {
			if d, ok := whole.Quantile(float64(q) / 10); ok && (d < whole.Response.Min || d > whole.Response.Max) {
				rt.Fatalf("quantile %v beyond %v and %v", d, whole.Response.Min, whole.Response.Max)
			}
		}
	})
}
