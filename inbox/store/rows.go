package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"inbox/inbox/store/commit"
	"reflect"
	"strings"
	"time"
)

// scanner is one row of a query, or the current row of several.
type scanner interface{ Scan(dest ...any) error }

// each runs a query on a connection for reading and calls fn for every row.
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

// checkedRows are rows whose values must fit their destinations. The tables are STRICT, so a value that does not fit was not
// written by this program.
type checkedRows struct{ *sql.Rows }

// Scan copies the row's columns.
func (r checkedRows) Scan(dest ...any) error {
	err := r.Rows.Scan(dest...)
	if err != nil && r.Err() == nil {
		// Only the column of the error is shown: the rest names types of Go.
		column, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "sql: Scan error on "), ": ")
		return commit.AsDamaged(fmt.Errorf("a stored value is not of its type (%s)", column))
	}
	return err
}

// readError gives a failed read its kind.
func readError(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return commit.Unavailable("read the store", err)
}

// qualified returns a list of columns with the alias of their table before each.
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

// optional reads a number that may be missing. NULL is 0.
type optional struct{ to *int64 }

// Scan stores the value of a column.
func (o optional) Scan(v any) error {
	n, err := integer(v)
	*o.to = n
	return err
}

// integer returns the value of a column of integers, 0 for NULL.
func integer(v any) (int64, error) {
	switch v := v.(type) {
	case nil:
		return 0, nil
	case int64:
		return v, nil
	}
	return 0, commit.Mistyped(v, reflect.TypeFor[int64]())
}
