package store

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/store/commit"
	"inbox/inbox/store/dedup"
)

// SmallRuns makes runs of digests small, so that tests have many of them.
func SmallRuns(o Options, size int) Options {
	o.runSize = size
	return o
}

// Normal opens the store with synchronous=NORMAL, for comparison.
func Normal(o Options) Options {
	o.Relaxed = true
	return o
}

// Faulty calls fault before every operation of the writer, with one of the points below.
func Faulty(o Options, fault func(point string) error) Options {
	o.Fault = fault
	return o
}

// Points at which a store can be made to fail.
const (
	PointExec      = commit.PointExec
	PointCommit    = commit.PointCommit
	PointCommitted = commit.PointCommitted
	PointReload    = commit.PointReload
	PointReopen    = commit.PointReopen
)

// Failure is an error with a result code of SQLite. The driver's errors cannot be created by tests.
type Failure int

// Result codes for tests.
const (
	Full       Failure = 13
	Constraint Failure = 19
	WriteFails Failure = 778
	FlushFails Failure = 1034
)

func (f Failure) Error() string { return fmt.Sprintf("made by a test: result code %d", int(f)) }

// Code returns the result code.
func (f Failure) Code() int { return int(f) }

// Digests returns the number of digests in memory, and the number of sealed runs.
func Digests(s *Store) (recent, runs int) {
	_ = s.write(context.Background(), func(t *tx) error {
		recent, runs = t.w.digests.(*dedup.Set).Counts()
		return nil
	})
	return recent, runs
}

// Hold blocks the writer until release is called, so that changes that are submitted meanwhile wait together.
func Hold(s *Store) (release func()) {
	held, released := make(chan struct{}), make(chan struct{})
	err := s.submit(context.Background(), &op{Done: func(error) {}, Refuse: func() error {
		close(held)
		<-released
		return commit.ErrFull // so that nothing is applied
	}})
	if err != nil {
		panic(err)
	}
	<-held
	return func() { close(released) }
}

// Waiting returns the number of changes that wait for the writer.
func Waiting(s *Store) int {
	n, _ := s.writer.Waiting()
	return n
}

// WaitingBytes returns the number of bytes that wait for the writer.
func WaitingBytes(s *Store) int64 {
	_, n := s.writer.Waiting()
	return n
}

// QueueLength is the most changes that may wait.
const QueueLength = commit.QueueLength

// Write runs a statement in a transaction of the writer. The transaction panics if the statement is empty.
func Write(s *Store, statement string) error {
	return s.write(context.Background(), func(t *tx) error {
		if statement == "" {
			panic("no statement")
		}
		_, err := t.exec(statement)
		return err
	})
}

// Pragmas returns the value of a pragma on the writer's connection and on n connections of readers.
func Pragmas(t testing.TB, s *Store, name string, readers int) []string {
	t.Helper()
	var got []string
	err := s.write(context.Background(), func(x *tx) error {
		var v fmtValue
		err := x.get("PRAGMA " + name).Scan(&v)
		got = append(got, string(v))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	conns := make([]*sql.Conn, readers)
	for i := range conns { // all are open at the same time, so that the pool returns different ones
		if conns[i], err = s.readers.Conn(context.Background()); err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close()
	}
	for _, c := range conns {
		var v fmtValue
		if err := c.QueryRowContext(context.Background(), "PRAGMA "+name).Scan(&v); err != nil {
			t.Fatal(err)
		}
		got = append(got, string(v))
	}
	return got
}

// fmtValue scans a value of any type as text.
type fmtValue string

func (f *fmtValue) Scan(v any) error {
	*f = fmtValue(fmt.Sprint(v))
	return nil
}

// Exec runs a statement on the file of a closed store.
func Exec(t testing.TB, dir, statement string) {
	t.Helper()
	db, err := commit.OpenFile(filepath.Join(dir, datadir.Database))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// Figure returns the number that a query on the file of a closed store returns.
func Figure(t testing.TB, dir, query string) (n int64) {
	t.Helper()
	db, err := commit.OpenFile(filepath.Join(dir, datadir.Database))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Schema returns the file's schema as text.
func Schema(t testing.TB, s *Store) string {
	t.Helper()
	out := ""
	err := s.each(context.Background(), `SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type DESC, name`, nil, func(row scanner) error {
		var text string
		err := row.Scan(&text)
		out += text + ";\n\n"
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// discard ignores a scanned value.
type discard struct{}

func (discard) Scan(any) error { return nil }

// Opcodes returns the number of instructions opcode in the program of a statement.
func Opcodes(t testing.TB, s *Store, statement, opcode string) int {
	t.Helper()
	n := 0
	err := s.write(context.Background(), func(x *tx) error {
		found, err := x.query(`EXPLAIN ` + statement)
		if err != nil {
			return err
		}
		defer found.Close()
		for found.Next() {
			var name string
			if err := found.Scan(discard{}, &name, discard{}, discard{}, discard{}, discard{}, discard{}, discard{}); err != nil {
				return err
			}
			if name == opcode {
				n++
			}
		}
		return found.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Functions for payloads in the form of the table contents.
var (
	Unpack = func(b []byte, sum int64) (inbox.Payload, error) {
		c := content{
			encoding: sql.NullInt64{Int64: encodingBody, Valid: true}, sum: sql.NullInt64{Int64: sum, Valid: true}, bytes: b,
		}
		return c.payload()
	}
	Checksum = checksum
)

// Pack returns a payload as it is stored, with its checksum.
func Pack(t interface{ Fatal(...any) }, p inbox.Payload) ([]byte, int64) {
	packed, err := packPayload(&p)
	if err != nil {
		t.Fatal(err)
	}
	return packed, checksum(packed)
}

// Number returns the number that a query on an open store returns.
func Number(t testing.TB, s *Store, query string) (n int64) {
	t.Helper()
	if err := s.readers.QueryRowContext(context.Background(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
