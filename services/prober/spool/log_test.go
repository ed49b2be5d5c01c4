package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

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
