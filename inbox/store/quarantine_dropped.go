package store

import (
	"maps"
	"sync"
)

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

// CountUnkept counts a refused request that was not passed to [Store.Refuse] because too many arrive; why is what was wrong
// with its signature.
func (s *Store) CountUnkept(why string) { s.unkept.add(dropped{droppedRate, why}) }

// writeUnkept writes the counts of what was never kept, once a transaction.
func (t *tx) writeUnkept() error {
	if t.unkept {
		return nil
	}
	t.unkept = true
	counts := t.w.s.unkept.snapshot()
	for d, n := range counts {
		if err := t.countDropped(d, n); err != nil {
			return err
		}
	}
	t.after = append(t.after, func() { t.w.s.unkept.written(counts) })
	return nil
}

func (t *tx) countDropped(d dropped, n int64) error {
	_, err := t.exec(`INSERT INTO refused_dropped (cause, why, count) VALUES (?, ?, ?)
		ON CONFLICT (cause, why) DO UPDATE SET count = count + excluded.count`, d.cause, d.why, n)
	return err
}
