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

// tables is the state of the tables that the writing goroutine caches in memory. It implements [commit.Hooks].
type tables struct {
	s *Store

	head     int64        // newest seq
	stored   int64        // its stored_at
	contents contentIDs   // allocated ids
	digests  deduplicator // digests of all events

	stateVersions map[int64]int // highest version of state documents by plugin, as far as it was written by this process
}

// deduplicator is the set of the digests of all stored events. [dedup.Set] implements it.
type deduplicator interface {
	lookup
	upkeep
}

// lookup finds stored events by their digests.
type lookup interface {
	// Load reads the digests from the file. size is the number of events in a newly sealed run.
	Load(c dedup.Tx, size int64) error
	// Current reports whether the digests equal those of the file. runs is the file's number of sealed runs, sealed their last seq.
	Current(runs int, sealed int64) bool
	// Add adds a committed event by the prefix of its digest.
	Add(prefix uint64, seq int64)
	// Find returns the seq of the event with a digest, else 0. same compares the whole digest of a candidate.
	Find(c dedup.Tx, digest [sha256.Size]byte, same func(seq int64) (bool, error)) (int64, error)
}

// upkeep bounds the memory of a deduplicator.
type upkeep interface {
	// Full reports whether Seal has digests to move.
	Full() bool
	// Seal moves digests from memory to the file.
	Seal(ctx context.Context, store dedup.Store) error
}

// tx is a transaction, and the changes of memory that follow its commit. Like [Store] it has a method for each change of each noun;
// the methods of a noun are in the noun's file.
type tx struct {
	on       *commit.Tx
	w        *tables
	now      int64
	head     int64                 // newest seq
	stored   int64                 // its stored_at
	contents contentIDs            // allocated ids
	fresh    map[uint64]int64      // seqs of the batch's events, by the first 64 bits of their digests
	payloads []placed              // of the batch's events, for the cache
	after    []func()              // changes of memory that follow a commit
	term     inbox.Term            // the newest in the file; 0 before it is read
	origins  map[pluginOrigin]bool // of effects, that are known to be stored
	unstored bool                  // whether it has written the counts of Store.unstored
	linked   bool                  // whether it has linked a key to a customer reference
}

type (
	op   = commit.Op[*tx]
	conn = commit.Conn
	row  = commit.Row
	rows = commit.Rows
)

// pointMigrate is the name that Options.Fault gets before the commit of a migration.
const pointMigrate = "migrate"

// exec runs a statement of the transaction.
func (t *tx) exec(query string, args ...any) (driver.Result, error) { return t.on.Exec(query, args...) }

// get runs a query of one row. Its Scan returns sql.ErrNoRows without a row.
func (t *tx) get(query string, args ...any) row { return t.on.Get(query, args...) }

func (t *tx) query(query string, args ...any) (*rows, error) { return t.on.Query(query, args...) }

// commitOptions returns the options of the store's writer.
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

// prepare migrates a newly opened file, and returns an error when the store's key is not the file's key.
func (s *Store) prepare(c *conn) error {
	if err := s.migrate(c); err != nil {
		return err
	}
	return s.checkKey(c)
}

// begin prepares the file that Open opens, and begins a server's term.
func (s *Store) begin(c *conn) error {
	if err := s.prepare(c); err != nil || !s.opt.Server {
		return err
	}
	return s.beginTerm(c)
}

// Begin returns a transaction to apply changes to.
func (w *tables) Begin(on *commit.Tx) *tx {
	return &tx{on: on, w: w, now: w.s.now(), head: w.head, stored: w.stored, contents: w.contents}
}

// Committed applies the memory changes of a committed transaction, and wakes subscribers and upkeep.
func (w *tables) Committed(t *tx) {
	appended := t.head > w.head
	w.head, w.stored, w.contents = t.head, t.stored, t.contents
	for hash, seq := range t.fresh {
		w.digests.Add(hash, seq)
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

// Reload reads the state in memory again from the file. It keeps the digests when the file has the same ones, as after most
// failures, because a reload of all digests takes as long as a start.
func (w *tables) Reload(c *conn) error {
	var head, stored, sealed int64
	var runs int
	err := c.Get(`SELECT coalesce(max(seq), 0), coalesce((SELECT stored_at FROM events ORDER BY seq DESC LIMIT 1), 0),
		(SELECT coalesce(max(last), 0) FROM digest_runs WHERE sealed = 1), (SELECT count(*) FROM digest_runs WHERE sealed = 1) FROM events`).
		Scan(&head, &stored, &sealed, &runs)
	if err != nil {
		return fmt.Errorf("read the newest event: %w", err)
	}
	if head != w.head || !w.digests.Current(runs, sealed) {
		if err := w.digests.Load(c, int64(w.s.opt.runSize)); err != nil {
			return err
		}
	}
	contents, err := loadContentIDs(c)
	if err != nil {
		return fmt.Errorf("read the highest reserved content id: %w", err)
	}
	var linked bool
	if err := c.Get(`SELECT EXISTS (SELECT 1 FROM entity_links)`).Scan(&linked); err != nil {
		return fmt.Errorf("read the links of entities: %w", err)
	}
	w.s.linked.Store(linked)
	appended := head > w.head
	w.head, w.stored, w.contents = head, stored, contents
	w.s.head.Store(head)
	if appended {
		w.s.subs.wake()
	}
	w.wakeUpkeep()
	return nil
}

// Probe makes a small change, to find out whether the file is writable again.
func (w *tables) Probe(t *tx) error { return t.setMeta("probed", t.now) }

func (w *tables) wakeUpkeep() {
	if w.digests.Full() {
		select {
		case w.s.sealable <- struct{}{}:
		default:
		}
	}
}

// setMeta stores a number in the table meta.
func (t *tx) setMeta(name string, value int64) error {
	_, err := t.exec(`INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, fmt.Sprint(value))
	return err
}
