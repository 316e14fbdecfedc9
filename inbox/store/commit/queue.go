package commit

import (
	"context"
	"sync"
	"sync/atomic"

	"inbox/inbox"
)

// QueueLength is the most changes that wait in the queue.
const QueueLength = 1024

// Bounds of the background queue and of one of its batches. The other changes wait for at most one batch of the background
// queue.
const (
	backgroundLength = 256
	backgroundOps    = 64
	backgroundBytes  = 1 << 20 // of one batch; a single change may have more
)

// Op is one change, which is made as a whole or not at all. T is as in [Hooks].
type Op[T any] struct {
	Kind   Kind
	Size   int           // approximate number of bytes that it writes
	Refuse func() error  // returns an error when the change must not be attempted any more; nil: it is always attempted
	Apply  func(T) error // makes the change in the transaction, without other effects; may be called more than once
	Done   func(error)   // is called once the change is durable or has failed; must not block
}

// Kind selects how a change is queued.
type Kind uint8

const (
	// Wait changes wait for space in the queue.
	Wait Kind = iota
	// Lazy changes wait like Wait changes, but no caller waits for their commit. At most a quarter of the queue holds lazy changes,
	// so that the other changes find space. A batch of lazy changes alone waits up to 1 ms for more of them.
	Lazy
	// Offer changes do not wait. They fail with [ErrFull] when the queue is full.
	Offer
	// Background changes use a queue of their own, of 256 changes and a quarter of the bytes. They fail with [ErrFull] when it is
	// full. The writer spends at most a fifth of its time on that queue, in batches of up to 64 changes or 1 MiB.
	Background
)

// queue holds changes that wait for the writer, bounded in number and bytes.
type queue[T any] struct {
	ops      chan *Op[T]
	bytes    atomic.Int64 // that wait
	maxBytes int64
}

// offer queues a change if there is space now, and returns ErrFull otherwise. A queue that is at most half full has space for a
// change of any size.
func (q *queue[T]) offer(o *Op[T]) error {
	if q.bytes.Load()+min(int64(o.Size), q.maxBytes/2) > q.maxBytes {
		return ErrFull
	}
	q.bytes.Add(int64(o.Size))
	select {
	case q.ops <- o:
		return nil
	default:
		q.bytes.Add(-int64(o.Size))
		return ErrFull
	}
}

// queues are the queue and the background queue of a writer.
type queues[T any] struct {
	main       queue[T]
	background queue[T]
	lazy       chan struct{} // has one element for each lazy change in the queue
	state      sync.RWMutex  // guards closed; read-locked while a change is put into a queue
	closed     bool          // Run has ended, or is about to
}

func newQueues[T any](bytes int64) *queues[T] {
	return &queues[T]{
		main:       queue[T]{ops: make(chan *Op[T], QueueLength), maxBytes: bytes},
		background: queue[T]{ops: make(chan *Op[T], backgroundLength), maxBytes: bytes / 4},
		lazy:       make(chan struct{}, QueueLength/4),
	}
}

// open returns nil while the queues accept changes.
func (q *queues[T]) open() error {
	q.state.RLock()
	defer q.state.RUnlock()
	if q.closed {
		return errStopping
	}
	return nil
}

// close rejects further changes. When it returns, no goroutine is putting a change into a queue.
func (q *queues[T]) close() {
	q.state.Lock()
	defer q.state.Unlock()
	q.closed = true
}

// enqueue queues a change according to its kind. The caller holds state.
func (q *queues[T]) enqueue(ctx context.Context, o *Op[T]) error {
	switch o.Kind {
	case Offer:
		return q.main.offer(o)
	case Background:
		return q.background.offer(o)
	}
	return q.wait(ctx, o)
}

