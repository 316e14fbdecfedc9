package commit

import (
	"runtime"
	"time"
)

// How long settlements wait for more of them, when nothing else is to be written. What runs next does not wait for their
// commit, so that a lonely settlement costs nobody anything by being late; a commit costs as much as many settlements.
const (
	lingerFor = time.Millisecond
	lingerOps = 128
)

// loop is the life of the writing goroutine: it commits whatever waits until stop is closed and the queue is empty.
func (w *Writer[T]) loop(stop <-chan struct{}) error {
	probe := time.NewTicker(time.Second)
	defer probe.Stop()
	linger := time.NewTimer(lingerFor)
	defer linger.Stop()
	rest := time.NewTimer(0)
	defer rest.Stop()
	var background <-chan *Op[T] // nil while the background queue has had its part of the time
	batch := make([]*Op[T], 0, batchOps)
	for {
		batch = batch[:0]
		select {
		case o := <-w.queues.main.ops:
			batch = w.queues.take(batch, o)
		case <-rest.C:
			background = w.queues.background.ops
			continue
		case o := <-background:
			took, err := w.commitBackground(o)
			if err != nil {
				return err
			}
			background = nil
			rest.Reset(took)
			continue
		case <-probe.C:
			if err := w.idle(); err != nil {
				return err
			}
			continue
		case <-stop:
			if batch = w.queues.leftOver(batch); len(batch) == 0 {
				return nil
			}
		}
		linger.Reset(lingerFor)
		batch = w.queues.gather(batch, linger.C, stop)
		if err := w.commit(batch); err != nil {
			return err
		}
	}
}

// gather takes what else waits, up to the bounds of a transaction. It does not wait: while one batch is flushed, the
// next one gathers by itself. But it lets those who are about to hand something in do so first, which costs a lonely
// one nothing. Only settlements among themselves linger for more.
func (q *queues[T]) gather(batch []*Op[T], late <-chan time.Time, stop <-chan struct{}) []*Op[T] {
	const yields = 2
	bytes, lazy := 0, true
	count := func(o *Op[T]) {
		bytes += o.Size
		lazy = lazy && o.Kind == Lazy
	}
	count(batch[0])
	for yielded := 0; len(batch) < batchOps && bytes < batchBytes; {
		select {
		case o := <-q.main.ops:
			batch = q.take(batch, o)
			count(o)
			continue
		default:
		}
		if yielded < yields {
			yielded++
			runtime.Gosched()
			continue
		}
		if !lazy || len(batch) >= lingerOps {
			break
		}
		select {
		case o := <-q.main.ops:
			batch = q.take(batch, o)
			count(o)
		case <-late:
			lazy = false
		case <-stop:
			lazy = false
		}
	}
	return batch
}

// How long the writer does nothing for the background queue after a batch of it.
const (
	backgroundRest  = 4               // times as long as the batch took: a fifth of the time at most
	backgroundPause = 2 * time.Second // the longest rest
)

// commitBackground commits the first of the changes in the background queue with some more, and returns how long the writer does
// nothing for that queue afterwards.
func (w *Writer[T]) commitBackground(first *Op[T]) (rest time.Duration, err error) {
	began := time.Now()
	batch := w.queues.take(nil, first)
	for bytes := first.Size; len(batch) < backgroundOps && bytes < backgroundBytes; {
		select {
		case o := <-w.queues.background.ops:
			batch = w.queues.take(batch, o)
			bytes += o.Size
			continue
		default:
		}
		break
	}
	err = w.commit(batch)
	return min(backgroundRest*time.Since(began), backgroundPause), err
}
