// Package gcpace lets the garbage collector of a process with a small heap rest.
//
// Go starts a collection when the heap has grown by a share of what was live, GOGC, of which the default is 100 %. A prober
// keeps a few megabytes and makes a few more of garbage with each second of checks, so that it would collect all the time for
// memory that nobody misses. With [Keep] a collection starts when there is a stated amount of garbage at the least. A heap
// that is larger than that is collected as ever, and a limit set by GOMEMLIMIT goes before.
package gcpace

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// usual is Go's own setting, in percent: as much garbage as is live.
const usual = 100

// margin is by how much a setting must be off before it is changed, as a part of it: a change stops the world for some
// microseconds.
const margin = 5

// Keep has collections wait for so many bytes of garbage, from now until stop is called. It is for a process whose user
// has not set GOGC.
func Keep(garbage uint64) (stop func()) {
	k := &keeper{garbage: garbage}
	k.adjust()
	k.arm()
	return k.stop
}

type keeper struct {
	garbage uint64

	mu      sync.Mutex
	percent int // in force
	stopped bool
}

// mark is what the collector finds unused in its next run, which is how a run is noticed. It holds a pointer, since small
// objects without are put together into one, and would be kept by a neighbour.
type mark struct{ _ *mark }

func (k *keeper) arm() {
	runtime.AddCleanup(new(mark), func(k *keeper) {
		if k.adjust() {
			k.arm()
		}
	}, k)
}

// adjust sets what fits the heap that the last collection left; false after the end.
func (k *keeper) adjust() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return false
	}
	next := percent(rooted(), k.garbage)
	if off := next - k.percent; max(off, -off) > k.percent/margin {
		k.percent = next
		debug.SetGCPercent(next)
	}
	return true
}

func (k *keeper) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.stopped {
		k.stopped = true
		debug.SetGCPercent(usual)
	}
}

// percent of live that makes so many bytes of garbage at the least.
func percent(live, garbage uint64) int {
	const least = 1 << 20 // a process without a heap yet: no setting without bounds
	return int(max(usual, usual*garbage/max(live, least)))
}

// rooted is what a setting is a percentage of, in bytes: the live heap as of the last collection, stacks and globals.
func rooted() uint64 {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(samples)
	var sum uint64
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			sum += s.Value.Uint64()
		}
	}
	return sum
}
