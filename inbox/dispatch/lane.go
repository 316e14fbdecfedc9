package dispatch

import (
	"cmp"
	"slices"
	"time"

	"inbox/inbox"
)

// item is one run of one event on its way through a lane.
type item struct {
	event   *inbox.Event
	sorted  *inbox.Manifest // by which a first run was found wanted
	run     int64
	job     *job  // the replay that leads it and still runs
	jobID   int64 // the replay that counts it; 0 for none
	stored  bool  // has a run row
	attempt int   // attempts already made
	tries   int   // of which count
}

// first reports whether the item is its event's first run, as against a replay or a revived one.
func (it *item) first() bool { return it.run == 0 && !it.stored }

// before compares two runs by the order in which they go when both may: by run, then in the order of the log.
func (it *item) before(other *item) int {
	return cmp.Or(cmp.Compare(it.run, other.run), cmp.Compare(it.event.Seq, other.event.Seq))
}

// lane is what a pump knows of one lane. It exists while something of it is in memory or it has a row.
type lane struct {
	id      inbox.LaneID
	row     *inbox.Lane // nil while the lane does not lag
	queue   []item      // first runs, in order. Without a row: all that are open. With one: those read ahead
	tail    []item      // other runs, by run and seq: they go when no first run is left
	busy    *item       // the attempt under way
	lined   bool        // stands in a line of lanes that may start
	waits   int         // runs of it that stand among the timers
	hadWait bool        // runs may wait behind it in the store
	probed  int         // when it was last probed, in turns
	dozing  bool        // parked, and among those that are forgotten when there are many
}

// state returns the state of a lane: one without a row is ready.
func (l *lane) state() inbox.LaneState {
	if l.row == nil {
		return inbox.LaneReady
	}
	return l.row.State
}

// head returns what the lane would run next, nil when it has nothing to run now.
func (l *lane) head() *item {
	switch {
	case l.busy != nil || l.state() != inbox.LaneReady:
		return nil
	case len(l.queue) > 0:
		return &l.queue[0]
	case l.row == nil && len(l.tail) > 0:
		return &l.tail[0]
	}
	return nil
}

// first reports whether the lane's head is a first run.
func (l *lane) first() bool { return len(l.queue) > 0 }

// take removes the head and marks it as under way.
func (l *lane) take() *item {
	from := &l.tail
	if l.first() {
		from = &l.queue
	}
	it := (*from)[0]
	(*from)[0] = item{}
	*from = (*from)[1:]
	if l.row != nil && it.run == 0 {
		it.attempt, it.tries = l.row.Attempt, l.row.Tries
	}
	l.busy = &it
	return &it
}

// putBack undoes take.
func (l *lane) putBack(it *item) {
	l.busy = nil
	if it.first() {
		l.queue = append([]item{*it}, l.queue...)
	} else {
		l.join(it)
	}
}

// join puts a run that is not a first one into the lane. Its place does not depend on when it came: runs that waited come
// back from the store in any order, and beside those that a replay has just admitted.
func (l *lane) join(it *item) {
	at, _ := slices.BinarySearchFunc(l.tail, it, func(a item, b *item) int { return a.before(b) })
	l.tail = slices.Insert(l.tail, at, *it)
}

// oldest returns the seq of the oldest first run in memory; there must be one.
func (l *lane) oldest() int64 {
	if l.busy != nil && l.busy.first() {
		return l.busy.event.Seq
	}
	return l.queue[0].event.Seq
}

// open reports whether first runs of the lane hold the cursor.
func (l *lane) open() bool {
	return l.row == nil && (len(l.queue) > 0 || l.busy != nil && l.busy.first())
}

// empty reports whether the pump may forget the lane.
func (l *lane) empty() bool {
	return l.row == nil && l.busy == nil && l.waits == 0 && len(l.queue) == 0 && len(l.tail) == 0
}

// window is the set of events above a position that are not settled, in the order of the log.
type window struct {
	seqs []int64
	done map[int64]bool // of those in seqs, the settled ones that are not at the front
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

// size is how many events are open.
func (w *window) size() int { return len(w.seqs) - len(w.done) }

// low is the newest seq at or below which nothing is open, given that everything up to scanned was looked at.
func (w *window) low(scanned int64) int64 {
	if len(w.seqs) > 0 {
		return w.seqs[0] - 1
	}
	return scanned
}

// timer is a lane or a run that is due at a time.
type timer struct {
	at   time.Time
	lane *lane
	run  *item // nil: the lane's own next event
}

// timers is a heap of timers by time; of those of one time by run, then in the order of the log.
type timers []timer

// Len is how many timers there are.
func (t timers) Len() int { return len(t) }

// Less reports whether timer i rings before timer j.
func (t timers) Less(i, j int) bool {
	a, b := &t[i], &t[j]
	switch c := a.at.Compare(b.at); {
	case c != 0:
		return c < 0
	case a.run == nil || b.run == nil:
		return a.run == nil && b.run != nil
	}
	return a.run.before(b.run) < 0
}

// Swap exchanges two timers.
func (t timers) Swap(i, j int) { t[i], t[j] = t[j], t[i] }

// Push adds a timer at the end; heap.Push calls it.
func (t *timers) Push(x any) { *t = append(*t, x.(timer)) }

// Pop takes the timer at the end away; heap.Pop calls it.
func (t *timers) Pop() any {
	last := (*t)[len(*t)-1]
	*t = (*t)[:len(*t)-1]
	return last
}
