package commit

import (
	"context"
	"fmt"
)

// file is the writing goroutine's connection to the database, and the watch over a server's files.
type file struct {
	opt      *Options
	conn     *Conn      // nil when the file could not be opened again
	watch    *fileWatch // of a server's file
	lost     *displaced // the first displaced file that was detected
	reopened bool       // the connection was opened after watch began, and its log is not watched yet
}

// connect opens the connection. It returns an error when the file at the path is not the watched file.
func (f *file) connect(ctx context.Context) error {
	if err := f.watch.checkFile(); err != nil {
		return err
	}
	c, err := writerConnector(f.opt.Path, f.opt.Relaxed)
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	raw, err := c.Connect(ctx)
	if err != nil {
		return OpenError(f.opt.Path, err)
	}
	f.conn, err = newConn(raw)
	f.reopened = f.watch != nil
	return err
}

func (f *file) close() error {
	if f.conn == nil {
		return nil
	}
	c := f.conn
	f.conn = nil
	return c.close()
}

// rollback rolls a failed transaction back. After some errors SQLite has already rolled back, and ROLLBACK returns SQLITE_ERROR.
// When the rollback fails, rollback closes the connection.
func (f *file) rollback() {
	err := f.run(PointRollback, "ROLLBACK")
	if err == nil || extended(err) == codeError {
		return
	}
	f.opt.Log.Warn("cannot roll back; opening the file again", "error", err)
	if err := f.close(); err != nil {
		f.opt.Log.Warn("close after a failed rollback", "error", err)
	}
}

// run runs BEGIN, COMMIT or ROLLBACK.
func (f *file) run(point, statement string) error {
	if err := f.opt.Fault(point); err != nil {
		return err
	}
	_, err := f.conn.Exec(statement)
	return err
}

// reloaded begins to watch the log that a new connection has opened.
func (f *file) reloaded() error {
	if !f.reopened {
		return nil
	}
	f.reopened = false
	return f.watch.watchLog()
}

// checkpointAtClose moves the write-ahead log into the file. When that fails, the next start does it.
func (f *file) checkpointAtClose() {
	if f.conn == nil {
		return
	}
	if _, err := f.checkpoint("TRUNCATE"); err != nil {
		f.opt.Log.Warn("cannot checkpoint while closing", "error", err)
	}
}
