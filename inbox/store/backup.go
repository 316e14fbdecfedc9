package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/store/commit"
)

// Backup writes a consistent, compact copy of the store to a new file, and its key to FILE.key. It returns a Conflict if a file
// exists. The server may run meanwhile. The copy is renamed to its name after it is complete and synced. A backup that fails
// leaves no files. Only SQLite opens the live file: a close of any other descriptor would release SQLite's locks.
func (s *Store) Backup(ctx context.Context, actor inbox.Actor, path string) error {
	if err := s.backupFits(path); err != nil {
		return err
	}
	if err := s.Audit(ctx, actor, "backup", path); err != nil {
		return err
	}
	err := s.backup(ctx, path)
	var typed *inbox.Error
	if err == nil || errors.As(err, &typed) {
		return err
	}
	return inbox.Errorf(inbox.Unavailable, "back up", "%w", err)
}

func (s *Store) backup(ctx context.Context, path string) error {
	part, key := path+".part", path+".key"
	if err := s.copyTo(ctx, part); err != nil {
		return err
	}
	if err := datadir.CreateFile(key, s.digest.key); err != nil {
		if !errors.Is(err, os.ErrExist) {
			err = errors.Join(err, os.Remove(key))
		}
		return errors.Join(err, os.Remove(part))
	}
	if err := os.Rename(part, path); err != nil {
		return errors.Join(err, os.Remove(key), os.Remove(part))
	}
	return datadir.SyncDir(filepath.Dir(path))
}

// backupFits returns an error when a backup to a path is not possible: the disk is low, a file exists, or the copy may not fit.
func (s *Store) backupFits(path string) error {
	if s.Low() {
		return inbox.Errorf(inbox.Unavailable, "back up", "too little disk space is left").WithHint("free some space first")
	}
	for _, name := range []string{path, path + ".key", path + ".part"} {
		_, err := os.Lstat(name)
		switch {
		case err == nil:
			return inbox.Errorf(inbox.Conflict, "back up", "%s exists", name).WithHint("name a new file")
		case !errors.Is(err, os.ErrNotExist):
			return inbox.Errorf(inbox.Invalid, "back up", "%w", err).WithHint("the directory of the copy must exist")
		}
	}
	free, err := datadir.FreeBytes(filepath.Dir(path))
	if err != nil {
		return inbox.Errorf(inbox.Invalid, "back up", "%w", err).WithHint("the directory of the copy must exist")
	}
	if size := fileSize(s.path) + fileSize(s.path+"-wal"); free < uint64(size) {
		return inbox.Errorf(inbox.Unavailable, "back up", "the copy may take %d bytes, and %d are free", size, free).
			WithHint("free some space, or name a file on another disk")
	}
	return nil
}

// copyTo writes the copy and syncs it to the disk. It creates the empty file first, because SQLite would use the umask, which may
// let others read the file.
func (s *Store) copyTo(ctx context.Context, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err = readError(commit.VacuumInto(ctx, s.path, path)); err == nil {
		err = f.Sync()
	}
	if err = commit.JoinClose(err, f.Close); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// fileSize returns the size of a file in bytes, 0 for a missing file. It does not open the file, for the reason in [Store.Backup].
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
