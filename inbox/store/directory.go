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
)

// A new database is made under this name and gets its own only when it is whole and on the disk, with its key beside it.
// So a file inbox.db that is empty, or a key without one, is never a start that was cut off: it is a loss.
const newSuffix = ".new"

// found is what lies in a data directory before anything is opened: sizes in bytes, -1 for what is not there.
type found struct{ db, log, key, begun int64 }

func survey(path string) (found, error) {
	var f found
	for _, one := range []struct {
		path string
		size *int64
	}{
		{path, &f.db}, {path + "-wal", &f.log}, {filepath.Join(filepath.Dir(path), datadir.StoreKey), &f.key}, {path + newSuffix, &f.begun},
	} {
		info, err := os.Stat(one.path)
		if one.path == path {
			info, err = os.Lstat(path) // a link to nothing is not nothing
		}
		switch {
		case err == nil && one.path == path && !info.Mode().IsRegular():
			return f, notAFile(path, info.Mode())
		case err == nil:
			*one.size = info.Size()
		case errors.Is(err, fs.ErrNotExist):
			*one.size = -1
		default:
			return f, inbox.Errorf(inbox.Unavailable, "open store", "%w", err)
		}
	}
	return f, nil
}

// notAFile refuses what has the database's name and is no file. SQLite would follow a link and keep the log beside what the
// link names, where nothing here looks for it.
func notAFile(path string, mode fs.FileMode) error {
	if mode&fs.ModeSymlink != 0 {
		return inbox.Errorf(inbox.Invalid, "open store "+path, "%s is a link; its log would lie beside the file that it names", datadir.Database).
			WithHint("put the file itself in its place, or make the whole directory a link")
	}
	return inbox.Errorf(inbox.Invalid, "open store "+path, "%s is not a file", datadir.Database).
		WithHint("move it away, and put the file back that was there")
}

// there reports whether there is a database.
func (f found) there() bool { return f.db > 0 }

// cutOff reports whether a start was cut off before it had made the database. It may have left the key.
func (f found) cutOff() bool { return f.begun >= 0 && f.db < 0 && f.log <= 0 }

// lost returns what says that a store was here whose database is not; empty when nothing does. Kept releases and the cache
// say nothing: they can be put into a new directory.
func (f found) lost() string {
	switch {
	case f.there() || f.cutOff():
		return ""
	case f.db == 0:
		return datadir.Database + " is empty"
	case f.log > 0:
		return datadir.Database + " is missing, and its log " + datadir.Database + "-wal is there"
	case f.key >= 0:
		return datadir.Database + " is missing, and its key " + datadir.StoreKey + " is there"
	}
	return ""
}

// find makes sure that there is a database, and makes a new one where there is none and o.Create is set.
func find(ctx context.Context, o *Options, path string) error {
	f, err := survey(path)
	switch why := f.lost(); {
	case err != nil || f.there():
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
	if kept, err := os.ReadDir(filepath.Join(o.Dir, "releases")); err == nil && len(kept) > 0 {
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
	if f, err := survey(path); err != nil || f.there() { // another process was faster
		return err
	}
	part := path + newSuffix
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
	if err := writeSynced(part, nil); err != nil { // with its mode, so that no umask makes it readable by others
		return err
	}
	return datadir.SyncDir(filepath.Dir(part))
}

// fillFile makes the key and the tables, and brings them to the disk.
func fillFile(ctx context.Context, o Options, part string) error {
	key, err := ensureKey(filepath.Join(o.Dir, datadir.StoreKey))
	if err != nil {
		return err
	}
	o.Server = true // the lock is held
	w, err := openWriter(ctx, &Store{opt: o, path: part, digest: digester{key: key}})
	if err != nil {
		return err
	}
	err = w.setMark(randomMark())
	if err == nil {
		_, err = w.moveLog("TRUNCATE")
	}
	return joinClose(err, w.close)
}
