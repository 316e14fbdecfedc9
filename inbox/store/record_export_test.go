package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

	"inbox/inbox/datadir"
	"inbox/inbox/store/commit"
)

// Recorder records every statement that a store runs.
type Recorder struct {
	s *Store

	mu   sync.Mutex
	read map[string]int // number of runs
}

// Record puts a recorder between a store and its connections for reading. No reads may run meanwhile.
func Record(t testing.TB, s *Store) *Recorder {
	t.Helper()
	inner, err := commit.Connector(s.path, s.opt.Relaxed, "synchronous(FULL)", "query_only(1)")
	if err != nil {
		t.Fatal(err)
	}
	r := &Recorder{s: s, read: map[string]int{}}
	old := s.readers
	s.readers = sql.OpenDB(&recorded{Connector: inner, r: r})
	s.readers.SetMaxOpenConns(4)
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	return r
}

// Reads returns the number of statements that the readers have run.
func (r *Recorder) Reads() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, times := range r.read {
		n += times
	}
	return n
}

// Plans returns the query plan of every statement of the readers and the writer, one line per step.
func (r *Recorder) Plans(t testing.TB) map[string][]string {
	t.Helper()
	plans := map[string][]string{}
	err := r.s.write(context.Background(), func(x *tx) error {
		texts := slices.Collect(func(yield func(string) bool) {
			for q := range r.read {
				if !yield(q) {
					return
				}
			}
			for _, q := range r.s.writer.Conn().Prepared() {
				if !yield(q) {
					return
				}
			}
		})
		for _, q := range texts {
			found, err := r.s.writer.Conn().Query("EXPLAIN QUERY PLAN "+q, make([]any, parameters(q))...)
			if err != nil {
				return fmt.Errorf("explain %s: %w", q, err)
			}
			for found.Next() {
				var id, parent, unused int64
				var detail string
				if err := found.Scan(&id, &parent, &unused, &detail); err != nil {
					return err
				}
				plans[q] = append(plans[q], detail)
			}
			if err := commit.JoinClose(found.Err(), found.Close); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return plans
}

// parameters returns the number of parameters of a statement. A plain ? is one higher than the highest parameter before it.
func parameters(query string) int {
	highest := 0
	for i := 0; i < len(query); i++ {
		if query[i] != '?' {
			continue
		}
		end := i + 1
		for end < len(query) && query[end] >= '0' && query[end] <= '9' {
			end++
		}
		if n, err := strconv.Atoi(query[i+1 : end]); err == nil {
			highest = max(highest, n)
		} else {
			highest++
		}
	}
	return highest
}

// recorded returns connections that record their queries.
type recorded struct {
	driver.Connector
	r *Recorder
}

func (c *recorded) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &recordedConn{Conn: conn, r: c.r}, nil
}

type recordedConn struct {
	driver.Conn
	r *Recorder
}

func (c *recordedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.r.mu.Lock()
	c.r.read[query]++
	c.r.mu.Unlock()
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

// InvariantNames returns the names of the invariants.
func InvariantNames() []string {
	var names []string
	for _, l := range invariants() {
		names = append(names, l.name)
	}
	return names
}

// CopyClosed copies the directory of a closed store.
func CopyClosed(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// CopyOpen copies the directory of an open, idle store. The copy is as a crash would leave the directory.
func CopyOpen(t testing.TB, dir string) string {
	t.Helper()
	return CopyClosed(t, dir)
}

// RaiseInLog raises a store's mark a number of times and returns a copy, as after a crash of a server in its start.
func RaiseInLog(t testing.TB, dir string, times int) string {
	t.Helper()
	db, err := commit.OpenFile(filepath.Join(dir, datadir.Database), "wal_autocheckpoint(0)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	defer db.Close()
	for range times {
		var now int
		_, err := db.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
		if err == nil {
			err = db.QueryRow("PRAGMA user_version").Scan(&now)
		}
		if err == nil {
			_, err = db.Exec(fmt.Sprintf("PRAGMA user_version = %d", now+1<<8))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return CopyOpen(t, dir)
}

// Exists reports whether a path exists.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Spoil runs a statement on a table of a closed store. The table accepts values of any type meanwhile, as damage may leave them.
func Spoil(t testing.TB, dir, table, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, datadir.Database))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, text := range []string{
		"PRAGMA writable_schema = 1", "UPDATE sqlite_schema SET sql = replace(sql, 'STRICT', '') WHERE name = '" + table + "'",
		"PRAGMA writable_schema = RESET", "PRAGMA ignore_check_constraints = 1", statement,
	} {
		if _, err := db.Exec(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}
