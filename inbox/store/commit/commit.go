// Package commit writes to one SQLite file: one goroutine, one connection, one transaction for all queued changes, one
// flush. It knows no table. The caller provides [Hooks] for its tables.
//
// A change is an [Op]. [Writer.Submit] puts it into a bounded queue. The writing goroutine takes the queued changes (up to 256
// changes or 4 MiB), applies them in one transaction, and calls Done of each change after COMMIT has returned. So all changes
// of a batch share the cost of one flush. No change is acknowledged before it is on disk: connections run with
// synchronous=FULL (https://www.sqlite.org/pragma.html#pragma_synchronous), and each has read that back.
//
// Files: commit.go has the options, the hooks and Open. queue.go queues changes, batches.go is the loop of the writing goroutine,
// writer.go commits a batch, and recover.go recovers after a failure. open.go, conn.go and file.go open and use connections,
// codes.go classifies SQLite's errors, and copy.go copies a database. watch.go, mark.go and rescue.go detect displaced files and
// save their contents.
//
// After a failure:
//
//   - One change of a batch fails: the transaction is rolled back, the batch is split into halves, and both are attempted, until
//     the change that fails is alone. The others commit.
//   - The disk is full or cannot be written: the batch fails with an Unavailable error. [Writer.Ready] returns that error
//     until a write succeeds. A write is attempted every second.
//   - COMMIT fails: the transaction may have been committed. Memory is read from the file again ([Hooks.Reload]) before the next
//     batch.
//   - A flush fails: the kernel may have marked the pages that it could not write as clean, so a second flush of the same
//     descriptor proves nothing (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020). Before the
//     next batch, the file is opened again and checkpointed. The checkpoint writes the pages to other places and flushes those.
//     When that fails too, Run returns an error and the program must end.
//   - The file or its log is moved, removed, replaced, truncated or overwritten while a server runs: no further change is
//     acknowledged, and Run returns an error. [Writer.Close] saves the store's contents.
package commit

import (
	"context"
	"database/sql/driver"
	"log/slog"
	"time"

	"inbox/inbox"
)

// DefaultQueueBytes is the default of Options.QueueBytes.
const DefaultQueueBytes = 64 << 20

// Options configure how a file is opened and written. Path is required; the zero value of another field means the default in its
// comment.
type Options struct {
	Path       string                                   // of the database. Its write-ahead log is Path-wal
	Server     bool                                     // the caller holds the process lock and calls Run. Otherwise each change is made at once, under Lock
	Lock       func() (release func() error, err error) // acquires the process lock for one change; required unless Server is set
	Prepare    func(*Conn) error                        // migrates a file that was just opened to the caller's schema; default: nothing
	Every      func()                                   // is called every second by the writing goroutine; default: nothing
	Beside     Beside                                   // the files beside the database; required if Server is set
	Log        *slog.Logger                             // default: discard
	Now        func() time.Time                         // default: time.Now
	QueueBytes int64                                    // bytes that may wait in the queue; default DefaultQueueBytes
	Relaxed    bool                                     // synchronous=NORMAL: a power cut undoes acknowledged changes. For comparison in measurements

	// Fault is called before every operation of the writer with one of the points below. Its error fails the operation. It is
	// for `inbox torture` and tests. Default: no operation fails.
	Fault func(point string) error
}

// Points at which Options.Fault is called.
const (
	PointBegin     = "begin"
	PointExec      = "exec"
	PointQuery     = "query"
	PointCommit    = "commit"    // before COMMIT
	PointCommitted = "committed" // after COMMIT: the transaction is committed, and an error makes the writer believe that it failed
	PointRollback  = "rollback"
	PointReload    = "reload"
	PointReopen    = "reopen"
)

// Beside names the files beside the database that a server watches.
type Beside struct {
	Lock string // path of the lock's file; it may be absent
	Key  string // path of the key's file
	Have []byte // the key's bytes. A key that is removed while a server runs is written again
}

