package store

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
)

// SmallRuns makes runs of digests small, so that tests meet many.
func SmallRuns(o Options, size int) Options {
	o.runSize = size
	return o
}

// Normal opens the store with synchronous=NORMAL, for comparison.
func Normal(o Options) Options {
	o.normal = true
	return o
}

// Faulty has fault asked before every operation of the writer.
func Faulty(o Options, fault func(point string) error) Options {
	o.fault = fault
	return o
}

// Digests returns how many digests are in memory, and how many sealed runs there are.
func Digests(s *Store) (recent, runs int) {
	_ = s.write(context.Background(), func(t *tx) error {
		runs = len(t.w.known.runs)
		for _, m := range t.w.known.recent {
			recent += len(m)
		}
		return nil
	})
	return recent, runs
}

// Exec runs a statement on the file of a closed store.
func Exec(t testing.TB, dir, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(filepath.Join(dir, fileName)))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}
