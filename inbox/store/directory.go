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

// find returns nil if the directory has a database. It creates a missing one if o.Create is set.
func find(ctx context.Context, o *Options, path string) error {
	f, err := datadir.FilesIn(o.Dir)
	switch lost := f.Lost(); {
	case err != nil || f.HaveStore():
		return err
	case lost != "":
		return inbox.Errorf(inbox.NotFound, "open store "+path, "%s: the store of this directory is lost, or some of its files are missing", lost).
			WithHint(fmt.Sprintf("put the missing files back, or restore a backup with its key; to begin a new, empty store, move %s, %s-wal and %s out of the directory first",
				datadir.Database, datadir.Database, datadir.StoreKey))
	case !o.Create:
		return inbox.Errorf(inbox.NotFound, "", "no store at %s", path).
			WithHint("name its directory with --data or INBOX_DATA; `inbox serve` makes a new one")
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return inbox.Errorf(inbox.Unavailable, "create the data directory", "%w", err).
			WithHint("choose a directory that can be written with --data or INBOX_DATA")
	}
	if err := create(ctx, o, path); err != nil {
		var typed *inbox.Error
		if errors.As(err, &typed) {
			return err
		}
		return inbox.Errorf(inbox.Unavailable, "create the store", "%w", err).
			WithHint("choose a directory that can be written with --data or INBOX_DATA")
	}
	o.Log.Info("created a new store", "file", path)
	if releases, err := os.ReadDir(filepath.Join(o.Dir, datadir.Releases)); err == nil && len(releases) > 0 {
		o.Log.Warn("created a new store, but the directory has releases of an earlier one: if its store is missing, stop and restore it", "file", path)
	}
	return nil
}

// create creates a new database and its key. An interruption at any point leaves files that find recognises as an interrupted
// start, or a complete store.
func create(ctx context.Context, o *Options, path string) error {
	if !o.Server {
		lock, err := datadir.TryLock(o.Dir)
		if err != nil {
			return err
		}
		defer lock.Release()
	}
	if f, err := datadir.FilesIn(o.Dir); err != nil || f.HaveStore() { // another process has created it meanwhile
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

// beginFile creates the empty file of a new database and deletes the files of an interrupted start. It syncs the directory, so
// that the name of the database is durable before the key exists.
func beginFile(part string) error {
	for _, name := range []string{part, part + "-wal", part + "-shm", part + "-journal"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := datadir.CreateFile(part, nil); err != nil { // SQLite would use the umask, which may let others read it
		return err
	}
	return datadir.SyncDir(filepath.Dir(part))
}

// fillFile creates the key and the tables, and syncs them to the disk.
func fillFile(ctx context.Context, o Options, part string) error {
	key, err := datadir.EnsureKey(filepath.Join(o.Dir, datadir.StoreKey))
	if err != nil {
		return err
	}
	o.Server = true // the caller holds the process lock
	s := &Store{opt: o, path: part, digest: digester{key: key}}
	return commit.Create(ctx, s.commitOptions())
}
