// Package store keeps the log of events, their payloads, and the position of every plugin in one SQLite file.
//
// Package commit is the writer: one goroutine with one connection. It commits all queued changes in one transaction with one
// flush; its documentation lists the effect of each failure. Readers use their own connections and never block the writer. All
// data that may be personal is in the table contents, so that it can be purged or encrypted without a change of the log.
//
// No event is acknowledged before its commit has returned under synchronous=FULL
// (https://www.sqlite.org/pragma.html#pragma_synchronous).
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

// DefaultQueueBytes is the default of Options.QueueBytes.
const DefaultQueueBytes = commit.DefaultQueueBytes

// Options configure a store. The zero value of a field means the default in its comment.
type Options struct {
	Dir        string                 // the data directory
	Create     bool                   // create a missing store
	Server     bool                   // the caller holds the process lock and will call Run; otherwise each write takes the lock and commits at once
	Log        *slog.Logger           // default: discard
	Now        func() time.Time       // default: time.Now
	MinFree    uint64                 // bytes of disk space below which Low reports true; default 1 GiB
	QueueBytes int64                  // bytes of events that may wait for the writer; default DefaultQueueBytes
	Bounds     inbox.QuarantineBounds // default: inbox.DefaultQuarantine
	Retention  inbox.Retention        // default: everything is kept forever
	Relaxed    bool                   // synchronous=NORMAL: a power cut loses acknowledged events. Only the control arm of a measurement sets it

	// Fault injects errors: the writer calls it before each operation with the operation's name, one of package commit's or
	// "migrate". The operation fails with the returned error. `inbox torture` and tests set it. Default: returns nil.
	Fault func(point string) error

	runSize int // events per sealed run of digests; default 65,536
}

// Store is an open store. Its methods may be called by several goroutines. It has many methods because it implements the small
// interfaces of all its consumers; each file has the methods of one noun, and the fields are the state that all of them share.
type Store struct {
	opt    Options
	path   string
	digest digester
	term   inbox.Term // a server's; set by Open

	readers *sql.DB
	writer  *commit.Writer[*tx]
	w       *tables // used only by the writing goroutine

	unstored unstored     // counts of refused requests that were never stored
	accepts  atomic.Int64 // number of Accept calls that wait for their commit

	sealable chan struct{} // wakes upkeep when there are digests to seal

	head       atomic.Int64 // newest durable seq
	linked     atomic.Bool  // some key is linked to a customer reference
	disk       datadir.Space
	subs       subscribers
	due        subscribers // of effects that became due
	nextExpiry time.Time   // of expireHistory; used only by upkeep
	ids        nameCache

	cache     *cache
	submitted *submitted
	watches   watches // of plugins whose state is folded again
}

// Open opens the store in a directory. It returns NotFound for a missing store without Create, and for a store whose database
// is lost. It returns Invalid when a newer program wrote the file, when the file is damaged (the error then wraps
// inbox.ErrDamaged), and when the file is not a store. Open changes an existing file only to migrate it, which needs a free
// process lock, and for a server to raise the file's mark and begin a term.
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
	s.unstored.counts = map[dropped]int64{}
	s.subs.list, s.due.list = map[chan struct{}]bool{}, map[chan struct{}]bool{}
	s.w = &tables{s: s, digests: &dedup.Set{}, stateVersions: map[int64]int{}}
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

// Close closes the store, after Run has ended, and moves the write-ahead log into the database file. If that file was moved,
// removed or replaced while a server ran, Close saves the server's data in another file; see docs/OPERATIONS.md.
func (s *Store) Close() error {
	return commit.JoinClose(s.readers.Close(), s.writer.Close)
}

// Head returns the seq of the newest event that is on disk.
func (s *Store) Head() int64 { return s.head.Load() }

// Low reports whether the disk has less than Options.MinFree bytes left. Dispatch, replay and backup then stop; events are still
// accepted.
func (s *Store) Low() bool { return s.disk.Low() }

// Busy reports whether at least busyAccepts events wait for their commit. Callers then delay other work for the processor.
func (s *Store) Busy() bool { return s.accepts.Load() >= busyAccepts }

// Ready returns nil when the store accepts events, and an Unavailable error with the reason when it does not.
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

// subscribers holds the channels that are woken after events were appended.
type subscribers struct {
	mu   sync.Mutex
	list map[chan struct{}]bool
}

// Subscribe returns a channel that receives a value after events became durable, and a function that ends the subscription. The
// channel holds at most one unreceived value.
func (s *Store) Subscribe() (<-chan struct{}, func()) { return s.subs.add() }

// SubscribeEffects is Subscribe for effects that became due.
func (s *Store) SubscribeEffects() (<-chan struct{}, func()) { return s.due.add() }

func (s *subscribers) add() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list[c] = true
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.list, c)
	}
}

// any reports whether there are subscribers.
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
