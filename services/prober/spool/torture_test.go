package spool

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// torture is the count that is asked for in earnest, or a part of it in passing: FROGUP_TORTURE=1 runs the whole.
func torture(n, inPassing int) int {
	if os.Getenv("FROGUP_TORTURE") != "" {
		return n
	}
	return inPassing
}

// parallel runs n pieces of work, a few at a time: they wait for one another's locks and timers more than they compute.
func parallel(t *testing.T, n int, run func(i int)) {
	t.Helper()
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && !t.Failed(); i = next.Add(1) - 1 {
				run(int(i))
			}
		})
	}
	workers.Wait()
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }

// life is one stretch of a log between two losses of power.
type life struct {
	t       *testing.T
	r       *rand.Rand
	records map[uint64]string // by number, of the newest life that gave it
	durable uint64            // every record up to here was said to be
	acked   uint64            // asked for
	missing map[uint64]bool   // of those up to durable, what an earlier crash took because it was not durable then
}

// TestKilledAnywhere takes the power away before a random operation on the file system, again and again on the same log. Of
// what was not synced anything may survive.
func TestKilledAnywhere(t *testing.T) {
	const lives = 20
	began, logs := time.Now(), torture(10_000, 1000)/lives
	parallel(t, logs, func(seed int) {
		x := &life{t: t, r: random(uint64(seed)), records: map[uint64]string{}, missing: map[uint64]bool{}}
		f := newFaultFS()
		for range lives {
			x.run(f, f.ops+1+x.r.IntN(60))
			f = f.crash(x.r)
			x.verify(f)
		}
		if t.Failed() {
			t.Errorf("seed %d", seed)
		}
	})
	t.Logf("%d kills in %v", logs*lives, time.Since(began))
}

func (x *life) options(f *faultFS) Options {
	return Options{FS: f, MaxBytes: 16 << 20, SegmentBytes: 8192, Window: time.Microsecond}
}

// run uses the log until the power goes.
func (x *life) run(f *faultFS, killAt int) {
	f.killAt = killAt
	l, err := Open("", x.options(f))
	if err != nil {
		if !f.dead() {
			x.t.Error(err)
		}
		return
	}
	defer l.Close()
	for !f.dead() {
		var seq uint64
		for range 1 + x.r.IntN(20) {
			body := fmt.Sprintf("%x%s", x.r.Uint64(), strings.Repeat("r", x.r.IntN(600)))
			var ok bool
			if seq, ok = l.Append(nil, []byte(body)); !ok {
				x.t.Error("refused")
				return
			}
			x.records[seq] = body
			delete(x.missing, seq)
		}
		if l.Sync(x.t.Context()) == nil {
			x.durable = max(x.durable, seq)
		}
		if x.r.IntN(3) == 0 && x.durable > x.acked {
			x.acked += x.r.Uint64N(x.durable - x.acked + 1)
			l.Ack(x.acked)
		}
	}
}

func (f *faultFS) dead() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.killed
}

// verify opens a copy of what the crash left.
func (x *life) verify(f *faultFS) {
	l, err := Open("", x.options(f.clone()))
	if err != nil {
		x.t.Error(err)
		return
	}
	defer l.Close()
	s := l.Stats()
	if s.Acked > x.acked {
		x.t.Errorf("the cursor says %d, acknowledged were %d", s.Acked, x.acked)
	}
	if s.Next <= x.durable {
		x.t.Errorf("goes on with %d although %d was durable", s.Next, x.durable)
	}
	found := map[uint64]bool{}
	seqs, records := readFrom(x.t, l, 0)
	for i, seq := range seqs {
		found[seq] = true
		if records[i] != x.records[seq] {
			x.t.Errorf("record %d was never appended", seq)
		}
	}
	for seq := s.Acked + 1; seq < s.Next; seq++ {
		if !found[seq] && seq <= x.durable && !x.missing[seq] {
			x.t.Errorf("record %d is lost; durable were %d", seq, x.durable)
		}
		x.missing[seq] = !found[seq] // of what was not durable, anything may be
	}
	x.durable = s.Next - 1 // what was found is synced
}

// filled is a log of a hundred kilobytes, closed.
func filled(t *testing.T, segment int64) (*faultFS, []string) {
	f := newFaultFS()
	l := open(t, Options{FS: f, SegmentBytes: segment})
	var records []string
	r := random(99)
	for size := 0; size < 100_000; {
		b := fmt.Sprintf("%d/%s", len(records)+1, strings.Repeat(string(rune('a'+r.IntN(20))), 100+r.IntN(300)))
		records, size = append(records, b), size+len(b)+frameHeader
		l.Append(nil, []byte(b))
	}
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return f, records
}

