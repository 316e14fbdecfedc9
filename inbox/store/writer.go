package store

import (
	"context"
	"database/sql/driver"
	"fmt"
	"runtime/debug"
	"slices"

	"inbox/inbox"
	"inbox/inbox/datadir"
)

// Bounds of one transaction and of the queue before it.
const (
	batchOps    = 256
	batchBytes  = 4 << 20
	queueLength = 1024
)

// op is one change, whole or not at all.
type op struct {
	lazy   bool               // nobody waits for it to be durable
	apart  bool               // of a refused request: it waits in a queue of its own
	size   int                // bytes it writes, roughly
	refuse func() error       // says why it must not be tried any more; nil: always tried
	apply  func(tx *tx) error // may run more than once; changes nothing but the transaction
	done   func(error)        // told when the change is durable or has failed; must not block
}

// tx is the transaction under way. It also holds what the batch will have changed in memory once it commits.
type tx struct {
	w        *writer
	now      int64
	head     int64            // newest seq
	stored   int64            // stored_at of it
	contents contentIDs       // given to contents
	fresh    map[uint64]int64 // digests of the batch: first 64 bits → seq
	payloads []placed         // of the batch, to be kept in memory
	after    []func()         // changes of memory that follow a commit
	unkept   bool             // the counts of what was never kept are in it
}

// writer owns the connection that writes.
type writer struct {
	s    *Store
	conn *conn // nil when the file could not be opened anew

	head     int64
	stored   int64
	contents contentIDs
	known    digests
	watch    *fileWatch // of a server's store
	gone     *displaced // a file was found not to be at its place
	anew     bool       // the connection was opened after watch began
	stale    bool       // memory may differ from the file: a commit failed, and the file says whether it happened
}

// Points at which Options.Fault is asked.
const (
	pointBegin     = "begin"
	pointExec      = "exec"
	pointQuery     = "query"
	pointCommit    = "commit"    // before it
	pointCommitted = "committed" // after it: the change is made, and the writer is told that it failed
	pointRollback  = "rollback"
	pointReload    = "reload"
	pointReopen    = "reopen"
	pointMigrate   = "migrate" // in a migration, before its commit
)

func openWriter(ctx context.Context, s *Store) (*writer, error) {
	w := &writer{s: s}
	if err := w.connect(ctx); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{w.migrate, w.checkKey} {
		if err := step(ctx); err != nil {
			return nil, joinClose(err, w.close)
		}
	}
	if err := w.reload(); err != nil {
		return nil, joinClose(openError(s.path, err), w.close)
	}
	return w, nil
}

func (w *writer) connect(ctx context.Context) error {
	if err := w.watch.checkFile(); err != nil {
		return err
	}
	c, err := writerConnector(w.s.path, w.s.opt.Relaxed)
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	raw, err := c.Connect(ctx)
	if err != nil {
		return openError(w.s.path, err)
	}
	w.conn, err = newConn(raw)
	w.anew = w.watch != nil
	return err
}

func (w *writer) close() error {
	if w.conn == nil {
		return nil
	}
	c := w.conn
	w.conn = nil
	return c.close()
}

// exec runs a statement of the transaction.
func (t *tx) exec(query string, args ...any) (driver.Result, error) {
	if err := t.w.s.opt.Fault(pointExec); err != nil {
		return nil, err
	}
	return t.w.conn.exec(query, args...)
}

// get runs a query of one row; no row is sql.ErrNoRows.
func (t *tx) get(query string, args ...any) row {
	if err := t.w.s.opt.Fault(pointQuery); err != nil {
		return row{err: err}
	}
	return t.w.conn.get(query, args...)
}

func (t *tx) query(query string, args ...any) (*rows, error) {
	if err := t.w.s.opt.Fault(pointQuery); err != nil {
		return nil, err
	}
	return t.w.conn.query(query, args...)
}

// commit makes a batch durable and tells everyone in it. When one op fails, the others must not suffer: the batch is cut
// in two and both halves are tried, in their order, until it is alone. It returns an error only when the file cannot be
// written safely any more; then all have been told.
func (w *writer) commit(batch []*op) error {
	if batch = refused(batch); len(batch) == 0 {
		return nil
	}
	err := w.try(batch)
	gone, lost := isDisplaced(err)
	switch {
	case lost:
		return w.giveUp(batch, gone)
	case err == nil:
		for _, o := range batch {
			o.done(nil)
		}
		w.s.heal()
		return nil
	case diskFailed(err) || len(batch) == 1:
		if fatal := w.recover(err); fatal != nil {
			fail(batch, fatal)
			return fatal
		}
		fail(batch, unavailable("write to the store", err))
		return nil
	}
	half := len(batch) / 2
	if fatal := w.commit(batch[:half]); fatal != nil {
		fail(batch[half:], fatal)
		return fatal
	}
	return w.commit(batch[half:])
}

