package torture

import (
	"sync"

	"inbox/inbox"
)

// sent is a body that was sent to a source, with its expected results.
type sent struct {
	source string
	mode   inbox.Mode
	body   string
	entity string // what it is about; empty when that cannot be told from its bytes
	script string // what it has plugins do; empty: it cannot say, and is ok
	known  bool   // it says what event it is
	copies bool   // its source keeps every copy

	sends int
}

// answered is one 200.
type answered struct {
	what   *sent
	seq    int64
	first  bool  // the body had never been sent before
	stored bool  // it was answered as stored, not as a duplicate
	floor  int64 // highest seq that had been answered before it was sent
}

// world is all that is known of a store: what was sent to it and what was answered.
type world struct {
	base    int64 // events that were stored before it began
	mu      sync.Mutex
	round   int
	bodies  map[string]*sent // by source and body
	list    []*sent
	acks    []answered
	highest int64
	holds   map[string]int // by plugin, as the server's log said
	strange []string       // answers that should not have been given
	refused int64
	count   int64
	replays int64
}

func newWorld() *world {
	return &world{bodies: map[string]*sent{}, holds: map[string]int{}}
}

func (w *world) sends() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

// sending notes that a body is about to be sent, and returns what is known of it and the highest seq answered so far.
func (w *world) sending(s sent) (what *sent, first bool, floor int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
	name := s.source + "\x00" + s.body
	what, ok := w.bodies[name]
	if !ok {
		what = &s
		w.bodies[name] = what
		w.list = append(w.list, what)
	}
	what.sends++
	return what, !ok, w.highest
}

// again returns a body that was sent before.
func (w *world) again(roll int) (sent, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.list) == 0 {
		return sent{}, false
	}
	recent := w.list[len(w.list)/2:]
	s := *recent[roll%len(recent)]
	s.sends = 0
	return s, true
}

func (w *world) answer(a answered) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acks = append(w.acks, a)
	w.highest = max(w.highest, a.seq)
}

// odd notes an answer that should not have been given.
func (w *world) odd(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.strange) < 20 {
		w.strange = append(w.strange, text)
	}
}

// accepted returns how many answers were 200.
func (w *world) accepted() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int64(len(w.acks))
}

func (w *world) refusals() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refused
}
