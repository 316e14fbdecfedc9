package store

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"fmt"
	"path/filepath"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/store/commit"
	"inbox/inbox/store/dedup"
)

// tables is the part of the tables that the writing goroutine keeps in memory. It implements [commit.Hooks].
type tables struct {
	s *Store

	head     int64        // newest seq
	stored   int64        // stored_at of it
	contents contentIDs   // given to contents
	known    deduplicator // digests of all events
}

// deduplicator knows which digests the store has. [dedup.Set] is one.
type deduplicator interface {
	lookup
	upkeep
}

// lookup answers whether an event was stored before.
type lookup interface {
	// Load reads the digests of the file. size is the number of events per run as sealed first.
	Load(c dedup.Tx, size int64) error
	// Current reports whether the digests are those of the file, which has a number of sealed runs up to a seq.
	Current(runs int, sealed int64) bool
	// Add adds the digest of a committed event, by its prefix.
	Add(prefix uint64, seq int64)
	// Find returns the seq of the event with a digest, 0 without one. same confirms a hit.
	Find(c dedup.Tx, digest [sha256.Size]byte, same func(seq int64) (bool, error)) (int64, error)
}

// upkeep keeps the memory of a deduplicator bounded.
type upkeep interface {
	// Full reports whether there is work for Seal.
	Full() bool
	// Seal moves digests from memory to the file.
	Seal(ctx context.Context, store dedup.Store) error
}

// tx is a transaction, and the changes of memory that follow its commit.
type tx struct {
	on       *commit.Tx
	w        *tables
	now      int64
	head     int64            // newest seq
	stored   int64            // stored_at of it
	contents contentIDs       // given to contents
	fresh    map[uint64]int64 // digests of the batch: first 64 bits → seq
	payloads []placed         // of the batch, to be kept in memory
	after    []func()         // changes of memory that follow a commit
	term     inbox.Term       // the newest in the file; 0: not read yet
	unkept   bool             // the counts of what was never kept are in it
}

type (
	op   = commit.Op[*tx]
	conn = commit.Conn
	row  = commit.Row
	rows = commit.Rows
)

// pointMigrate is the point of Options.Fault in a migration, before its commit.
const pointMigrate = "migrate"

// exec runs a statement of the transaction.
func (t *tx) exec(query string, args ...any) (driver.Result, error) { return t.on.Exec(query, args...) }

// get runs a query of one row; no row is sql.ErrNoRows.
func (t *tx) get(query string, args ...any) row { return t.on.Get(query, args...) }

func (t *tx) query(query string, args ...any) (*rows, error) { return t.on.Query(query, args...) }

// commitOptions are the options of the writer of this store.
func (s *Store) commitOptions() commit.Options {
	return commit.Options{
		Path: s.path, Server: s.opt.Server, Lock: s.lock, Prepare: s.prepare, Every: s.disk.Measure,
		Beside: commit.Beside{
			Lock: filepath.Join(s.opt.Dir, datadir.LockFile), Key: filepath.Join(s.opt.Dir, datadir.StoreKey), Have: s.digest.key,
		},
		Log: s.opt.Log, Now: s.opt.Now, QueueBytes: s.opt.QueueBytes, Relaxed: s.opt.Relaxed, Fault: s.opt.Fault,
	}
}

// lock takes the process lock for one change.
func (s *Store) lock() (release func() error, err error) {
	lock, err := datadir.TryLock(s.opt.Dir)
	if err != nil {
		return nil, err
	}
	return lock.Release, nil
}

// prepare migrates a file that was just opened, and returns an error when its key is not the right one.
func (s *Store) prepare(c *conn) error {
	if err := s.migrate(c); err != nil {
		return err
	}
	return s.checkKey(c)
}

// begin prepares a file for the life of a store, and begins the term of a server.
func (s *Store) begin(c *conn) error {
	if err := s.prepare(c); err != nil || !s.opt.Server {
		return err
	}
	return s.beginTerm(c)
}

// Begin returns the transaction that changes are applied to.
func (w *tables) Begin(on *commit.Tx) *tx {
	return &tx{on: on, w: w, now: w.s.now(), head: w.head, stored: w.stored, contents: w.contents}
}

// Committed makes the changes of memory that follow the commit of a transaction, and wakes subscribers and upkeep.
func (w *tables) Committed(t *tx) {
	appended := t.head > w.head
	w.head, w.stored, w.contents = t.head, t.stored, t.contents
	for hash, seq := range t.fresh {
		w.known.Add(hash, seq)
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

// Reload reads memory from the file. It keeps the digests when the file has the same ones, as after most failures: reading all
// digests again takes as long as a start.
func (w *tables) Reload(c *conn) error {
	var head, stored, sealed int64
	var runs int
	err := c.Get(`SELECT coalesce(max(seq), 0), coalesce((SELECT stored_at FROM events ORDER BY seq DESC LIMIT 1), 0),
		(SELECT coalesce(max(last), 0) FROM digest_runs WHERE sealed = 1), (SELECT count(*) FROM digest_runs WHERE sealed = 1) FROM events`).
		Scan(&head, &stored, &sealed, &runs)
	if err != nil {
		return fmt.Errorf("read the newest event: %w", err)
	}
	if head != w.head || !w.known.Current(runs, sealed) {
		if err := w.known.Load(c, int64(w.s.opt.runSize)); err != nil {
			return err
		}
	}
	contents, err := loadContentIDs(c)
	if err != nil {
		return fmt.Errorf("read the mark of the contents' ids: %w", err)
	}
	appended := head > w.head
	w.head, w.stored, w.contents = head, stored, contents
	w.s.head.Store(head)
	if appended {
		w.s.subs.wake()
	}
	w.wakeUpkeep()
	return nil
}

// Probe makes a small change, which shows whether the file can be written again.
func (w *tables) Probe(t *tx) error { return t.setMeta("probed", t.now) }

func (w *tables) wakeUpkeep() {
	if w.known.Full() {
		select {
		case w.s.sealable <- struct{}{}:
		default:
		}
	}
}

// setMeta sets a figure about the store.
func (t *tx) setMeta(name string, value int64) error {
	_, err := t.exec(`INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, fmt.Sprint(value))
	return err
}