// TestTornAtEveryByte ends the log at every byte of its last 64 KiB: with nothing behind, with zeros, with rubbish.
func TestTornAtEveryByte(t *testing.T) {
	began := time.Now()
	f, records := filled(t, 8<<20)
	name := segmentName(1, 0)
	whole := f.names[name].data
	places := torture(65536, 512)
	step := 65536 / places
	r := random(5)
	rubbish := make([]byte, len(whole))
	for i := range rubbish {
		rubbish[i] = byte(r.Uint32())
	}
	parallel(t, places+1, func(i int) {
		cut := i * step
		at := len(whole) - cut
		data := bytes.Clone(whole[:at])
		switch i % 3 {
		case 1:
			data = append(data, make([]byte, cut)...)
		case 2:
			data = append(data, rubbish[at:]...)
		}
		g := newFaultFS()
		g.names[name] = &inode{data: data}
		l, err := Open("", Options{FS: g})
		if err != nil {
			t.Error(err)
			return
		}
		_, got := readFrom(t, l, 0)
		_ = l.Close()
		for at < min(len(data), len(whole)) && data[at] == whole[at] {
			at++ // what follows happens to be what was there
		}
		size, kept := segmentHeader, 0
		for kept < len(records) && size+frameHeader+len(records[kept]) <= at {
			size += frameHeader + len(records[kept])
			kept++
		}
		if len(got) != kept {
			t.Errorf("cut %d bytes: %d records, want %d", cut, len(got), kept)
			return
		}
		for i := range got {
			if got[i] != records[i] {
				t.Errorf("cut %d bytes: record %d is another one", cut, i+1)
			}
		}
	})
	t.Logf("%d places in %v", places+1, time.Since(began))
}

// TestBitFlips turns one bit of the log over. It is detected, costs one record at most, and is counted.
func TestBitFlips(t *testing.T) {
	began := time.Now()
	f, records := filled(t, 16<<10)
	var names []string
	total := 0
	for name, n := range f.names {
		names, total = append(names, name), total+len(n.data)
	}
	n := torture(100_000, 1000)
	parallel(t, n, func(i int) {
		r := random(uint64(i))
		name := names[r.IntN(len(names))]
		g := newFaultFS()
		for other, node := range f.names {
			g.names[other] = &inode{data: node.data} // nothing but the cursor is written to
		}
		g.names[cursorName] = &inode{data: bytes.Clone(f.names[cursorName].data)}
		data := bytes.Clone(f.names[name].data)
		at := r.IntN(len(data))
		data[at] ^= 1 << r.IntN(8)
		g.names[name] = &inode{data: data}
		l, err := Open("", Options{FS: g})
		if err != nil {
			t.Error(err)
			return
		}
		seqs, got := readFrom(t, l, 0)
		s := l.Stats()
		_ = l.Close()
		for i, seq := range seqs {
			if got[i] != records[seq-1] {
				t.Errorf("%s at %d: record %d is another one", name, at, seq)
			}
		}
		lost := len(records) - len(got)
		if lost > 1 || int(s.Lost) != lost || name != cursorName && s.Damaged == 0 || s.Next != uint64(len(records)+1) && lost == 0 {
			t.Errorf("%s at %d: %d lost, %+v", name, at, lost, s)
		}
	})
	t.Logf("%d flips in %d bytes in %v", n, total, time.Since(began))
}

// FuzzScanner feeds the reader of frames anything: it never finds what was not put there.
func FuzzScanner(f *testing.F) {
	const salt = 0x12345678
	var good []byte
	for seq := uint64(3); seq < 6; seq++ {
		c := chunk{}
		c.append(seq, []byte("head"), []byte(strings.Repeat("body", int(seq))))
		sign(c.buf, salt)
		good = append(good, c.buf...)
	}
	f.Add(good, 0, byte(0))
	f.Add(good, 17, byte(4))
	f.Add([]byte(nil), 0, byte(0))
	f.Fuzz(func(t *testing.T, b []byte, at int, x byte) {
		data := append(bytes.Clone(b), good...)
		if len(data) > 0 {
			data[max(at, -at-1)%len(data)] ^= x
		}
		sc := scanner{b: data, salt: salt}
		last, end := uint64(0), 0
		for sc.next() {
			if sc.seq <= last || sc.start < end || sc.at <= sc.start || sc.bad[0] > sc.bad[1] || len(sc.record) == 0 {
				t.Fatalf("%+v after %d", sc, last)
			}
			last, end = sc.seq, sc.at
		}
		// With what was put in front of them undamaged and without frames, all three are found.
		if x == 0 && len(b) == 0 && last != 5 {
			t.Fatalf("last is %d", last)
		}
		if _, _, whole := readSegmentHeader(b); whole && len(b) < segmentHeader {
			t.Fatal("half a header is whole")
		}
		readCursor(b)
	})
}
