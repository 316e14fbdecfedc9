package commit

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"inbox/inbox"
	"inbox/inbox/datadir"
)

// SQLite does not detect that a write-ahead log belongs to another database: it reads the log's pages in place of the file's, and
// the result is a mix of both. So each database has a mark in its header, beside the version of the schema. The mark is in the
// file and in its log. A new database and each backup get a random mark. Every start of a server raises it by two. It is raised
// only when the whole log was moved into the file, so the mark in a log equals the file's mark or is one higher.
const (
	versionBits = 8
	markMask    = 1<<23 - 1
)

// VersionOf returns the version of the schema in PRAGMA user_version, 0 to 255.
func VersionOf(userVersion int) int { return userVersion & (1<<versionBits - 1) }

func markOf(userVersion int) int { return userVersion >> versionBits & markMask }

func randomMark() int { return rand.IntN(markMask + 1) }

// raised returns how often a mark was raised since an earlier mark.
func raised(mark, since int) int { return (mark - since) & markMask }

// setMark writes a mark in a transaction of its own.
func (f *file) setMark(mark int) error {
	var now int
	if err := f.conn.Get("PRAGMA user_version").Scan(&now); err != nil {
		return err
	}
	return f.conn.Script(userVersion(mark, VersionOf(now)))
}

func userVersion(mark, version int) string {
	return fmt.Sprintf("PRAGMA user_version = %d", mark<<versionBits|version)
}

// SetVersion returns the statement that sets the version of the schema, 0 to 255, in a file whose PRAGMA user_version is now.
func SetVersion(now, version int) string { return userVersion(markOf(now), version) }

// raiseMark raises the mark twice and returns it. So the mark in the second start's log is at least two higher than the mark of a
// copy of the file that was made between two starts. The second raise stays in the log, so the log has the mark from its first
// transaction. While a reader blocks the checkpoint, raiseMark raises the mark less often.
func (f *file) raiseMark() (int, error) {
	var now int
	if err := f.conn.Get("PRAGMA user_version").Scan(&now); err != nil {
		return 0, err
	}
	mark := markOf(now)
	for range 2 {
		whole, err := f.checkpoint("PASSIVE")
		if err != nil || !whole {
			return mark, err
		}
		if err := f.setMark((mark + 1) & markMask); err != nil {
			return mark, err
		}
		mark = (mark + 1) & markMask
	}
	return mark, nil
}

// checkpoint moves the log into the file and reports whether the whole log was moved. how is PASSIVE or TRUNCATE
// (https://www.sqlite.org/pragma.html#pragma_wal_checkpoint).
func (f *file) checkpoint(how string) (whole bool, err error) {
	var busy, log, moved int
	if err := f.conn.Get("PRAGMA wal_checkpoint("+how+")").Scan(&busy, &log, &moved); err != nil {
		return false, fmt.Errorf("checkpoint: %w", err)
	}
	return busy == 0 && log == moved, nil
}

// flushLog flushes the log before it is read. A program that was killed between a write and its flush leaves frames that the disk
// may not have. SQLite would read them, and the store would acknowledge duplicates of their events.
func flushLog(path string) error {
	err := datadir.SyncFile(path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return inbox.Errorf(inbox.Unavailable, "flush "+path+"-wal", "%w", err).
			WithHint("see the system's log for errors of the disk; the file must be readable and writable by this user")
	}
	return nil
}

// checkLog returns an Invalid error when the log beside a database belongs to another database. It returns nil for files that it
// cannot read: SQLite reports them.
func checkLog(ctx context.Context, path string) error {
	in, ok, err := markInLog(path + "-wal")
	if err != nil || !ok {
		return nil
	}
	// The mark is read by SQLite from the file, without its log. Closing a descriptor that this package opened would drop the locks
	// of another store in this process.
	db, err := sql.Open("sqlite", dsn(path, "query_only(1)")+"&immutable=1")
	if err != nil {
		return nil
	}
	defer db.Close()
	var now int
	if db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&now) != nil {
		return nil
	}
	if raised(in, markOf(now)) <= 1 {
		return nil
	}
	return inbox.Errorf(inbox.Invalid, "open store "+path, "%w", AsDamaged(fmt.Errorf(
		"the log %s-wal beside it is of another database: a copy was put over the store of a server that had not ended cleanly", filepath.Base(path)))).
		WithHint(fmt.Sprintf("to go on with this %[1]s, move %[1]s-wal and %[1]s-shm out of the directory; to go on with the database that was there before, put it back beside its log", filepath.Base(path)))
}

// Layout of a write-ahead log (https://www.sqlite.org/fileformat.html#walformat) and of a database's header.
const (
	walHeader      = 32
	walFrameHeader = 24
	walMagic       = 0x377f0682 // the lowest bit says that checksums are of big-endian words
	versionAt      = 60         // of user_version in page 1
)

// markInLog returns the mark after the newest transaction in a log, and false when no transaction wrote page 1.
func markInLog(path string) (mark int, ok bool, err error) {
	f, err := os.Open(path) // SQLite has no locks on it
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	head := make([]byte, walHeader)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, false, err
	}
	sum, size := readWALHeader(head)
	if size == 0 {
		return 0, false, nil
	}
	word := binary.BigEndian.Uint32
	frame := make([]byte, walFrameHeader+size)
	pending, seen := 0, false
	for {
		if _, err := io.ReadFull(r, frame); err != nil {
			return mark, ok, nil
		}
		sum.add(frame[:8])
		sum.add(frame[walFrameHeader:])
		if string(frame[8:16]) != string(head[16:24]) || !sum.is(frame[16:24]) {
			return mark, ok, nil // the frame is incomplete, or older than the log's last restart
		}
		if word(frame) == 1 {
			pending, seen = markOf(int(word(frame[walFrameHeader+versionAt:]))), true
		}
		if word(frame[4:]) != 0 && seen { // a commit
			mark, ok = pending, true
		}
	}
}

// readWALHeader returns the checksum of the header and the size of a page, 0 when SQLite would not read the log.
func readWALHeader(head []byte) (sum walSum, size int) {
	word := binary.BigEndian.Uint32
	sum.order = binary.LittleEndian
	if word(head)&1 == 1 {
		sum.order = binary.BigEndian
	}
	sum.add(head[:24])
	page := word(head[8:])
	if word(head)&^1 != walMagic || page < 512 || page > 65536 || !sum.is(head[24:]) {
		return sum, 0
	}
	return sum, int(page)
}

// walSum is the running checksum of a log.
type walSum struct {
	order  binary.ByteOrder
	s0, s1 uint32
}

func (s *walSum) add(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		s.s0 += s.order.Uint32(b) + s.s1
		s.s1 += s.order.Uint32(b[4:]) + s.s0
	}
}

func (s *walSum) is(b []byte) bool {
	return binary.BigEndian.Uint32(b) == s.s0 && binary.BigEndian.Uint32(b[4:]) == s.s1
}
