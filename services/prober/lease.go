package prober

import (
	"math"
	"sync/atomic"
)

// endless is the end of a term, or a label, without end.
const endless = math.MaxInt64

// term is for how long slots may be taken. It does not change: a renewal makes another.
type term struct {
	until int64 // reading of the fence's clock; from then on nothing is taken
	label int64 // newest slot that may be taken, in milliseconds since 1970
	past  int64 // up to where slots are this prober's to account for once the term is over, in milliseconds since 1970
}

var (
	// free is the term of a prober that needs no lease: the centre is older than leases.
	free = &term{until: endless, label: endless, past: endless}
	// nothing is the term before the first lease and after a session.
	nothing = &term{}
)

// fence keeps slots from being taken by a prober that may no longer hold them. The zero value lets everything pass.
//
// Its clock is monotonic and goes on while the machine sleeps: what the wall clock says of a lease's end would
// have to be believed on both sides.
type fence struct {
	clock func() int64 // nanoseconds from any moment on; nil means the system's
	term  atomic.Pointer[term]
}

// limit is the newest slot that may be taken now, in milliseconds since 1970; false when none may.
func (f *fence) limit() (label int64, open bool) {
	t := f.term.Load()
	if t == nil || t.until == endless {
		return endless, true
	}
	return t.label, f.now() < t.until
}

// label is the newest slot that is this prober's to account for, whether it may still be run or not.
func (f *fence) label() int64 {
	t := f.term.Load()
	switch {
	case t == nil:
		return endless
	case t.until != endless && f.now() >= t.until:
		return t.past
	}
	return t.label
}

func (f *fence) now() int64 {
	if f.clock == nil {
		return monotonic()
	}
	return f.clock()
}

// allow begins another term and wakes the shards.
func (g *engine) allow(t *term) {
	g.fence.term.Store(t)
	for _, s := range g.shards {
		s.wake()
	}
}
