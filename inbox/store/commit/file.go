package commit

import (
	"context"
	"fmt"
)

// file is the database as the writing goroutine has it open, and the watch over the files of a server.
type file struct {
	opt      *Options
	conn     *Conn      // nil when the file could not be opened anew
	watch    *fileWatch // of a server's file
	lost     *displaced // a file was found not to be at its place
	reopened bool       // the connection was opened after watch began
}

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

// rollback ends a transaction that failed. SQLite rolls back by itself after some errors, and then has none to end; a
// transaction that cannot be ended goes with its connection.
func (f *file) rollback() {
	err := f.run(PointRollback, "ROLLBACK")
	if err == nil || extended(err) == codeError {
		return
	}
	f.opt.Log.Warn("cannot roll back; opening the file anew", "error", err)
	if err := f.close(); err != nil {
		f.opt.Log.Warn("close after a failed rollback", "error", err)
	}
}

func (f *file) run(point, statement string) error {
	if err := f.opt.Fault(point); err != nil {
		return err
	}
	_, err := f.conn.Exec(statement)
	return err
}

// reloaded takes the log that the new connection opened for the store's.
func (f *file) reloaded() error {
	if !f.reopened {
		return nil
	}
	f.reopened = false
	return f.watch.watchLog()
}

// checkpointAtClose moves the write-ahead log into the file; failing that, the next start does it.
func (f *file) checkpointAtClose() {
	if f.conn == nil {
		return
	}
	if _, err := f.checkpoint("TRUNCATE"); err != nil {
		f.opt.Log.Warn("cannot checkpoint while closing", "error", err)
	}
}
