package prober

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/internal/telemetry/observe"
	"github.com/frogstats/uptime/services/prober/spool"
)

// OutboxOptions are what an outbox on disk can be told.
type OutboxOptions struct {
	MaxBytes int64 // on disk; 0 means 1 GiB
	// Blocks makes new results wait for room as missed slots when the outbox is full; else the oldest results give way.
	Blocks bool
	Log    *slog.Logger // nil means none
	fs     spool.FS     // nil means the folder
}

// diskOutbox is an Outbox that a crash does not empty. Results are read, and so sent, when they are durable, which takes
// them ten milliseconds and a sync. A record of the log is a frame as a ResultBatch has it, behind the frame's traceparent
// if it has one: a field traceparents that holds only that.
type diskOutbox struct {
	log      *spool.Log
	recalled map[uint32]Recalled
	debts    *debts // nil if the oldest results give way

	reading sync.Mutex // guards all below
	reader  *spool.Reader
	headSeq uint64 // number of the result that headAt is of
	headAt  time.Time
}

// OpenOutbox opens the outbox in the folder dir, which it locks, and makes it if need be. What is pending from a former life
// is read first, so that Recall knows it.
func OpenOutbox(dir string, o OutboxOptions) (Outbox, error) {
	recalled := recaller{}
	log, err := spool.Open(dir, spool.Options{
		MaxBytes: o.MaxBytes, Blocks: o.Blocks, FS: o.fs, Log: o.Log,
		Visit: func(_ uint64, record []byte) { recalled.visit(record) },
	})
	if err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	d := &diskOutbox{log: log, reader: log.NewReader(), recalled: recalled.result()}
	if o.Blocks {
		d.debts = newDebts(func(row []byte) bool { return d.put(row, "") != 0 })
	}
	return d, nil
}

func (d *diskOutbox) Append(row []byte, traceparent string) uint64 {
	if d.debts == nil {
		return d.put(row, traceparent)
	}
	if !d.debts.paid(row) {
		d.debts.owe(row)
		return 0
	}
	seq := d.put(row, traceparent)
	if seq == 0 {
		d.debts.owe(row)
	}
	return seq
}

// put hands a row to the log; 0 says that there is no room.
func (d *diskOutbox) put(row []byte, traceparent string) uint64 {
	var room [96]byte // a traceparent has 55 bytes
	head := room[:0]
	if traceparent != "" {
		head = protowire.AppendTag(head, batchTraceparentsField, protowire.BytesType)
		head = protowire.AppendString(head, traceparent)
	}
	head = protowire.AppendTag(head, batchResultsField, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(len(row)))
	seq, _ := d.log.Append(head, row)
	return seq
}

// spooledResult is what the log has of a result; ok is false for what this program did not write.
func spooledResult(record []byte) (traceparent string, frame, row []byte, ok bool) {
	field, kind, n := protowire.ConsumeTag(record)
	if n > 0 && field == batchTraceparentsField && kind == protowire.BytesType {
		text, m := protowire.ConsumeBytes(record[n:])
		if m < 0 {
			return "", nil, nil, false
		}
		traceparent, record = string(text), record[n+m:]
		field, kind, n = protowire.ConsumeTag(record)
	}
	if n <= 0 || field != batchResultsField || kind != protowire.BytesType {
		return "", nil, nil, false
	}
	row, m := protowire.ConsumeBytes(record[n:])
	return traceparent, record, row, m == len(record)-n
}

func (d *diskOutbox) Read(ctx context.Context, after uint64, limit int, buf []byte) (Batch, error) {
	for {
		b, err := d.batch(after, limit, buf)
		if err != nil || b.Count > 0 {
			return b, err
		}
		select {
		case <-d.log.Ready(after):
		case <-ctx.Done():
			return Batch{}, context.Cause(ctx)
		}
	}
}

