package commit

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
)

// maxReaders is the most connections that read at the same time.
const maxReaders = 4

// dsn returns the address of a file with all pragmas in it. A pragma that is executed on a pool would reach only one of its
// connections. busy_timeout comes first, so that the other pragmas wait for a lock instead of failing.
func dsn(path string, pragmas ...string) string {
	q := url.Values{}
	for _, p := range append([]string{
		"busy_timeout(5000)", "trusted_schema(0)", "cell_size_check(1)", "temp_store(MEMORY)", "mmap_size(0)",
	}, pragmas...) {
		q.Add("_pragma", p)
	}
	q.Set("mode", "rw") // a missing file must not be created as an empty one
	q.Set("_txlock", "immediate")
	q.Set("_dqs", "0")
	q.Set("_defensive", "1")
	return (&url.URL{Scheme: "file", Opaque: escapePath(path), RawQuery: q.Encode()}).String()
}

func escapePath(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(filepath.ToSlash(path))
}

// durable returns the pragmas that make a commit durable. Readers use them too: the connection that is closed last moves the
// write-ahead log into the file.
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

// openReaders returns the pool for reading. Its connections are opened on demand, so each checks that the file at the path still
// is the file that the writer has open.
func openReaders(path string, normal bool, at *fileWatch) (*sql.DB, error) {
	c, err := newConnector(path, normal, append(durable(normal), "query_only(1)", "cache_size(-4000)"))
	if err != nil {
		return nil, fmt.Errorf("open store for reading: %w", err)
	}
	c.check = at.checkFile
	db := sql.OpenDB(keeping{c})
	db.SetMaxOpenConns(maxReaders)
	db.SetMaxIdleConns(maxReaders)
	return db, nil
}

// writerConnector returns the connector of the connection that writes.
func writerConnector(path string, normal bool) (driver.Connector, error) {
	return newConnector(path, normal, append([]string{
		"auto_vacuum(INCREMENTAL)", "journal_mode(WAL)", "secure_delete(FAST)", "wal_autocheckpoint(1000)",
		"journal_size_limit(67108864)", "cache_size(-16000)", "foreign_keys(0)",
	}, durable(normal)...))
}

// OpenFile returns a pool of connections that are not checked, for reading or changing the file of a closed store.
func OpenFile(path string, pragmas ...string) (*sql.DB, error) {
	return sql.Open("sqlite", dsn(path, pragmas...))
}

// Connector returns a connector of checked connections: each has read back that it flushes every commit and that the file is in
// WAL mode. Otherwise Connect returns an Unavailable error.
func Connector(path string, relaxed bool, pragmas ...string) (driver.Connector, error) {
	return newConnector(path, relaxed, pragmas)
}

// newConnector returns a connector of checked connections.
func newConnector(path string, normal bool, pragmas []string) (*checkedConnector, error) {
	c, err := sqlite.NewConnector(dsn(path, pragmas...))
	if err != nil {
		return nil, err
	}
	sync := "2"
	if normal {
		sync = "1"
	}
	return &checkedConnector{Connector: c, path: path, sync: sync, check: func() error { return nil }}, nil
}

// checkedConnector returns only connections that flush every commit and whose file is in WAL mode. On a file system that does not
// support WAL mode, SQLite uses another mode and returns no error.
type checkedConnector struct {
	driver.Connector
	path, sync string
	check      func() error // returns an error unless the file at the path is the watched file
}

// Connect opens a connection and reads its pragmas back.
func (p *checkedConnector) Connect(ctx context.Context) (driver.Conn, error) {
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
			return nil, JoinClose(err, conn.Close)
		}
	}
	if err := p.inPlace(); err != nil { // Connect may have opened another file
		return nil, JoinClose(err, conn.Close)
	}
	return conn, nil
}

// inPlace returns an error unless the file at the path is the watched file.
func (p *checkedConnector) inPlace() error {
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
		return "", JoinClose(err, rows.Close)
	}
	return fmt.Sprint(row[0]), rows.Close()
}

// OpenError adds a kind and a hint to an error from opening a file. Errors of package inbox are returned as they are.
func OpenError(path string, err error) error {
	var known *inbox.Error
	if errors.As(err, &known) {
		return err
	}
	e := inbox.Errorf(inbox.Unavailable, "open store "+path, "%w", err)
	if IsDamaged(err) {
		e = inbox.Errorf(inbox.Invalid, "open store "+path, "it is damaged, or the log "+filepath.Base(path)+"-wal beside it is of another database: %w", &damaged{err})
		return e.WithHint("stop the server and restore a backup into an empty directory, as docs/OPERATIONS.md says; keep this one until that runs")
	}
	switch primary(err) {
	case codeCantOpen, codeReadOnly:
		return e.WithHint("the file must be readable and writable by this user, on a local file system")
	}
	return e
}
