package store

import (
	"maps"
	"sync"
)

// dropped identifies a count of dropped requests: the cause of the drop, and the fault of the signatures.
type dropped struct{ cause, why string }

// Causes of drops. The bounds are those of [inbox.QuarantineBounds].
const (
	droppedCount    = "count"     // the quarantine exceeded its bound in requests
	droppedBytes    = "bytes"     // the quarantine exceeded its bound in bytes
	droppedAge      = "age"       // the request exceeded the bound of its age
	droppedTooLarge = "too_large" // the request is larger than a quarter of the bound in bytes
	droppedQueue    = "queue"     // too many refused requests waited for the disk
	droppedRate     = "rate"      // the rate limiter rejected the request
)

// unstored counts refused requests that were never stored, until a transaction writes the counts.
type unstored struct {
	mu     sync.Mutex
	counts map[dropped]int64
}

func (u *unstored) add(d dropped) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.counts[d]++
}

func (u *unstored) snapshot() map[dropped]int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.counts)
}

// written subtracts counts that were written.
func (u *unstored) written(counts map[dropped]int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for d, n := range counts {
		if u.counts[d] -= n; u.counts[d] == 0 {
			delete(u.counts, d)
		}
	}
}

// CountDropped counts a refused request that the caller did not pass to [Store.Refuse], because too many requests arrive. why is the
// fault of its signature.
func (s *Store) CountDropped(why string) { s.unstored.add(dropped{droppedRate, why}) }

// writeUnstored writes the counts of requests that were never stored, once per transaction.
func (t *tx) writeUnstored() error {
	if t.unstored {
		return nil
	}
	t.unstored = true
	counts := t.w.s.unstored.snapshot()
	for d, n := range counts {
		if err := t.countDropped(d, n); err != nil {
			return err
		}
	}
	t.after = append(t.after, func() { t.w.s.unstored.written(counts) })
	return nil
}

func (t *tx) countDropped(d dropped, n int64) error {
	_, err := t.exec(`INSERT INTO refused_dropped (cause, why, count) VALUES (?, ?, ?)
		ON CONFLICT (cause, why) DO UPDATE SET count = count + excluded.count`, d.cause, d.why, n)
	return err
}
