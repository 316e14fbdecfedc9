package commit

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"modernc.org/sqlite"
)

// keptDB returns a pool of one connection, which keeps its queries prepared, to a file with the rows 1 to 3 of a table t.
func keptDB(t *testing.T) *sql.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := sqlite.NewConnector(dsn(path))
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(keeping{c})
	db.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.ExecContext(t.Context(), `CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1), (2), (3)`); err != nil {
		t.Fatal(err)
	}
	return db
}

// free returns the number of statements that the connection of a pool keeps.
func free(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Raw(func(c any) error {
		n = len(c.(*keptConn).free)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

func read(t *testing.T, db *sql.DB, query string, args ...any) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAStatementIsUsedAgainWithOtherArgumentsAndAnotherSchema(t *testing.T) {
	t.Parallel()
	db := keptDB(t)
	const query = `SELECT count(*) FROM t WHERE n > ?`
	for i, want := range []int{3, 2, 1} {
		if got := read(t, db, query, i); got != want {
			t.Errorf("%d rows are above %d, want %d", got, i, want)
		}
	}
	if _, err := db.ExecContext(t.Context(), `ALTER TABLE t ADD COLUMN m INTEGER; INSERT INTO t VALUES (4, 4)`); err != nil {
		t.Fatal(err)
	}
	if got := read(t, db, query, 0); got != 4 || free(t, db) != 1 {
		t.Errorf("%d rows, %d statements", got, free(t, db))
	}
}

func TestTwoOpenQueriesWithOneTextAreReadIndependently(t *testing.T) {
	t.Parallel()
	db := keptDB(t)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var open [2]*sql.Rows
	for i := range open {
		if open[i], err = conn.QueryContext(t.Context(), `SELECT n FROM t ORDER BY n`); err != nil {
			t.Fatal(err)
		}
	}
	for want := 1; want <= 3; want++ {
		for i, rows := range open {
			var n int
			if !rows.Next() || rows.Scan(&n) != nil || n != want {
				t.Errorf("query %d has %d, want %d: %v", i, n, want, rows.Err())
			}
		}
	}
	for _, rows := range open {
		if rows.Next() || rows.Close() != nil || rows.Err() != nil {
			t.Errorf("after the last row: %v", rows.Err())
		}
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if n := free(t, db); n != 1 {
		t.Errorf("%d statements are kept", n)
	}
}

func TestAConnectionKeepsABoundedNumberOfStatements(t *testing.T) {
	t.Parallel()
	db := keptDB(t)
	for i := range 2 * maxKept {
		if got := read(t, db, fmt.Sprintf(`SELECT count(*) + %d FROM t`, i)); got != 3+i {
			t.Errorf("%d", got)
		}
	}
	if n := free(t, db); n != maxKept {
		t.Errorf("%d statements are kept, want %d", n, maxKept)
	}
}

func TestAQueryThatFailsOrIsCancelledLeavesAUsableConnection(t *testing.T) {
	t.Parallel()
	db := keptDB(t)
	if err := db.QueryRowContext(t.Context(), `SELECT nothing FROM t`).Scan(new(int)); err == nil {
		t.Error("a query of an unknown column is answered")
	}
	const long = `WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c`
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := db.QueryRowContext(ctx, long).Scan(new(int)); err == nil {
		t.Error("an endless query is answered")
	}
	if got := read(t, db, `SELECT count(*) FROM t`); got != 3 {
		t.Errorf("%d rows", got)
	}
}
