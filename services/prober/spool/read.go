package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sort"
)

// Reader reads a log. It keeps a piece of memory for what comes from disk; it is for one goroutine at a time.
type Reader struct {
	log *Log
	buf []byte
}

// NewReader makes a reader.
func (l *Log) NewReader() *Reader { return &Reader{log: l} }

// readBytes is how much is read from disk at once.
const readBytes = 1 << 20

// Read calls visit with records above after, in order, until it returns false; record is its own only until then. It ends
// where numbers have a hole and wherever it suits it: it is called again for more. found is false if there is nothing to
// read now. An error says that what is in the way cannot be read now, but perhaps later.
func (r *Reader) Read(after uint64, visit func(seq uint64, record []byte) bool) (found bool, err error) {
	l := r.log
	for {
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			return false, ErrClosed
		}
		from, upto := l.first(after), l.readable
		if from > upto {
			l.mu.Unlock()
			return false, nil
		}
		if len(l.chunks) > 0 && l.chunks[0].first <= from {
			return l.readMemory(from, upto, visit), nil
		}
		at := sort.Search(len(l.segments), func(i int) bool { return l.segments[i].last >= from })
		if at == len(l.segments) {
			// It can be nowhere: neither in memory nor in a file.
			end := min(upto, l.durable)
			if len(l.chunks) > 0 {
				end = l.chunks[0].first - 1
			}
			l.stats.Lost += l.lose(from, end)
			l.mu.Unlock()
			continue
		}
		s := *l.segments[at]
		begin := s.before(from)
		l.mu.Unlock()
		last, err := r.readDisk(s, begin, from, visit)
		switch {
		case last > 0:
			return true, nil
		case errors.Is(err, fs.ErrNotExist) && l.has(s.name):
			err = nil // somebody took the file away
		case errors.Is(err, fs.ErrNotExist):
			continue // it was acknowledged or given up meanwhile
		}
		if err != nil {
			return false, err
		}
		l.lost(from, s.last)
	}
}

// has says if the log still counts on a file.
func (l *Log) has(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segments {
		if s.name == name {
			return true
		}
	}
	return false
}

// lost notes that records that were on disk cannot be read.
func (l *Log) lost(from, to uint64) {
	l.mu.Lock()
	n := l.lose(from, to)
	l.stats.Lost += n
	l.mu.Unlock()
	if n > 0 {
		l.opts.Log.Error("spool: results on disk are damaged", "from_seq", from, "to_seq", to, "lost", n)
	}
}

// readMemory reads from the chunk that has the first record from the number from on. It is called with the lock held and
// gives it up.
func (l *Log) readMemory(from, upto uint64, visit func(uint64, []byte) bool) bool {
	at := sort.Search(len(l.chunks), func(i int) bool { return l.chunks[i].last >= from })
	if at == len(l.chunks) {
		l.mu.Unlock()
		return false
	}
	c := l.chunks[at]
	buf := c.buf
	c.pins++
	l.mu.Unlock()
	found := false
	for len(buf) > 0 {
		n, seq := frameLength(buf), frameSeq(buf)
		if seq > upto {
			break
		}
		if seq >= from {
			found = true
			if !visit(seq, buf[frameHeader:n]) {
				break
			}
		}
		buf = buf[n:]
	}
	l.mu.Lock()
	c.pins--
	l.mu.Unlock()
	return found
}

// readDisk reads frames of a segment from the number from on, and returns the last number that visit has seen; 0 if there
// is none in the whole segment.
func (r *Reader) readDisk(s segment, begin int64, from uint64, visit func(uint64, []byte) bool) (last uint64, err error) {
	f, err := r.log.fs.Open(s.name)
	if err != nil {
		return 0, fmt.Errorf("spool: %w", err)
	}
	defer f.Close()
	for size := int64(readBytes); ; size = s.size { // if a piece does not do, all of it must
		n := min(size, s.size-begin)
		if int64(cap(r.buf)) < n {
			r.buf = make([]byte, n)
		}
		r.buf = r.buf[:n]
		readAll(f, r.buf, begin)
		sc := scanner{b: r.buf, salt: r.log.salt, after: s.first - 1}
		for sc.next() {
			if sc.seq < from {
				continue
			}
			if last == 0 && sc.seq > from {
				if begin+n < s.size {
					break // what is missing may only be cut off
				}
				r.log.lost(from, sc.seq-1)
			}
			if last > 0 && sc.seq != last+1 {
				return last, nil
			}
			last = sc.seq
			if !visit(sc.seq, sc.record) {
				return last, nil
			}
		}
		if last > 0 || begin+n == s.size {
			return last, nil
		}
	}
}

// readAll fills b from f. What cannot be read stays zero: that is no frame, and what is behind it is found.
func readAll(f File, b []byte, off int64) {
	const block = 4096
	n, err := f.ReadAt(b, off)
	for err != nil && n < len(b) {
		if errors.Is(err, io.EOF) {
			clear(b[n:])
			return
		}
		end := min(n+block, len(b))
		var m int
		if m, err = f.ReadAt(b[n:end], off+int64(n)); err != nil {
			clear(b[n+m : end])
		}
		n = end
		if err == nil && n < len(b) {
			m, err = f.ReadAt(b[n:], off+int64(n))
			n += m
		}
	}
}
