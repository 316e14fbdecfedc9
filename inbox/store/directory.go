package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/store/commit"
)

// find makes sure that there is a database, and makes a new one if it is missing and o.Create is set.
func find(ctx context.Context, o *Options, path string) error {
	f, err := datadir.FilesIn(o.Dir)
	switch why := f.Lost(); {
	case err != nil || f.HaveStore():
		return err
	case why != "":
		return inbox.Errorf(inbox.NotFound, "open store "+path, "%s: the store that was here is lost, or its files came only in part", why).
			WithHint(fmt.Sprintf("put the missing files back, or restore a backup with its key; to begin a new, empty store, move %s, %s-wal and %s out of the directory first",
				datadir.Database, datadir.Database, datadir.StoreKey))
	case !o.Create:
		return inbox.Errorf(inbox.NotFound, "", "no store at %s", path).
			WithHint("name its directory with --data or INBOX_DATA; `inbox serve` makes a new one")
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return inbox.Errorf(inbox.Unavailable, "make the data directory", "%w", err).
			WithHint("choose a directory that can be written with --data or INBOX_DATA")
	}
	if err := create(ctx, o, path); err != nil {
		var known *inbox.Error
		if errors.As(err, &known) {
			return err
		}
		return inbox.Errorf(inbox.Unavailable, "make the store", "%w", err).
			WithHint("choose a directory that can be written with --data or INBOX_DATA")
	}
	o.Log.Info("a new store was made", "file", path)
	if kept, err := os.ReadDir(filepath.Join(o.Dir, datadir.Releases)); err == nil && len(kept) > 0 {
		o.Log.Warn("a new store was made, but the directory has releases that another one kept: if a store was here, stop and restore it", "file", path)
	}
	return nil
}

// create makes a new database with its key. Cut off at any point, it leaves what find recognises as a start that was cut
// off, or a whole store.
func create(ctx context.Context, o *Options, path string) error {
	if !o.Server {
		lock, err := datadir.TryLock(o.Dir)
		if err != nil {
			return err
		}
		defer lock.Release()
	}
	if f, err := datadir.FilesIn(o.Dir); err != nil || f.HaveStore() { // another process was faster
		return err
	}
	part := filepath.Join(o.Dir, datadir.NewDatabase)
	err := beginFile(part)
	if err == nil {
		err = fillFile(ctx, *o, part)
	}
	if err == nil {
		err = os.Rename(part, path)
	}
	if err == nil {
		err = datadir.SyncDir(o.Dir)
	}
	return err
}

// beginFile makes the empty file of a new database, without what an earlier start left. Its name is on the disk before the
// key's.
func beginFile(part string) error {
	for _, left := range []string{part, part + "-wal", part + "-shm", part + "-journal"} {
		if err := os.Remove(left); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := datadir.CreateFile(part, nil); err != nil { // with its mode, so that no umask makes it readable by others
		return err
	}
	return datadir.SyncDir(filepath.Dir(part))
}

// fillFile makes the key and the tables, and brings them to the disk.
func fillFile(ctx context.Context, o Options, part string) error {
	key, err := datadir.EnsureKey(filepath.Join(o.Dir, datadir.StoreKey))
	if err != nil {
		return err
	}
	o.Server = true // the lock is held
	s := &Store{opt: o, path: part, digest: digester{key: key}}
	return commit.Create(ctx, s.commitOptions())
}
