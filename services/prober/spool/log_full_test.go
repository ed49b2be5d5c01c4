package spool

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/bubbletest"
)

// A full log gives up its oldest segments, or takes nothing more; every record is counted.
func TestFull(t *testing.T) {
	for _, blocks := range []bool{false, true} {
		t.Run(fmt.Sprintf("blocks %v", blocks), func(t *testing.T) {
			f := newFaultFS()
			o := Options{FS: f, MaxBytes: 256 << 10, MemoryBytes: minMemory, Blocks: blocks}
			l := open(t, o)
			taken := 0
			for range 2000 {
				if _, ok := l.Append(nil, make([]byte, 1000)); ok {
					taken++
				}
				if err := l.Sync(t.Context()); err != nil {
					t.Fatal(err)
				}
				if n := f.used(); n > o.MaxBytes+8192 {
					t.Fatalf("%d bytes on disk", n)
				}
			}
			s := l.Stats()
			if s.Pending+int(s.Dropped+s.Refused) != 2000 || s.Pending < 200 || (taken < 2000) != blocks {
				t.Fatalf("%d taken, %+v", taken, s)
			}
			seqs, _ := readFrom(t, l, 0)
			if len(seqs) != s.Pending || blocks && seqs[0] != 1 || !blocks && seqs[len(seqs)-1] != 2000 {
				t.Errorf("%d read from %d", len(seqs), seqs[0])
			}
			l.Ack(seqs[len(seqs)/2])
			if _, ok := l.Append(nil, make([]byte, 1000)); !ok {
				t.Error("no room after an acknowledgement")
			}
		})
	}
}

// A disk that is full for a moment costs nothing: what comes waits in memory, and can be read there.
func TestDiskFullForAMoment(t *testing.T) { bubbletest.Test(t, diskFullForAMoment) }

func diskFullForAMoment(t *testing.T) {
	f := newFaultFS()
	l := open(t, Options{FS: f, SegmentBytes: 16 << 10})
	fill := func(n int) {
		for range n {
			l.Append(nil, make([]byte, 1000))
		}
	}
	fill(100)
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	f.space = 1
	f.mu.Unlock()
	fill(100)
	if err := l.Sync(t.Context()); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("a full disk: %v", err)
	}
	if seqs, _ := readFrom(t, l, 0); len(seqs) != 200 {
		t.Errorf("%d of 200 to read while the disk is full", len(seqs))
	}
	f.mu.Lock()
	f.space = 0
	f.mu.Unlock()
	for l.Stats().Err != nil {
		_ = l.Sync(t.Context())
	}
	if got, _ := readFrom(t, open(t, Options{FS: f.crash(random(5))}), 0); len(got) != 200 || l.Stats().Dropped != 0 {
		t.Errorf("%d of 200 on disk, %+v", len(got), l.Stats())
	}
}

// One that stays full is a smaller bound, however much memory there is: a crash would cost what is there.
func TestDiskStaysFull(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		f := newFaultFS()
		l := open(t, Options{FS: f, SegmentBytes: 16 << 10})
		for range 100 {
			l.Append(nil, make([]byte, 1000))
		}
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.mu.Lock()
		f.space = f.used() + 1
		f.mu.Unlock()
		for range 20 { // more than the last segment has room for
			l.Append(nil, make([]byte, 1000))
		}
		pass(fullPatience - time.Second)
		if s := l.Stats(); s.Dropped != 0 || s.Err == nil {
			t.Errorf("before: %+v", s)
		}
		pass(2 * time.Second)
		if s := l.Stats(); s.Dropped == 0 || s.Err != nil || s.Durable != 120 {
			t.Errorf("after %v: %+v", fullPatience, s)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A full disk is a smaller bound: the oldest results give way; if there are none, results go through memory.
func TestDiskFull(t *testing.T) { bubbletest.Test(t, diskFull) }

func diskFull(t *testing.T) {
	f := newFaultFS()
	l := open(t, Options{FS: f, MaxBytes: 1 << 20, MemoryBytes: minMemory})
	f.mu.Lock()
	f.space = 300 << 10
	f.mu.Unlock()
	for range 1000 {
		l.Append(nil, make([]byte, 1000))
		if err := l.Sync(t.Context()); err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	s := l.Stats()
	if s.Dropped == 0 || s.Pending+int(s.Dropped+s.Refused) != 1000 || s.Pending < 100 {
		t.Errorf("%+v", s)
	}
	f.mu.Lock()
	f.space = 1
	f.mu.Unlock()
	l.Ack(1000)
	for range 5000 {
		l.Append(nil, make([]byte, 1000))
	}
	for range 2 {
		if err := l.Sync(t.Context()); err == nil {
			continue
		} else if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	seqs, _ := readFrom(t, l, 1000)
	if s = l.Stats(); len(seqs) < 500 || s.Pending != len(seqs) || s.Err == nil {
		t.Errorf("%d to read, %+v", len(seqs), s)
	}
	f.mu.Lock()
	f.space = 0
	f.mu.Unlock()
	for l.Stats().Err != nil {
		_ = l.Sync(t.Context())
	}
	if got, _ := readFrom(t, open(t, Options{FS: f.crash(random(3))}), 1000); len(got) < len(seqs) {
		t.Errorf("%d of %d on disk when there is room again", len(got), len(seqs))
	}
}

// Memory is bounded, however long the disk hangs; what is given up is counted.
func TestDiskHangs(t *testing.T) {
	f := newFaultFS()
	hang := make(chan struct{})
	f.fail = func(op, name string) error {
		if op == "sync" {
			f.mu.Unlock()
			<-hang
			f.mu.Lock()
		}
		return nil
	}
	l := open(t, Options{FS: f, MemoryBytes: minMemory})
	for range 20_000 {
		l.Append(nil, make([]byte, 1000))
	}
	l.mu.Lock()
	memory := l.memory
	l.mu.Unlock()
	s := l.Stats()
	if memory > minMemory || s.Dropped+s.Refused == 0 || s.Pending+int(s.Dropped+s.Refused) != 20_000 {
		t.Errorf("%d bytes in memory, %+v", memory, s)
	}
	close(hang)
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if seqs, _ := readFrom(t, l, 0); len(seqs) != s.Pending {
		t.Errorf("%d read of %d", len(seqs), s.Pending)
	}
}
