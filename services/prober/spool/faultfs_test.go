package spool

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
)

// errKilled is what a file system says after its machine has lost power.
var errKilled = errors.New("killed")

// faultFS is a folder in memory that knows what is durable and what is not. Like a kernel, it keeps writes until a sync; a
// crash keeps what it likes of them.
type faultFS struct {
	mu      sync.Mutex
	names   map[string]*inode
	durable map[string]*inode // names that a crash does not change

	ops    int // that change something, so far
	killAt int // from this one on nothing happens any more; 0: never
	killed bool
	fail   func(op, name string) error // may be nil
	short  func(n int) int             // how much of a write is done; may be nil
	space  int64                       // for all files; 0: no bound
}

type inode struct {
	data   []byte
	synced []byte
	writes []span64 // since the last sync
}

type span64 struct{ from, to int64 }

func newFaultFS() *faultFS { return &faultFS{names: map[string]*inode{}, durable: map[string]*inode{}} }

// op counts and may fail. The lock is held.
func (f *faultFS) op(kind, name string, changes bool) error {
	if f.killed {
		return errKilled
	}
	if changes {
		if f.ops++; f.ops == f.killAt {
			f.killed = true
			return errKilled
		}
	}
	if f.fail != nil {
		return f.fail(kind, name)
	}
	return nil
}

func (f *faultFS) List() ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Keys(f.names)), nil
}

func (f *faultFS) Open(name string) (File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.op("open", name, false); err != nil {
		return nil, err
	}
	n := f.names[name]
	if n == nil {
		return nil, fs.ErrNotExist
	}
	return &faultFile{f, name, n}, nil
}

func (f *faultFS) used() (n int64) {
	for _, x := range f.names {
		n += int64(len(x.data))
	}
	return n
}

func (f *faultFS) Create(name string, size int64) (File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.op("create", name, true); err != nil {
		return nil, err
	}
	if f.names[name] != nil {
		return nil, fs.ErrExist
	}
	if f.space > 0 && f.used()+size > f.space {
		return nil, syscall.ENOSPC
	}
	f.names[name] = &inode{data: make([]byte, size)}
	return &faultFile{f, name, f.names[name]}, nil
}

func (f *faultFS) Rename(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.op("rename", from, true); err != nil {
		return err
	}
	f.names[to] = f.names[from]
	delete(f.names, from)
	return nil
}

func (f *faultFS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.op("remove", name, true); err != nil {
		return err
	}
	delete(f.names, name)
	return nil
}

func (f *faultFS) SyncDir() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.op("syncdir", "", true); err != nil {
		return err
	}
	f.durable = maps.Clone(f.names)
	return nil
}

type faultFile struct {
	fs   *faultFS
	name string
	node *inode
}

func (f *faultFile) ReadAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.op("read", f.name, false); err != nil {
		return 0, err
	}
	if off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.node.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *faultFile) WriteAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.fs.op("write", f.name, true)
	n := len(b)
	switch {
	case errors.Is(err, errKilled), err != nil && f.fs.short == nil:
		return 0, err
	case f.fs.short != nil:
		if n = f.fs.short(n); n < len(b) && err == nil {
			err = io.ErrShortWrite
		}
	}
	if grow := off + int64(n) - int64(len(f.node.data)); grow > 0 {
		if f.fs.space > 0 && f.fs.used()+grow > f.fs.space {
			return 0, syscall.ENOSPC
		}
		f.node.data = append(f.node.data, make([]byte, grow)...)
	}
	copy(f.node.data[off:], b[:n])
	f.node.writes = append(f.node.writes, span64{off, off + int64(n)})
	return n, err
}

// Sync that fails leaves it open what is durable, and forgets that there was anything to be written, as kernels do.
func (f *faultFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.fs.op("sync", f.name, true)
	if errors.Is(err, errKilled) {
		return err
	}
	if err != nil {
		for _, w := range f.node.writes { // nothing of it came to the disk, and what is read now is what is there
			end := min(w.to, int64(len(f.node.data)))
			for i := w.from; i < end; i++ {
				f.node.data[i] = 0
				if i < int64(len(f.node.synced)) {
					f.node.data[i] = f.node.synced[i]
				}
			}
		}
		f.node.writes = nil
		return err
	}
	f.node.synced, f.node.writes = slices.Clone(f.node.data), nil
	return nil
}

func (f *faultFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.op("truncate", f.name, true); err != nil {
		return err
	}
	if size < int64(len(f.node.data)) {
		f.node.data = slices.Clone(f.node.data[:size])
	}
	return nil
}

func (f *faultFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.node.data)), nil
}

func (f *faultFile) Close() error { return nil }

const sector = 512

// crash is what is found after a loss of power: names that were not synced are there or not; of each file what was synced,
// and any of the sectors that were written since, whatever their order was.
func (f *faultFS) crash(r *rand.Rand) *faultFS {
	f.mu.Lock()
	defer f.mu.Unlock()
	after := newFaultFS()
	for name, n := range f.durable {
		if f.names[name] == n || r.IntN(2) == 0 {
			after.names[name] = n.survivor(r)
		}
	}
	for name, n := range f.names {
		if after.names[name] == nil && f.durable[name] != n && r.IntN(2) == 0 {
			after.names[name] = n.survivor(r)
		}
	}
	after.durable = maps.Clone(after.names)
	return after
}

func (n *inode) survivor(r *rand.Rand) *inode {
	size := len(n.synced)
	if r.IntN(2) == 0 {
		size = len(n.data)
	}
	data := make([]byte, size)
	copy(data, n.synced)
	mode := r.IntN(4) // nothing, everything, a half, the end only
	for i, w := range n.writes {
		for from := w.from; from < w.to; {
			to := min((from/sector+1)*sector, w.to)
			keep := mode == 1 || mode == 2 && r.IntN(2) == 0 || mode == 3 && i >= len(n.writes)/2 && from > w.from
			if keep && to <= int64(len(n.data)) {
				if int(to) > len(data) {
					data = append(data, make([]byte, int(to)-len(data))...)
				}
				copy(data[from:to], n.data[from:to])
			}
			from = to
		}
	}
	return &inode{data: data, synced: slices.Clone(data)}
}

// clone is an independent copy in which everything is durable.
func (f *faultFS) clone() *faultFS {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := newFaultFS()
	for name, n := range f.names {
		c.names[name] = &inode{data: slices.Clone(n.data)}
		c.names[name].synced = c.names[name].data
	}
	c.durable = maps.Clone(c.names)
	return c
}
