package spool

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

const (
	cursorName    = "cursor"
	segmentSuffix = ".log"
	badSuffix     = ".bad"
	maxBadFiles   = 32
	maxBadBytes   = 1 << 20 // that are kept of a run
)

// segmentName is the name of the segment that begins with the number first: the try-th of that number, of which a later
// one counts. Names sort as their segments do.
func segmentName(first uint64, try int) string {
	return fmt.Sprintf("%016x-%04x%s", first, try, segmentSuffix)
}

func firstOf(name string) (first uint64, ok bool) {
	base, isLog := strings.CutSuffix(name, segmentSuffix)
	number, _, hasTry := strings.Cut(base, "-")
	first, err := strconv.ParseUint(number, 16, 64)
	return first, isLog && hasTry && len(number) == 16 && err == nil && first > 0
}

// recover reads the folder: marks, segments, what is damaged.
func (l *Log) recover() error {
	names, err := l.fs.List()
	if err != nil {
		return err
	}
	slices.Sort(names)
	var files, bad []string
	for _, name := range names {
		if _, ok := firstOf(name); ok {
			files = append(files, name)
		} else if strings.HasSuffix(name, badSuffix) {
			bad = append(bad, name)
		}
	}
	c, found := l.openCursor(slices.Contains(names, cursorName))
	l.acked = c.acked
	l.salt = c.salt
	if !found {
		if l.salt, found = l.findSalt(files); !found {
			var b [4]byte
			_, _ = rand.Read(b[:]) // never fails
			l.salt = binary.LittleEndian.Uint32(b[:])
		}
	}
	last := l.acked // newest number that there was
	var buf []byte
	for i, name := range files {
		first, _ := firstOf(name)
		over := uint64(0) // from this number on the next segment counts
		if i+1 < len(files) {
			over, _ = firstOf(files[i+1])
		}
		if i == 0 {
			last = max(last, first-1)
		}
		if over > 0 && over-1 <= l.acked || over == first {
			l.remove([]*segment{{name: name}})
			continue
		}
		l.noteLost(last+1, first-1)
		last = max(last, first-1)
		kept, err := l.recoverSegment(name, first, over, i+2 >= len(files), &buf, &last)
		if err != nil {
			return err
		}
		bad = append(bad, kept...)
	}
	l.noteLost(last+1, c.last)
	last = max(last, c.last)
	l.durable, l.readable, l.next = last, last, last+1
	l.acked = min(max(l.acked, l.firstKept()-1), last)
	slices.Sort(bad)
	for _, name := range bad[:max(len(bad)-maxBadFiles, 0)] {
		l.remove([]*segment{{name: name}})
	}
	l.saveCursor(cursor{salt: l.salt, acked: l.acked, last: last}, false)
	return nil
}

// firstKept is the number that the oldest segment begins with.
func (l *Log) firstKept() uint64 {
	if len(l.segments) == 0 {
		return 1
	}
	return l.segments[0].first
}

func (l *Log) noteLost(from, to uint64) {
	if n := l.lose(from, to); n > 0 {
		l.stats.Lost += n
		l.opts.Log.Error("spool: results are lost", "from_seq", from, "to_seq", to)
	}
}

// openCursor reads the marks. Without them everything that there is counts as not acknowledged.
func (l *Log) openCursor(exists bool) (c cursor, found bool) {
	var err error
	if exists {
		l.cursorFile, err = l.fs.Open(cursorName)
	} else {
		l.cursorFile, err = l.fs.Create(cursorName, 0)
	}
	if err != nil {
		l.opts.Log.Warn("spool: no cursor", "error", err)
		return c, false
	}
	var b [cursorStride + cursorCopy]byte
	readAll(l.cursorFile, b[:], 0)
	c, found = readCursor(b[:])
	l.generation = c.generation
	return c, found
}

// findSalt looks for the salt in the segments' headers.
func (l *Log) findSalt(files []string) (salt uint32, found bool) {
	for _, name := range files {
		f, err := l.fs.Open(name)
		if err != nil {
			continue
		}
		var b [segmentHeader]byte
		readAll(f, b[:], 0)
		_ = f.Close()
		if salt, found, _ = readSegmentHeader(b[:]); found {
			return salt, true
		}
	}
	return 0, false
}

// recoverSegment takes a segment in, and keeps what is no frame in files of its own, the names of which it returns. It is not
// written to any more. What was read may not have been synced by the process that ended; it is now.
func (l *Log) recoverSegment(name string, first, over uint64, unsynced bool, buf *[]byte, last *uint64) (bad []string, err error) {
	f, err := l.fs.Open(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if int64(cap(*buf)) < size {
		*buf = make([]byte, size)
	}
	b := (*buf)[:size]
	readAll(f, b, 0)
	s := &segment{name: name, first: first, last: first - 1, size: segmentHeader}
	damage := func(from, to int) {
		l.stats.Damaged++
		if part := b[from:min(to, from+maxBadBytes)]; l.keepBad(fmt.Sprintf("%s.%08x%s", name, from, badSuffix), part) {
			bad = append(bad, fmt.Sprintf("%s.%08x%s", name, from, badSuffix))
		}
		l.opts.Log.Warn("spool: damaged bytes are passed over", "file", name, "at", from, "bytes", to-from)
	}
	if _, _, whole := readSegmentHeader(b); !whole && len(bytes.Trim(b, "\x00")) > 0 {
		damage(0, min(segmentHeader, len(b)))
	}
	sc := scanner{b: b, salt: l.salt, after: first - 1, at: min(segmentHeader, len(b))}
	end := true // reached the end, not the next segment's numbers
	for sc.next() {
		if over > 0 && sc.seq >= over {
			end = false
			break
		}
		if sc.bad[1] > sc.bad[0] {
			damage(sc.bad[0], sc.bad[1])
		}
		l.noteLost(*last+1, sc.seq-1)
		*last = max(*last, sc.seq)
		s.note(sc.seq, int64(sc.start))
		s.last, s.size = sc.seq, int64(sc.at)
		if l.opts.Visit != nil && sc.seq > l.acked {
			l.opts.Visit(sc.seq, sc.record)
		}
	}
	if tail := bytes.TrimRight(b[sc.bad[0]:sc.bad[1]], "\x00"); end && len(tail) > 0 {
		damage(sc.bad[0], sc.bad[0]+len(tail))
	}
	l.adopt(s, f, size, unsynced)
	return bad, nil
}

// adopt makes a segment whose file was read one of the log's, cut where its last frame ends; it goes if nothing in it is needed.
func (l *Log) adopt(s *segment, f File, size int64, unsynced bool) {
	if s.last < s.first || s.last <= l.acked {
		l.remove([]*segment{s})
		return
	}
	var err error
	if s.size < size {
		err = f.Truncate(s.size)
	}
	if unsynced {
		err = errors.Join(err, f.Sync())
	}
	if err != nil {
		l.stats.Refusals++
		l.opts.Log.Error("spool: file may not be durable", "file", s.name, "error", err)
	}
	l.segments, l.saved = append(l.segments, s), l.saved+s.size
}

// keepBad keeps damaged bytes for whoever wants to know what happened. It is worth no more than a try.
func (l *Log) keepBad(name string, b []byte) bool {
	f, err := l.fs.Create(name, 0)
	if err != nil {
		return false
	}
	_, err = f.WriteAt(b, 0)
	return errors.Join(err, f.Close()) == nil
}