// Hooks keep the caller's memory equal to the file. T is the type that changes are applied to: a transaction, and the changes of
// memory that follow its commit. All methods are called by the goroutine that writes.
type Hooks[T any] interface {
	// Begin returns the T of a new transaction. It must not write.
	Begin(tx *Tx) T
	// Committed makes the changes of memory. It is called after COMMIT returned and before Done.
	Committed(t T)
	// Reload reads memory from the file. It is called by Open, and after every failure that may have left memory different from
	// the file. After an error it is called again before the next transaction.
	Reload(c *Conn) error
	// Probe makes a small change. It is called every second while the last write has failed.
	Probe(t T) error
}

// Tx is the transaction under way. It is valid in Op.Apply only.
type Tx struct{ f *file }

// Exec runs a statement of the transaction, as [Conn.Exec].
func (t *Tx) Exec(query string, args ...any) (driver.Result, error) {
	if err := t.f.opt.Fault(PointExec); err != nil {
		return nil, err
	}
	return t.f.conn.Exec(query, args...)
}

// Get runs a query of one row, as [Conn.Get].
func (t *Tx) Get(query string, args ...any) Row {
	if err := t.f.opt.Fault(PointQuery); err != nil {
		return Row{err: err}
	}
	return t.f.conn.Get(query, args...)
}

// Query runs a query, as [Conn.Query].
func (t *Tx) Query(query string, args ...any) (*Rows, error) {
	if err := t.f.opt.Fault(PointQuery); err != nil {
		return nil, err
	}
	return t.f.conn.Query(query, args...)
}

func (o *Options) fill() {
	if o.Prepare == nil {
		o.Prepare = func(*Conn) error { return nil }
	}
	if o.Every == nil {
		o.Every = func() {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.QueueBytes == 0 {
		o.QueueBytes = DefaultQueueBytes
	}
	if o.Fault == nil {
		o.Fault = func(string) error { return nil }
	}
}

// Create opens a new, empty database file, prepares it and closes it. Then everything is on disk, and the log is empty. The
// caller holds the process lock.
func Create(ctx context.Context, o Options) error {
	o.fill()
	f := &file{opt: &o}
	if err := f.connect(ctx); err != nil {
		return err
	}
	err := o.Prepare(f.conn)
	if err == nil {
		err = f.setMark(randomMark())
	}
	if err == nil {
		_, err = f.checkpoint("TRUNCATE")
	}
	return JoinClose(err, f.close)
}

// Open opens a database file that exists. It returns an Unavailable error, an error of Options.Prepare, or an Invalid error that
// wraps [inbox.ErrDamaged]: the file is damaged, or the log beside it belongs to another database.
func Open[T any](ctx context.Context, o Options, h Hooks[T]) (*Writer[T], error) {
	o.fill()
	if o.Server {
		if err := flushLog(o.Path); err != nil {
			return nil, err
		}
	}
	if err := checkLog(ctx, o.Path); err != nil {
		return nil, err
	}
	w := &Writer[T]{opt: &o, hooks: h, file: file{opt: &o}, queues: newQueues[T](o.QueueBytes), health: health{log: o.Log}}
	w.tx = &Tx{f: &w.file}
	if err := w.file.connect(ctx); err != nil {
		return nil, err
	}
	if err := o.Prepare(w.file.conn); err != nil {
		return nil, JoinClose(err, w.file.close)
	}
	err := w.reload()
	if err == nil && o.Server {
		err = w.file.startWatch()
	}
	if err != nil {
		return nil, JoinClose(OpenError(o.Path, err), w.file.close)
	}
	if w.readers, err = openReaders(o.Path, o.Relaxed, w.file.watch); err != nil {
		return nil, JoinClose(err, w.file.close)
	}
	return w, nil
}

// errStopping fails changes that are submitted while the writer stops.
var errStopping = inbox.Errorf(inbox.Unavailable, "", "the store is stopping")

// ErrFull fails an [Offer] or [Background] change whose queue is full.
var ErrFull = inbox.Errorf(inbox.Unavailable, "", "too many events wait for the disk")
