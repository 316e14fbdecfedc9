package store

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"runtime"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"inbox/inbox"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	applicationID = 0x696e6278 // "inbx", so that file(1) and we know the file
	oldestSQLite  = "3.51.3"   // older ones may corrupt a file by resetting its WAL (https://www.sqlite.org/changes.html)
	maxReaders    = 4
)

// dsn returns the address of the file with every pragma in it: a pragma sent to a pool reaches one connection of it.
// busy_timeout comes first, so that the others wait for a lock instead of failing.
func dsn(path string, pragmas ...string) string {
	q := url.Values{}
	for _, p := range append([]string{
		"busy_timeout(5000)", "trusted_schema(0)", "cell_size_check(1)", "temp_store(MEMORY)", "mmap_size(0)",
	}, pragmas...) {
		q.Add("_pragma", p)
	}
	q.Set("_txlock", "immediate")
	q.Set("_dqs", "0")
	q.Set("_defensive", "1")
	return (&url.URL{Scheme: "file", Opaque: escapePath(path), RawQuery: q.Encode()}).String()
}

func escapePath(path string) string {
	path = strings.ReplaceAll(path, `\`, "/")
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
}

func openReaders(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(path, "query_only(1)", "cache_size(-4000)"))
	if err != nil {
		return nil, fmt.Errorf("open store for reading: %w", err)
	}
	db.SetMaxOpenConns(maxReaders)
	db.SetMaxIdleConns(maxReaders)
	return db, nil
}

// openWriterConn opens the one connection that writes, and reads back what durability rests on.
func openWriterConn(ctx context.Context, path string, normal bool) (*sql.DB, *sql.Conn, error) {
	sync, want := "synchronous(FULL)", "2"
	if normal {
		sync, want = "synchronous(NORMAL)", "1"
	}
	pragmas := []string{
		"auto_vacuum(INCREMENTAL)", "journal_mode(WAL)", sync, "secure_delete(FAST)", "wal_autocheckpoint(1000)",
		"journal_size_limit(67108864)", "cache_size(-16000)", "foreign_keys(0)",
	}
	if runtime.GOOS == "darwin" {
		pragmas = append(pragmas, "fullfsync(1)") // fsync there leaves data in the drive's cache
	}
	db, err := sql.Open("sqlite", dsn(path, pragmas...))
	if err != nil {
		return nil, nil, fmt.Errorf("open store: %w", err)
	}
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, nil, joinClose(openError(path, err), db.Close)
	}
	for pragma, want := range map[string]string{"synchronous": want, "journal_mode": "wal"} {
		var got string
		if err := conn.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(&got); err != nil {
			return nil, nil, joinClose(openError(path, err), conn.Close, db.Close)
		}
		if got != want {
			err := inbox.Errorf(inbox.Unavailable, "open store "+path, "%s is %s, not %s", pragma, got, want).
				WithHint("put the data directory on a local file system")
			return nil, nil, joinClose(err, conn.Close, db.Close)
		}
	}
	return db, conn, nil
}

// openError says what is wrong with a file that SQLite cannot open.
func openError(path string, err error) error {
	e := inbox.Errorf(inbox.Unavailable, "open store "+path, "%w", err)
	switch primary(err) {
	case codeNotADB, codeCorrupt:
		e.Kind = inbox.Invalid
		return e.WithHint("the file is damaged or not a store; restore a backup, or `inbox db check` a copy of it")
	case codeCantOpen, codeReadOnly:
		return e.WithHint("the file must be readable and writable by this user, on a local file system")
	}
	return e
}

// migrate brings the file to this program's schema, each step in a transaction of its own.
func migrate(ctx context.Context, conn *sql.Conn, path string) error {
	steps, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return fmt.Errorf("list migrations: %w", err)
	}
	var version, app, tables int
	var sqlite string
	row := conn.QueryRowContext(ctx, `SELECT sqlite_version(), (SELECT user_version FROM pragma_user_version),
		(SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)`)
	if err := row.Scan(&sqlite, &version, &app, &tables); err != nil {
		return openError(path, err)
	}
	switch {
	case olderVersion(sqlite, oldestSQLite):
		return inbox.Errorf(inbox.Internal, "open store", "SQLite %s is older than %s", sqlite, oldestSQLite)
	case tables > 0 && app != applicationID:
		return inbox.Errorf(inbox.Invalid, "open store "+path, "the file is a SQLite database, but not of inbox").
			WithHint("name another directory with --data or INBOX_DATA")
	case version > len(steps):
		return newerFile(ctx, conn, path, version)
	}
	for i := version; i < len(steps); i++ {
		text, err := migrations.ReadFile(steps[i])
		if err != nil {
			return fmt.Errorf("read migration: %w", err)
		}
		script := fmt.Sprintf("BEGIN IMMEDIATE;\n%s\nPRAGMA application_id = %d;\nPRAGMA user_version = %d;\nCOMMIT;",
			text, applicationID, i+1)
		if _, err := conn.ExecContext(ctx, script); err != nil {
			_, _ = conn.ExecContext(ctx, "ROLLBACK") // the error above is the one that matters
			return fmt.Errorf("migrate %s by %s: %w", path, steps[i], err)
		}
	}
	return nil
}

// newerFile names the oldest program that may open the file, as the file says.
func newerFile(ctx context.Context, conn *sql.Conn, path string, version int) error {
	oldest := "a newer one"
	// A file so new that even this table has changed is refused all the same.
	_ = conn.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'oldest_program'").Scan(&oldest)
	return inbox.Errorf(inbox.Invalid, "open store "+path, "the store has version %d; it needs inbox %s or later", version, oldest).
		WithHint("install that version, or restore a backup made by this one")
}

// olderVersion reports whether dotted version a is older than b.
func olderVersion(a, b string) bool {
	var x, y [3]int
	fmt.Sscanf(a, "%d.%d.%d", &x[0], &x[1], &x[2])
	fmt.Sscanf(b, "%d.%d.%d", &y[0], &y[1], &y[2])
	for i := range x {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return false
}

const keyLength = 32

// loadKey reads the store's key, which makes digests that tell nothing to who has only the database. A new store gets
// a new key; an old one without its key is refused, because every duplicate would be taken for new.
func loadKey(keyPath, dbPath string) ([]byte, error) {
	key, err := os.ReadFile(keyPath)
	if err == nil {
		if len(key) != keyLength {
			return nil, inbox.Errorf(inbox.Invalid, "read "+keyPath, "the store's key has %d bytes, not %d", len(key), keyLength).
				WithHint("restore it from the backup that the database came from")
		}
		return key, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, inbox.Errorf(inbox.Unavailable, "read the store's key", "%w", err)
	}
	if info, err := os.Stat(dbPath); err != nil || info.Size() > 0 {
		return nil, inbox.Errorf(inbox.Invalid, "open store "+dbPath, "its key %s is missing", keyPath).
			WithHint("restore it from the backup that the database came from; without it duplicates cannot be recognised")
	}
	key = make([]byte, keyLength)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make the store's key: %w", err)
	}
	if err := writeSynced(keyPath, key); err != nil {
		return nil, inbox.Errorf(inbox.Unavailable, "write the store's key", "%w", err)
	}
	return key, nil
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	return joinClose(err, f.Close)
}

// checkKey makes sure that the key beside the database is the one it was made with.
func checkKey(ctx context.Context, conn *sql.Conn, key []byte) error {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("inbox store key"))
	mark := hex.EncodeToString(mac.Sum(nil))
	var got string
	err := conn.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'key_mark'").Scan(&got)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = conn.ExecContext(ctx, `INSERT INTO meta (name, value) VALUES ('key_mark', ?), ('oldest_program', '0.1.0')`, mark)
		return err
	}
	if err == nil && got != mark {
		return inbox.Errorf(inbox.Invalid, "open store", "%s is not the key this database was made with", keyName).
			WithHint("restore it from the backup that the database came from")
	}
	return err
}
