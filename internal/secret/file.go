package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// fileMode lets the owner alone read the keys.
const fileMode fs.FileMode = 0o600

// PermissionError reports a key file that others than its owner could read.
type PermissionError struct {
	Path string
	Mode fs.FileMode
}

func (e *PermissionError) Error() string {
	return fmt.Sprintf("key file %s is open to others (mode %04o): run chmod 600 on it, and rotate the keys if somebody may have read it",
		e.Path, e.Mode.Perm())
}

// LoadOrCreate reads the box in the file at path, or makes one and stores it there, readable by its owner alone. It refuses
// a file with wider permissions with a *PermissionError. Losing the file loses everything sealed with it.
func LoadOrCreate(path string) (*Box, error) {
	box, err := Load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return box, err
	}
	if box, err = Generate(); err != nil {
		return nil, err
	}
	tmp, err := writeBeside(path, box)
	if err != nil {
		return nil, err
	}
	defer os.Remove(tmp)
	// A link, unlike a rename, fails if somebody else created the file meanwhile; then theirs is the one.
	if err := os.Link(tmp, path); errors.Is(err, fs.ErrExist) {
		return Load(path)
	} else if err != nil {
		return nil, fmt.Errorf("create key file: %w", err)
	}
	if err := syncDir(path); err != nil {
		return nil, err
	}
	return box, nil
}

// Load reads the box in the file at path. The error wraps fs.ErrNotExist if there is none.
func Load(path string) (*Box, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, &PermissionError{Path: path, Mode: info.Mode()}
	}
	raw, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	box, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return box, nil
}

// Rotate puts a new primary key into the file at path and returns the new box. What was sealed before still opens.
func Rotate(path string) (*Box, error) {
	old, err := Load(path)
	if err != nil {
		return nil, err
	}
	box, err := old.Rotated()
	if err != nil {
		return nil, err
	}
	tmp, err := writeBeside(path, box)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(tmp, path); err != nil {
		return nil, errors.Join(fmt.Errorf("replace key file: %w", err), os.Remove(tmp))
	}
	if err := syncDir(path); err != nil {
		return nil, err
	}
	return box, nil
}

// writeBeside writes the box, through to the disk, to a new file in the folder of path and returns its name.
func writeBeside(path string, box *Box) (string, error) {
	raw, err := box.marshal()
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return "", fmt.Errorf("write key file: %w", err)
	}
	_, err = f.Write(raw)
	if err == nil {
		err = f.Chmod(fileMode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("write key file: %w", err), os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// syncDir makes the new name in the folder survive a power cut.
func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("sync key folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync key folder: %w", err)
	}
	return nil
}
