package spool

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// setAside allocates size bytes, so that a full disk shows when a file is made, not when results are written to it, and so
// that a sync need not wait for the file's size. A file system that cannot does without.
func setAside(f *os.File, size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, 0, size)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return nil
		default:
			return err
		}
	}
}

// syncData is fdatasync: the data, and of the rest what is needed to read it.
func syncData(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
