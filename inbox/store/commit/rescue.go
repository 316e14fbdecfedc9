package commit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// startWatch raises the mark and begins to watch the files.
func (f *file) startWatch() error {
	mark, err := f.raiseMark()
	if FlushFailed(err) || (err != nil && !DiskFailed(err)) {
		return err
	}
	if err != nil {
		f.opt.Log.Warn("cannot write to the store at the start; going on without raising its mark", "error", err)
	}
	f.watch, err = watchFiles(f.opt, mark)
	return err
}

// look makes sure that the files are at their places.
func (f *file) checkFiles() error {
	err := f.watch.check()
	if d, ok := isDisplaced(err); ok && f.lost == nil {
		f.lost = d
	}
	return err
}

// leave gives up the files at the end of a server, and saves what is not at its place any more.
func (f *file) closeServer() error {
	_ = f.checkFiles() // what it finds is kept in gone
	if f.lost != nil {
		f.saveKey()
	}
	if f.lost != nil && f.lost.overwritten {
		// Closing would move pages between files that do not belong together; the end of the program closes them.
		return f.moveLogAway()
	}
	f.checkpointAtClose()
	saved := f.lost != nil && f.conn != nil && f.saveCopy()
	err := joinClose(nil, f.close, f.watch.close)
	if saved {
		for _, old := range []string{f.opt.Path + "-wal", f.opt.Path + "-shm"} { // of the file that is gone; all of it is in the copy
			if rerr := os.Remove(old); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
				err = errors.Join(err, rerr)
			}
		}
	}
	return err
}

// saveKey saves the key, of which the server may have the last copy: in its place when nothing is there, and beside it when
// another key is. What the server leaves of its store cannot be opened without it.
func (f *file) saveKey() {
	p := f.watch
	dir := filepath.Dir(p.path)
	if _, err := sameFile(statFile, dir, p.dir); err != nil {
		return
	}
	path := f.opt.Beside.Key
	putBack, err := p.checkKey(&f.opt.Beside)
	if d, other := isDisplaced(err); other && d.key {
		path = f.replacedName(path)
		putBack, err = true, f.opt.Beside.Write(path, f.opt.Beside.Have)
	}
	switch {
	case err != nil:
		f.opt.Log.Error("cannot save the store's key", "file", path, "error", err)
	case putBack:
		f.opt.Log.Error("the store's key was not at its place: it was saved", "file", path)
	}
}

// moveLogAway renames the log of a database that was written over, so that a start does not meet it beside the one that was
// put there. It is kept: it may have the last of what the old one held.
func (f *file) moveLogAway() error {
	log := f.opt.Path + "-wal"
	if st, err := statFile(log); !f.lost.another || err != nil || st.id != f.watch.logID || st.size == 0 {
		return nil
	}
	to := f.replacedName(log)
	if err := os.Rename(log, to); err != nil {
		return fmt.Errorf("set the log aside: %w", err)
	}
	f.opt.Log.Error("the store's file was written over: its log, which has what was stored last, was set aside", "file", to)
	if err := os.Remove(f.opt.Path + "-shm"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("set the log aside: %w", err)
	}
	return nil
}

// aside is the name that something of a store gets whose place another has taken.
func (f *file) replacedName(path string) string {
	return fmt.Sprintf("%s.replaced-%s", path, f.opt.Now().UTC().Format("20060102T150405Z"))
}

// rescue saves what a store holds whose file is not at its place: the program ends, and a file that was removed is gone with
// its last descriptor. A copy is put in the place when nothing is there, which it reports, and beside it when another file
// is. A file that was replaced but has a name elsewhere is left alone, and so is one whose directory is another.
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
		f.opt.Log.Error("cannot save what the store held", "file", to, "error", err)
		return false
	}
	f.opt.Log.Error("the store's file was moved, removed or replaced: all that it held was saved", "file", to)
	return to == p.path
}

// copyTo copies the store, through the connection that has it open, to a name that no file has.
func (f *file) copyTo(path string) error {
	part := path + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := f.opt.Beside.Write(part, nil); err != nil {
		return err
	}
	_, err := f.conn.Exec("VACUUM INTO ?", part)
	if err == nil {
		err = remark(context.Background(), part)
	}
	if err == nil {
		err = syncFile(part)
	}
	if err == nil {
		err = giveName(part, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return f.opt.Beside.SyncDir(filepath.Dir(path))
}

// giveName renames a file to a name that no file has.
func giveName(from, to string) error {
	err := os.Link(from, to) // fails, as it must, where somebody was faster
	if err == nil {
		return os.Remove(from)
	}
	if _, serr := os.Lstat(to); errors.Is(serr, fs.ErrNotExist) { // the file system has no second names
		return os.Rename(from, to)
	}
	return err
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return joinClose(f.Sync(), f.Close)
}
