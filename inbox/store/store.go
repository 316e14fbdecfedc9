// Package store keeps the log of events, their payloads, and the position of every plugin in one SQLite file.
//
// Package commit writes: one goroutine, one connection, one transaction for all changes that wait, one flush. It says what
// happens after each failure. Readers have connections of their own and never block the writer. Everything that may hold
// personal data is in the table contents, so that it can be purged or encrypted without touching the log.
//
// Nothing is acknowledged before its commit has returned under synchronous=FULL (https://www.sqlite.org/pragma.html
// #pragma_synchronous).
package store

import (
	"context"
	"database/sql"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/store/commit"
	"inbox/inbox/store/dedup"
)

// DefaultQueueBytes is how many bytes of events may wait for the writer, unless Options say otherwise.
const DefaultQueueBytes = commit.DefaultQueueBytes

// Options say how a store is opened. The zero value of a field means the default in its comment.
type Options struct {
	Dir        string                 // the data directory
	Create     bool                   // make a missing store
	Server     bool                   // the caller holds the lock and will call Run; otherwise every write takes the lock for itself and is made at once
	Log        *slog.Logger           // default: discard
	Now        func() time.Time       // default: time.Now
	MinFree    uint64                 // bytes of disk space below which Low reports true; default 1 GiB
	QueueBytes int64                  // bytes of events that may wait for the writer; default DefaultQueueBytes
	Bounds     inbox.QuarantineBounds // default: inbox.DefaultQuarantine
	Relaxed    bool                   // synchronous=NORMAL: a power cut undoes what was acknowledged. Only the control arm of a measurement sets it

	// Fault is called before every operation of the writer with the name of its point: those of package commit, and
	// "migrate". The operation fails with the error that Fault returns. `inbox torture` and tests set it. Default: nothing
	// fails.
	Fault func(point string) error

	runSize int // events per sealed run of digests; default 65,536
}

// Store is an open store. Its methods may be called by several goroutines.
type Store struct {
	opt    Options
	path   string
	digest digester
	term   inbox.Term // of a server; set by Open

	readers *sql.DB
	writer  *commit.Writer[*tx]
	w       *tables // belongs to the writing goroutine

	unkept  unkept       // counts of refused requests that were never written
	accepts atomic.Int64 // events that wait for the disk

	sealable chan struct{} // wakes upkeep when there are digests to seal

	head atomic.Int64 // newest durable seq
	disk datadir.Space
	subs subscribers
	ids  nameCache

	cache     *cache
	submitted *submitted
}

// Open opens the store in a directory. It returns a NotFound error for a missing store when Create is not set, or when one was
// there and its database is gone; an Invalid one when the file is of a newer program, damaged (then it wraps inbox.ErrDamaged) or
// not a store. It never changes an existing file but to migrate it, which needs the lock to be free, and for a server to
// raise its mark and begin a term.
func Open(ctx context.Context, o Options) (*Store, error) {
	o.fill()
	path := filepath.Join(o.Dir, datadir.Database)
	if err := find(ctx, &o, path); err != nil {
		return nil, err
	}
	key, err := datadir.ReadKey(filepath.Join(o.Dir, datadir.StoreKey), path)
	if err != nil {
		return nil, err
	}
	s := &Store{opt: o, path: path, digest: digester{key: key}, sealable: make(chan struct{}, 1), cache: newCache()}
	s.disk.Dir, s.disk.MinFree, s.disk.Log = o.Dir, o.MinFree, o.Log
	s.disk.Measure()
	s.unkept.counts = map[dropped]int64{}
	s.subs.list = map[chan struct{}]bool{}
	s.w = &tables{s: s, known: &dedup.Set{}}
	options := s.commitOptions()
	options.Prepare = s.begin
	if s.writer, err = commit.Open(ctx, options, s.w); err != nil {
		return nil, err
	}
	s.readers = s.writer.Readers()
	s.submitted = newSubmitted(s.term)
	return s, nil
}

func (o *Options) fill() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MinFree == 0 {
		o.MinFree = 1 << 30
	}
	if o.QueueBytes == 0 {
		o.QueueBytes = DefaultQueueBytes
	}
	if o.Bounds == (inbox.QuarantineBounds{}) {
		o.Bounds = inbox.DefaultQuarantine()
	}
	if o.Fault == nil {
		o.Fault = func(string) error { return nil }
	}
	if o.runSize == 0 {
		o.runSize = 1 << 16
	}
}

// Close closes the store, after Run has ended. It moves the write-ahead log into the file. What a server's store holds whose
// file was moved, removed or replaced meanwhile is saved; see docs/OPERATIONS.md.
func (s *Store) Close() error {
	return commit.JoinClose(s.readers.Close(), s.writer.Close)
}

// Head returns the seq of the newest event that is on disk.
func (s *Store) Head() int64 { return s.head.Load() }

// Low reports that the disk has less than Options.MinFree left: dispatch, replay and backup stop, intake continues.
func (s *Store) Low() bool { return s.disk.Low() }

// Busy reports that many events wait for the disk at once: other work for the processor can wait a little.
func (s *Store) Busy() bool { return s.accepts.Load() >= busyAccepts }

// Ready returns nil when the store can take events, else an Unavailable error that says why not.
func (s *Store) Ready(context.Context) error { return s.writer.Ready() }

func (s *Store) now() int64 { return millis(s.opt.Now()) }

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// subscribers are woken after events were appended.
type subscribers struct {
	mu   sync.Mutex
	list map[chan struct{}]bool
}

// Subscribe returns a channel that wakes after events became durable, and a function that ends it. Wakes that nobody
// has taken yet are one.
func (s *Store) Subscribe() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	s.subs.mu.Lock()
	defer s.subs.mu.Unlock()
	s.subs.list[c] = true
	return c, func() {
		s.subs.mu.Lock()
		defer s.subs.mu.Unlock()
		delete(s.subs.list, c)
	}
}

// any reports whether anybody subscribed.
func (s *subscribers) any() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.list) > 0
}

func (s *subscribers) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.list {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
