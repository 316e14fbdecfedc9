package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"

	"modernc.org/sqlite"

	"inbox/inbox"
	"inbox/inbox/datadir"
)

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
	q.Set("mode", "rw") // a file that is gone must not come back as an empty one
	q.Set("_txlock", "immediate")
	q.Set("_dqs", "0")
	q.Set("_defensive", "1")
	return (&url.URL{Scheme: "file", Opaque: escapePath(path), RawQuery: q.Encode()}).String()
}

func escapePath(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(filepath.ToSlash(path))
}

// durable are the pragmas a connection's flushes rest on. Readers have them too: whoever closes the file last moves the
// write-ahead log into it.
func durable(normal bool) []string {
	pragmas := []string{"synchronous(FULL)"}
	if normal {
		pragmas = []string{"synchronous(NORMAL)"}
	}
	if runtime.GOOS == "darwin" { // fsync there leaves data in the drive's cache
		pragmas = append(pragmas, "fullfsync(1)", "checkpoint_fullfsync(1)")
	}
	return pragmas
}

// openReaders makes the pool that reads. Its connections are opened when they are needed, so each makes sure that the file
// is still the one the writer has open.
func openReaders(path string, normal bool, at *fileWatch) (*sql.DB, error) {
	c, err := connector(path, normal, append(durable(normal), "query_only(1)", "cache_size(-4000)"))
	if err != nil {
		return nil, fmt.Errorf("open store for reading: %w", err)
	}
	c.check = at.checkFile
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(maxReaders)
	db.SetMaxIdleConns(maxReaders)
	return db, nil
}

// writerConnector makes the one connection that writes.
func writerConnector(path string, normal bool) (driver.Connector, error) {
	return connector(path, normal, append([]string{
		"auto_vacuum(INCREMENTAL)", "journal_mode(WAL)", "secure_delete(FAST)", "wal_autocheckpoint(1000)",
		"journal_size_limit(67108864)", "cache_size(-16000)", "foreign_keys(0)",
	}, durable(normal)...))
}

// connector makes connections that are all proven: what durability rests on is read back from each.
func connector(path string, normal bool, pragmas []string) (*proven, error) {
	c, err := sqlite.NewConnector(dsn(path, pragmas...))
	if err != nil {
		return nil, err
	}
	sync := "2"
	if normal {
		sync = "1"
	}
	return &proven{Connector: c, path: path, sync: sync, check: func() error { return nil }}, nil
}

// proven is a connector that hands out no connection that would not flush, or whose file is not in WAL mode: some file
// systems cannot do it, and SQLite then goes on without saying so.
type proven struct {
	driver.Connector
	path, sync string
	check      func() error // says whether the file is the right one
}

// Connect opens a connection and reads its pragmas back.
func (p *proven) Connect(ctx context.Context) (driver.Conn, error) {
	if err := p.inPlace(); err != nil {
		return nil, err
	}
	conn, err := p.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, want := range [][2]string{{"synchronous", p.sync}, {"journal_mode", "wal"}} {
		got, err := readPragma(ctx, conn, want[0])
		if err == nil && got != want[1] {
			err = inbox.Errorf(inbox.Unavailable, "open store "+p.path, "%s is %s, not %s", want[0], got, want[1]).
				WithHint("put the data directory on a local file system")
		}
		if err != nil {
			return nil, joinClose(err, conn.Close)
		}
	}
	if err := p.inPlace(); err != nil { // it may have opened another one
		return nil, joinClose(err, conn.Close)
	}
	return conn, nil
}

// inPlace makes sure that the file at the path is the right one.
func (p *proven) inPlace() error {
	if err := p.check(); err != nil {
		return inbox.Errorf(inbox.Unavailable, "open store", "%w", err)
	}
	return nil
}

func readPragma(ctx context.Context, conn driver.Conn, name string) (string, error) {
	q, ok := conn.(driver.QueryerContext)
	if !ok {
		return "", errors.New("the driver cannot run queries")
	}
	rows, err := q.QueryContext(ctx, "PRAGMA "+name, nil)
	if err != nil {
		return "", err
	}
	row := make([]driver.Value, 1)
	if err := rows.Next(row); err != nil && !errors.Is(err, io.EOF) {
		return "", joinClose(err, rows.Close)
	}
	return fmt.Sprint(row[0]), rows.Close()
}

// openError says what is wrong with a file that SQLite cannot open.
func openError(path string, err error) error {
	var known *inbox.Error
	if errors.As(err, &known) {
		return err
	}
	e := inbox.Errorf(inbox.Unavailable, "open store "+path, "%w", err)
	if isUnsound(err) {
		e = inbox.Errorf(inbox.Invalid, "open store "+path, "it is damaged, or the log "+datadir.WAL+" beside it is of another database: %w", &unsound{err})
		return e.WithHint("stop the server and restore a backup into an empty directory, as docs/OPERATIONS.md says; keep this one until that runs")
	}
	switch primary(err) {
	case codeCantOpen, codeReadOnly:
		return e.WithHint("the file must be readable and writable by this user, on a local file system")
	}
	return e
}
