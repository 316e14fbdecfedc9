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

// settleIn readies the file for a server: its mark is raised, and its place is watched from now on. A disk that is full or
// cannot be written now does not keep a server from starting: it answers 503 until it can. One that does not flush does.
func (w *writer) settleIn() error {
	mark, err := w.renew()
	if flushFailed(err) || (err != nil && !diskFailed(err)) {
		return err
	}
	if err != nil {
		w.s.opt.Log.Warn("cannot write to the store at the start; going on without raising its mark", "error", err)
	}
	w.watch, err = watchFiles(w.s.path, mark)
	return err
}

// look makes sure that the files are at their places.
func (w *writer) look() error {
	err := w.watch.check()
	if d, ok := isDisplaced(err); ok && w.gone == nil {
		w.gone = d
	}
	return err
}

// giveUp tells a batch that the files are not at their places, and returns what ends the program.
func (w *writer) giveUp(batch []*op, why *displaced) error {
	fatal := inbox.Errorf(inbox.Unavailable, "", "%w: nothing more is taken", why).
		WithHint("the log says what was saved, and where; put the right files in place and start again")
	w.gone = why
	w.s.fallIll(fatal)
	fail(batch, fatal)
	return fatal
}

// leave gives up the files at the end of a server, and saves what is not at its place any more.
func (s *Store) leave() error {
	w := s.w
	_ = w.look() // what it finds is kept in gone
	if w.gone != nil {
		s.saveKey()
	}
	if w.gone != nil && w.gone.harmed {
		// Closing would move pages between files that do not belong together; the end of the program closes them.
		return s.setLogAside()
	}
	w.checkpoint()
	saved := w.gone != nil && w.conn != nil && s.rescue()
	err := joinClose(nil, w.close, w.watch.close)
	if saved {
		for _, old := range []string{s.path + "-wal", s.path + "-shm"} { // of the file that is gone; all of it is in the copy
			if rerr := os.Remove(old); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
				err = errors.Join(err, rerr)
			}
		}
	}
	return err
}

// saveKey saves the key, of which the server may have the last copy: in its place when nothing is there, and beside it when
// another key is. What the server leaves of its store cannot be opened without it.
func (s *Store) saveKey() {
	p := s.w.watch
	dir := filepath.Dir(p.path)
	if _, err := sameFile(statFile, dir, p.dir); err != nil {
		return
	}
	path := filepath.Join(dir, datadir.StoreKey)
	putBack, err := p.checkKey(path, s.digest.key)
	if d, other := isDisplaced(err); other && d.key {
		path = s.aside(path)
		putBack, err = true, datadir.CreateFile(path, s.digest.key)
	}
	switch {
	case err != nil:
		s.opt.Log.Error("cannot save the store's key", "file", path, "error", err)
	case putBack:
		s.opt.Log.Error("the store's key was not at its place: it was saved", "file", path)
	}
}

// setLogAside renames the log of a database that was written over, so that a start does not meet it beside the one that was
// put there. It is kept: it may have the last of what the old one held.
func (s *Store) setLogAside() error {
	log := s.path + "-wal"
	if st, err := statFile(log); !s.w.gone.another || err != nil || st.id != s.w.watch.logID || st.size == 0 {
		return nil
	}
	to := s.aside(log)
	if err := os.Rename(log, to); err != nil {
		return fmt.Errorf("set the log aside: %w", err)
	}
	s.opt.Log.Error("the store's file was written over: its log, which has what was stored last, was set aside", "file", to)
	if err := os.Remove(s.path + "-shm"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("set the log aside: %w", err)
	}
	return nil
}

// aside is the name that something of a store gets whose place another has taken.
func (s *Store) aside(path string) string {
	return fmt.Sprintf("%s.replaced-%s", path, s.opt.Now().UTC().Format("20060102T150405Z"))
}

// rescue saves what a store holds whose file is not at its place: the program ends, and a file that was removed is gone with
// its last descriptor. A copy is put in the place when nothing is there, which it reports, and beside it when another file
// is. A file that was replaced but has a name elsewhere is left alone, and so is one whose directory is another.
func (s *Store) rescue() (inPlace bool) {
	p := s.w.watch
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
		to = s.aside(p.path)
	}
	if err := s.w.copyTo(to); err != nil {
		s.opt.Log.Error("cannot save what the store held", "file", to, "error", err)
		return false
	}
	s.opt.Log.Error("the store's file was moved, removed or replaced: all that it held was saved", "file", to)
	return to == p.path
}

// copyTo copies the store, through the connection that has it open, to a name that no file has.
func (w *writer) copyTo(path string) error {
	part := path + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := datadir.CreateFile(part, nil); err != nil {
		return err
	}
	_, err := w.conn.exec("VACUUM INTO ?", part)
	if err == nil {
		err = remark(context.Background(), part)
	}
	if err == nil {
		err = datadir.SyncFile(part)
	}
	if err == nil {
		err = giveName(part, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return datadir.SyncDir(filepath.Dir(path))
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
