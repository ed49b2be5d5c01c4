// Package datadir makes sure that one process at a time owns a data folder.
package datadir

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// LockFile is the name, in the folder, of the file that the lock is held on. The file stays when the lock goes: removing it
// would let two processes lock two different files of that name.
const LockFile = "frogup.lock"

// InUseError reports that another process owns the folder.
type InUseError struct {
	Dir string
	PID int // of the owner; 0 if it could not be read
}

func (e *InUseError) Error() string {
	who := "another process"
	if e.PID > 0 {
		who = fmt.Sprintf("another process (pid %d)", e.PID)
	}
	return fmt.Sprintf("data folder %s is in use by %s; stop it first, or choose another folder", e.Dir, who)
}

// Dir is a data folder owned by this process.
type Dir struct {
	path string
	once sync.Once
	lock *os.File
	err  error
}

// Open creates the folder, for its owner alone, if need be, and locks it. It returns an *InUseError if somebody else, or
// this process a second time, holds the lock. The kernel drops the lock when the process dies, however it dies.
func Open(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(path, LockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &InUseError{Dir: path, PID: readPID(f)}
		}
		return nil, fmt.Errorf("lock data folder %s: %w", path, err)
	}
	if err := writePID(f); err != nil {
		return nil, errors.Join(fmt.Errorf("lock data folder %s: %w", path, err), f.Close())
	}
	return &Dir{path: path, lock: f}, nil
}

// Path is the folder.
func (d *Dir) Path() string { return d.path }

// Join is the path of something in the folder.
func (d *Dir) Join(elem ...string) string {
	return filepath.Join(append([]string{d.path}, elem...)...)
}

// Close gives the folder up. Repeating it does no harm.
func (d *Dir) Close() error {
	d.once.Do(func() { d.err = d.lock.Close() })
	return d.err
}

func readPID(f *os.File) int {
	b, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return pid
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}