// refused tells those that must not be tried any more, and returns the others.
func refused(batch []*op) []*op {
	return slices.DeleteFunc(batch, func(o *op) bool {
		if o.refuse == nil {
			return false
		}
		err := o.refuse()
		if err != nil {
			o.done(err)
		}
		return err != nil
	})
}

func fail(batch []*op, err error) {
	for _, o := range batch {
		o.done(err)
	}
}

// try runs a batch as one transaction.
func (w *writer) try(batch []*op) error {
	if err := w.ready(); err != nil {
		return err
	}
	if err := w.watch.checkBefore(); err != nil {
		return err
	}
	if err := w.step(pointBegin, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	t := &tx{w: w, now: w.s.now(), head: w.head, stored: w.stored, contents: w.contents}
	for _, o := range batch {
		if err := w.applySafely(o, t); err != nil {
			w.rollback()
			return err
		}
	}
	err := w.step(pointCommit, "COMMIT")
	if err == nil {
		err = w.s.opt.Fault(pointCommitted)
	}
	if err == nil {
		err = w.look() // else it was committed to a file that no start will read
	}
	if err != nil {
		w.stale = true
		w.rollback()
		return err
	}
	w.committed(t)
	return nil
}

// ready puts right what an earlier failure left: memory is what the file says before anything rests on it.
func (w *writer) ready() error {
	if w.conn == nil {
		if err := w.connect(context.Background()); err != nil {
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

// rollback ends a transaction that failed. SQLite rolls back by itself after some errors, and then has none to end; a
// transaction that cannot be ended goes with its connection.
func (w *writer) rollback() {
	err := w.step(pointRollback, "ROLLBACK")
	if err == nil || extended(err) == codeError {
		return
	}
	w.s.opt.Log.Warn("cannot roll back; opening the file anew", "error", err)
	if err := w.close(); err != nil {
		w.s.opt.Log.Warn("close after a failed rollback", "error", err)
	}
}

func (w *writer) step(point, statement string) error {
	if err := w.s.opt.Fault(point); err != nil {
		return err
	}
	_, err := w.conn.exec(statement)
	return err
}

// applySafely turns a panic of one op into its error: a bug must not take the others down.
func (w *writer) applySafely(o *op, t *tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.s.opt.Log.Error("a change of the store panicked", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			err = inbox.Errorf(inbox.Internal, "write to the store", "panic (%T)", p).WithHint("please report this with the server's log")
		}
	}()
	return o.apply(t)
}

// committed takes over in memory what is now durable.
func (w *writer) committed(t *tx) {
	appended := t.head > w.head
	w.head, w.stored, w.contents = t.head, t.stored, t.contents
	for hash, seq := range t.fresh {
		w.known.add(hash, seq)
	}
	for _, p := range t.payloads {
		w.s.cache.put(p.seq, p.payload)
	}
	for _, fn := range t.after {
		fn()
	}
	w.s.head.Store(w.head)
	if appended {
		w.s.subs.wake()
	}
	w.wakeUpkeep()
}

func (w *writer) wakeUpkeep() {
	if w.known.full() {
		select {
		case w.s.sealable <- struct{}{}:
		default:
		}
	}
}

// idle is called every second: it measures the disk, and tries a write when the last one failed, so that the door
// opens again by itself.
func (w *writer) idle() error {
	w.s.disk.Measure()
	putBack, err := w.watch.checkRest(w.s.digest.key)
	if putBack {
		w.s.opt.Log.Error("the store's key was moved or removed while the server ran: it was put back", "file", datadir.StoreKey)
	}
	if err == nil {
		err = w.look()
	}
	if gone, lost := isDisplaced(err); lost {
		return w.giveUp(nil, gone)
	}
	if err == nil && w.s.sick.Load() == nil {
		return nil
	}
	return w.commit([]*op{{done: func(error) {}, apply: func(t *tx) error {
		return t.setMeta("probed", t.now)
	}}})
}

// setMeta sets a figure about the store.
func (t *tx) setMeta(name string, value int64) error {
	_, err := t.exec(`INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, fmt.Sprint(value))
	return err
}
