package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/datadir"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, o Options) *Log {
	t.Helper()
	dir := ""
	if o.FS == nil {
		dir = t.TempDir()
	}
	l, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// readFrom collects every record above after that is there.
func readFrom(t testing.TB, l *Log, after uint64) (seqs []uint64, records []string) {
	t.Helper()
	r := l.NewReader()
	for {
		found, err := r.Read(after, func(seq uint64, record []byte) bool {
			if seq <= after {
				t.Errorf("number %d after %d", seq, after)
			}
			after = seq
			seqs, records = append(seqs, seq), append(records, string(record))
			return true
		})
		if err != nil {
			t.Error(err)
		}
		if !found || err != nil {
			return seqs, records
		}
	}
}

func record(i int) []byte { return fmt.Appendf(nil, "%d:%s", i, strings.Repeat("x", i%700)) }

func TestKeepsOverARestart(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.As(err, new(*datadir.InUseError)) {
		t.Errorf("a second opening says %v", err)
	}
	for i := 1; i <= 5000; i++ {
		if seq, ok := l.Append([]byte("h"), record(i)); !ok || seq != uint64(i) {
			t.Fatalf("number %d, %v, want %d", seq, ok, i)
		}
	}
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.Ack(1234)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	visited := 0
	l, err = Open(dir, Options{Visit: func(seq uint64, _ []byte) { visited++ }})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if s := l.Stats(); s.Acked != 1234 || s.Next != 5001 || s.Pending != 3766 || s.Lost+s.Damaged != 0 || visited != 3766 {
		t.Errorf("%+v, %d visited", s, visited)
	}
	seqs, records := readFrom(t, l, 0)
	if len(seqs) != 3766 || seqs[0] != 1235 || records[0] != "h"+string(record(1235)) || records[3765] != "h"+string(record(5000)) {
		t.Errorf("%d records from %d", len(seqs), seqs[0])
	}
	if seq, _ := l.Append(nil, []byte("z")); seq != 5001 {
		t.Errorf("numbers go on with %d", seq)
	}
}

// What is not durable is not read; whoever waits is told when it is.
func TestReadsOnlyWhatIsDurable(t *testing.T) {
	f := newFaultFS()
	sync := make(chan struct{})
	f.fail = func(op, name string) error {
		if op == "sync" {
			f.mu.Unlock()
			<-sync
			f.mu.Lock()
		}
		return nil
	}
	l := open(t, Options{FS: f, Window: time.Millisecond, SegmentBytes: 64 << 10})
	l.Append(nil, []byte("a"))
	select {
	case <-l.Ready(0):
		t.Error("there is something to read before the sync")
	case <-time.After(30 * time.Millisecond):
	}
	if found, _ := l.NewReader().Read(0, func(uint64, []byte) bool { return true }); found {
		t.Error("read before the sync")
	}
	close(sync)
	<-l.Ready(0)
	if seqs, _ := readFrom(t, l, 0); len(seqs) != 1 {
		t.Errorf("%d read", len(seqs))
	}
}

func TestManyWaitForOneSync(t *testing.T) {
	l := open(t, Options{})
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 50 {
				l.Append(nil, []byte("record"))
				if err := l.Sync(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if s := l.Stats(); s.Durable != 3200 || s.Syncs >= 3200 {
		t.Errorf("%+v", s)
	}
}

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
		time.Sleep(fullPatience - time.Second)
		if s := l.Stats(); s.Dropped != 0 || s.Err == nil {
			t.Errorf("before: %+v", s)
		}
		time.Sleep(2 * time.Second)
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

func TestRefusesWhatIsNoRecord(t *testing.T) {
	l := open(t, Options{})
	for _, b := range [][]byte{nil, make([]byte, MaxRecord+1)} {
		if _, ok := l.Append(nil, b); ok {
			t.Errorf("%d bytes are taken", len(b))
		}
	}
	big := bytes.Repeat([]byte("b"), MaxRecord)
	if _, ok := l.Append(nil, big); !ok {
		t.Fatal("the longest record is not taken")
	}
	l.Append(nil, []byte("after"))
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, records := readFrom(t, l, 0); len(records) != 2 || records[0] != string(big) {
		t.Errorf("%d records", len(records))
	}
}

// Whatever is appended, synced, read, acknowledged, dropped and opened again: what is read is what was appended.
func TestAgainstAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := newFaultFS()
		o := Options{
			FS: f, Window: time.Hour, SegmentBytes: 64 << 10, Blocks: rapid.Bool().Draw(rt, "blocks"), MemoryBytes: minMemory,
			MaxBytes: rapid.SampledFrom([]int64{256 << 10, 1 << 20, 1 << 30}).Draw(rt, "max"),
		}
		l, err := Open("", o)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		model, next, acked, refused := map[uint64]string{}, uint64(1), uint64(0), 0
		dropped := uint64(0) // in former lives
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				length := rapid.SampledFrom([]int{1, 50, 900, 20_000, chunkBytes + 1}).Draw(rt, "length")
				for range rapid.IntRange(1, max(400_000/length, 1)).Draw(rt, "times") % 2000 {
					r := fmt.Sprintf("%d%s", next, strings.Repeat("y", length))
					seq, ok := l.Append([]byte(r[:1]), []byte(r[1:]))
					if !ok {
						refused++
						continue
					}
					if seq != next {
						rt.Fatalf("number %d, want %d", seq, next)
					}
					model[seq], next = r, next+1
				}
			},
			"sync": func(rt *rapid.T) {
				if err := l.Sync(t.Context()); err != nil {
					rt.Fatal(err)
				}
			},
			"acknowledge": func(rt *rapid.T) {
				s := l.Stats()
				acked = s.Acked + rapid.Uint64Range(0, s.Durable-s.Acked).Draw(rt, "to")
				l.Ack(acked)
			},
			"open again": func(rt *rapid.T) {
				dropped += l.Stats().Dropped
				if err := l.Close(); err != nil {
					rt.Fatal(err)
				}
				var err error
				if l, err = Open("", o); err != nil {
					rt.Fatal(err)
				}
				dropped += l.Stats().Lost // dropped in memory, before
			},
			"": func(rt *rapid.T) {
				s := l.Stats()
				seqs, records := readFrom(t, l, 0)
				for i, seq := range seqs {
					if records[i] != model[seq] {
						rt.Fatalf("record %d is another one", seq)
					}
				}
				if after := l.Stats(); after.Durable == s.Durable && after.Dropped == s.Dropped && s.Durable == s.Next-1 && len(seqs) != s.Pending {
					rt.Fatalf("%d read, %+v", len(seqs), s)
				}
				if s.Next != next || s.Acked < acked || s.Lost > dropped {
					rt.Fatalf("next %d, acknowledged %d: %+v", next, acked, s)
				}
				if o.Blocks && s.Acked != acked {
					rt.Fatalf("acknowledged %d: %+v", acked, s)
				}
			},
		})
	})
}

func TestFilesAreTheOwnersOnly(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	l.Append(nil, []byte("secret"))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
	if len(entries) != 3 { // lock, cursor, one segment
		t.Errorf("%v", entries)
	}
}

var _ io.ReaderAt = (*faultFile)(nil)
