package store

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of the queue of refused requests, and of what the writer does for them. Signed events do not share the queue, and
// wait for at most one batch of refusals.
const (
	refusalsLength = 256
	refusalsOps    = 64
	refusalsBytes  = 1 << 20         // of one batch; one request may have more
	refusalsRest   = 4               // times as long as a batch took the writer does nothing for refusals: a fifth of its time at most
	refusalsPause  = 2 * time.Second // the longest rest
)

// refusedQueue holds the refused requests that wait for the writer, and counts of those that never did.
type refusedQueue struct {
	queue   chan *op
	waiting *atomic.Int64 // bytes in queue
	unkept  *unkept
}

func newRefusedQueue() refusedQueue {
	return refusedQueue{queue: make(chan *op, refusalsLength), waiting: &atomic.Int64{}, unkept: &unkept{counts: map[dropped]int64{}}}
}

// offerRefusal queues an op of a refused request if there is room now: in a quarter of the bytes that events may have. An op
// of any size finds room in a queue that is half empty.
func (s *Store) offerRefusal(o *op) error {
	most := s.opt.QueueBytes / 4
	if s.refusedQueue.waiting.Load()+min(int64(o.size), most/2) > most {
		return errFull
	}
	s.refusedQueue.waiting.Add(int64(o.size))
	select {
	case s.refusedQueue.queue <- o:
		return nil
	default:
		s.refusedQueue.waiting.Add(-int64(o.size))
		return errFull
	}
}

// commitRefusals commits the first of the refused requests that wait with some more, and returns how long the writer does
// nothing for refusals afterwards.
func (w *writer) commitRefusals(first *op) (rest time.Duration, err error) {
	began := time.Now()
	batch := w.take(nil, first)
	for bytes := first.size; len(batch) < refusalsOps && bytes < refusalsBytes; {
		select {
		case o := <-w.s.refusedQueue.queue:
			batch = w.take(batch, o)
			bytes += o.size
			continue
		default:
		}
		break
	}
	err = w.commit(batch)
	return min(refusalsRest*time.Since(began), refusalsPause), err
}

// dropped is why a refused request is not kept: the cause, and what was wrong with its signature.
type dropped struct{ cause, why string }

// The causes.
const (
	droppedCount    = "count"     // the quarantine held as many as it may
	droppedBytes    = "bytes"     // the quarantine held as many bytes as it may
	droppedAge      = "age"       // it was kept as long as it may be
	droppedTooLarge = "too_large" // it has more than a quarter of the bytes that the quarantine may hold
	droppedQueue    = "queue"     // too many refused requests waited for the disk
	droppedRate     = "rate"      // too many came from its address or at once
)

// unkept counts refused requests that were never written, until the counts are written with another change.
type unkept struct {
	mu     sync.Mutex
	counts map[dropped]int64
}

func (u *unkept) add(d dropped) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.counts[d]++
}

func (u *unkept) snapshot() map[dropped]int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.counts)
}

// written takes off what was written.
func (u *unkept) written(counts map[dropped]int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for d, n := range counts {
		if u.counts[d] -= n; u.counts[d] == 0 {
			delete(u.counts, d)
		}
	}
}

// CountUnkept counts a refused request that was not handed to [Store.Refuse] because too many come; why is what was wrong
// with its signature.
func (s *Store) CountUnkept(why string) { s.refusedQueue.unkept.add(dropped{droppedRate, why}) }

// writeUnkept writes the counts of what was never kept, once a transaction.
func (t *tx) writeUnkept() error {
	if t.unkept {
		return nil
	}
	t.unkept = true
	counts := t.w.s.refusedQueue.unkept.snapshot()
	for d, n := range counts {
		if err := t.countDropped(d, n); err != nil {
			return err
		}
	}
	t.after = append(t.after, func() { t.w.s.refusedQueue.unkept.written(counts) })
	return nil
}

func (t *tx) countDropped(d dropped, n int64) error {
	_, err := t.exec(`INSERT INTO refused_dropped (cause, why, count) VALUES (?, ?, ?)
		ON CONFLICT (cause, why) DO UPDATE SET count = count + excluded.count`, d.cause, d.why, n)
	return err
}
