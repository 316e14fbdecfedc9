package datadir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"inbox/inbox"
)

// Files tells which files of a store were in a data directory before anything was opened: sizes in bytes, -1 without the file.
type Files struct{ database, wal, key, begun int64 }

// FilesIn looks which files of a store are in a directory. It returns an Invalid error when the database's name belongs to a
// link, a directory or anything else that is no regular file, and an Unavailable one when it cannot look.
func FilesIn(dir string) (Files, error) {
	var f Files
	path := filepath.Join(dir, Database)
	for _, one := range []struct {
		name string
		size *int64
	}{{Database, &f.database}, {WAL, &f.wal}, {StoreKey, &f.key}, {NewDatabase, &f.begun}} {
		look := os.Stat
		if one.name == Database {
			look = os.Lstat // a link to nothing is not nothing
		}
		info, err := look(filepath.Join(dir, one.name))
		switch {
		case err == nil && one.name == Database && !info.Mode().IsRegular():
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
		return inbox.Errorf(inbox.Invalid, "open store "+path, "%s is a link; its log would lie beside the file that it names", Database).
			WithHint("put the file itself in its place, or make the whole directory a link")
	}
	return inbox.Errorf(inbox.Invalid, "open store "+path, "%s is not a file", Database).
		WithHint("move it away, and put the file back that was there")
}

// HaveStore reports whether there is a database.
func (f Files) HaveStore() bool { return f.database > 0 }

// unfinished reports whether a start was cut off before it had made the database. It may have left the key.
func (f Files) unfinished() bool { return f.begun >= 0 && f.database < 0 && f.wal <= 0 }

// Lost returns what says that a store was here whose database is not; empty when nothing does. Kept releases and the cache
// say nothing: they can be put into a new directory.
func (f Files) Lost() string {
	switch {
	case f.HaveStore() || f.unfinished():
		return ""
	case f.database == 0:
		return Database + " is empty"
	case f.wal > 0:
		return Database + " is missing, and its log " + WAL + " is there"
	case f.key >= 0:
		return Database + " is missing, and its key " + StoreKey + " is there"
	}
	return ""
}
