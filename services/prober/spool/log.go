// Package spool is a log of records on disk: a write-ahead log for what has to survive until somebody else has it.
//
// Append copies a record into memory and returns; a goroutine writes what has come together and makes it durable with one
// sync (group commit), Options.Window after the first record of the group at the latest, and at once if somebody waits in
// Sync. Only what is durable is read, with one exception: while the disk refuses, records are read from memory, because a
// result that is sent and not on disk is worth more than one that is neither; Stats.Err says so.
//
// Records have consecutive numbers from 1 in the log's whole life. A record that is lost leaves a hole: it is counted and
// passed over. Damage costs the frames that it hits and no others; damaged bytes are never read as a record, and are kept
// in files that end in .bad.
package spool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/frogstats/uptime/internal/datadir"
)

// Options are what a log can be told. The zero value is good.
type Options struct {
	MaxBytes     int64         // on disk, at least 256 KiB; 0 means 1 GiB
	SegmentBytes int64         // of a file; 0 means 8 MiB, or a sixteenth of MaxBytes if that is less
	MemoryBytes  int           // of records in memory; 0 means 32 MiB
	Window       time.Duration // how long the first record of a group waits for others; 0 means 10 ms
	// Blocks makes Append refuse records that there is no room for; else the oldest ones give way.
	Blocks bool
	// Visit is called by Open with each record that is not acknowledged, in order. It must not keep record.
	Visit func(seq uint64, record []byte)
	FS    FS           // nil means the folder itself
	Log   *slog.Logger // nil means none
}

const (
	chunkBytes  = 256 << 10
	minMemory   = 4 * chunkBytes
	spareChunks = 32
	hurryBytes  = 1 << 20 // so much is written before the window is over
	markBytes   = 64 << 10
	diskPause   = 500 * time.Millisecond // after the disk refused
)

func (o Options) withDefaults() Options {
	if o.MaxBytes == 0 {
		o.MaxBytes = 1 << 30
	}
	o.MaxBytes = max(o.MaxBytes, 256<<10)
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 8 << 20
	}
	o.SegmentBytes = min(o.SegmentBytes, o.MaxBytes/16)
	if o.MemoryBytes == 0 {
		o.MemoryBytes = 32 << 20
	}
	o.MemoryBytes = max(o.MemoryBytes, minMemory)
	if o.Window == 0 {
		o.Window = 10 * time.Millisecond
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Log is a log on disk.
type Log struct {
	opts Options
	fs   FS
	dir  *datadir.Dir // nil if the file system was given
	salt uint32

	wake  chan struct{} // capacity 1: there is something to write
	hurry chan struct{} // capacity 1: write it now
	stop  chan struct{}
	ended sync.WaitGroup

	// Of the writer alone.
	file    File     // of the last segment; nil when the next record begins one
	active  *segment // that it belongs to
	room    int64    // of that file
	extents []extent

	cursorMu   sync.Mutex
	cursorFile File // nil if it cannot be opened
	generation uint64

	mu       sync.Mutex
	chunks   []*chunk // what is in memory, in order; all before it is on disk
	spare    []*chunk
	memory   int        // bytes that chunks may hold
	segments []*segment // in order
	holes    []span     // lost numbers above acked, in order
	next     uint64     // number of the next record
	durable  uint64     // every record up to here is on disk
	readable uint64     // may be read up to here: durable, or more while the disk refuses
	acked    uint64
	unsaved  int64 // bytes in memory that are not durable
	saved    int64 // bytes of all segments
	awake    bool  // the writer knows that there is something
	closed   bool
	waiting  *ticket       // for the next commit
	grown    chan struct{} // closed when readable rises; nil if nobody waits
	stats    Stats
}

// ticket is for those who wait for a commit.
type ticket struct {
	done chan struct{}
	err  error
}

// span is a run of numbers.
type span struct{ from, to uint64 }

// Stats are figures of a log. Counts are since Open.
type Stats struct {
	Next     uint64 // number of the next record
	Durable  uint64 // every record up to here is on disk
	Acked    uint64 // every record up to here is acknowledged, or was given up for want of room
	Pending  int    // records that are not acknowledged
	Bytes    int64  // of those, about
	DiskSize int64  // of all segments
	Dropped  uint64 // records given up for want of room
	Refused  uint64 // records that Append did not take
	Lost     uint64 // records that were in the log and are not any more
	Damaged  uint64 // runs of bytes that are no records and were passed over at the start, torn ends included
	Refusals uint64 // times that the disk refused to write or to sync
	Syncs    uint64
	Err      error     // why the last commit failed; nil if it did not
	ErrSince time.Time // of the first of the commits that have failed since the last that did not; zero without Err
	Writing  time.Time // when the commit began that is under way; zero if none is
}

// ErrClosed is returned when a log is used after its end.
var ErrClosed = errors.New("spool: closed")

// Open opens the log in the folder dir, and makes it if need be. It returns a *datadir.InUseError if another process has it.
func Open(dir string, o Options) (*Log, error) {
	l := &Log{opts: o.withDefaults(), fs: o.FS, wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), stop: make(chan struct{})}
	if l.fs == nil {
		d, err := datadir.Open(dir)
		if err != nil {
			return nil, fmt.Errorf("spool: %w", err)
		}
		l.dir, l.fs = d, folder{dir}
	}
	if err := l.recover(); err != nil {
		err = fmt.Errorf("spool: %w", err)
		if l.dir != nil {
			err = errors.Join(err, l.dir.Close())
		}
		return nil, err
	}
	l.ended.Go(l.write)
	return l, nil
}

