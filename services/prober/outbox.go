package prober

import (
	"context"
	"sync"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

// Outbox keeps results between the check and the events service's word that they
// are stored. Results have consecutive sequence numbers from 1 within an outbox's life.
//
// Append never blocks and never fails: a check must not wait for an uplink. What an
// outbox that is full does, it does to the oldest results, and counts them.
type Outbox interface {
	// Append adds a result and returns its sequence number.
	Append(r *checkv1.CheckResult) uint64
	// Read returns up to limit results from the sequence number after on, and the number
	// of the first; it waits until there is at least one or ctx ends. When results after
	// `after` were dropped, the first number is greater than after+1.
	Read(ctx context.Context, after uint64, limit int) (first uint64, results []*checkv1.CheckResult, err error)
	// Ack forgets every result up to seq.
	Ack(seq uint64)
	// Stored is the greatest acknowledged sequence number.
	Stored() uint64
	// Pending is the number of results that are not acknowledged.
	Pending() int
	// Dropped counts results that were given up for want of room.
	Dropped() uint64
}

// memoryOutbox is an Outbox that a crash empties; the gap rows written at the next
// start say so. It is bounded by count.
type memoryOutbox struct {
	mu      sync.Mutex
	ring    []*checkv1.CheckResult
	head    uint64 // sequence number of the oldest kept result
	next    uint64 // sequence number of the next result
	dropped uint64
	grown   chan struct{} // closed and replaced at each append that finds a waiting reader
	waiting bool
}

// NewMemoryOutbox makes an Outbox in memory for at most capacity results.
func NewMemoryOutbox(capacity int) Outbox {
	return &memoryOutbox{ring: make([]*checkv1.CheckResult, max(capacity, 1)), head: 1, next: 1, grown: make(chan struct{})}
}

func (o *memoryOutbox) slot(seq uint64) *(*checkv1.CheckResult) {
	return &o.ring[seq%uint64(len(o.ring))]
}

func (o *memoryOutbox) Append(r *checkv1.CheckResult) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.next-o.head == uint64(len(o.ring)) {
		o.head++
		o.dropped++
	}
	seq := o.next
	*o.slot(seq) = r
	o.next++
	if o.waiting {
		close(o.grown)
		o.grown, o.waiting = make(chan struct{}), false
	}
	return seq
}

func (o *memoryOutbox) Read(ctx context.Context, after uint64, limit int) (uint64, []*checkv1.CheckResult, error) {
	for {
		o.mu.Lock()
		first := max(after+1, o.head)
		if first < o.next {
			n := min(uint64(limit), o.next-first)
			out := make([]*checkv1.CheckResult, n)
			for i := range out {
				out[i] = *o.slot(first + uint64(i))
			}
			o.mu.Unlock()
			return first, out, nil
		}
		o.waiting = true
		grown := o.grown
		o.mu.Unlock()
		select {
		case <-grown:
		case <-ctx.Done():
			return 0, nil, context.Cause(ctx)
		}
	}
}

func (o *memoryOutbox) Ack(seq uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.head <= seq && o.head < o.next {
		*o.slot(o.head) = nil
		o.head++
	}
}

func (o *memoryOutbox) Stored() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.head - 1
}

func (o *memoryOutbox) Pending() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return int(o.next - o.head)
}

func (o *memoryOutbox) Dropped() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.dropped
}
