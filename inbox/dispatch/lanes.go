package dispatch

import (
	"slices"
	"time"

	"inbox/inbox"
)

// lanes holds the lanes of one plugin: those in memory by name, the queue of those that may start, the timers of those that
// wait, and the names of those that only the store holds. It changes their states and rows.
type lanes struct {
	link     *link
	release  *release
	cursor   *cursor
	log      laneLog
	byID     map[inbox.LaneID]*lane
	rows     int     // lanes that have a row, in memory or not
	unread   []*lane // lanes in state unread; some may have left it
	ready    readyQueue
	timers   timers
	unloaded unloadedLanes
	bound    int                  // parked lanes in memory
	moved    func(from, to state) // told of every move; nil outside tests
}

// add makes a lane in a state.
func (ls *lanes) add(id inbox.LaneID, s state) *lane {
	l := &lane{id: id, state: s, moved: ls.moved, settled: ls.link.submitted} // a lane of that name may have been forgotten just now
	ls.byID[id] = l
	return l
}

// get returns the lane of that name, which is not unloaded, and makes it if need be.
func (ls *lanes) get(id inbox.LaneID) *lane {
	l := ls.byID[id]
	if l == nil {
		l = ls.add(id, absent)
		l.move(idle)
	}
	return l
}

// find returns the lane of that name. It makes or loads the lane if need be.
func (ls *lanes) find(id inbox.LaneID) (*lane, error) {
	if ls.byID[id] != nil || !ls.unloaded.may(id) {
		return ls.get(id), nil
	}
	row, err := ls.link.store.Lane(ls.link.stop, ls.link.plugin, id)
	switch {
	case err != nil:
		return nil, err
	case row == nil:
		return ls.get(id), nil
	}
	l := ls.load(row)
	ls.enqueue(l) // an operator may have released it just now
	return l, nil
}

// lags reports whether a lane has a row. A parked lane is loaded for a while: the next event may be its own too.
func (ls *lanes) lags(id inbox.LaneID) (bool, error) {
	if l := ls.byID[id]; l != nil {
		return l.row != nil, nil
	}
	if !ls.unloaded.may(id) {
		return false, nil
	}
	row, err := ls.link.store.Lane(ls.link.stop, ls.link.plugin, id)
	if err != nil || row == nil {
		return false, err
	}
	if row.State == inbox.LaneParked {
		ls.load(row)
	}
	return true, nil
}

// enqueue puts a lane that has something to start into the ready queue, and forgets one with nothing left to run.
func (ls *lanes) enqueue(l *lane) {
	if l.state == ready || l.state == running {
		return
	}
	if l.lagsReady() && len(l.queue) == 0 && !ls.catchUp(l) {
		return
	}
	if l.head() != nil {
		l.move(ready)
		ls.ready.push(l)
		return
	}
	if l.empty() && ls.byID[l.id] == l {
		l.move(absent)
		delete(ls.byID, l.id)
	}
}

// requeue puts a lane back that left the ready queue or its workers, if it still has something to start.
func (ls *lanes) requeue(l *lane) {
	l.toIdle()
	ls.enqueue(l)
}

// catchUp reads the next events of a lane with a ready row. It reports false when the lane has to wait for the log, or when
// the store cannot be read; then the chain is broken.
func (ls *lanes) catchUp(l *lane) bool {
	// Only the row knows that the events before its next one are settled, and how often the next one was attempted.
	if l.row.Next > ls.cursor.scanned+1 || l.row.Next > ls.cursor.scanned && l.row.Attempt > 0 {
		if l.state != unread {
			l.move(unread)
			ls.unread = append(ls.unread, l)
		}
		return false
	}
	l.toIdle()
	s := &inbox.Settlement{}
	if err := ls.advance(l, l.row.Next, s); err != nil {
		ls.link.fail("cannot read the next events of a lane", err)
		return false
	}
	if s.Lane.Gone != nil {
		ls.link.submit(s)
	}
	return true
}

// wasRead lets lanes go on whose next event has been read from the log. A start may leave lanes in state unread: the cursor
// may be stored behind the events that its lanes have settled.
func (ls *lanes) wasRead() {
	waiting := ls.unread
	ls.unread = nil
	for _, l := range waiting {
		if l.state == unread {
			ls.requeue(l)
		}
	}
}

