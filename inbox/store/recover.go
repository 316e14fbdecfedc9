package store

import (
	"context"
	"fmt"

	"inbox/inbox"
)

// flushPatience is how often a checkpoint after a failed flush is tried while readers are in its way. Each try waits for
// them as long as busy_timeout says.
const flushPatience = 6

// reload makes memory what the file says. What it holds already is kept when the file says the same, which it does
// after most failures: reading all digests again would take as long as a start.
func (w *writer) reload() error {
	if err := w.s.opt.Fault(pointReload); err != nil {
		return err
	}
	var head, stored, sealed int64
	var runs int
	err := w.conn.get(`SELECT coalesce(max(seq), 0), coalesce((SELECT stored_at FROM events ORDER BY seq DESC LIMIT 1), 0),
		(SELECT coalesce(max(last), 0) FROM digest_runs WHERE sealed = 1), (SELECT count(*) FROM digest_runs WHERE sealed = 1) FROM events`).
		Scan(&head, &stored, &sealed, &runs)
	if err != nil {
		return fmt.Errorf("read the newest event: %w", err)
	}
	if head != w.head || sealed != w.known.sealed || runs != len(w.known.runs) || w.known.size == 0 {
		if err := w.known.load(w.conn, int64(w.s.opt.runSize)); err != nil {
			return err
		}
	}
	contents, err := loadContentIDs(w.conn)
	if err != nil {
		return fmt.Errorf("read the mark of the contents' ids: %w", err)
	}
	appended := head > w.head
	w.head, w.stored, w.contents, w.stale = head, stored, contents, false
	w.s.head.Store(head)
	if appended {
		w.s.subs.wake()
	}
	w.wakeUpkeep()
	if w.anew {
		w.anew = false
		return w.watch.watchLog()
	}
	return nil
}

// recover puts the writer in order after a batch failed. After a failed flush the file is opened anew and
// checkpointed before anything else is taken; if that fails too, the error is returned and the program must end. After
// any other failed commit, the file is asked whether it happened, now or before the next batch.
func (w *writer) recover(cause error) error {
	if diskFailed(cause) {
		w.s.fallIll(cause)
	}
	if flushFailed(cause) {
		if err := w.reopen(); err != nil {
			return inbox.Errorf(inbox.Unavailable, "bring the store to the disk", "%w (after: %w)", err, cause).
				WithHint("the disk does not keep what is written: see the system's log, then start again")
		}
		return nil
	}
	if w.stale && w.conn != nil {
		if err := w.reload(); err != nil {
			w.s.opt.Log.Error("cannot read the store after a failed write; trying again with the next one", "error", err)
		}
	}
	return nil
}

// reopen opens the file anew and brings all that was acknowledged from the write-ahead log into it. The pages that
// could not be flushed may be marked as clean in the kernel though the disk does not have them, so a second flush of
// the same descriptor proves nothing; the checkpoint writes them to other pages and flushes those.
func (w *writer) reopen() error {
	if err := w.close(); err != nil {
		w.s.opt.Log.Warn("close after a failed flush", "error", err)
	}
	if err := w.s.opt.Fault(pointReopen); err != nil {
		return err
	}
	if err := w.connect(context.Background()); err != nil {
		return err
	}
	for try := range flushPatience {
		var busy, log, moved int
		if err := w.conn.get("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &moved); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		if busy == 0 {
			w.stale = true
			w.s.opt.Log.Warn("the file was opened anew after a failed flush and is in order")
			return w.reload()
		}
		w.s.opt.Log.Warn("a reader is in the way of the checkpoint after a failed flush", "try", try+1, "of", flushPatience)
	}
	return inbox.Errorf(inbox.Unavailable, "checkpoint", "readers are in the way")
}

// checkpoint moves the write-ahead log into the file; failing that, the next start does it.
func (w *writer) checkpoint() {
	if w.conn == nil {
		return
	}
	var busy, log, moved int
	if err := w.conn.get("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &moved); err != nil {
		w.s.opt.Log.Warn("cannot checkpoint while closing", "error", err)
	}
}

// fallIll makes Ready report the failure until a write succeeds. It is logged once.
func (s *Store) fallIll(cause error) {
	err := inbox.Errorf(inbox.Unavailable, "write to the store", "%w", cause)
	if s.sick.Swap(err) == nil {
		s.opt.Log.Error("cannot write to the store; trying again every second", "error", cause)
	}
}

func (s *Store) heal() {
	if s.sick.Load() != nil {
		s.sick.Store(nil)
		s.opt.Log.Info("the store can be written again")
	}
}