// batch reads what is there.
func (d *diskOutbox) batch(after uint64, limit int, buf []byte) (Batch, error) {
	d.reading.Lock()
	defer d.reading.Unlock()
	b := Batch{Frames: buf[:0]}
	full := false
	for !full {
		found, err := d.reader.Read(after, func(seq uint64, record []byte) bool {
			traceparent, frame, _, ok := spooledResult(record)
			if !ok && b.Count == 0 {
				after = seq // it cannot be sent, now or ever
				return true
			}
			if !ok || b.Count > 0 && (b.Count == limit || seq != after+1 || len(b.Frames)+len(frame) > batchBytes) {
				full = true
				return false
			}
			if b.Count == 0 {
				b.First = seq
			}
			if traceparent != "" {
				if b.Traceparents == nil {
					b.Traceparents = map[uint32]string{}
				}
				b.Traceparents[uint32(b.Count)] = traceparent
			}
			b.Frames = append(b.Frames, frame...)
			b.Count++
			after = seq
			return true
		})
		switch {
		case b.Count > 0 && (err != nil || !found || b.Count == limit):
			return b, nil
		case err != nil:
			return b, fmt.Errorf("outbox: %w", err)
		case !found:
			return b, nil
		}
	}
	return b, nil
}

func (d *diskOutbox) Ready(after uint64) <-chan struct{} { return d.log.Ready(after) }

func (d *diskOutbox) Ack(seq uint64) {
	d.log.Ack(seq)
	if d.debts != nil {
		d.debts.pay()
	}
}

func (d *diskOutbox) Stored() uint64 { return d.log.Stats().Acked }

func (d *diskOutbox) Pending() int { return d.log.Stats().Pending }

func (d *diskOutbox) Bytes() int64 { return d.log.Stats().Bytes }

func (d *diskOutbox) Oldest() time.Time {
	d.reading.Lock()
	defer d.reading.Unlock()
	acked := d.log.Stats().Acked
	if d.headSeq > acked {
		return d.headAt
	}
	d.headSeq, d.headAt = 0, time.Time{}
	_, err := d.reader.Read(acked, func(seq uint64, record []byte) bool {
		if _, _, row, ok := spooledResult(record); ok {
			d.headSeq, d.headAt = seq, startedAt(row)
			return false
		}
		return true
	})
	if err != nil {
		return time.Time{}
	}
	return d.headAt
}

// startedAt is when the check of an encoded result began; the zero time if it is none.
func startedAt(row []byte) time.Time {
	var r checkv1.CheckResult
	if err := proto.Unmarshal(row, &r); err != nil {
		return time.Time{}
	}
	return r.GetStartedAt().AsTime()
}

func (d *diskOutbox) Dropped() uint64 {
	s := d.log.Stats()
	if d.debts != nil {
		return s.Dropped + d.debts.counted()
	}
	return s.Dropped + s.Refused
}

const (
	// diskPatience is how long the disk may refuse before that is more than a moment's.
	diskPatience = 5 * time.Second
	// writePatience is how long one write may take that comes back in the end, or does not.
	writePatience = 10 * time.Second
)

// diskFault is what is wrong with the disk, and since when.
type diskFault struct {
	since time.Time
	err   error
}

var errNoAnswer = errors.New("a write has not come back")

func (f *diskFault) Error() string {
	return fmt.Sprintf("the disk does not take results since %s: %v", f.since.UTC().Format(time.RFC3339), f.err)
}

func (f *diskFault) Unwrap() error { return f.err }

// Err says why new results cannot be kept, as a *diskFault: the disk refuses, or does not answer. They are in memory, as long
// as there is room.
func (d *diskOutbox) Err() error {
	s := d.log.Stats()
	if s.Err != nil && time.Since(s.ErrSince) > diskPatience {
		return &diskFault{s.ErrSince, s.Err}
	}
	if !s.Writing.IsZero() && time.Since(s.Writing) > writePatience {
		return &diskFault{s.Writing, errNoAnswer}
	}
	return nil
}

// watchSpool counts what only an outbox on disk has: nothing in memory.
func watchSpool(set *observe.Set, o Outbox) {
	figures := func() (s spool.Stats) {
		if d, ok := o.(*diskOutbox); ok {
			s = d.log.Stats()
		}
		return s
	}
	set.Counter("frogup_prober_outbox_lost", "Results that were on disk and cannot be read any more.", func() int64 { return int64(figures().Lost) })
	set.Counter("frogup_prober_outbox_refusals", "Writes and syncs that the disk of the outbox refused.",
		func() int64 { return int64(figures().Refusals) })
}

func (d *diskOutbox) Close() error {
	if d.debts != nil {
		d.debts.pay()
	}
	return d.log.Close()
}
