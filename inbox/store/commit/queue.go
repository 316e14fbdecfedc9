package commit

import (
	"context"
	"sync"
	"sync/atomic"

	"inbox/inbox"
)

// QueueLength is how many changes may wait in the queue.
const QueueLength = 1024

// Bounds of the background queue, and of what the writer does for it. The other changes do not share the queue, and wait for
// at most one batch of it.
const (
	backgroundLength = 256
	backgroundOps    = 64
	backgroundBytes  = 1 << 20 // of one batch; one change may have more
)

// Op is one change, whole or not at all. T is as in [Hooks].
type Op[T any] struct {
	Kind   Kind
	Size   int           // bytes it writes, roughly
	Refuse func() error  // says why it must not be tried any more; nil: always tried
	Apply  func(T) error // may run more than once; changes nothing but the transaction
	Done   func(error)   // told when the change is durable or has failed; must not block
}

// Kind says how a change is queued.
type Kind uint8

const (
	// Wait waits for a place in the queue.
	Wait Kind = iota
	// Lazy is Wait for a change that nobody waits for to be durable. Lazy changes have at most a quarter of the queue's places,
	// so that they do not crowd out the others. A batch of lazy changes alone waits up to 1 ms for more of them.
	Lazy
	// Offer does not wait: it fails with [ErrFull] when the queue is full.
	Offer
	// Background has a queue of its own, of 256 changes and a quarter of the bytes, and fails with [ErrFull] when that is full. The
	// writer gives that queue at most a fifth of its time, in batches of up to 64 changes or 1 MiB.
	Background
)

// queue holds changes that wait for the writer, bounded in number and bytes.
type queue[T any] struct {
	ops   chan *Op[T]
	bytes atomic.Int64 // waiting
	most  int64        // bytes that may wait
}

// offer queues a change if there is room now. A change of any size finds room in a queue that is half empty.
func (q *queue[T]) offer(o *Op[T]) error {
	if q.bytes.Load()+min(int64(o.Size), q.most/2) > q.most {
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
	lazy       chan struct{} // holds as many as lazy changes wait
	state      sync.RWMutex  // guards closed; held shared while something is put into a queue
	closed     bool          // Run has ended, or is about to
}

func newQueues[T any](bytes int64) *queues[T] {
	return &queues[T]{
		main:       queue[T]{ops: make(chan *Op[T], QueueLength), most: bytes},
		background: queue[T]{ops: make(chan *Op[T], backgroundLength), most: bytes / 4},
		lazy:       make(chan struct{}, QueueLength/4),
	}
}

// open returns nil while changes are taken.
func (q *queues[T]) open() error {
	q.state.RLock()
	defer q.state.RUnlock()
	if q.closed {
		return errStopping
	}
	return nil
}

func (q *queues[T]) close() {
	q.state.Lock()
	defer q.state.Unlock()
	q.closed = true
}

// put queues a change as its kind says. The caller holds state.
func (q *queues[T]) enqueue(ctx context.Context, o *Op[T]) error {
	switch o.Kind {
	case Offer:
		return q.main.offer(o)
	case Background:
		return q.background.offer(o)
	}
	return q.wait(ctx, o)
}

// enqueue queues a change as soon as there is room.
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

// taken gives back the room that a change had in its queue.
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

// take adds a change to a batch.
func (q *queues[T]) take(batch []*Op[T], o *Op[T]) []*Op[T] {
	q.release(o)
	return append(batch, o)
}

// leftOver takes a change of either queue if there is one.
func (q *queues[T]) leftOver(batch []*Op[T]) []*Op[T] {
	select {
	case o := <-q.main.ops:
		return q.take(batch, o)
	case o := <-q.background.ops:
		return q.take(batch, o)
	default:
		return batch
	}
}

// shut refuses what comes from now on and what still waits. After a fatal error somebody may be waiting for room in the
// queue, so it is emptied until everyone has noticed.
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
			for rest := q.leftOver(nil); len(rest) > 0; rest = q.leftOver(rest[:0]) {
				rest[0].Done(errStopping)
			}
			return
		}
	}
}

// Waiting returns how many changes wait in both queues, and how many bytes wait in the first.
func (w *Writer[T]) Waiting() (changes int, bytes int64) {
	q := w.queues
	return len(q.main.ops) + len(q.background.ops), q.main.bytes.Load()
}

// Submit queues a change and returns; Done is called from the writing goroutine once it is durable, or with the reason why it
// is not. Done is not called when Submit returns an error: Unavailable when the writer stops, [ErrFull], or ctx's. Without
// Options.Server the change is made before Submit returns.
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

// Do submits a change and returns when it is durable. It sets Done. ctx bounds only the wait: what is queued will be made.
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

// writeDirect makes one change without a writing goroutine, under the process lock.
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

// Run writes what is submitted until ctx is done, then what still waits, and returns. An error means that the disk does not
// keep what is written: nothing more is taken, and the program must end. It runs once, and only with Options.Server; what is
// submitted before it begins waits for it.
func (w *Writer[T]) Run(ctx context.Context) error {
	if !w.opt.Server || w.begun.Swap(true) {
		return inbox.Errorf(inbox.Internal, "run the store", "it was not opened for a server, or runs already")
	}
	live, end := context.WithCancel(ctx)
	stop := make(chan struct{})
	go func() {
		<-live.Done()
		w.queues.close() // after it, nobody is putting something into a queue
		close(stop)
	}()
	err := w.loop(stop)
	end()
	w.queues.drain()
	<-stop
	if err != nil { // whoever waited was told to come again; for this process it is the end
		return inbox.Errorf(inbox.Internal, "", "%w", err)
	}
	return nil
}
