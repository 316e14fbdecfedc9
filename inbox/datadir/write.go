package datadir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// newSuffix follows the file's name in the names of [WriteFile]'s temporary files. A random number follows it.
const newSuffix = ".new-"

// WriteFile writes data to a file atomically: it writes a temporary file beside path, flushes it, renames it to path and flushes
// the directory. A reader sees the old file or the new one, also after a power cut. A link at path is replaced, not followed.
// mode is the file's mode; the umask does not change it. A call that fails leaves path unchanged, unless only the flush of the
// directory failed. A call that is interrupted may leave its temporary file, which [RemoveUnfinished] removes.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	f, err := os.CreateTemp(dir, name+newSuffix+"*") // with mode 0600
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil && mode != 0o600 {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return SyncDir(dir)
}

// RemoveUnfinished removes the temporary files of interrupted calls of [WriteFile] for path. No other process may write path at
// the same time.
func RemoveUnfinished(path string) error {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), name+newSuffix) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// CreateFile creates a file with mode 0600 and flushes it. It returns an error that wraps [fs.ErrExist] when path exists. It does
// not flush the directory. A call that fails or is interrupted may leave a part of the file.
func CreateFile(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// SyncFile flushes a file.
func SyncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
