package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"inbox/inbox/store/commit"
)

// scanner is a row of a query: *sql.Row, or the current row of *sql.Rows.
type scanner interface{ Scan(dest ...any) error }

// each runs a query on a read connection and calls fn for every row.
func (s *Store) each(ctx context.Context, query string, args []any, fn func(row scanner) error) error {
	rows, err := s.readers.QueryContext(ctx, query, args...)
	if err != nil {
		return readError(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(checkedRows{rows}); err != nil {
			return readError(err)
		}
	}
	return readError(rows.Err())
}

// point returns the context of a query that reads few rows by their key. It is not cancelled, because that takes longer than the
// read: database/sql and the driver each start a goroutine for it. The caller has checked the context.
func point(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// checkedRows are rows whose values must fit their destinations. The tables are STRICT, so a value of another type was not
// written by this program: Scan reports it as damage.
type checkedRows struct{ *sql.Rows }

// Scan copies the row's columns.
func (r checkedRows) Scan(dest ...any) error {
	err := r.Rows.Scan(dest...)
	if err != nil && r.Err() == nil {
		// The message contains only the column of the error; the rest of the error names Go types.
		column, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "sql: Scan error on "), ": ")
		return commit.AsDamaged(fmt.Errorf("a stored value is not of its type (%s)", column))
	}
	return err
}

// readError adds the kind to the error of a read. It returns [sql.ErrNoRows] unchanged.
func readError(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return commit.Unavailable("read the store", err)
}

// qualified returns a list of columns, each with the prefix alias and a dot.
func qualified(alias, columns string) string {
	return alias + "." + strings.ReplaceAll(columns, ", ", ", "+alias+".")
}

// moment reads a time that is stored in milliseconds. NULL and 0 are the zero time.
type moment struct{ to *time.Time }

// Scan stores the value of a column.
func (m moment) Scan(v any) error {
	ms, err := integer(v)
	*m.to = fromMillis(ms)
	return err
}

// microseconds reads a duration that is stored in microseconds.
type microseconds struct{ to *time.Duration }

// Scan stores the value of a column.
func (m microseconds) Scan(v any) error {
	n, err := integer(v)
	*m.to = time.Duration(n) * time.Microsecond
	return err
}

// optional reads an integer column that may be NULL, as 0.
type optional struct{ to *int64 }

// Scan stores the value of a column.
func (o optional) Scan(v any) error {
	n, err := integer(v)
	*o.to = n
	return err
}

// integer returns the value of an integer column, 0 for NULL.
func integer(v any) (int64, error) {
	switch v := v.(type) {
	case nil:
		return 0, nil
	case int64:
		return v, nil
	}
	return 0, commit.Mistyped(v, reflect.TypeFor[int64]())
}
