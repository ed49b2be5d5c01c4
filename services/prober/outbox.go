package prober

import (
	"context"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

// Outbox keeps results between the check and the events service's word that they
// are stored. Results have consecutive sequence numbers from 1 within an outbox's life.
// They are kept as they are sent: encoded once, when they are made.
//
// Append never blocks and never fails: a check must not wait for an uplink. An outbox
// that is full gives up the oldest results and counts them; one that must not (see
// Config.SpoolBlocks) keeps none of the new ones either: their slots become missed ones
// (overload), which are counted, and told once there is room.
type Outbox interface {
	// Append adds a copy of row, an encoded CheckResult, and returns its sequence number; 0
	// if there is no room for it. traceparent is that of the check's span; "" for the many
	// that are not traced.
	Append(row []byte, traceparent string) uint64
	// Read returns the results from the sequence number after on, at most limit of them and
	// as few as one if they are large; it waits until there is at least one or ctx ends. When
	// results after `after` were dropped, the first number is greater than after+1. The
	// results are copied into buf, which may be nil. There is one reader at a time.
	Read(ctx context.Context, after uint64, limit int, buf []byte) (Batch, error)
	// Ready is closed when Read may have a result above after; whoever finds none asks again. It is closed already when it has.
	Ready(after uint64) <-chan struct{}
	// Recall is, by monitor, the newest slot in what was pending when the outbox was opened.
	// The first call hands the map over; nil if the outbox began empty.
	Recall() map[uint32]Recalled
	// Ack forgets every result up to seq.
	Ack(seq uint64)
	// Stored is the greatest acknowledged sequence number.
	Stored() uint64
	// Pending is the number of results that are not acknowledged.
	Pending() int
	// Bytes is the encoded size of what is pending.
	Bytes() int64
	// Oldest is when the oldest pending result was made; the zero time when nothing is pending.
	Oldest() time.Time
	// Dropped counts results that were given up for want of room.
	Dropped() uint64
	// Close keeps what is pending, where it can be kept. Append and Read are over.
	Close() error
}

// Recalled is what a former life's rows that are not acknowledged say of a monitor.
type Recalled struct {
	// Slot is the newest scheduled time of its rows; of a missed row the first slot that it covers.
	Slot time.Time
	// Missed is how many slots that row covers, Slot the first of them, if it is a missed row; else 0.
	Missed uint32
	// Next is when that row expected the next slot; zero if it expected none.
	Next time.Time
	// Failures is the run of target faults at the end of its rows.
	Failures uint32
	// Broken says that something else than a target fault comes before that run, so that what was known before does not add to it.
	Broken bool
}

// Batch is a run of results.
type Batch struct {
	First uint64 // sequence number of the first
	Count int
	// Frames are the results one after the other as a ResultBatch has them: key of its
	// field results, length, CheckResult.
	Frames       []byte
	Traceparents map[uint32]string // by place in the batch; nil if none is traced
}

const (
	segmentBytes  = 128 << 10
	segmentRows   = 1024
	spareSegments = 8       // kept for the next results
	batchBytes    = 1 << 20 // most in one batch, unless its first result alone is larger
)

// segment is a run of frames in one piece of memory without pointers.
type segment struct {
	first uint64   // sequence number of the first frame
	data  []byte   // frames
	ends  []uint32 // where each frame ends in data
}

// span is where frame i lies in data.
func (s *segment) span(i int) (from, to uint32) {
	if i > 0 {
		from = s.ends[i-1]
	}
	return from, s.ends[i]
}

// row is the CheckResult within frame i.
func (s *segment) row(i int) []byte {
	from, to := s.span(i)
	frame := s.data[from:to]
	_, _, key := protowire.ConsumeTag(frame)
	row, _ := protowire.ConsumeBytes(frame[max(key, 0):])
	return row
}

// memoryOutbox is an Outbox that a crash empties; the gap rows written at the next
// start say so. It is bounded by count and by size.
type memoryOutbox struct {
	maxRows  uint64
	maxBytes int64

	mu       sync.Mutex
	segments []*segment // in order; the first may begin before head
	spare    []*segment
	head     uint64 // sequence number of the oldest kept result
	next     uint64 // sequence number of the next result
	size     int64  // of the rows from head on
	traces   map[uint64]string
	dropped  uint64
	grown    chan struct{} // closed by the next Append; nil if nobody waits
}

// closed is a channel that never makes anybody wait.
var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// NewMemoryOutbox makes an Outbox in memory for at most maxRows results of at most
// maxBytes together; the newest result is kept even if it alone is larger.
func NewMemoryOutbox(maxRows int, maxBytes int64) Outbox {
	return &memoryOutbox{maxRows: uint64(max(maxRows, 1)), maxBytes: maxBytes, head: 1, next: 1, traces: map[uint64]string{}}
}

func (o *memoryOutbox) Append(row []byte, traceparent string) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.head < o.next && (o.next-o.head >= o.maxRows || o.size+int64(len(row)) > o.maxBytes) {
		o.forget()
		o.dropped++
	}
	s := o.room(len(row) + protowire.SizeTag(batchResultsField) + protowire.SizeVarint(uint64(len(row))))
	s.data = protowire.AppendTag(s.data, batchResultsField, protowire.BytesType)
	s.data = protowire.AppendBytes(s.data, row)
	s.ends = append(s.ends, uint32(len(s.data)))
	o.size += int64(len(row))
	seq := o.next
	if traceparent != "" {
		o.traces[seq] = traceparent
	}
	o.next++
	if o.grown != nil {
		close(o.grown)
		o.grown = nil
	}
	return seq
}

