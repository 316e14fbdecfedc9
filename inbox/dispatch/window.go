package dispatch

import "slices"

// window holds the events above a position that are not settled, in the order of the log.
type window struct {
	seqs []int64
	done map[int64]bool // settled seqs that are not at the front of seqs
}

func newWindow() *window { return &window{done: map[int64]bool{}} }

// open adds the newest event.
func (w *window) open(seq int64) { w.seqs = append(w.seqs, seq) }

// settle marks an event as settled.
func (w *window) settle(seq int64) {
	w.done[seq] = true
	for len(w.seqs) > 0 && w.done[w.seqs[0]] {
		delete(w.done, w.seqs[0])
		w.seqs = w.seqs[1:]
	}
}

// holds reports whether the event is open.
func (w *window) holds(seq int64) bool {
	_, found := slices.BinarySearch(w.seqs, seq)
	return found && !w.done[seq]
}

// size returns the number of open events.
func (w *window) size() int { return len(w.seqs) - len(w.done) }

// low returns the newest seq at or below which nothing is open, given that everything up to scanned was read.
func (w *window) low(scanned int64) int64 {
	if len(w.seqs) > 0 {
		return w.seqs[0] - 1
	}
	return scanned
}
