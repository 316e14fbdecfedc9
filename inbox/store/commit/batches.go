package commit

import (
	"runtime"
	"time"
)

// A batch of lazy changes alone waits for more of them, up to lingerFor or lingerOps changes. No caller waits for the commit of a
// lazy change, so the delay costs nothing. A commit costs as much as many lazy changes.
const (
	lingerFor = time.Millisecond
	lingerOps = 128
)

// loop runs in the writing goroutine. It commits the queued changes until stop is closed and the queues are empty.
func (w *Writer[T]) loop(stop <-chan struct{}) error {
	probe := time.NewTicker(time.Second)
	defer probe.Stop()
	linger := time.NewTimer(lingerFor)
	defer linger.Stop()
	rest := time.NewTimer(0)
	defer rest.Stop()
	var background <-chan *Op[T] // nil while the background queue has used up its share of the time
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
			pause, err := w.commitBackground(o)
			if err != nil {
				return err
			}
			background = nil
			rest.Reset(pause)
			continue
		case <-probe.C:
			if err := w.idle(); err != nil {
				return err
			}
			continue
		case <-stop:
			if batch = w.queues.poll(batch); len(batch) == 0 {
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

// gather adds the queued changes to a batch, up to the bounds of a transaction. It does not wait for more: while one batch is
// flushed, the next one fills up. It yields the processor twice first, so that goroutines that are about to submit a change
// do so. A batch of lazy changes alone waits until late or stop.
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

// Bounds of the pause of the background queue after one of its batches.
const (
	backgroundRest  = 4               // the pause takes four times as long as the batch, so the queue has at most a fifth of the time
	backgroundPause = 2 * time.Second // the longest pause
)

// commitBackground commits a batch of the background queue that begins with the change first. It returns the pause of the queue
// after the batch.
func (w *Writer[T]) commitBackground(first *Op[T]) (pause time.Duration, err error) {
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
