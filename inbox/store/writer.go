package store

import (
	"context"
	"database/sql"
	"fmt"
	"runtime/debug"
	"time"

	"inbox/inbox"
)

// Bounds of one transaction and of the queue before it.
const (
	batchOps    = 256
	batchBytes  = 4 << 20
	queueLength = 1024
)

// op is one change, whole or not at all.
type op struct {
	size  int                // bytes it writes, roughly
	apply func(tx *tx) error // may run more than once; changes nothing but the transaction
	done  func(error)        // told when the change is durable or has failed; must not block
}

// tx is the transaction under way. It also holds what the batch will have changed in memory once it commits.
type tx struct {
	w      *writer
	now    int64
	head   int64            // newest seq
	stored int64            // stored_at of it
	fresh  map[uint64]int64 // digests of the batch: first 64 bits → seq
	after  []func()         // changes of memory that follow a commit
}

// writer owns the connection that writes.
type writer struct {
	s     *Store
	db    *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt

	head   int64
	stored int64
	known  digests
}

func openWriter(ctx context.Context, s *Store) (*writer, error) {
	w := &writer{s: s}
	if err := w.connect(ctx); err != nil {
		return nil, err
	}
	if err := w.migrate(ctx); err != nil {
		return nil, joinClose(err, w.close)
	}
	if err := w.checkKey(ctx); err != nil {
		return nil, joinClose(err, w.close)
	}
	if err := w.reload(ctx); err != nil {
		return nil, joinClose(err, w.close)
	}
	return w, nil
}

func (w *writer) connect(ctx context.Context) (err error) {
	w.stmts = map[string]*sql.Stmt{}
	w.db, w.conn, err = openWriterConn(ctx, w.s.path, w.s.opt.normal)
	return err
}

// close closes the connection. The statements die with it.
func (w *writer) close() error {
	if w.conn == nil {
		return nil
	}
	err := w.conn.Close()
	w.conn = nil
	return joinClose(err, w.db.Close)
}

