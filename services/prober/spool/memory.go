package spool

import (
	"encoding/binary"
	"slices"
)

// chunk is a run of frames in memory, as they stand on disk but for their checksums, which the writer adds. Its bytes are
// written once; what is above its length belongs to Append, with the lock held, and what is below may be read without.
type chunk struct {
	buf         []byte
	first, last uint64
	written     int  // of buf is on disk
	busy        bool // the writer has it
	pins        int  // readers that have it
}

func (c *chunk) append(seq uint64, head, body []byte) {
	if len(c.buf) == 0 {
		c.first = seq
	}
	c.last = seq
	c.buf = binary.LittleEndian.AppendUint32(c.buf, 0)
	c.buf = binary.LittleEndian.AppendUint32(c.buf, uint32(len(head)+len(body)))
	c.buf = binary.LittleEndian.AppendUint64(c.buf, seq)
	c.buf = append(append(c.buf, head...), body...)
}

// chunkFor is a chunk with n bytes left, at the end; nil if there is no room. The lock is held.
func (l *Log) chunkFor(n int) *chunk {
	if l.opts.Blocks && l.saved+l.unsaved+int64(n) > l.opts.MaxBytes-l.opts.SegmentBytes {
		return nil
	}
	if last := len(l.chunks) - 1; last >= 0 {
		if c := l.chunks[last]; cap(c.buf)-len(c.buf) >= n {
			return c
		}
	}
	size := max(n, chunkBytes)
	for l.memory+size > l.opts.MemoryBytes && l.memory > 0 {
		if !l.evict() && (l.opts.Blocks || !l.giveUp()) {
			return nil
		}
	}
	var c *chunk
	if last := len(l.spare) - 1; last >= 0 && size == chunkBytes {
		c, l.spare = l.spare[last], l.spare[:last]
	} else {
		c = &chunk{buf: make([]byte, 0, size)}
	}
	l.memory += cap(c.buf)
	l.chunks = append(l.chunks, c)
	return c
}

// trim lets go of what is acknowledged, and of what is on disk if it is more than a half of memory. The lock is held.
func (l *Log) trim() {
	for len(l.chunks) > 1 {
		c := l.chunks[0]
		if c.busy || c.last > l.acked && (c.written < len(c.buf) || l.memory <= l.opts.MemoryBytes/2) {
			return
		}
		l.drop(0)
	}
}

// evict lets go of the oldest chunk if it is on disk or acknowledged. The lock is held.
func (l *Log) evict() bool {
	c := l.chunks[0]
	if c.busy || c.last > l.acked && c.written < len(c.buf) {
		return false
	}
	l.drop(0)
	return true
}

// giveUp loses the oldest records that wait for the disk and that the writer does not have. The lock is held.
func (l *Log) giveUp() bool {
	at := slices.IndexFunc(l.chunks, func(c *chunk) bool { return !c.busy && c.written == 0 })
	if at < 0 {
		return false
	}
	c := l.chunks[at]
	l.stats.Dropped += l.lose(c.first, c.last)
	l.drop(at)
	return true
}

// drop forgets a chunk. The lock is held.
func (l *Log) drop(at int) {
	c := l.chunks[at]
	l.chunks = slices.Delete(l.chunks, at, at+1)
	l.memory -= cap(c.buf)
	l.unsaved -= int64(len(c.buf) - c.written)
	if c.pins == 0 && cap(c.buf) == chunkBytes && len(l.spare) < spareChunks {
		*c = chunk{buf: c.buf[:0]}
		l.spare = append(l.spare, c)
	}
}