// room is a segment with n bytes left, at the end. The lock is held.
func (o *memoryOutbox) room(n int) *segment {
	if len(o.segments) > 0 {
		if s := o.segments[len(o.segments)-1]; cap(s.data)-len(s.data) >= n && len(s.ends) < segmentRows {
			return s
		}
	}
	var s *segment
	switch last := len(o.spare) - 1; {
	case n > segmentBytes:
		s = &segment{data: make([]byte, 0, n)}
	case last >= 0:
		s, o.spare = o.spare[last], o.spare[:last]
	default:
		s = &segment{data: make([]byte, 0, segmentBytes), ends: make([]uint32, 0, segmentRows)}
	}
	s.first = o.next
	o.segments = append(o.segments, s)
	return s
}

// forget gives up the oldest result. The lock is held.
func (o *memoryOutbox) forget() {
	s := o.segments[0]
	i := int(o.head - s.first)
	o.size -= int64(len(s.row(i)))
	if len(o.traces) > 0 {
		delete(o.traces, o.head)
	}
	o.head++
	if i+1 < len(s.ends) {
		return
	}
	if o.segments = slices.Delete(o.segments, 0, 1); len(o.spare) < spareSegments && cap(s.data) == segmentBytes {
		s.data, s.ends = s.data[:0], s.ends[:0]
		o.spare = append(o.spare, s)
	}
}

func (o *memoryOutbox) Read(ctx context.Context, after uint64, limit int, buf []byte) (Batch, error) {
	for {
		o.mu.Lock()
		if first := max(after+1, o.head); first < o.next {
			b := o.batch(first, min(limit, int(o.next-first)), buf)
			o.mu.Unlock()
			return b, nil
		}
		o.mu.Unlock()
		select {
		case <-o.Ready(after):
		case <-ctx.Done():
			return Batch{}, context.Cause(ctx)
		}
	}
}

func (o *memoryOutbox) Ready(after uint64) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if max(after+1, o.head) < o.next {
		return closed
	}
	if o.grown == nil {
		o.grown = make(chan struct{})
	}
	return o.grown
}

func (o *memoryOutbox) Recall() map[uint32]Recalled { return nil }

// batch copies up to n results. The lock is held.
func (o *memoryOutbox) batch(first uint64, n int, buf []byte) Batch {
	b := Batch{First: first, Frames: buf[:0]}
	at, found := slices.BinarySearchFunc(o.segments, first, func(s *segment, seq uint64) int {
		switch {
		case seq < s.first:
			return 1
		case seq >= s.first+uint64(len(s.ends)):
			return -1
		}
		return 0
	})
	for ; found && b.Count < n && at < len(o.segments); at++ {
		s := o.segments[at]
		begin := int(first + uint64(b.Count) - s.first)
		end := min(begin+n-b.Count, len(s.ends))
		from, _ := s.span(begin)
		for end > begin+1 && len(b.Frames)+int(s.ends[end-1]-from) > batchBytes {
			end--
		}
		if b.Count > 0 && len(b.Frames)+int(s.ends[end-1]-from) > batchBytes {
			break
		}
		b.Frames = append(b.Frames, s.data[from:s.ends[end-1]]...)
		b.Count += end - begin
		if end < len(s.ends) {
			break
		}
	}
	b.Traceparents = o.traced(first, b.Count)
	return b
}

// traced are the traceparents of n results from first on, by place. The lock is held.
func (o *memoryOutbox) traced(first uint64, n int) (by map[uint32]string) {
	for i := range uint32(n) {
		if len(o.traces) == 0 {
			return nil
		}
		if traceparent, ok := o.traces[first+uint64(i)]; ok {
			if by == nil {
				by = map[uint32]string{}
			}
			by[i] = traceparent
		}
	}
	return by
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

func (o *memoryOutbox) Bytes() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.size
}

func (o *memoryOutbox) Oldest() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.head == o.next {
		return time.Time{}
	}
	s := o.segments[0]
	var r checkv1.CheckResult
	if err := proto.Unmarshal(s.row(int(o.head-s.first)), &r); err != nil {
		return time.Time{} // not a CheckResult; Append's caller must know why
	}
	return r.GetStartedAt().AsTime()
}

func (o *memoryOutbox) Dropped() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.dropped
}

func (o *memoryOutbox) Close() error { return nil }