// Append adds the record head+body, copied, and returns its number. ok is false if it was not taken: without room, or
// because it is empty, longer than MaxRecord, or the log is closed. It waits for nothing but memory.
func (l *Log) Append(head, body []byte) (seq uint64, ok bool) {
	n := frameHeader + len(head) + len(body)
	l.mu.Lock()
	var c *chunk
	if n > frameHeader && n <= frameHeader+MaxRecord && !l.closed {
		c = l.chunkFor(n)
	}
	if c == nil {
		l.stats.Refused++
		l.mu.Unlock()
		return 0, false
	}
	seq = l.next
	l.next++
	c.append(seq, head, body)
	before := l.unsaved
	l.unsaved += int64(n)
	wake, hurry := !l.awake, before < hurryBytes && l.unsaved >= hurryBytes
	l.awake = true
	l.mu.Unlock()
	if wake {
		signal(l.wake)
	}
	if hurry {
		signal(l.hurry)
	}
	return seq, true
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Sync waits until everything that was appended is on disk. An error says that it is not, and that the log goes on trying.
func (l *Log) Sync(ctx context.Context) error {
	l.mu.Lock()
	switch {
	case l.durable == l.next-1:
		l.mu.Unlock()
		return nil
	case l.closed:
		l.mu.Unlock()
		return ErrClosed
	}
	if l.waiting == nil {
		l.waiting = &ticket{done: make(chan struct{})}
	}
	t := l.waiting
	l.mu.Unlock()
	signal(l.wake)
	signal(l.hurry)
	select {
	case <-t.done:
		return t.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Ack forgets every record up to seq that may be read. What it forgets may come again after a crash.
func (l *Log) Ack(seq uint64) {
	l.mu.Lock()
	seq = min(seq, l.readable)
	if seq <= l.acked {
		l.mu.Unlock()
		return
	}
	gone := l.forget(seq)
	c := cursor{salt: l.salt, acked: l.acked, last: l.durable}
	l.mu.Unlock()
	l.saveCursor(c, len(gone) > 0)
	l.remove(gone)
}

// forget moves the acknowledged mark and returns the segments that nobody needs any more. The lock is held.
func (l *Log) forget(seq uint64) (gone []*segment) {
	l.acked = seq
	for len(l.holes) > 0 && l.holes[0].to <= seq {
		l.holes = slices.Delete(l.holes, 0, 1)
	}
	n := 0
	for n < len(l.segments) && l.segments[n].last <= seq && l.segments[n] != l.active {
		l.saved -= l.segments[n].size
		n++
	}
	gone = slices.Clone(l.segments[:n])
	l.segments = slices.Delete(l.segments, 0, n)
	l.trim()
	return gone
}

func (l *Log) remove(gone []*segment) {
	for _, s := range gone {
		if err := l.fs.Remove(s.name); err != nil {
			l.opts.Log.Warn("spool: file stays", "file", s.name, "error", err)
		}
	}
}

// saveCursor writes the marks. Without a sync they may be older after a crash than they were, which costs repeats; before
// files go there has to be one, or else a crash that brings some of them back would look like a loss of the others.
func (l *Log) saveCursor(c cursor, durable bool) {
	l.cursorMu.Lock()
	defer l.cursorMu.Unlock()
	if l.cursorFile == nil {
		return
	}
	l.generation++
	c.generation = l.generation
	var b [cursorCopy]byte
	_, err := l.cursorFile.WriteAt(c.append(b[:0]), int64(l.generation%2)*cursorStride)
	if err == nil && durable {
		err = l.cursorFile.Sync()
	}
	if err != nil {
		l.opts.Log.Warn("spool: cursor not written", "error", err)
	}
}

// lose notes that the numbers from…to are in the log no more, and returns how many of them were not known to be. The lock is held.
func (l *Log) lose(from, to uint64) (fresh uint64) {
	from = max(from, l.acked+1)
	if from > to {
		return 0
	}
	fresh = to - from + 1
	at := 0
	for at < len(l.holes) && l.holes[at].to+1 < from {
		at++
	}
	end := at
	for merged := (span{from, to}); end < len(l.holes) && l.holes[end].from <= to+1; end++ {
		h := l.holes[end]
		if a, b := max(h.from, merged.from), min(h.to, merged.to); a <= b {
			fresh -= b - a + 1
		}
		from, to = min(from, h.from), max(to, h.to)
	}
	l.holes = slices.Replace(l.holes, at, end, span{from, to})
	return fresh
}

// live counts the numbers above acked from…to that are no holes. The lock is held.
func (l *Log) live(from, to uint64) uint64 {
	from = max(from, l.acked+1)
	if from > to {
		return 0
	}
	n := to - from + 1
	for _, h := range l.holes {
		if a, b := max(h.from, from), min(h.to, to); a <= b {
			n -= b - a + 1
		}
	}
	return n
}

// Ready is closed when there may be a record above after to read; whoever finds none asks again. It is closed already when
// there is one.
func (l *Log) Ready(after uint64) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.first(after) <= l.readable {
		return always
	}
	if l.grown == nil {
		l.grown = make(chan struct{})
	}
	return l.grown
}

var always = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// first is the least number above after and acked that is no hole. The lock is held.
func (l *Log) first(after uint64) uint64 {
	seq := max(after, l.acked) + 1
	for _, h := range l.holes {
		if h.from <= seq && seq <= h.to {
			seq = h.to + 1
		}
	}
	return seq
}

// Stats returns the log's figures.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Next, s.Durable, s.Acked = l.next, l.durable, l.acked
	s.DiskSize = l.saved
	s.Pending = int(l.live(0, l.next-1))
	for _, x := range l.segments {
		s.Bytes += x.bytesAbove(l.acked)
	}
	s.Bytes = max(s.Bytes+l.unsaved-int64(s.Pending)*frameHeader, int64(s.Pending))
	return s
}

// Close writes what there is, and gives the folder up. An error says that something could not be kept.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	if l.grown != nil {
		close(l.grown)
		l.grown = nil
	}
	l.mu.Unlock()
	close(l.stop)
	l.ended.Wait()

	l.mu.Lock()
	c := cursor{salt: l.salt, acked: l.acked, last: l.durable}
	var err error
	if left := l.live(l.durable+1, l.next-1); left > 0 {
		err = fmt.Errorf("spool: %d records are not on disk: %w", left, l.stats.Err)
	}
	l.mu.Unlock()
	l.saveCursor(c, false)
	l.cursorMu.Lock()
	if l.cursorFile != nil {
		err = errors.Join(err, l.cursorFile.Close())
	}
	l.cursorMu.Unlock()
	if l.dir != nil {
		err = errors.Join(err, l.dir.Close())
	}
	return err
}
