package commit

import (
	"context"
	"database/sql/driver"
	"errors"
)

// maxKept is the most statements that a connection for reading keeps prepared. The hot paths have fewer.
const maxKept = 32

// keeping is a connector whose connections keep their queries prepared. SQLite took as long to prepare the read of a state
// document as to run it.
type keeping struct{ driver.Connector }

// Connect opens a connection.
func (k keeping) Connect(ctx context.Context) (driver.Conn, error) {
	raw, err := k.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	c, ok := raw.(readerConn)
	if !ok {
		return nil, JoinClose(errors.New("open store for reading: the driver lacks methods that this program needs"), raw.Close)
	}
	return &keptConn{readerConn: c, free: map[string]sqliteStmt{}}, nil
}

// readerConn lists the methods of the driver's connections that database/sql uses.
type readerConn interface {
	sqliteConn
	driver.ConnBeginTx
	driver.SessionResetter
	driver.Validator
	driver.Pinger
}

// keptConn is a connection that keeps queries prepared. database/sql calls it, its statements and its rows from one goroutine at a
// time.
type keptConn struct {
	readerConn
	free map[string]sqliteStmt // prepared statements without open rows, by text
}

// QueryContext runs a query, with the statement that an earlier query with this text left.
func (c *keptConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	stmt := c.free[query]
	delete(c.free, query) // until its rows are closed
	if stmt == nil {
		prepared, err := c.PrepareContext(ctx, query)
		if err != nil {
			return nil, err
		}
		stmt = prepared.(sqliteStmt) // the driver has no other type of statements
	}
	rows, err := stmt.QueryContext(ctx, args)
	if err != nil {
		return nil, JoinClose(err, stmt.Close)
	}
	return &keptRows{Rows: rows, conn: c, query: query, stmt: stmt}, nil
}

// keep keeps a statement whose rows are closed, in place of another one if there are too many.
func (c *keptConn) keep(query string, stmt sqliteStmt) error {
	if c.free[query] != nil { // the text was used twice at the same time
		return stmt.Close()
	}
	if len(c.free) >= maxKept {
		for other, old := range c.free {
			delete(c.free, other)
			if err := old.Close(); err != nil {
				return JoinClose(err, stmt.Close)
			}
			break
		}
	}
	c.free[query] = stmt
	return nil
}

// Close closes the statements and the connection. database/sql has closed all rows before.
func (c *keptConn) Close() error {
	var errs []error
	for _, stmt := range c.free {
		errs = append(errs, stmt.Close())
	}
	clear(c.free)
	return JoinClose(errors.Join(errs...), c.readerConn.Close)
}

// keptRows give their statement back when they are closed.
type keptRows struct {
	driver.Rows
	conn  *keptConn
	query string
	stmt  sqliteStmt
}

// Close ends the query. A statement that fails to end is not used again.
func (r *keptRows) Close() error {
	stmt := r.stmt
	if stmt == nil {
		return nil
	}
	r.stmt = nil
	if err := r.Rows.Close(); err != nil {
		return JoinClose(err, stmt.Close)
	}
	return r.conn.keep(r.query, stmt)
}