// advance moves a lane with a row to its next event at or after from, which becomes the head of the queue. It deletes the row
// when there is no such event among those read. The change is added to s.
func (ls *lanes) advance(l *lane, from int64, s *inbox.Settlement) error {
	if len(l.queue) == 0 {
		events, err := ls.log.read(l.id, from)
		if err != nil {
			return err
		}
		for i := range events {
			l.queue = append(l.queue, item{event: &events[i], routed: ls.release.manifest})
		}
	}
	if len(l.queue) > 0 {
		if next := l.queue[0].event.Seq; next != l.row.Next {
			l.row.Next, l.row.Attempt, l.row.Counted = next, 0, 0
		}
		l.row.State, l.row.DueAt = inbox.LaneReady, time.Time{}
		row := *l.row
		s.Lane.Put = &row
		return nil
	}
	if l.hadWait { // the settlement frees the runs that wait; the loop takes them over once it is stored
		ls.link.stale = true
	}
	l.row, l.hadWait = nil, false
	ls.rows--
	id := l.id
	s.Lane.Gone = &id
	return nil
}

// setRow gives the lane a row and the state that the row asks for.
func (ls *lanes) setRow(l *lane, row inbox.Lane) {
	if l.row == nil {
		ls.rows++
	}
	l.row = &row
	switch {
	case row.State == inbox.LaneRetry:
		l.move(retrying)
		ls.timers.wait(row.DueAt, l, nil)
	case row.State == inbox.LaneParked:
		l.move(parked)
		ls.mayUnload(l, ls.link.submitted+1+int64(len(l.tail))) // the settlement with the row follows those that store its tail
	case l.state == parked:
		l.move(idle)
	}
}

// settleFirst changes the lane of a first run by the decision, and adds the change to s.
func (ls *lanes) settleFirst(l *lane, it *item, d inbox.Decision, now time.Time, s *inbox.Settlement) error {
	seq := it.event.Seq
	switch {
	case d.Fate == inbox.Again:
		ls.block(l, it, inbox.LaneRetry, d.DueAt, now, s)
	case d.Fate == inbox.Dead && d.Parks:
		ls.block(l, it, inbox.LaneParked, time.Time{}, now, s)
	case l.row == nil:
		l.move(idle)
		ls.cursor.window.settle(seq)
	default:
		l.move(idle)
		return ls.advance(l, seq+1, s)
	}
	return nil
}

// block gives the lane a row that says why its next event does not run now.
func (ls *lanes) block(l *lane, it *item, state inbox.LaneState, due, now time.Time, s *inbox.Settlement) {
	row := inbox.Lane{
		ID: l.id, Next: it.event.Seq, State: state, DueAt: due, Attempt: it.attempt, Counted: it.counted, Since: now,
	}
	if l.row == nil {
		ls.cursor.window.settle(it.event.Seq)
		ls.uncover(l, 0)
	} else {
		row.Since = l.row.Since
		l.queue = nil
	}
	ls.setRow(l, row)
	s.Lane.Put = &row
}

// uncover settles in the window the events that a lane's new row covers, and keeps up to keep of them in memory.
func (ls *lanes) uncover(l *lane, keep int) {
	if l.busy != nil && l.busy.first() {
		ls.cursor.window.settle(l.busy.event.Seq)
	}
	for i := range l.queue {
		ls.cursor.window.settle(l.queue[i].event.Seq)
	}
	l.queue = slices.Clone(l.queue[:min(len(l.queue), keep)])
}

// hurry lets every lane in retry go on at once: the hold is over, and the hold was the reason of the wait.
func (ls *lanes) hurry() {
	for _, l := range ls.byID {
		l.endRetry()
		ls.enqueue(l)
	}
}

// uncount takes back the counted attempts of a streak, after the plugin turned out to be sick and not the events at fault.
// The attempt that ended the streak was not counted in the first place.
func (ls *lanes) uncount(streak []inbox.Failure, s *inbox.Settlement) {
	for _, f := range streak[:len(streak)-1] {
		l := ls.byID[f.Lane]
		if l != nil && l.row != nil && l.row.State != inbox.LaneParked && l.row.Next == f.Seq && l.row.Counted > 0 {
			l.row.Counted--
			if l.busy != nil && l.busy.first() { // its next attempt is under way already
				l.busy.counted = l.row.Counted
			}
			s.Health.Uncount = append(s.Health.Uncount, f)
		}
	}
	if s.Lane.Put != nil { // the lane of this attempt may have been part of the streak before
		if l := ls.byID[s.Lane.Put.ID]; l != nil && l.row != nil {
			s.Lane.Put.Counted = l.row.Counted
		}
	}
}
