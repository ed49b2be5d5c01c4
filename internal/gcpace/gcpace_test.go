package gcpace

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestPercent(t *testing.T) {
	const mib = 1 << 20
	tests := map[string]struct {
		live, garbage uint64
		want          int
	}{
		"nothing live yet":       {0, 32 * mib, 3200},
		"a small heap":           {8 * mib, 32 * mib, 400},
		"as much live as spared": {32 * mib, 32 * mib, 100},
		"a large heap":           {500 * mib, 32 * mib, 100},
	}
	for name, test := range tests {
		if got := percent(test.live, test.garbage); got != test.want {
			t.Errorf("%s: %d %%, want %d %%", name, got, test.want)
		}
	}
}

// inForce is the setting that the runtime goes by.
func inForce() uint64 {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

func collections() uint64 {
	s := []metrics.Sample{{Name: "/gc/cycles/automatic:gc-cycles"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

var sink [][]byte

// litter makes so many bytes of garbage.
func litter(bytes int) {
	for range bytes >> 12 {
		sink = append(sink[:0], make([]byte, 1<<12))
	}
}

func TestCollectionsWaitForGarbage(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(usual))
	const garbage = 64 << 20
	runtime.GC()
	before := collections()
	litter(garbage)
	often := collections() - before

	stop := Keep(garbage)
	runtime.GC() // it is noticed, and the next one too
	before = collections()
	litter(garbage)
	if seldom := collections() - before; seldom > 2 || seldom >= often {
		t.Errorf("%d collections for %d MiB of garbage, %d without it; want one or two", seldom, garbage>>20, often)
	}
	stop()
	stop()
	if got := inForce(); got != usual {
		t.Errorf("%d %% is in force after the end, want %d %%", got, usual)
	}
}

// A heap that grew is collected by its own size again, and one that shrank is spared again.
func TestFollowsTheHeap(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(usual))
	stop := Keep(16 << 20)
	defer stop()
	follows := func(what string, ok func(uint64) bool) {
		t.Helper()
		for range 500 {
			runtime.GC()
			if ok(inForce()) {
				return
			}
			<-time.After(time.Millisecond)
		}
		t.Errorf("%s: %d %% is in force", what, inForce())
	}
	small := func(p uint64) bool { return p >= 2*usual }
	follows("a small heap", small)
	hold := make([]byte, 256<<20)
	follows("a large heap", func(p uint64) bool { return p == usual })
	runtime.KeepAlive(hold)
	follows("a small heap again", small)
}
