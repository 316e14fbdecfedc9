package store

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

// run is the life of the writing goroutine: it commits whatever waits until stop is closed and the queue is empty.
func (w *writer) run(stop <-chan struct{}) error {
	probe := time.NewTicker(time.Second)
	defer probe.Stop()
	patience := time.NewTimer(lingerFor)
	defer patience.Stop()
	rest := time.NewTimer(0)
	defer rest.Stop()
	var refusals <-chan *op // nil while refused requests have had their part of the time
	batch := make([]*op, 0, batchOps)
	for {
		batch = batch[:0]
		select {
		case o := <-w.s.queue:
			batch = w.take(batch, o)
		case <-rest.C:
			refusals = w.s.refusedQueue.queue
			continue
		case o := <-refusals:
			took, err := w.commitRefusals(o)
			if err != nil {
				return err
			}
			refusals = nil
			rest.Reset(took)
			continue
		case <-probe.C:
			if err := w.idle(); err != nil {
				return err
			}
			continue
		case <-stop:
			if batch = w.leftOver(batch); len(batch) == 0 {
				return nil
			}
		}
		patience.Reset(lingerFor)
		batch = w.gather(batch, patience.C, stop)
		if err := w.commit(batch); err != nil {
			return err
		}
	}
}

// leftOver takes an op of either queue if there is one.
func (w *writer) leftOver(batch []*op) []*op {
	select {
	case o := <-w.s.queue:
		return w.take(batch, o)
	case o := <-w.s.refusedQueue.queue:
		return w.take(batch, o)
	default:
		return batch
	}
}

// take adds an op to a batch.
func (w *writer) take(batch []*op, o *op) []*op {
	w.s.taken(o)
	return append(batch, o)
}

// gather takes what else waits, up to the bounds of a transaction. It does not wait: while one batch is flushed, the
// next one gathers by itself. But it lets those who are about to hand something in do so first, which costs a lonely
// one nothing. Only settlements among themselves linger for more.
func (w *writer) gather(batch []*op, late <-chan time.Time, stop <-chan struct{}) []*op {
	const yields = 2
	bytes, lazy := 0, true
	count := func(o *op) {
		bytes += o.size
		lazy = lazy && o.lazy
	}
	count(batch[0])
	for yielded := 0; len(batch) < batchOps && bytes < batchBytes; {
		select {
		case o := <-w.s.queue:
			batch = w.take(batch, o)
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
		case o := <-w.s.queue:
			batch = w.take(batch, o)
			count(o)
		case <-late:
			lazy = false
		case <-stop:
			lazy = false
		}
	}
	return batch
}
