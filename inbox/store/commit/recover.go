package commit

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"inbox/inbox"
)

// checkpointTries is the number of attempts at a checkpoint after a failed flush while readers block it. Each attempt waits for
// busy_timeout, which is 5 seconds.
const checkpointTries = 6

// reload calls Hooks.Reload, and watches the log that a new connection has opened.
func (w *Writer[T]) reload() error {
	if err := w.opt.Fault(PointReload); err != nil {
		return err
	}
	if err := w.hooks.Reload(w.file.conn); err != nil {
		return err
	}
	w.stale = false
	return w.file.reloaded()
}

// recover repairs the writer after a failed batch. After a failed flush, it opens the file again and checkpoints it before the
// next batch. If that fails too, it returns the error, and the program must end. After another failed commit, it reads memory from
// the file, which may have the commit. If that read fails, transact repeats it before the next batch.
func (w *Writer[T]) recover(cause error) error {
	if DiskFailed(cause) {
		w.health.fail(cause)
	}
	if FlushFailed(cause) {
		if err := w.reopen(); err != nil {
			return inbox.Errorf(inbox.Unavailable, "flush the store", "%w (after: %w)", err, cause).
				WithHint("the disk loses written data: see the system's log, then start again")
		}
		return nil
	}
	if w.stale && w.file.conn != nil {
		if err := w.reload(); err != nil {
			w.opt.Log.Error("cannot read the store after a failed write; the next write tries again", "error", err)
		}
	}
	return nil
}

// reopen opens the file again and moves all acknowledged changes from the write-ahead log into it. The kernel may have marked
// the pages that it could not flush as clean, although the disk does not have them. So a second flush of the same descriptor
// proves nothing. The checkpoint writes the changes to other pages and flushes those.
func (w *Writer[T]) reopen() error {
	if err := w.file.close(); err != nil {
		w.opt.Log.Warn("close after a failed flush", "error", err)
	}
	if err := w.opt.Fault(PointReopen); err != nil {
		return err
	}
	if err := w.file.connect(context.Background()); err != nil {
		return err
	}
	for try := range checkpointTries {
		var busy, log, moved int
		if err := w.file.conn.Get("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &moved); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		if busy == 0 {
			w.stale = true
			if err := w.reload(); err != nil {
				return err
			}
			w.opt.Log.Warn("the file was opened again after a failed flush, and all acknowledged changes are on the disk")
			return nil
		}
		w.opt.Log.Warn("a reader blocks the checkpoint after a failed flush", "try", try+1, "of", checkpointTries)
	}
	return inbox.Errorf(inbox.Unavailable, "checkpoint", "readers block it")
}

// health holds the error of the last write; nil after a success.
type health struct {
	log     *slog.Logger
	failure atomic.Pointer[inbox.Error]
}

// fail makes Ready return the failure until a write succeeds. The first failure is logged.
func (h *health) fail(cause error) {
	err := inbox.Errorf(inbox.Unavailable, "write to the store", "%w", cause)
	if h.failure.Swap(err) == nil {
		h.log.Error("cannot write to the store; trying again every second", "error", cause)
	}
}

// succeed records that a write succeeded.
func (h *health) succeed() {
	if h.failure.Load() != nil {
		h.failure.Store(nil)
		h.log.Info("the store can be written again")
	}
}
