package commit

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"inbox/inbox"
)

// Bounds of one transaction.
const (
	batchOps   = 256
	batchBytes = 4 << 20
)

// Writer owns the connection that writes. Several goroutines may call its methods, unless a method's comment forbids it.
type Writer[T any] struct {
	opt     *Options
	hooks   Hooks[T]
	queues  *queues[T]
	readers *sql.DB
	health  health
	begun   atomic.Bool // Run was called
	direct  sync.Mutex  // serialises the changes of a writer without Run

	// These belong to the writing goroutine, or to the holder of direct.
	file  file
	tx    *Tx
	stale bool // memory may differ from the file, because a commit failed that the file may have
}

// Conn returns the connection, for statements between Open and Run. Only the writing goroutine may call it after that.
func (w *Writer[T]) Conn() *Conn { return w.file.conn }

// Readers returns a pool of up to four connections that read. The caller closes it before it calls Close.
func (w *Writer[T]) Readers() *sql.DB { return w.readers }

// Ready returns nil when changes can be written, and otherwise an Unavailable error with the reason.
func (w *Writer[T]) Ready() error {
	if err := w.health.failure.Load(); err != nil {
		return err
	}
	return w.queues.open()
}

// Close closes the file, after Run has ended and the readers are closed. It moves the write-ahead log into the file. When a
// server's file was moved, removed or replaced meanwhile, Close saves its contents: at the file's path when no file is there,
// otherwise beside it.
func (w *Writer[T]) Close() error {
	w.direct.Lock()
	defer w.direct.Unlock()
	if w.opt.Server {
		return w.file.closeServer()
	}
	return w.file.close()
}

// commit makes a batch durable and calls Done of each change. When one change fails, it splits the batch and attempts both halves
// in order, until the change that fails is alone. It never applies a change again after a COMMIT: that may be durable although it
// reported an error. commit returns an error only when the file can no longer be written safely. It calls Done of all changes in
// that case, too.
func (w *Writer[T]) commit(batch []*Op[T]) error {
	if batch = refused(batch); len(batch) == 0 {
		return nil
	}
	applied, err := w.transact(batch)
	why, displaced := isDisplaced(err)
	switch {
	case displaced:
		return w.stopForDisplaced(batch, why)
	case err == nil:
		for _, o := range batch {
			o.Done(nil)
		}
		w.health.succeed()
		return nil
	case applied || DiskFailed(err) || len(batch) == 1:
		if fatal := w.recover(err); fatal != nil {
			fail(batch, fatal)
			return fatal
		}
		fail(batch, Unavailable("write to the store", err))
		return nil
	}
	half := len(batch) / 2
	if fatal := w.commit(batch[:half]); fatal != nil {
		fail(batch[half:], fatal)
		return fatal
	}
	return w.commit(batch[half:])
}

// refused calls Done of the changes whose Refuse returns an error, and returns the other changes.
func refused[T any](batch []*Op[T]) []*Op[T] {
	return slices.DeleteFunc(batch, func(o *Op[T]) bool {
		if o.Refuse == nil {
			return false
		}
		err := o.Refuse()
		if err != nil {
			o.Done(err)
		}
		return err != nil
	})
}

func fail[T any](batch []*Op[T], err error) {
	for _, o := range batch {
		o.Done(err)
	}
}

// transact applies a batch in one transaction. applied reports that all changes were applied: an error is then one of the COMMIT, or
// follows it.
func (w *Writer[T]) transact(batch []*Op[T]) (applied bool, err error) {
	if err := w.repair(); err != nil {
		return false, err
	}
	if err := w.file.watch.checkBefore(); err != nil {
		return false, err
	}
	if err := w.file.run(PointBegin, "BEGIN IMMEDIATE"); err != nil {
		return false, err
	}
	t := w.hooks.Begin(w.tx)
	for _, o := range batch {
		if err := applySafely(w.opt.Log, o, t); err != nil {
			w.file.rollback()
			return false, err
		}
	}
	err = w.file.run(PointCommit, "COMMIT")
	if err == nil {
		err = w.opt.Fault(PointCommitted)
	}
	if err == nil {
		err = w.file.checkFiles() // the next start does not read a displaced file
	}
	if err != nil {
		w.stale = true
		w.file.rollback()
		return true, err
	}
	w.hooks.Committed(t)
	return true, nil
}

// repair opens the file again if an earlier failure closed it, and reloads memory that may differ from the file.
func (w *Writer[T]) repair() error {
	if w.file.conn == nil {
		if err := w.file.connect(context.Background()); err != nil {
			return err
		}
		w.stale = true
	}
	if !w.stale {
		return nil
	}
	if err := w.reload(); err != nil {
		return fmt.Errorf("read the store after a failed commit: %w", err)
	}
	return nil
}

// applySafely applies a change and returns an Internal error when it panics, so that the other changes of the batch commit.
func applySafely[T any](log *slog.Logger, o *Op[T], t T) (err error) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("a change of the store panicked", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			err = inbox.Errorf(inbox.Internal, "write to the store", "panic (%T)", p).WithHint("please report this with the server's log")
		}
	}()
	return o.Apply(t)
}

// idle is called every second. It checks the files. When the last write failed, it attempts a write, so that Ready recovers without
// a change.
func (w *Writer[T]) idle() error {
	w.opt.Every()
	restored, err := w.file.watch.checkBeside(&w.opt.Beside)
	if restored {
		w.opt.Log.Error("the store's key was moved or removed while the server ran: it was written again", "file", filepath.Base(w.opt.Beside.Key))
	}
	if err == nil {
		err = w.file.checkFiles()
	}
	if why, displaced := isDisplaced(err); displaced {
		return w.stopForDisplaced(nil, why)
	}
	if err == nil && w.health.failure.Load() == nil {
		return nil
	}
	return w.commit([]*Op[T]{{Done: func(error) {}, Apply: w.hooks.Probe}})
}

// stopForDisplaced fails a batch because a file is displaced, and returns the error that ends the program.
func (w *Writer[T]) stopForDisplaced(batch []*Op[T], why *displaced) error {
	fatal := inbox.Errorf(inbox.Unavailable, "", "%w: no more events are accepted", why).
		WithHint("the log names the files in which the contents were saved; put the right files in place and start again")
	w.file.lost = why
	w.health.fail(fatal)
	fail(batch, fatal)
	return fatal
}