// wait queues a change as soon as there is space.
func (q *queues[T]) wait(ctx context.Context, o *Op[T]) error {
	if o.Kind == Lazy {
		select {
		case q.lazy <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	q.main.bytes.Add(int64(o.Size))
	select {
	case q.main.ops <- o:
		return nil
	case <-ctx.Done():
		q.release(o)
		return ctx.Err()
	}
}

// release returns the space of a change to its queue.
func (q *queues[T]) release(o *Op[T]) {
	if o.Kind == Background {
		q.background.bytes.Add(-int64(o.Size))
		return
	}
	q.main.bytes.Add(-int64(o.Size))
	if o.Kind == Lazy {
		<-q.lazy
	}
}

// take adds a change that was received from a queue to a batch.
func (q *queues[T]) take(batch []*Op[T], o *Op[T]) []*Op[T] {
	q.release(o)
	return append(batch, o)
}

// poll adds a queued change of either queue to a batch. It does not wait for one.
func (q *queues[T]) poll(batch []*Op[T]) []*Op[T] {
	select {
	case o := <-q.main.ops:
		return q.take(batch, o)
	case o := <-q.background.ops:
		return q.take(batch, o)
	default:
		return batch
	}
}

// drain closes the queues and fails the queued changes. After a fatal error, goroutines may hold state while they wait for space
// in the queue. So drain empties the queues until close has acquired state.
func (q *queues[T]) drain() {
	closed := make(chan struct{})
	go func() {
		q.close()
		close(closed)
	}()
	refuse := func(o *Op[T]) {
		q.release(o)
		o.Done(errStopping)
	}
	for {
		select {
		case o := <-q.main.ops:
			refuse(o)
		case o := <-q.background.ops:
			refuse(o)
		case <-closed:
			for rest := q.poll(nil); len(rest) > 0; rest = q.poll(rest[:0]) {
				rest[0].Done(errStopping)
			}
			return
		}
	}
}

// Waiting returns the number of changes in both queues, and the number of bytes in the first.
func (w *Writer[T]) Waiting() (changes int, bytes int64) {
	q := w.queues
	return len(q.main.ops) + len(q.background.ops), q.main.bytes.Load()
}

// Submit queues a change and returns. The writing goroutine calls Done with the result, once the change is durable or failed. When
// Submit returns an error, Done is not called. The error is Unavailable when the writer stops, [ErrFull], or the error of ctx. Without
// Options.Server, the change is made before Submit returns.
func (w *Writer[T]) Submit(ctx context.Context, o *Op[T]) error {
	w.queues.state.RLock()
	defer w.queues.state.RUnlock()
	switch {
	case w.queues.closed:
		return errStopping
	case !w.opt.Server:
		return w.writeDirect(o)
	}
	return w.queues.enqueue(ctx, o)
}

// Do submits a change and returns when it is durable or failed. It sets the field Done. ctx bounds only the wait: a queued change
// is made also when ctx ends.
func (w *Writer[T]) Do(ctx context.Context, o *Op[T]) error {
	answer := make(chan error, 1)
	o.Done = func(err error) { answer <- err }
	if err := w.Submit(ctx, o); err != nil {
		return err
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writeDirect makes one change in the calling goroutine, under the process lock.
func (w *Writer[T]) writeDirect(o *Op[T]) error {
	w.direct.Lock()
	defer w.direct.Unlock()
	release, err := w.opt.Lock()
	if err != nil {
		return err
	}
	defer release()
	w.stale = true // another process may have written since
	return w.commit([]*Op[T]{o})
}

// Run commits submitted changes until ctx is done, then commits the queued changes and returns. An error means that writes are
// not safe any more, because a flush failed or a file is displaced. Then the writer rejects all changes, and the program must
// end. Run may be called once, and only with Options.Server. Changes that are submitted before Run wait for it.
func (w *Writer[T]) Run(ctx context.Context) error {
	if !w.opt.Server || w.begun.Swap(true) {
		return inbox.Errorf(inbox.Internal, "run the store", "it was not opened for a server, or runs already")
	}
	live, end := context.WithCancel(ctx)
	stop := make(chan struct{})
	go func() {
		<-live.Done()
		w.queues.close()
		close(stop)
	}()
	err := w.loop(stop)
	end()
	w.queues.drain()
	<-stop
	if err != nil { // the callers got Unavailable errors and may retry; this process must end
		return inbox.Errorf(inbox.Internal, "", "%w", err)
	}
	return nil
}
