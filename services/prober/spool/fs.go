package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// FS is what a log needs of the folder that it lives in. Names have no folders. Tests put faults behind it.
type FS interface {
	// List names every file, in any order.
	List() ([]string, error)
	// Open opens a file for reading and writing; fs.ErrNotExist if there is none.
	Open(name string) (File, error)
	// Create makes a new, empty file and sets size bytes of room aside for it, as far as the file system can; 0 sets none
	// aside. Nothing is left of it after an error.
	Create(name string, size int64) (File, error)
	// Rename gives a file another name.
	Rename(from, to string) error
	// Remove deletes a file.
	Remove(name string) error
	// SyncDir makes what was created, renamed and removed durable.
	SyncDir() error
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes what was written durable. After an error nobody knows what is.
	Sync() error
	Truncate(size int64) error
	Size() (int64, error)
}

// folder is an FS in a folder of the system.
type folder struct{ path string }

func (d folder) List() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (d folder) Open(name string) (File, error) {
	f, err := os.OpenFile(filepath.Join(d.path, name), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

func (d folder) Create(name string, size int64) (File, error) {
	path := filepath.Join(d.path, name)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if size > 0 {
		if err := setAside(f, size); err != nil {
			return nil, errors.Join(fmt.Errorf("set %d bytes aside for %s: %w", size, path, err), f.Close(), os.Remove(path))
		}
	}
	return file{f}, nil
}

func (d folder) Rename(from, to string) error {
	return os.Rename(filepath.Join(d.path, from), filepath.Join(d.path, to))
}

func (d folder) Remove(name string) error { return os.Remove(filepath.Join(d.path, name)) }

func (d folder) SyncDir() error {
	f, err := os.Open(d.path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

type file struct{ *os.File }

func (f file) Sync() error { return syncData(f.File) }

func (f file) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
