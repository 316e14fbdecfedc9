package store

import (
	"context"
	"sync"
)

// watches note the events that plugins settle while their state is folded again, in the goroutine of the writer.
type watches struct {
	mu   sync.Mutex
	seqs map[int64]map[int64]bool // by plugin; a plugin that is not watched has no entry
}

// note notes an event that was settled. A note of a transaction that is not committed does no harm: nobody finds a settled event.
func (w *watches) note(p, seq int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if seqs := w.seqs[p]; seqs != nil {
		seqs[seq] = true
	}
}

// begin begins to note, and drops earlier notes.
func (w *watches) begin(p int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seqs == nil {
		w.seqs = map[int64]map[int64]bool{}
	}
	w.seqs[p] = map[int64]bool{}
}

// take returns the noted seqs, in no order, and clears them.
func (w *watches) take(p int64) (list []int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for seq := range w.seqs[p] {
		list = append(list, seq)
	}
	clear(w.seqs[p])
	return list
}

func (w *watches) end(p int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.seqs, p)
}

// WatchSettled begins to note the seqs of the events that a plugin settles. When it returns, [Store.Settled] finds each event that was
// settled before. Each call of take returns the seqs of those settled since the call before, which Settled finds too. Both write a
// transaction of their own: when that is committed, so are the settlements before it. A plugin is watched once at a time.
func (s *Store) WatchSettled(ctx context.Context, plugin string) (take func(ctx context.Context) ([]int64, error), end func(), err error) {
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return nil, nil, err
	}
	end = func() { s.watches.end(p) }
	if err := s.write(ctx, func(*tx) error {
		s.watches.begin(p)
		return nil
	}); err != nil {
		end()
		return nil, nil, err
	}
	return func(ctx context.Context) ([]int64, error) {
		var list []int64
		if err := s.write(ctx, func(*tx) error {
			list = append(list, s.watches.take(p)...) // a batch may be applied again
			return nil
		}); err != nil {
			return nil, err // the writer may still add to the list
		}
		return list, nil
	}, end, nil
}
