// Package store keeps: the log of events, their payloads, and where every plugin stands, in one SQLite file.
//
// One goroutine writes. It takes whatever waits (accepted events, settlements, an operator's deeds) into one
// transaction and answers when that is on disk, so the price of a flush is shared by all who wait for it. Readers have
// connections of their own and never block it. Everything that may hold personal data is in the table contents, so
// that it can be purged or encrypted without touching the log.
//
// Nothing is acknowledged before its commit has returned under synchronous=FULL (https://www.sqlite.org/pragma.html
// #pragma_synchronous). A failed write is answered and tried again with the next batch; after a failed flush nothing is
// taken until the file has been opened anew and checkpointed, because the kernel may have dropped what it could not
// write (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020).
package store

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"inbox/inbox"
	"inbox/inbox/datadir"
)

// DefaultQueueBytes is how many bytes of events may wait for the writer, unless Options say otherwise.
const DefaultQueueBytes = 64 << 20

// Options say how a store is opened. The zero value of a field means the default in its comment.
type Options struct {
	Dir        string           // the data directory
	Create     bool             // make the store when there is none
	Server     bool             // the caller holds the lock and will call Run; otherwise every write takes the lock for itself and is made at once
	Log        *slog.Logger     // default: discard
	Now        func() time.Time // default: time.Now
	MinFree    uint64           // bytes of disk space below which Low reports true; default 1 GiB
	QueueBytes int64            // bytes of events that may wait for the writer; default DefaultQueueBytes
	Bounds     QuarantineBounds // default: DefaultQuarantine
	Relaxed    bool             // synchronous=NORMAL: a power cut undoes what was acknowledged. Only the control arm of a measurement sets it

	// Fault is asked before every operation of the writer, by the names of the points in writer.go, and fails or ends
	// it: for `inbox torture` and tests. Default: nothing fails.
	Fault func(point string) error

	runSize int // events per sealed run of digests; default 65,536
}

// Store is an open store. Its methods may be called by several goroutines.
type Store struct {
	opt    Options
	path   string
	digest digester

	readers *sql.DB
	w       *writer // belongs to the writing goroutine, or to whoever holds direct

	queue        chan *op
	settling     chan struct{} // holds as many as settlements wait in the queue: they must not crowd out events
	waiting      atomic.Int64  // bytes in the queue
	refusedQueue refusedQueue  // requests that were refused, in a queue of their own
	accepts      atomic.Int64  // events that wait for the disk
	state        sync.RWMutex  // guards closed; held shared while something is put into the queue
	closed       bool          // Run has ended
	direct       sync.Mutex    // serialises the writes of a store without Run
	begun        atomic.Bool   // Run was called

	sealable chan struct{} // wakes upkeep when there are digests to seal

	head atomic.Int64 // newest durable seq
	sick atomic.Pointer[inbox.Error]
	disk datadir.Space
	subs subscribers
	ids  nameCache

	cache *cache
}

// Open opens the store in a directory. It returns a NotFound error when there is none and Create is not set, or when one was
// there and its database is gone; an Invalid one when the file is of a newer program, damaged (then it wraps ErrDamaged) or
// not a store. It never changes an existing file but to migrate it, which needs the lock to be free, and for a server to
// raise its mark.
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
	if o.Server {
		if err := flushLog(path); err != nil {
			return nil, err
		}
	}
	if err := checkLog(ctx, path); err != nil {
		return nil, err
	}
	s := &Store{opt: o, path: path, digest: digester{key: key}, queue: make(chan *op, queueLength), refusedQueue: newRefusedQueue(), settling: make(chan struct{}, queueLength/4), sealable: make(chan struct{}, 1), cache: newCache()}
	s.subs.list = map[chan struct{}]bool{}
	s.disk.Dir, s.disk.MinFree, s.disk.Log = o.Dir, o.MinFree, o.Log
	if s.w, err = openWriter(ctx, s); err != nil {
		return nil, err
	}
	if o.Server {
		if err := s.w.settleIn(); err != nil {
			return nil, joinClose(openError(path, err), s.w.close)
		}
	}
	if s.readers, err = openReaders(path, o.Relaxed, s.w.watch); err != nil {
		return nil, joinClose(err, s.w.close)
	}
	s.head.Store(s.w.head)
	s.disk.Measure()
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
	if o.Bounds == (QuarantineBounds{}) {
		o.Bounds = DefaultQuarantine()
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
	s.direct.Lock()
	defer s.direct.Unlock()
	err := s.readers.Close()
	if s.opt.Server {
		return joinClose(err, s.leave)
	}
	return joinClose(err, s.w.close)
}

// Head returns the seq of the newest event that is on disk.
func (s *Store) Head() int64 { return s.head.Load() }

// Low reports that the disk has less than Options.MinFree left: dispatch, replay and backup stop, intake goes on.
func (s *Store) Low() bool { return s.disk.Low() }

// Busy reports that many events wait for the disk at once: whatever else needs the processor can wait a little.
func (s *Store) Busy() bool { return s.accepts.Load() >= busyAccepts }

// Ready returns nil when the store can take events, else an Unavailable error that says why not.
func (s *Store) Ready(context.Context) error {
	if err := s.sick.Load(); err != nil {
		return err
	}
	s.state.RLock()
	defer s.state.RUnlock()
	if s.closed {
		return errStopping
	}
	return nil
}

// errStopping answers whoever comes while the program stops.
var errStopping = inbox.Errorf(inbox.Unavailable, "", "the store is stopping")

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

func joinClose(err error, closers ...func() error) error {
	for _, c := range closers {
		if cerr := c(); err == nil && cerr != nil {
			err = fmt.Errorf("close store: %w", cerr)
		}
	}
	return err
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
