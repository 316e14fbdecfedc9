package commit

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
)

// Conn is a connection for one goroutine. It does not use database/sql, whose locks, copies and conversions by reflection were
// measured at a fifth of an accept. No call can be cancelled: a caller that stops waiting must not undo the changes of others.
type Conn struct {
	raw   sqliteConn
	stmts map[string]sqliteStmt
	args  []driver.NamedValue // of the current call
}

// sqliteConn lists the methods of the driver's connections that Conn needs.
type sqliteConn interface {
	driver.Conn
	driver.ExecerContext
	driver.ConnPrepareContext
}

type sqliteStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

func newConn(raw driver.Conn) (*Conn, error) {
	c, ok := raw.(sqliteConn)
	if !ok {
		return nil, JoinClose(errors.New("open store: the driver lacks methods that this program needs"), raw.Close)
	}
	return &Conn{raw: c, stmts: map[string]sqliteStmt{}}, nil
}

// Prepared returns the texts of the statements that are kept prepared.
func (c *Conn) Prepared() []string { return slices.Collect(maps.Keys(c.stmts)) }

// close closes the connection and its statements.
func (c *Conn) close() error {
	var first error
	for _, stmt := range c.stmts {
		if err := stmt.Close(); err != nil && first == nil {
			first = err
		}
	}
	clear(c.stmts)
	return JoinClose(first, c.raw.Close)
}

// Script runs statements without arguments and without keeping them prepared.
func (c *Conn) Script(text string) error {
	_, err := c.raw.ExecContext(context.Background(), text, nil)
	return err
}

// Exec runs a statement. The statement stays prepared, so the text must not contain values.
func (c *Conn) Exec(query string, args ...any) (driver.Result, error) {
	stmt, err := c.bind(query, args)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(context.Background(), c.args)
}

// Query runs a query. Its rows must be closed before the same query is run again.
func (c *Conn) Query(query string, args ...any) (*Rows, error) {
	stmt, err := c.bind(query, args)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(context.Background(), c.args)
	if err != nil {
		return nil, err
	}
	return &Rows{from: rows, values: make([]driver.Value, len(rows.Columns()))}, nil
}

// Get runs a query of one row. Without a row, Scan returns sql.ErrNoRows.
func (c *Conn) Get(query string, args ...any) Row {
	rows, err := c.Query(query, args...)
	return Row{rows: rows, err: err}
}

// bind prepares a statement at its first use and converts the arguments.
func (c *Conn) bind(query string, args []any) (sqliteStmt, error) {
	stmt := c.stmts[query]
	if stmt == nil {
		prepared, err := c.raw.PrepareContext(context.Background(), query)
		if err != nil {
			return nil, fmt.Errorf("prepare statement: %w", err)
		}
		stmt = prepared.(sqliteStmt) // the driver has no other type of statements
		c.stmts[query] = stmt
	}
	c.args = c.args[:0]
	for i, arg := range args {
		v, err := plain(arg)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return stmt, nil
}

// plain converts an argument to a type of the driver.
func plain(arg any) (driver.Value, error) {
	switch v := arg.(type) {
	case nil, int64, float64, bool, string, []byte:
		return v, nil
	case int:
		return int64(v), nil
	}
	switch v := reflect.ValueOf(arg); v.Kind() {
	case reflect.String:
		return v.String(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	}
	return driver.DefaultParameterConverter.ConvertValue(arg)
}

// Rows are the rows of a query. They are used like those of database/sql.
type Rows struct {
	from   driver.Rows
	values []driver.Value
	err    error
}

// Next steps to the next row.
func (r *Rows) Next() bool {
	if r.err != nil {
		return false
	}
	r.err = r.from.Next(r.values)
	return r.err == nil
}

// Err returns the error that ended the iteration; nil at its regular end.
func (r *Rows) Err() error {
	if errors.Is(r.err, io.EOF) {
		return nil
	}
	return r.err
}

// Close ends the query.
func (r *Rows) Close() error { return r.from.Close() }

// Scan copies the row's columns.
func (r *Rows) Scan(dest ...any) error {
	if len(dest) != len(r.values) {
		return fmt.Errorf("scan %d columns into %d values", len(r.values), len(dest))
	}
	for i, v := range r.values {
		if err := assign(dest[i], v); err != nil {
			return fmt.Errorf("scan column %d: %w", i+1, err)
		}
	}
	return nil
}

// Row is the result of [Conn.Get].
type Row struct {
	rows *Rows
	err  error
}

// Scan copies the row's columns and ends the query.
func (r Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	if !r.rows.Next() {
		err := r.rows.Err()
		if err == nil {
			err = sql.ErrNoRows
		}
		return JoinClose(err, r.rows.Close)
	}
	return JoinClose(r.rows.Scan(dest...), r.rows.Close)
}

// assign stores a value of the driver in dest. It accepts only the values that the schema allows for dest's type: the tables are
// STRICT. For other values it returns an error that errors.Is matches with [inbox.ErrDamaged].
func assign(dest any, v driver.Value) error {
	if s, ok := dest.(sql.Scanner); ok {
		return s.Scan(v)
	}
	to := reflect.ValueOf(dest).Elem()
	switch v := v.(type) {
	case int64:
		switch to.Kind() {
		case reflect.Int, reflect.Int64:
			to.SetInt(v)
			return nil
		case reflect.Bool:
			to.SetBool(v != 0)
			return nil
		}
	case string:
		if to.Kind() == reflect.String {
			to.SetString(v)
			return nil
		}
	case []byte:
		if to.Kind() == reflect.Slice && to.Type().Elem().Kind() == reflect.Uint8 {
			to.SetBytes(v)
			return nil
		}
	}
	return Mistyped(v, to.Type())
}

// Mistyped returns the error for a stored value whose type is not the schema's. errors.Is matches it with [inbox.ErrDamaged].
func Mistyped(v any, want reflect.Type) error {
	return &damaged{fmt.Errorf("%s is in the place of %s", sqlName(reflect.TypeOf(v)), sqlName(want))}
}

// sqlName returns SQL's name for the values of a type, with an article.
func sqlName(t reflect.Type) string {
	if t == nil {
		return "NULL"
	}
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Slice:
		return "a blob"
	case reflect.Float64:
		return "a fraction"
	}
	return "an integer"
}
