package prober

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/services/prober/spool"
)

// moodyFS is a folder in memory whose syncs do as they are told.
type moodyFS struct {
	mu    sync.Mutex
	files map[string]*moodyFile
	sync  func() error
}

func (m *moodyFS) tell(sync func() error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sync = sync
}

func (m *moodyFS) List() (names []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.files {
		names = append(names, name)
	}
	return names, nil
}

func (m *moodyFS) Open(name string) (spool.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.files[name]; f != nil {
		return f, nil
	}
	return nil, fs.ErrNotExist
}

func (m *moodyFS) Create(name string, _ int64) (spool.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[name] != nil {
		return nil, fs.ErrExist
	}
	f := &moodyFile{fs: m}
	m.files[name] = f
	return f, nil
}

func (m *moodyFS) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[to] = m.files[from]
	delete(m.files, from)
	return nil
}

func (m *moodyFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	return nil
}

func (m *moodyFS) SyncDir() error { return nil }

// moodyFile is one of its files.
type moodyFile struct {
	fs   *moodyFS
	data []byte
}

func (f *moodyFile) ReadAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if off >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *moodyFile) WriteAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if more := off + int64(len(b)) - int64(len(f.data)); more > 0 {
		f.data = append(f.data, make([]byte, more)...)
	}
	return copy(f.data[off:], b), nil
}

func (f *moodyFile) Sync() error {
	f.fs.mu.Lock()
	sync := f.fs.sync
	f.fs.mu.Unlock()
	if sync == nil {
		return nil
	}
	return sync()
}

func (f *moodyFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.data = f.data[:min(size, int64(len(f.data)))]
	return nil
}

func (f *moodyFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.data)), nil
}

func (f *moodyFile) Close() error { return nil }

// A disk that refuses for a moment, or takes its time, is not worth a word; one that goes on so is, until it takes writes again.
func TestDiskOutboxSaysWhatIsWrong(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		disk := &moodyFS{files: map[string]*moodyFile{}}
		box := openOutbox(t, "", OutboxOptions{fs: disk})
		m, err := newMetrics(nil)
		if err != nil {
			t.Fatal(err)
		}
		g := newEngine(Config{MaxChecks: 1, MaxChecksPerHost: 1}, nil, nil, box, m, newTracer(nil, -1), nil)
		defer g.cancel()
		s := &Service{engine: g}
		want := func(what string, cause error, failing bool) {
			t.Helper()
			if err := s.Check(t.Context()); (err != nil) != failing || cause != nil && !errors.Is(err, cause) {
				t.Errorf("%s: %v", what, err)
			}
			faults := s.Report().GetFaults() // which the centre tells the operator of
			switch {
			case len(faults) == 0 && !failing:
			case !failing || len(faults) != 1 || faults[0].GetErrorType() != "internal_error" || !strings.Contains(faults[0].GetMessage(), "data folder"):
				t.Errorf("%s: the centre is told %v", what, faults)
			case !faults[0].GetSince().AsTime().Before(time.Now().Add(-diskPatience)):
				t.Errorf("%s: it began %v", what, faults[0].GetSince().AsTime())
			}
		}
		row := &checkv1.CheckResult{MonitorId: 1, Status: checkv1.ResultStatus_RESULT_STATUS_SUCCESS}
		put(t, box, row, "")
		pass(time.Second)
		want("a disk that works", nil, false)

		disk.tell(func() error { return syscall.EIO })
		put(t, box, row, "")
		pass(diskPatience - time.Second)
		want("refused for a moment", nil, false)
		pass(2 * time.Second)
		want("refused for long", syscall.EIO, true)
		disk.tell(nil)
		pass(time.Second)
		want("it works again", nil, false)

		answer := make(chan struct{})
		disk.tell(func() error { <-answer; return nil })
		put(t, box, row, "")
		pass(writePatience - time.Second)
		want("slow", nil, false)
		pass(2 * time.Second)
		want("without an answer", nil, true)
		close(answer)
		pass(time.Second)
		want("it has answered", nil, false)
	})
}
