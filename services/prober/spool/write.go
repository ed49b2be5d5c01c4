package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"
)

// segment is a file of the log. The writer changes it with the lock held.
type segment struct {
	name        string
	first, last uint64 // number it begins with, and of its last frame; last is first-1 without any
	size        int64  // that is durable, header included
	marks       []mark // a frame in every markBytes, in order; the first frame is one
}

// mark is where a frame lies.
type mark struct {
	seq uint64
	at  int64
}

// note makes a mark of the frame at that place if it is worth one.
func (s *segment) note(seq uint64, at int64) {
	if n := len(s.marks); n == 0 || at-s.marks[n-1].at >= markBytes {
		s.marks = append(s.marks, mark{seq, at})
	}
}

// before is where to begin to look for seq.
func (s *segment) before(seq uint64) int64 {
	at := int64(segmentHeader)
	for _, m := range s.marks {
		if m.seq > seq {
			break
		}
		at = m.at
	}
	return at
}

// bytesAbove is about how many bytes the frames above acked take.
func (s *segment) bytesAbove(acked uint64) int64 {
	if acked >= s.last {
		return 0
	}
	from, to := mark{s.first, segmentHeader}, mark{s.last + 1, s.size}
	for _, m := range s.marks {
		if m.seq > acked {
			to = m
			break
		}
		from = m
	}
	at := from.at
	if acked >= from.seq && to.seq > from.seq {
		at += int64(float64(to.at-from.at) * float64(acked+1-from.seq) / float64(to.seq-from.seq))
	}
	return max(s.size-at, 0)
}

// extent is a part of a chunk that is to be written.
type extent struct {
	c        *chunk
	buf      []byte // the chunk's, as far as it is to be written
	from, to int
}

// write commits what comes in until the log is closed.
func (l *Log) write() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for stopped := false; !stopped; {
		select {
		case <-l.wake:
			timer.Reset(l.opts.Window)
			select {
			case <-timer.C:
			case <-l.hurry:
			case <-l.stop:
			}
		case <-l.stop:
			stopped = true
		}
		for l.commit() != nil && !stopped {
			timer.Reset(diskPause)
			select {
			case <-timer.C:
			case <-l.stop:
				stopped = true
			}
		}
	}
	l.seal()
}

// commit makes durable what there is.
func (l *Log) commit() error {
	l.mu.Lock()
	l.awake = false
	began := time.Now()
	l.stats.Writing = began
	t := l.waiting
	l.waiting = nil
	rest := l.extents[:0]
	for _, c := range l.chunks {
		if c.written < len(c.buf) {
			c.busy = true
			rest = append(rest, extent{c, c.buf, c.written, len(c.buf)})
		}
	}
	upto := l.next - 1
	l.mu.Unlock()

	err := l.store(rest)

	l.mu.Lock()
	defer l.mu.Unlock()
	for i, e := range rest {
		l.unsaved -= int64(e.from - e.c.written)
		e.c.written, e.c.busy = e.from, false
		rest[i] = extent{}
	}
	l.extents = rest[:0]
	if err == nil {
		l.durable, l.stats.ErrSince = upto, time.Time{}
	} else if l.stats.Err == nil {
		l.stats.ErrSince = began
		l.opts.Log.Error("spool: the disk refuses; results stay in memory", "error", err)
	}
	l.stats.Err, l.stats.Writing = err, time.Time{}
	l.trim()
	if l.readable < upto {
		l.readable = upto
		if l.grown != nil {
			close(l.grown)
			l.grown = nil
		}
	}
	if t != nil {
		t.err = err
		close(t.done)
	}
	return err
}

const (
	// attempts is how often a commit begins a new file before it fails.
	attempts = 3
	// fullPatience is how long a disk may be full before records give way to others.
	fullPatience = 30 * time.Second
)

// store writes extents and syncs; what it has made durable is taken off them. A file of which a write or a sync failed is
// not used again, because nobody knows what is in it: what is not durable is written anew, from memory, to another one.
func (l *Log) store(rest []extent) error {
	for failed := 0; len(rest) > 0; {
		if rest[0].from == rest[0].to {
			rest = rest[1:]
			continue
		}
		err := l.fill(rest)
		if err == nil {
			continue
		}
		l.mu.Lock()
		l.stats.Refusals++
		l.mu.Unlock()
		l.seal()
		if errors.Is(err, syscall.ENOSPC) && l.mustMakeRoom() && l.dropOldest() {
			continue
		}
		if failed++; failed == attempts {
			return err
		}
	}
	return nil
}

