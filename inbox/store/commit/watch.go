package commit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"inbox/inbox"
	"inbox/inbox/datadir"
)

// fileWatch detects that the files a server has open were displaced. A file that is moved, removed or replaced still exists while
// it is open, but the next start does not read it. So every commit checks that the files at their paths are the open ones. Where
// open files cannot be replaced (Windows), the watch is nil, and its methods return nil.
type fileWatch struct {
	path string
	dir  fileID
	db   fileID
	key  fileID
	lock fileID
	mark int      // the newest mark of the database
	size int64    // of the database at the writer's last check; bytes
	file *os.File // the database, for its header. It is closed after SQLite's connections: closing it drops their locks

	log     *os.File // the write-ahead log: SQLite has no locks on it
	logID   fileID
	logSize int64
	salts   [8]byte // of the log: they change when it is restarted
}

// displaced is the error of a file that is no longer at its path. The program must end.
type displaced struct {
	text        string
	overwritten bool // another program wrote to the file or its log: no page may be moved between them any more
	another     bool // the file now is another database: the log does not belong to it
	key         bool // the key was replaced by another key
}

// Error names the file and what happened to it.
func (d *displaced) Error() string { return d.text }

func isDisplaced(err error) (*displaced, bool) {
	var d *displaced
	ok := errors.As(err, &d)
	return d, ok
}

// watchFiles begins to watch the files of an open store. It returns nil where files need no watch.
func watchFiles(o *Options, mark int) (*fileWatch, error) {
	if !watched {
		return nil, nil
	}
	path := o.Path
	p := &fileWatch{path: path, mark: mark}
	dir := filepath.Dir(path)
	for _, file := range []struct {
		path string
		id   *fileID
	}{{dir, &p.dir}, {path, &p.db}, {o.Beside.Key, &p.key}, {o.Beside.Lock, &p.lock}} {
		st, err := statFile(file.path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a test may open a store without its lock
			return nil, err
		}
		*file.id = st.id
	}
	var err error
	if p.file, err = os.Open(path); err != nil {
		return nil, err
	}
	if err = p.checkSize(); err == nil {
		err = p.watchLog()
	}
	if err != nil {
		return nil, errors.Join(err, p.file.Close())
	}
	return p, nil
}

// watchLog begins to watch the log. It is called after the writer's connection was opened.
func (p *fileWatch) watchLog() error {
	if p == nil {
		return nil
	}
	if p.log != nil {
		if err := p.log.Close(); err != nil {
			return err
		}
		p.log = nil
	}
	st, err := statFile(p.path + "-wal")
	if err != nil {
		return err
	}
	p.logID, p.logSize, p.salts = st.id, 0, [8]byte{}
	p.log, err = os.Open(p.path + "-wal")
	return err
}

