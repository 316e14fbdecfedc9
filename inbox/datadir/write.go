package datadir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// newSuffix ends the names under which [WriteFile] writes, before a number at random.
const newSuffix = ".new-"

// WriteFile puts data into a file, whole or not at all: it writes a temporary file beside path, flushes it, renames it to path
// and flushes the directory. A reader sees the old file or the new one, also after a power cut. What path names is replaced,
// a link too. mode is the file's mode whatever the umask is. A call that fails leaves path as it was, unless only the flush of
// the directory failed; a call that is cut off may leave its temporary file, which [RemoveUnfinished] removes.
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

// RemoveUnfinished removes the temporary files of calls of [WriteFile] for path that were cut off. No other process may write
// path at the same time.
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

// CreateFile makes a new file of this user's alone and flushes it. It returns an error that wraps [fs.ErrExist] when path names
// something already. The directory is not flushed. A call that is cut off may leave a part of the file.
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

// SyncFile brings what was written to a file to the disk.
func SyncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