// fill writes as much as the active segment takes, and syncs it.
func (l *Log) fill(rest []extent) error {
	head := rest[0].buf[rest[0].from:]
	if l.file != nil && l.active.size+int64(frameLength(head)) > l.room {
		l.seal()
	}
	if l.file == nil {
		if err := l.begin(frameSeq(head), int64(frameLength(head))); err != nil {
			return err
		}
	}
	s := l.active
	w, err := l.writeFrames(rest)
	if err != nil {
		return fmt.Errorf("write %s: %w", s.name, err)
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", s.name, err)
	}
	for i := range w.done {
		rest[i].from = rest[i].to
	}
	if w.full {
		rest[w.done].from = w.cut
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Syncs++
	added := w.marks.marks
	if len(s.marks) > 0 {
		added = added[1:]
	}
	l.saved += w.at - s.size
	s.last, s.size, s.marks = w.last, w.at, append(s.marks, added...)
	return nil
}

// written is what was written to the active segment and does not count before it is synced.
type written struct {
	at    int64   // where the next frame would go
	last  uint64  // number of the last frame
	marks segment // those to be added, behind the newest that the segment has
	full  bool    // the next frame has no room
	done  int     // extents that are written whole
	cut   int     // if it is full, where the extent after them is written to
}

// writeFrames writes as much as the active segment has room for.
func (l *Log) writeFrames(rest []extent) (written, error) {
	w := written{at: l.active.size, last: l.active.last}
	if n := len(l.active.marks); n > 0 {
		w.marks.marks = append(w.marks.marks, l.active.marks[n-1])
	}
	for ; w.done < len(rest); w.done++ {
		e := rest[w.done]
		to := e.from
		for to < e.to {
			n := frameLength(e.buf[to:])
			where := w.at + int64(to-e.from)
			if w.full = where+int64(n) > l.room; w.full {
				break
			}
			sign(e.buf[to:to+n], l.salt)
			w.last = frameSeq(e.buf[to:])
			w.marks.note(w.last, where)
			to += n
		}
		if to > e.from {
			if _, err := l.file.WriteAt(e.buf[e.from:to], w.at); err != nil {
				return w, err
			}
			w.at += int64(to - e.from)
		}
		if w.full {
			w.cut = to
			break
		}
	}
	return w, nil
}

// begin makes a new segment for frames from the number first on, one of length bytes at least.
func (l *Log) begin(first uint64, length int64) error {
	room := max(l.opts.SegmentBytes, segmentHeader+length)
	if !l.opts.Blocks {
		for l.tooMuch(room) && l.dropOldest() {
		}
	}
	var f File
	var name string
	for try := 0; ; try++ {
		name = segmentName(first, try)
		var err error
		if f, err = l.fs.Create(name, room); err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("create %s: %w", name, err)
		}
	}
	_, err := f.WriteAt(appendSegmentHeader(nil, l.salt, first), 0)
	if err == nil {
		err = l.fs.SyncDir()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("begin %s: %w", name, err), f.Close(), l.fs.Remove(name))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.file, l.room = f, room
	l.active = &segment{name: name, first: first, last: first - 1, size: segmentHeader}
	l.segments = append(l.segments, l.active)
	l.saved += segmentHeader
	return nil
}

func (l *Log) tooMuch(more int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.saved+more > l.opts.MaxBytes
}

// seal ends the active segment where it is durable. If more was written, it is not needed: should it stay, the first number
// of the next segment says that it is over.
func (l *Log) seal() {
	if l.file == nil {
		return
	}
	if err := errors.Join(l.file.Truncate(l.active.size), l.file.Close()); err != nil {
		l.opts.Log.Warn("spool: file not ended well", "file", l.active.name, "error", err)
	}
	l.retire()
}

// retire makes the active segment one of the others; it goes at once if it holds nothing or is acknowledged.
func (l *Log) retire() {
	l.mu.Lock()
	s := l.active
	l.file, l.active = nil, nil
	gone := l.forget(l.acked)
	c, acked := cursor{salt: l.salt, acked: l.acked, last: l.durable}, len(gone) > 0
	if n := len(l.segments); n > 0 && l.segments[n-1] == s && s.last < s.first {
		l.segments, gone = l.segments[:n-1], append(gone, s)
		l.saved -= s.size
	}
	l.mu.Unlock()
	if acked {
		l.saveCursor(c, true)
	}
	l.remove(gone)
}

// mustMakeRoom reports whether a full disk is a smaller bound by now: others may have filled it, and may leave it again, so what
// comes is kept in memory first. That ends when memory is half full, or a crash would cost too much.
func (l *Log) mustMakeRoom() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	since := l.stats.ErrSince
	return !l.opts.Blocks && (l.unsaved >= int64(l.opts.MemoryBytes)/2 || !since.IsZero() && time.Since(since) > fullPatience)
}

// dropOldest gives the oldest segment up. It reports whether there was one.
func (l *Log) dropOldest() bool {
	l.mu.Lock()
	if len(l.segments) == 0 || l.segments[0] == l.active {
		l.mu.Unlock()
		return false
	}
	s := l.segments[0]
	l.stats.Dropped += l.live(s.first, s.last)
	gone := l.forget(max(l.acked, s.last))
	c := cursor{salt: l.salt, acked: l.acked, last: l.durable}
	l.mu.Unlock()
	l.saveCursor(c, len(gone) > 0)
	l.remove(gone)
	return len(gone) > 0
}