// close closes the watch's descriptors. SQLite's connections must be closed before.
func (p *fileWatch) close() error {
	if p == nil {
		return nil
	}
	var err error
	for _, f := range []*os.File{p.log, p.file} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

// check returns a [displaced] error when the database or its log is not the file at its path. It takes a few microseconds.
func (p *fileWatch) check() error {
	if p == nil {
		return nil
	}
	if err := p.checkFile(); err != nil {
		return err
	}
	if err := p.checkSize(); err != nil {
		return err
	}
	return p.checkLog()
}

// checkSize returns a [displaced] error when the database was truncated. SQLite makes the file shorter too, after it has written
// the new size to the header. Only the writer calls checkSize: during a checkpoint, the header is ahead of the size.
func (p *fileWatch) checkSize() error {
	info, err := p.file.Stat()
	if err != nil {
		return inbox.Errorf(inbox.Unavailable, "check "+p.path, "%w", err)
	}
	before := p.size
	p.size = info.Size()
	if p.size >= before {
		return nil
	}
	var head [16]byte // the page size is at offset 16, the number of pages at 28
	if _, err := p.file.ReadAt(head[:], 16); err != nil && !errors.Is(err, io.EOF) {
		return inbox.Errorf(inbox.Unavailable, "check "+p.path, "%w", err)
	}
	page := int64(binary.BigEndian.Uint16(head[:]))
	if page == 1 {
		page = 65536
	}
	if p.size < page*int64(binary.BigEndian.Uint32(head[12:])) {
		return &displaced{text: p.path + " was cut while the server ran", overwritten: true}
	}
	return nil
}

// checkFile is check without the log. Several goroutines may call it.
func (p *fileWatch) checkFile() error {
	if p == nil {
		return nil
	}
	if _, err := sameFile(lstatFile, p.path, p.db); err != nil {
		return err
	}
	return p.checkMark()
}

// checkMark returns a [displaced] error when the file was overwritten in place, as `cp` does.
func (p *fileWatch) checkMark() error {
	var now [4]byte
	if _, err := p.file.ReadAt(now[:], versionAt); err != nil && !errors.Is(err, io.EOF) {
		return inbox.Errorf(inbox.Unavailable, "check "+p.path, "%w", err)
	}
	// The last raises may be only in the log, or in the file although their commit seemed to fail.
	mark := markOf(int(binary.BigEndian.Uint32(now[:])))
	if min(raised(p.mark, mark), raised(mark, p.mark)) > 2 {
		return &displaced{text: p.path + " was overwritten while the server ran", overwritten: true, another: true}
	}
	return nil
}

// checkBefore is the part of check that must run before a commit. A commit may move the log into the file, which may be another
// database now. After a write to the log, its size no longer shows that it was truncated.
func (p *fileWatch) checkBefore() error {
	if p == nil {
		return nil
	}
	if err := p.checkMark(); err != nil {
		return err
	}
	if err := p.checkSize(); err != nil { // a checkpoint would restore the size and hide the truncation
		return err
	}
	if st, err := statFile(p.path + "-wal"); err != nil || st.id != p.logID || st.size >= p.logSize {
		return nil // check detects all other damage after the commit
	}
	return p.checkLog()
}

// checkLog returns a [displaced] error unless the log is the file that was opened and has all its frames. A log that is written
// to after a truncation has a hole and cannot be read.
func (p *fileWatch) checkLog() error {
	path := p.path + "-wal"
	st, err := sameFile(lstatFile, path, p.logID)
	switch {
	case err != nil:
		return err
	case st.size == 0: // moved into the file
		p.logSize, p.salts = 0, [8]byte{}
		return nil
	}
	var head [walHeader]byte
	if _, err := p.log.ReadAt(head[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return inbox.Errorf(inbox.Unavailable, "check "+path, "%w", err)
	}
	same := bytes.Equal(head[16:24], p.salts[:])
	if binary.BigEndian.Uint32(head[:])&^1 != walMagic || (same && st.size < p.logSize) {
		return &displaced{text: path + " was cut or overwritten while the server ran", overwritten: true}
	}
	p.logSize = st.size
	copy(p.salts[:], head[16:24])
	return nil
}

// checkBeside checks the lock and the key. It is called every second. It writes a removed key again, because a store cannot be
// opened without its key and the server may have the last copy.
func (p *fileWatch) checkBeside(b *Beside) (restored bool, err error) {
	if p == nil {
		return false, nil
	}
	if p.lock != (fileID{}) {
		if _, err := sameFile(statFile, b.Lock, p.lock); err != nil {
			return false, err
		}
	}
	return p.checkKey(b)
}

func (p *fileWatch) checkKey(b *Beside) (restored bool, err error) {
	path, key := b.Key, b.Have
	st, err := statFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := datadir.WriteFile(path, key, 0o600); err != nil {
			return false, inbox.Errorf(inbox.Unavailable, "restore the store's key", "%w", err)
		}
		restored = true
		st, err = statFile(path)
	case err == nil && st.id != p.key:
		if now, rerr := datadir.Read(path, datadir.MaxKeyFile); !errors.Is(rerr, fs.ErrNotExist) && !bytes.Equal(now, key) {
			return false, &displaced{text: path + " was replaced by another key while the server ran", key: true}
		}
	}
	if err != nil {
		return restored, inbox.Errorf(inbox.Unavailable, "check "+path, "%w", err)
	}
	p.key = st.id
	return restored, nil
}

// sameFile returns a [displaced] error when the file at a path is missing or is another one.
func sameFile(stat func(string) (fileStat, error), path string, id fileID) (fileStat, error) {
	st, err := stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = &displaced{text: path + " was moved or removed while the server ran"}
	case err != nil:
		err = inbox.Errorf(inbox.Unavailable, "check "+path, "%w", err)
	case st.id != id:
		err = &displaced{text: path + " was replaced while the server ran"}
	}
	return st, err
}
