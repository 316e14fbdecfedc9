package store

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"

	"inbox/inbox"
)

// Backup writes a consistent, compact copy of the store to a file that must not exist, and its key beside it. The server
// may go on meanwhile. The copy is brought to the disk before Backup returns.
func (s *Store) Backup(ctx context.Context, who Actor, path string) error {
	if s.Low() {
		return inbox.Errorf(inbox.Unavailable, "back up", "too little disk space is left").WithHint("free some space first")
	}
	if _, err := os.Lstat(path); err == nil {
		return inbox.Errorf(inbox.Conflict, "back up", "%s exists", path).WithHint("name a new file")
	}
	free, err := freeBytes(filepath.Dir(path))
	if err != nil {
		return inbox.Errorf(inbox.Invalid, "back up", "%w", err).WithHint("the directory of the copy must exist")
	}
	if size := fileSize(s.path) + fileSize(s.path+"-wal"); free < uint64(size) {
		return inbox.Errorf(inbox.Unavailable, "back up", "the copy may take %d bytes, and %d are free", size, free)
	}
	if err := s.Audit(ctx, who, "backup", path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return inbox.Errorf(inbox.Unavailable, "back up", "%w", err)
	}
	if err := f.Close(); err != nil {
		return inbox.Errorf(inbox.Unavailable, "back up", "%w", err)
	}
	if err := vacuumInto(ctx, s.path, path); err != nil {
		return err
	}
	if f, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
		return inbox.Errorf(inbox.Unavailable, "back up", "%w", err)
	}
	if err := joinClose(f.Sync(), f.Close); err != nil {
		return inbox.Errorf(inbox.Unavailable, "back up", "%w", err)
	}
	if err := writeSynced(path+".key", s.digest.key); err != nil {
		return inbox.Errorf(inbox.Unavailable, "back up the store's key", "%w", err)
	}
	return nil
}

// vacuumInto copies a database through a connection of its own: those for reading may not run VACUUM.
func vacuumInto(ctx context.Context, from, to string) error {
	db, err := sql.Open("sqlite", dsn(from))
	if err != nil {
		return readError(err)
	}
	_, err = db.ExecContext(ctx, `VACUUM INTO ?`, to)
	return joinClose(readError(err), db.Close)
}
