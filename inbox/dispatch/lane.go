package dispatch

import (
	"cmp"
	"slices"

	"inbox/inbox"
)

// item is one run of one event on its way through a lane.
type item struct {
	event    *inbox.Event
	routed   *inbox.Manifest // the manifest that wanted the event, for a first run
	run      int64
	replay   *replay // the replay that admitted the run and still runs. The lane carries it and never calls it
	replayID int64   // the replay that counts the run; 0: no replay
	stored   bool    // the run has a row
	attempt  int     // attempts already made
	counted  int     // attempts that count towards max_attempts
	refused  int     // attempts in a row that were refused
}

// first reports whether the item is its event's first run, and neither a replay nor a retried dead run.
func (it *item) first() bool { return it.run == 0 && !it.stored }

// key names the run.
func (it *item) key() runKey { return runKey{it.event.Seq, it.run} }

// before compares two runs that may both start: by run, then in the order of the log.
func (it *item) before(other *item) int {
	return cmp.Or(cmp.Compare(it.run, other.run), cmp.Compare(it.event.Seq, other.event.Seq))
}

// lane holds the runs of one lane. It exists while the lane has runs in memory or a row that is loaded.
type lane struct {
	id      inbox.LaneID
	state   state
	row     *inbox.Lane          // nil while the lane does not lag
	queue   []item               // first runs, in order. Without a row: all open ones. With a row: those read ahead
	tail    []item               // other runs, by run and seq. They start when no first run is left
	busy    *item                // the run under way
	settled int64                // the number of its last settlement in the chain, or a higher one
	waits   int                  // number of its runs among the timers
	hadWait bool                 // the store may hold runs that wait behind the lane
	probed  int                  // turn of its last probe
	listed  bool                 // in the list of lanes that may be unloaded
	moved   func(from, to state) // told of every move; nil outside tests
}

// move changes the lane's state. The table in state.go lists the legal moves.
func (l *lane) move(to state) {
	if l.moved != nil {
		l.moved(l.state, to)
	}
	l.state = to
}

// toIdle moves the lane to idle unless it is.
func (l *lane) toIdle() {
	if l.state != idle {
		l.move(idle)
	}
}

// endRetry makes a lane in retry ready. Lanes in other states stay as they are.
func (l *lane) endRetry() {
	if l.state == retrying {
		l.row.State = inbox.LaneReady
		l.move(idle)
	}
}

// head returns the run that the lane starts next, nil when it has nothing to start now.
func (l *lane) head() *item {
	switch {
	case l.state == running || l.state == retrying || l.state == parked:
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

// take removes the head, which must exist, and marks it as under way.
func (l *lane) take() *item {
	from := &l.tail
	if l.first() {
		from = &l.queue
	}
	it := (*from)[0]
	(*from)[0] = item{}
	*from = (*from)[1:]
	if l.row != nil && it.run == 0 {
		it.attempt, it.counted = l.row.Attempt, l.row.Counted
	}
	l.move(running)
	l.busy = &it
	return &it
}

// putBack undoes take.
func (l *lane) putBack() {
	it := l.busy
	l.busy = nil
	l.move(idle)
	if it.first() {
		l.queue = append([]item{*it}, l.queue...)
	} else {
		l.join(it)
	}
}

// join adds a run that is not a first one. Its place does not depend on the time: waiting runs return from the store in any
// order, and a replay may have just admitted others.
func (l *lane) join(it *item) {
	at, _ := slices.BinarySearchFunc(l.tail, it, func(a item, b *item) int { return a.before(b) })
	l.tail = slices.Insert(l.tail, at, *it)
}

// oldest returns the seq of the oldest first run in memory; the lane must have one.
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

// lagsReady reports whether the lane lags and its next event may run.
func (l *lane) lagsReady() bool { return l.row != nil && l.row.State == inbox.LaneReady }

// empty reports whether the loop may forget the lane.
func (l *lane) empty() bool { return l.row == nil && l.unused() }

// unused reports whether the lane has no run in memory.
func (l *lane) unused() bool {
	return l.busy == nil && l.waits == 0 && len(l.queue) == 0 && len(l.tail) == 0
}
