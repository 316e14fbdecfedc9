package commit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"inbox/inbox/datadir"
)

// startWatch raises the mark and begins to watch the files. A server also starts when the disk is full or cannot be written; its
// changes fail until a write succeeds. A failed flush is an error.
func (f *file) startWatch() error {
	mark, err := f.raiseMark()
	if FlushFailed(err) || (err != nil && !DiskFailed(err)) {
		return err
	}
	if err != nil {
		f.opt.Log.Warn("cannot write to the store at the start; its mark is not raised", "error", err)
	}
	f.watch, err = watchFiles(f.opt, mark)
	return err
}

// checkFiles returns a [displaced] error when a file is displaced, and keeps the first one in lost.
func (f *file) checkFiles() error {
	err := f.watch.check()
	if d, ok := isDisplaced(err); ok && f.lost == nil {
		f.lost = d
	}
	return err
}

// closeServer closes the files of a server, and saves the contents of displaced ones.
func (f *file) closeServer() error {
	_ = f.checkFiles() // it stores its error in lost
	if f.lost != nil {
		f.saveKey()
	}
	if f.lost != nil && f.lost.overwritten {
		// Closing the connection would move pages between files of different databases. The end of the program closes it.
		return f.moveLogAway()
	}
	f.checkpointAtClose()
	saved := f.lost != nil && f.conn != nil && f.saveCopy()
	err := JoinClose(nil, f.close, f.watch.close)
	if saved {
		for _, old := range []string{f.opt.Path + "-wal", f.opt.Path + "-shm"} { // they belong to the displaced file; the copy contains them
			if rerr := os.Remove(old); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
				err = errors.Join(err, rerr)
			}
		}
	}
	return err
}

// saveKey saves the key, because the server may have the last copy, and the saved store cannot be opened without it. It writes the
// key to its path when no file is there, and beside it when the file there has another key.
func (f *file) saveKey() {
	p := f.watch
	dir := filepath.Dir(p.path)
	if _, err := sameFile(statFile, dir, p.dir); err != nil {
		return
	}
	path := f.opt.Beside.Key
	restored, err := p.checkKey(&f.opt.Beside)
	if d, other := isDisplaced(err); other && d.key {
		path = f.replacedName(path)
		restored, err = true, datadir.CreateFile(path, f.opt.Beside.Have)
	}
	switch {
	case err != nil:
		f.opt.Log.Error("cannot save the store's key", "file", path, "error", err)
	case restored:
		f.opt.Log.Error("the store's key was not in its file: it was saved", "file", path)
	}
}

// moveLogAway renames the log of an overwritten database, so that the next start does not read it with the new file. The log is
// kept, because it may have the newest events of the old database.
func (f *file) moveLogAway() error {
	log := f.opt.Path + "-wal"
	if st, err := statFile(log); !f.lost.another || err != nil || st.id != f.watch.logID || st.size == 0 {
		return nil
	}
	to := f.replacedName(log)
	if err := os.Rename(log, to); err != nil {
		return fmt.Errorf("keep the log: %w", err)
	}
	f.opt.Log.Error("the store's file was overwritten: its log, with the newest events, is kept", "file", to)
	if err := os.Remove(f.opt.Path + "-shm"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep the log: %w", err)
	}
	return nil
}

// replacedName returns the path for saving a file when another file is at its own path.
func (f *file) replacedName(path string) string {
	return fmt.Sprintf("%s.replaced-%s", path, f.opt.Now().UTC().Format("20060102T150405Z"))
}

// saveCopy saves the contents of a displaced database, because a removed file is deleted when the program ends. It writes a copy
// to the database's path when no file is there, and reports that; otherwise it writes the copy beside it. It saves nothing when
// the file still has another name, or when the directory was replaced.
func (f *file) saveCopy() (inPlace bool) {
	p := f.watch
	if _, err := sameFile(statFile, filepath.Dir(p.path), p.dir); err != nil {
		return false
	}
	to := p.path
	switch st, err := lstatFile(p.path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil || st.id == p.db:
		return false
	default:
		if info, err := p.file.Stat(); err != nil || links(info) > 0 {
			return false
		}
		to = f.replacedName(p.path)
	}
	if err := f.copyTo(to); err != nil {
		f.opt.Log.Error("cannot save the store's contents", "file", to, "error", err)
		return false
	}
	f.opt.Log.Error("the store's file was moved, removed or replaced: all its contents were saved", "file", to)
	return to == p.path
}

// copyTo copies the database to a path without a file, through the connection that has it open.
func (f *file) copyTo(path string) error {
	part := path + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := datadir.CreateFile(part, nil); err != nil {
		return err
	}
	_, err := f.conn.Exec("VACUUM INTO ?", part)
	if err == nil {
		err = remark(context.Background(), part)
	}
	if err == nil {
		err = datadir.SyncFile(part)
	}
	if err == nil {
		err = renameNew(part, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return datadir.SyncDir(filepath.Dir(path))
}

// renameNew renames a file to a path without a file. It does not replace a file that another program creates meanwhile.
func renameNew(from, to string) error {
	err := os.Link(from, to) // fails when the path exists
	if err == nil {
		return os.Remove(from)
	}
	if _, serr := os.Lstat(to); errors.Is(serr, fs.ErrNotExist) { // the file system has no hard links
		return os.Rename(from, to)
	}
	return err
}
