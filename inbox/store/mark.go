package store

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

	"inbox/inbox"
	"inbox/inbox/datadir"
)

// SQLite does not notice that a write-ahead log belongs to another database: it reads the log's pages over the file's, and
// what comes of it is neither. So each database carries a mark in its header, beside the version of the schema, which stands
// in its file and in its log. A new database, and each copy that is made as a backup, gets a mark at random; every start of
// a server raises it by two. A raise is made only when the whole log is in the file, so the mark in a log is that of its
// file or the one after it.
const (
	versionBits = 8
	markMask    = 1<<23 - 1
)

func versionOf(userVersion int) int { return userVersion & (1<<versionBits - 1) }

func markOf(userVersion int) int { return userVersion >> versionBits & markMask }

func randomMark() int { return rand.IntN(markMask + 1) }

// raised returns by how much a mark was raised since an earlier one.
func raised(mark, since int) int { return (mark - since) & markMask }

// setMark writes a mark in a transaction of its own.
func (w *writer) setMark(mark int) error {
	var now int
	if err := w.conn.get("PRAGMA user_version").Scan(&now); err != nil {
		return err
	}
	return w.conn.script(userVersion(mark, versionOf(now)))
}

func userVersion(mark, version int) string {
	return fmt.Sprintf("PRAGMA user_version = %d", mark<<versionBits|version)
}

// renew raises the mark twice and returns it. Twice, so that a copy of the file that was made between two starts has neither
// the mark of a log of the second nor the one before. The second raise stays in the log, which can then be told from that of
// another database from its beginning on. While a reader keeps the log from being moved, it does less.
func (w *writer) renew() (int, error) {
	var now int
	if err := w.conn.get("PRAGMA user_version").Scan(&now); err != nil {
		return 0, err
	}
	mark := markOf(now)
	for range 2 {
		whole, err := w.moveLog("PASSIVE")
		if err != nil || !whole {
			return mark, err
		}
		if err := w.setMark((mark + 1) & markMask); err != nil {
			return mark, err
		}
		mark = (mark + 1) & markMask
	}
	return mark, nil
}

// moveLog moves the log into the file and reports whether all of it was moved.
func (w *writer) moveLog(how string) (whole bool, err error) {
	var busy, log, moved int
	if err := w.conn.get("PRAGMA wal_checkpoint("+how+")").Scan(&busy, &log, &moved); err != nil {
		return false, fmt.Errorf("checkpoint: %w", err)
	}
	return busy == 0 && log == moved, nil
}

// flushLog brings the log to the disk before anything is read from it. A program that was killed between a write and its
// flush leaves frames that no disk has: SQLite would read them, and a duplicate of what they hold would be acknowledged.
func flushLog(path string) error {
	err := datadir.SyncFile(path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return inbox.Errorf(inbox.Unavailable, "bring "+path+"-wal to the disk", "%w", err).
			WithHint("see the system's log for errors of the disk; the file must be readable and writable by this user")
	}
	return nil
}

// checkLog makes sure that the log beside a database is its own. What it cannot read it leaves to SQLite.
func checkLog(ctx context.Context, path string) error {
	in, ok, err := markInLog(path + "-wal")
	if err != nil || !ok {
		return nil
	}
	// Through SQLite, and of the file alone: closing a descriptor of our own would drop the locks of another store in this
	// process.
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
	return inbox.Errorf(inbox.Invalid, "open store "+path, "%w", &unsound{fmt.Errorf(
		"the log %s-wal beside it is of another database: a copy was put over the store of a server that had not ended cleanly", datadir.Database)}).
		WithHint(fmt.Sprintf("to go on with this %[1]s, move %[1]s-wal and %[1]s-shm out of the directory; to go on with the database that was there before, put it back beside its log", datadir.Database))
}

// Layout of a write-ahead log (https://www.sqlite.org/fileformat.html#walformat) and of a database's header.
const (
	walHeader      = 32
	walFrameHeader = 24
	walMagic       = 0x377f0682 // the lowest bit says that checksums are of big-endian words
	versionAt      = 60         // of user_version in page 1
)

// markInLog returns the mark that the newest transaction in a log left, and false when none of them has written page 1.
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
			return mark, ok, nil // left over from before the log began anew, or torn
		}
		if word(frame) == 1 {
			pending, seen = markOf(int(word(frame[walFrameHeader+versionAt:]))), true
		}
		if word(frame[4:]) != 0 && seen { // a commit
			mark, ok = pending, true
		}
	}
}

// readWALHeader returns the checksum so far and the size of a page, 0 when SQLite would not read the log.
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