// reload reads what the writer holds in memory.
func (w *writer) reload(ctx context.Context) error {
	err := w.conn.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0), coalesce((SELECT stored_at FROM events ORDER BY seq DESC LIMIT 1), 0) FROM events`).
		Scan(&w.head, &w.stored)
	if err != nil {
		return fmt.Errorf("read the newest event: %w", err)
	}
	return w.known.load(ctx, w.conn, w.head)
}

// checkpoint moves the write-ahead log into the file; failing that, the next start does it.
func (w *writer) checkpoint() {
	if w.conn == nil {
		return
	}
	if _, err := w.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		w.s.opt.Log.Warn("cannot checkpoint while closing", "error", err)
	}
}

// exec runs a statement of the transaction. Statements are prepared once.
func (t *tx) exec(query string, args ...any) (sql.Result, error) {
	if err := t.w.s.opt.fault("exec"); err != nil {
		return nil, err
	}
	stmt, err := t.w.prepare(query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(context.Background(), args...)
}

// get runs a query of one row; no row is sql.ErrNoRows.
func (t *tx) get(query string, args ...any) *sql.Row {
	stmt, err := t.w.prepare(query)
	if err != nil {
		return t.w.conn.QueryRowContext(context.Background(), query, args...) // reports the error by Scan
	}
	return stmt.QueryRowContext(context.Background(), args...)
}

func (t *tx) query(query string, args ...any) (*sql.Rows, error) {
	stmt, err := t.w.prepare(query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(context.Background(), args...)
}

func (w *writer) prepare(query string) (*sql.Stmt, error) {
	if stmt := w.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := w.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, fmt.Errorf("prepare statement: %w", err)
	}
	w.stmts[query] = stmt
	return stmt, nil
}

// commit makes a batch durable and tells everyone in it. When one op fails, the others must not suffer: all are tried
// again one by one, in their order. It returns an error only when the file cannot be written safely any more.
func (w *writer) commit(batch []*op) error {
	err := w.try(batch)
	if err == nil {
		for _, o := range batch {
			o.done(nil)
		}
		w.s.heal()
		return nil
	}
	if diskFailed(err) || len(batch) == 1 {
		if fatal := w.recover(err); fatal != nil {
			fail(batch, fatal)
			return fatal
		}
		fail(batch, unavailable("write to the store", err))
		return nil
	}
	for i := range batch {
		if fatal := w.commit(batch[i : i+1]); fatal != nil {
			fail(batch[i+1:], fatal)
			return fatal
		}
	}
	return nil
}

func fail(batch []*op, err error) {
	for _, o := range batch {
		o.done(err)
	}
}

// try runs a batch as one transaction.
func (w *writer) try(batch []*op) (err error) {
	ctx := context.Background() // a waiter that goes away must not undo what others wait for
	if w.conn == nil {
		return inbox.Errorf(inbox.Unavailable, "write to the store", "the file is closed")
	}
	if err := w.step(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	t := &tx{w: w, now: w.s.now(), head: w.head, stored: w.stored}
	for _, o := range batch {
		if err := applySafely(o, t); err != nil {
			if _, rerr := w.conn.ExecContext(ctx, "ROLLBACK"); rerr != nil {
				w.s.opt.Log.Debug("rollback", "error", rerr) // SQLite rolls back by itself after some errors
			}
			return err
		}
	}
	if err := w.step(ctx, "COMMIT"); err != nil {
		_, _ = w.conn.ExecContext(ctx, "ROLLBACK") // fails when SQLite has done it, which is as good
		return err
	}
	w.committed(t)
	return nil
}

func (w *writer) step(ctx context.Context, statement string) error {
	if err := w.s.opt.fault(statement); err != nil {
		return err
	}
	_, err := w.conn.ExecContext(ctx, statement)
	return err
}

// applySafely turns a panic of one op into its error: a bug must not take the others down.
func applySafely(o *op, t *tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = inbox.Errorf(inbox.Internal, "write to the store", "panic: %v\n%s", p, debug.Stack())
		}
	}()
	return o.apply(t)
}

// committed takes over in memory what is now durable.
func (w *writer) committed(t *tx) {
	appended := t.head > w.head
	w.head, w.stored = t.head, t.stored
	for hash, seq := range t.fresh {
		w.known.add(hash, seq)
	}
	for _, fn := range t.after {
		fn()
	}
	w.s.head.Store(w.head)
	if appended {
		w.s.subs.wake()
	}
}

// recover puts the writer in order after a batch failed. After a failed flush the file is opened anew and
// checkpointed before anything else is taken; if that fails too, the error is returned and the program must end.
func (w *writer) recover(cause error) error {
	if !diskFailed(cause) {
		return nil
	}
	w.s.opt.Log.Error("cannot write to the store", "error", cause)
	w.s.fallIll(unavailable("write to the store", cause))
	ctx := context.Background()
	if flushFailed(cause) {
		if err := w.reopen(ctx); err != nil {
			return inbox.Errorf(inbox.Unavailable, "bring the store to the disk", "%w (after: %w)", err, cause).
				WithHint("the disk does not keep what is written: see the system's log, then start again")
		}
		return nil
	}
	// A commit that failed may still have reached the file.
	if err := w.reload(ctx); err != nil {
		w.s.opt.Log.Error("cannot read the store after a failed write", "error", err)
	}
	return nil
}

func (w *writer) reopen(ctx context.Context) error {
	if err := w.close(); err != nil {
		w.s.opt.Log.Debug("close after a failed flush", "error", err)
	}
	if err := w.connect(ctx); err != nil {
		return err
	}
	var busy, log, moved int
	if err := w.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &moved); err != nil {
		return err
	}
	if busy != 0 {
		return fmt.Errorf("checkpoint: a reader is in the way")
	}
	w.s.opt.Log.Warn("the file was opened anew after a failed flush and is in order")
	return w.reload(ctx)
}

// fallIll makes Ready report the failure until a write succeeds.
func (s *Store) fallIll(err error) {
	e, ok := err.(*inbox.Error)
	if !ok {
		e = inbox.Errorf(inbox.Unavailable, "write to the store", "%w", err)
	}
	s.sick.Store(e)
}

func (s *Store) heal() {
	if s.sick.Load() != nil {
		s.sick.Store(nil)
		s.opt.Log.Info("the store can be written again")
	}
}

// run is the life of the writing goroutine: it commits whatever waits until stop is closed and the queue is empty.
func (w *writer) run(stop <-chan struct{}) error {
	probe := time.NewTicker(time.Second)
	defer probe.Stop()
	batch := make([]*op, 0, batchOps)
	for {
		batch = batch[:0]
		select {
		case o := <-w.s.queue:
			batch = append(batch, o)
		case <-probe.C:
			w.idle()
			continue
		case <-stop:
			select {
			case o := <-w.s.queue:
				batch = append(batch, o)
			default:
				return nil
			}
		}
		batch = w.gather(batch)
		if err := w.commit(batch); err != nil {
			return err
		}
	}
}

// gather takes what else waits, up to the bounds of a transaction. It does not wait: while one batch is flushed, the
// next one gathers by itself.
func (w *writer) gather(batch []*op) []*op {
	bytes := batch[0].size
	w.s.waiting.Add(-int64(batch[0].size))
	for len(batch) < batchOps && bytes < batchBytes {
		select {
		case o := <-w.s.queue:
			w.s.waiting.Add(-int64(o.size))
			bytes += o.size
			batch = append(batch, o)
		default:
			return batch
		}
	}
	return batch
}

// idle is called every second: it measures the disk, and tries a write when the last one failed, so that the door
// opens again by itself.
func (w *writer) idle() {
	w.s.checkDisk()
	if w.s.sick.Load() != nil {
		probe := &op{done: func(error) {}, apply: func(t *tx) error {
			_, err := t.exec(`INSERT INTO meta (name, value) VALUES ('probed', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1`, fmt.Sprint(t.now))
			return err
		}}
		if err := w.commit([]*op{probe}); err != nil {
			w.s.opt.Log.Error("cannot write to the store", "error", err)
		}
	}
}
