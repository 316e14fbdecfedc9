package datadir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"inbox/inbox"
)

// Files holds the sizes of a store's files, in bytes, before any was opened; -1 for a missing file.
type Files struct{ database, wal, key, newDatabase int64 }

// FilesIn returns the files of a store that are in a directory. It returns an Invalid error when the database is a link, a
// directory or another file that is not regular, and an Unavailable error when a file cannot be inspected.
func FilesIn(dir string) (Files, error) {
	var f Files
	path := filepath.Join(dir, Database)
	for _, file := range []struct {
		name string
		size *int64
	}{{Database, &f.database}, {WAL, &f.wal}, {StoreKey, &f.key}, {NewDatabase, &f.newDatabase}} {
		stat := os.Stat
		if file.name == Database {
			stat = os.Lstat // a dangling link is not a missing database
		}
		info, err := stat(filepath.Join(dir, file.name))
		switch {
		case err == nil && file.name == Database && !info.Mode().IsRegular():
			return f, notAFile(path, info.Mode())
		case err == nil:
			*file.size = info.Size()
		case errors.Is(err, fs.ErrNotExist):
			*file.size = -1
		default:
			return f, inbox.Errorf(inbox.Unavailable, "open store", "%w", err)
		}
	}
	return f, nil
}

// notAFile returns the error for a database that is not a regular file. SQLite would follow a link and put its log beside the
// target of the link, where this package does not look for it.
func notAFile(path string, mode fs.FileMode) error {
	if mode&fs.ModeSymlink != 0 {
		return inbox.Errorf(inbox.Invalid, "open store "+path, "%s is a link; its log would be written beside the link's target", Database).
			WithHint("replace the link by the file itself, or make the whole directory a link")
	}
	return inbox.Errorf(inbox.Invalid, "open store "+path, "%s is not a file", Database).
		WithHint("move it away, and put the original file back")
}

// HaveStore reports whether there is a database.
func (f Files) HaveStore() bool { return f.database > 0 }

// unfinished reports whether a start was interrupted before it had created the database. It may have left the key.
func (f Files) unfinished() bool { return f.newDatabase >= 0 && f.database < 0 && f.wal <= 0 }

// Lost returns the sign that the directory had a store whose database was lost; empty without such a sign. Releases and the
// cache are no signs, because operators may copy them into a new directory.
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
