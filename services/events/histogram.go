package events

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"
)

// Accuracy is how far a quantile of a Histogram may be from the exact one, as a part of it.
const Accuracy = 0.01

// scale maps durations in microseconds to bins. Stored histograms leave it out, so it must never change.
var scale = func() mapping.IndexMapping {
	m, err := mapping.NewLogarithmicMapping(Accuracy)
	if err != nil {
		panic(err) // the accuracy is a constant
	}
	return m
}()

// Histogram counts durations in bins that grow by a constant factor. Two histograms merge without loss. The zero value is
// empty and ready.
type Histogram struct{ sketch *ddsketch.DDSketch }

func (h *Histogram) grow() *ddsketch.DDSketch {
	if h.sketch == nil {
		h.sketch = ddsketch.NewDDSketchFromStoreProvider(scale, store.BufferedPaginatedStoreConstructor)
	}
	return h.sketch
}

// Add counts one duration. Microseconds count; a negative one is zero.
func (h *Histogram) Add(d time.Duration) {
	if err := h.grow().Add(float64(max(d.Microseconds(), 0))); err != nil {
		panic(fmt.Sprintf("histogram of %v: %v", d, err)) // durations lie within the scale
	}
}

// AddBin counts n durations of one bin, for stores that count bins by themselves. A positive duration falls in the bin with the
// number floor(ln(microseconds) × 49.99833328888678), the factor being 1 / ln((1 + Accuracy) / (1 - Accuracy)).
func (h *Histogram) AddBin(bin int, n int64) {
	h.grow().GetPositiveValueStore().AddWithCount(bin, float64(n))
}

// AddZeros counts n durations of less than a microsecond.
func (h *Histogram) AddZeros(n int64) {
	if err := h.grow().AddWithCount(0, float64(n)); err != nil {
		panic(fmt.Sprintf("histogram of %d zeros: %v", n, err)) // n is a count
	}
}

// Merge adds everything that o has counted.
func (h *Histogram) Merge(o *Histogram) {
	if o.sketch == nil {
		return
	}
	if err := h.grow().MergeWith(o.sketch); err != nil {
		panic(fmt.Sprintf("merge histograms: %v", err)) // there is one scale
	}
}

// MergeEncoded adds what Encode wrote.
func (h *Histogram) MergeEncoded(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if err := h.grow().DecodeAndMergeWith(b); err != nil {
		return fmt.Errorf("decode histogram: %w", err)
	}
	return nil
}

// Encode returns the bins in a compact form; nil for an empty histogram.
func (h *Histogram) Encode() []byte {
	if h.Count() == 0 {
		return nil
	}
	var b []byte
	h.sketch.Encode(&b, true)
	return b
}

// Count is the number of durations.
func (h *Histogram) Count() int64 {
	if h.sketch == nil {
		return 0
	}
	return int64(h.sketch.GetCount())
}

// Quantile is the least duration that a share q of all, from 0 to 1, do not exceed (nearest rank), within Accuracy; false when there
// are none. Of a few it is one of the greatest: what is said of 95 % holds for no fewer.
func (h *Histogram) Quantile(q float64) (time.Duration, bool) {
	n := float64(h.Count())
	if n == 0 || !(q >= 0 && q <= 1) {
		return 0, false
	}
	// What is asked of the sketch is the middle between this rank and the next, counted from 0, so that no rounding goes below it.
	rank := max(math.Ceil(q*n-1e-9)-1, 0)
	v, err := h.sketch.GetValueAtQuantile(min((rank+0.5)/max(n-1, 1), 1))
	if err != nil {
		return 0, false
	}
	return micros(v), true
}

func micros(us float64) time.Duration { return time.Duration(us * float64(time.Microsecond)) }

// Class counts the durations of a class.
type Class struct {
	From, To time.Duration // From is inclusive, To exclusive
	Count    int64
}

// Classes gathers the bins into at most n classes of equal ratio from the least to the greatest, without gaps. The bounds are
// those of bins, so the counts are exact.
func (h *Histogram) Classes(n int) []Class {
	if h.Count() == 0 || n < 1 {
		return nil
	}
	zeros := int64(h.sketch.GetZeroCount())
	counts := map[int]int64{}
	h.sketch.GetPositiveValueStore().ForEach(func(index int, count float64) bool {
		counts[index] += int64(count)
		return false
	})
	var out []Class
	least, most := scale.Index(1), -1
	if len(counts) > 0 {
		indexes := slices.Collect(maps.Keys(counts))
		least, most = slices.Min(indexes), slices.Max(indexes)
	}
	if zeros > 0 {
		out = append(out, Class{0, micros(scale.LowerBound(least)), zeros})
		n = max(n-1, 1)
	}
	width := max((most-least+n)/n, 1) // bins per class, rounded up
	for first := least; first <= most; first += width {
		c := Class{From: micros(scale.LowerBound(first)), To: micros(scale.LowerBound(first + width))}
		for i := first; i < first+width; i++ {
			c.Count += counts[i]
		}
		out = append(out, c)
	}
	return out
}
