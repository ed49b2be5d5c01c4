package spool

import (
	"encoding/binary"
	"hash/crc32"
)

// A segment is a header and then frames; zeros follow in a file that has room left.
//
//	frame   checksum u32 · length u32 · sequence number u64 · record
//	header  twice: "frogspl1" · salt u32 · first sequence number u64 · checksum u32
//	cursor  twice: checksum u32 · salt u32 · generation u64 · acknowledged u64 · last u64
//
// Numbers are little-endian. Checksums are CRC-32C: of a frame from its length to its end, begun with the salt of the log.
// The salt is drawn once in a log's life, so that a record that holds the bytes of a frame, which a target may have put
// there, is never taken for one when the log is searched behind damage.
const (
	frameHeader   = 16
	segmentMagic  = "frogspl1"
	headerCopy    = 24
	segmentHeader = 2 * headerCopy
	cursorCopy    = 32
	cursorStride  = 4096 // each copy in a block of its own
	// MaxRecord is the greatest length of a record.
	MaxRecord = 16 << 20
	// maxGap bounds how far numbers may jump where the log is searched behind damage.
	maxGap = 1 << 32
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sign writes the checksum of the frame that is all of b.
func sign(b []byte, salt uint32) {
	binary.LittleEndian.PutUint32(b, crc32.Update(salt, castagnoli, b[4:]))
}

// frameLength is the length of the frame that b, which holds at least its header, begins with, as it says itself.
func frameLength(b []byte) int { return frameHeader + int(binary.LittleEndian.Uint32(b[4:])) }

func frameSeq(b []byte) uint64 { return binary.LittleEndian.Uint64(b[8:]) }

// frameAt is the length of the frame that b begins with, and its number; 0 if there is no whole, sound frame.
func frameAt(b []byte, salt uint32) (length int, seq uint64) {
	if len(b) <= frameHeader {
		return 0, 0
	}
	n := binary.LittleEndian.Uint32(b[4:])
	if n == 0 || n > MaxRecord || int(n) > len(b)-frameHeader {
		return 0, 0
	}
	length = frameHeader + int(n)
	if crc32.Update(salt, castagnoli, b[4:length]) != binary.LittleEndian.Uint32(b) {
		return 0, 0
	}
	return length, frameSeq(b)
}

// scanner goes through the frames in b. Numbers rise; what is no frame, or has a number out of order, is passed over.
type scanner struct {
	b     []byte
	salt  uint32
	after uint64 // numbers up to here are over

	at     int    // where the next frame is looked for
	start  int    // of the frame that was found
	seq    uint64 // of the frame that was found
	record []byte // of the frame that was found
	bad    [2]int // the bytes passed over before it, from and to; equal if none
}

// next finds a frame. At the end, bad is what lies behind the last one.
func (s *scanner) next() bool {
	from := s.at
	for at := from; at+frameHeader < len(s.b); at++ {
		if at > from && !s.plausible(at) {
			continue
		}
		length, seq := frameAt(s.b[at:], s.salt)
		if length == 0 || seq <= s.after {
			continue
		}
		s.start, s.at, s.seq, s.after, s.bad = at, at+length, seq, seq, [2]int{from, at}
		s.record = s.b[at+frameHeader : at+length]
		return true
	}
	s.at, s.bad, s.record = len(s.b), [2]int{from, len(s.b)}, nil
	return false
}

// plausible spares the search most checksums.
func (s *scanner) plausible(at int) bool {
	n := binary.LittleEndian.Uint32(s.b[at+4:])
	if n == 0 || int64(n) > int64(len(s.b)-at-frameHeader) {
		return false
	}
	gap := frameSeq(s.b[at:]) - s.after
	return gap > 0 && gap < maxGap
}

func appendSegmentHeader(dst []byte, salt uint32, first uint64) []byte {
	for range 2 {
		at := len(dst)
		dst = append(dst, segmentMagic...)
		dst = binary.LittleEndian.AppendUint32(dst, salt)
		dst = binary.LittleEndian.AppendUint64(dst, first)
		dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
	}
	return dst
}

// readSegmentHeader finds a sound copy of the header; whole says that both are.
func readSegmentHeader(b []byte) (salt uint32, found, whole bool) {
	sound := 0
	for i := range 2 {
		if len(b) < (i+1)*headerCopy {
			break
		}
		c := b[i*headerCopy:][:headerCopy]
		if string(c[:8]) == segmentMagic && crc32.Checksum(c[:20], castagnoli) == binary.LittleEndian.Uint32(c[20:]) {
			salt, sound = binary.LittleEndian.Uint32(c[8:]), sound+1
		}
	}
	return salt, sound > 0, sound == 2
}

// cursor is how far a log was acknowledged, and how far it went at least.
type cursor struct {
	salt        uint32
	generation  uint64
	acked, last uint64
}

func (c cursor) append(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, c.salt)
	dst = binary.LittleEndian.AppendUint64(dst, c.generation)
	dst = binary.LittleEndian.AppendUint64(dst, c.acked)
	dst = binary.LittleEndian.AppendUint64(dst, c.last)
	binary.LittleEndian.PutUint32(dst[at:], crc32.Checksum(dst[at+4:], castagnoli))
	return dst
}

// readCursor is the newest sound copy in a cursor file; found is false if there is none.
func readCursor(b []byte) (c cursor, found bool) {
	for i := range 2 {
		at := i * cursorStride
		if len(b) < at+cursorCopy {
			break
		}
		x := b[at:][:cursorCopy]
		if crc32.Checksum(x[4:], castagnoli) != binary.LittleEndian.Uint32(x) {
			continue
		}
		if g := binary.LittleEndian.Uint64(x[8:]); !found || g > c.generation {
			found = true
			c = cursor{binary.LittleEndian.Uint32(x[4:]), g, binary.LittleEndian.Uint64(x[16:]), binary.LittleEndian.Uint64(x[24:])}
		}
	}
	return c, found
}
