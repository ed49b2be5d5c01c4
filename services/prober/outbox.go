package prober

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

// Outbox keeps results between the check and the events service's word that they
// are stored. Results have consecutive sequence numbers from 1 within an outbox's life.
//
// Append never blocks and never fails: a check must not wait for an uplink. What an
// outbox that is full does, it does to the oldest results, and counts them.
type Outbox interface {
	// Append adds a result and returns its sequence number. traceparent is that of the
	// check's span; "" for the many that are not traced.
	Append(r *checkv1.CheckResult, traceparent string) uint64
	// Read returns up to limit results from the sequence number after on; it waits until
	// there is at least one or ctx ends. When results after `after` were dropped, the
	// first number is greater than after+1.
	Read(ctx context.Context, after uint64, limit int) (Batch, error)
	// Ack forgets every result up to seq.
	Ack(seq uint64)
	// Stored is the greatest acknowledged sequence number.
	Stored() uint64
	// Pending is the number of results that are not acknowledged.
	Pending() int
	// Bytes is about the encoded size of what is pending.
	Bytes() int64
	// Oldest is when the oldest pending result was made; the zero time when nothing is pending.
	Oldest() time.Time
	// Dropped counts results that were given up for want of room.
	Dropped() uint64
}

// Batch is a run of results.
type Batch struct {
	First        uint64 // sequence number of the first
	Results      []*checkv1.CheckResult
	Traceparents map[uint32]string // by place in Results; nil if none is traced
}

// memoryOutbox is an Outbox that a crash empties; the gap rows written at the next
// start say so. It is bounded by count.
type memoryOutbox struct {
	mu      sync.Mutex
	ring    []*checkv1.CheckResult
	head    uint64 // sequence number of the oldest kept result
	next    uint64 // sequence number of the next result
	traces  map[uint64]string
	dropped uint64
	grown   chan struct{} // closed and replaced at each append that finds a waiting reader
	waiting bool
}

// NewMemoryOutbox makes an Outbox in memory for at most capacity results.
func NewMemoryOutbox(capacity int) Outbox {
	return &memoryOutbox{ring: make([]*checkv1.CheckResult, max(capacity, 1)), head: 1, next: 1, traces: map[uint64]string{}, grown: make(chan struct{})}
}

func (o *memoryOutbox) slot(seq uint64) *(*checkv1.CheckResult) {
	return &o.ring[seq%uint64(len(o.ring))]
}

func (o *memoryOutbox) Append(r *checkv1.CheckResult, traceparent string) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.next-o.head == uint64(len(o.ring)) {
		o.forget()
		o.dropped++
	}
	seq := o.next
	*o.slot(seq) = r
	if traceparent != "" {
		o.traces[seq] = traceparent
	}
	o.next++
	if o.waiting {
		close(o.grown)
		o.grown, o.waiting = make(chan struct{}), false
	}
	return seq
}

// forget gives up the oldest result. The lock is held.
func (o *memoryOutbox) forget() {
	*o.slot(o.head) = nil
	if len(o.traces) > 0 {
		delete(o.traces, o.head)
	}
	o.head++
}

func (o *memoryOutbox) Read(ctx context.Context, after uint64, limit int) (Batch, error) {
	for {
		o.mu.Lock()
		if first := max(after+1, o.head); first < o.next {
			b := o.batch(first, min(limit, int(o.next-first)))
			o.mu.Unlock()
			return b, nil
		}
		o.waiting = true
		grown := o.grown
		o.mu.Unlock()
		select {
		case <-grown:
		case <-ctx.Done():
			return Batch{}, context.Cause(ctx)
		}
	}
}

// batch copies n results. The lock is held.
func (o *memoryOutbox) batch(first uint64, n int) Batch {
	b := Batch{First: first, Results: make([]*checkv1.CheckResult, n)}
	for i := range b.Results {
		seq := first + uint64(i)
		b.Results[i] = *o.slot(seq)
		if len(o.traces) == 0 {
			continue
		}
		if traceparent, ok := o.traces[seq]; ok {
			if b.Traceparents == nil {
				b.Traceparents = map[uint32]string{}
			}
			b.Traceparents[uint32(i)] = traceparent
		}
	}
	return b
}

func (o *memoryOutbox) Ack(seq uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.head <= seq && o.head < o.next {
		o.forget()
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

// sizedResults is how many results the size is estimated from: measuring each of half a million takes too long.
const sizedResults = 64

func (o *memoryOutbox) Bytes() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.next - o.head
	if n == 0 {
		return 0
	}
	step := max(n/sizedResults, 1)
	var size, sized int64
	for seq := o.head; seq < o.next; seq += step {
		size += int64(proto.Size(*o.slot(seq)))
		sized++
	}
	return size * int64(n) / sized
}

func (o *memoryOutbox) Oldest() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.head == o.next {
		return time.Time{}
	}
	return (*o.slot(o.head)).GetStartedAt().AsTime()
}

func (o *memoryOutbox) Dropped() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.dropped
}
