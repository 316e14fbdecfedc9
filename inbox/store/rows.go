package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// scanner is a row or rows.
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

// checkedRows are rows whose values must fit where they are read to: the tables are STRICT, so what does not was not
// written by us.
type checkedRows struct{ *sql.Rows }

// Scan copies the row's columns.
func (r checkedRows) Scan(dest ...any) error {
	err := r.Rows.Scan(dest...)
	if err != nil && r.Err() == nil {
		// Of the error only the column: the rest speaks of Go's types.
		column, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "sql: Scan error on "), ": ")
		return &unsound{fmt.Errorf("a stored value is not of its type (%s)", column)}
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
	return unavailable("read the store", err)
}
