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

// Conn is a connection that one goroutine uses, straight on the driver. What database/sql does for many users of a pool
// (locks, copies, conversions by reflection) was measured at a fifth of an accept. Every call runs to its end: a waiter
// that goes away must not undo what others wait for.
type Conn struct {
	raw   sqliteConn
	stmts map[string]sqliteStmt
	args  []driver.NamedValue // of the call under way
}

// sqliteConn is what the driver's connections can do.
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
		return nil, joinClose(errors.New("open store: the driver is not the one this was written for"), raw.Close)
	}
	return &Conn{raw: c, stmts: map[string]sqliteStmt{}}, nil
}

// Prepared returns the texts of the statements that are kept prepared. The goroutine that writes calls it.
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
	return joinClose(first, c.raw.Close)
}

// Script runs statements without arguments and without keeping them prepared.
func (c *Conn) Script(text string) error {
	_, err := c.raw.ExecContext(context.Background(), text, nil)
	return err
}

// Exec runs a statement. It stays prepared, so texts must not be made up from values.
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
	got, err := stmt.QueryContext(context.Background(), c.args)
	if err != nil {
		return nil, err
	}
	return &Rows{from: got, values: make([]driver.Value, len(got.Columns()))}, nil
}

// Get runs a query of one row; no row is sql.ErrNoRows.
func (c *Conn) Get(query string, args ...any) Row {
	found, err := c.Query(query, args...)
	return Row{rows: found, err: err}
}

// bind prepares a statement once and readies its arguments.
func (c *Conn) bind(query string, args []any) (sqliteStmt, error) {
	stmt := c.stmts[query]
	if stmt == nil {
		prepared, err := c.raw.PrepareContext(context.Background(), query)
		if err != nil {
			return nil, fmt.Errorf("prepare statement: %w", err)
		}
		stmt = prepared.(sqliteStmt) // the driver's only kind
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

// plain returns an argument as one of the driver's types.
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

// Rows are the rows of a query, to be used as those of database/sql.
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

// Err returns what ended the rows, nil for their end.
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

// Row is the one row of a query, not asked for yet.
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
		return joinClose(err, r.rows.Close)
	}
	return joinClose(r.rows.Scan(dest...), r.rows.Close)
}

// assign stores a value of the driver where dest points. Only what the schema can hold for dest's type is taken; the
// tables are STRICT.
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
	return &damaged{fmt.Errorf("%s stands where %s belongs", sqlName(reflect.TypeOf(v)), sqlName(to.Type()))}
}

// sqlName is what SQL calls the values of a type.
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
