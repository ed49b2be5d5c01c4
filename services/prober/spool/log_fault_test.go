package spool

import (
	"errors"
	"syscall"
	"testing"
	"time"
)

// After a sync that failed, the file is not used again, and nothing that memory holds is lost.
func TestSyncFails(t *testing.T) {
	for _, times := range []int{1, 2, 5} {
		f := newFaultFS()
		l := open(t, Options{FS: f, Window: time.Millisecond, SegmentBytes: 64 << 10})
		for i := range 100 {
			l.Append(nil, record(i))
		}
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		failing := map[string]int{}
		left := times
		f.mu.Lock()
		f.fail = func(op, name string) error {
			switch {
			case op == "create" || name == cursorName:
				failing[name] = 0 // another file
			case failing[name] > 0 && (op == "sync" || op == "write"):
				failing[name]++
			}
			if op == "sync" && name != cursorName && left > 0 {
				left--
				failing[name]++
				return syscall.EIO
			}
			return nil
		}
		f.mu.Unlock()
		for i := 100; i < 200; i++ {
			l.Append(nil, record(i))
		}
		err := l.Sync(t.Context())
		if (err != nil) != (times >= attempts) || err != nil && !errors.Is(err, syscall.EIO) {
			t.Fatalf("%d failures: %v", times, err)
		}
		// While the disk refuses, results go out of memory.
		if seqs, _ := readFrom(t, l, 0); len(seqs) != 200 {
			t.Fatalf("%d failures: %d to read", times, len(seqs))
		}
		if err != nil {
			if err := l.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for name, n := range failing {
			if n > 1 {
				t.Errorf("%s was written or synced after its sync failed", name)
			}
		}
		if s := l.Stats(); s.Refusals != uint64(times) || s.Err != nil || s.Durable != 200 {
			t.Errorf("%+v", s)
		}
		again := open(t, Options{FS: f.crash(random(1))})
		seqs, records := readFrom(t, again, 0)
		if len(seqs) != 200 || records[150] != string(record(150)) {
			t.Errorf("%d failures: %d records after a crash", times, len(seqs))
		}
	}
}

// A short write is a failed one.
func TestShortWrite(t *testing.T) {
	f := newFaultFS()
	l := open(t, Options{FS: f, Window: time.Millisecond, SegmentBytes: 64 << 10})
	l.Append(nil, record(1))
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := 0
	f.mu.Lock()
	f.short = func(n int) int {
		if done++; done == 1 {
			return n / 2
		}
		return n
	}
	f.mu.Unlock()
	for i := 2; i <= 50; i++ {
		l.Append(nil, record(i))
	}
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := open(t, Options{FS: f.crash(random(2))})
	if seqs, _ := readFrom(t, again, 0); len(seqs) != 50 {
		t.Errorf("%d records", len(seqs))
	}
}

// A backlog of any length is read with little memory.
func TestReadsBacklogFromDisk(t *testing.T) {
	l := open(t, Options{MemoryBytes: minMemory})
	const n = 50_000
	for i := 1; i <= n; i++ {
		for {
			if _, ok := l.Append(nil, record(i)); ok {
				break
			}
		}
		if i%500 == 0 {
			if err := l.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	seqs, records := readFrom(t, l, 0)
	if len(seqs) != n {
		t.Fatalf("%d read, %+v", len(seqs), l.Stats())
	}
	for i, r := range records {
		if seqs[i] != uint64(i+1) || r != string(record(i+1)) {
			t.Fatalf("record %d is another one", i+1)
		}
	}
	if s := l.Stats(); s.Bytes < n*300 || s.Bytes > n*400 {
		t.Errorf("%d bytes pending", s.Bytes)
	}
}

// A sector that cannot be read costs what is in it.
func TestUnreadableSector(t *testing.T) {
	f := newFaultFS()
	l := open(t, Options{FS: f})
	for i := range 1000 {
		l.Append(nil, record(i))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, Options{FS: badSector{f, 40_000}})
	seqs, _ := readFrom(t, l, 0)
	if s := l.Stats(); len(seqs) < 950 || s.Lost == 0 || len(seqs)+int(s.Lost) != 1000 || s.Damaged != 1 {
		t.Errorf("%d read, %+v", len(seqs), s)
	}
}

type badSector struct {
	FS
	at int64
}

func (b badSector) Open(name string) (File, error) {
	f, err := b.FS.Open(name)
	return badFile{f, b.at}, err
}

type badFile struct {
	File
	at int64
}

func (b badFile) ReadAt(p []byte, off int64) (int, error) {
	if off <= b.at && b.at < off+int64(len(p)) {
		n, _ := b.File.ReadAt(p[:max(b.at/sector*sector-off, 0)], off)
		return n, syscall.EIO
	}
	return b.File.ReadAt(p, off)
}
