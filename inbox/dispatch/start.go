package dispatch

import (
	"errors"
	"slices"
	"time"

	"inbox/inbox"
)

// errAstray says that a worker attempted another event than its lane's next. That is a fault of this package; the loop begins
// again from the store, and nothing is lost.
var errAstray = errors.New("an attempt went astray")

// starter starts attempts: it passes the heads of lanes to the workers.
type starter struct {
	link    *link
	release *release
	workers *workers
	lanes   *lanes
	reader  *reader
	turn    int     // number of probes
	alone   []*lane // each makes its next attempt while no other is under way, in this order, before any other lane starts
}

// refusals is the number of refused attempts in a row after which a run makes its attempt alone in its plugin. Nothing can
// change what that attempt reads.
const refusals = 3

// refused takes back the run of a lane whose attempt read values that are gone. It is no attempt.
func (st *starter) refused(l *lane) {
	l.busy.refused++
	if l.busy.refused >= refusals && !slices.Contains(st.alone, l) {
		st.alone = append(st.alone, l)
	}
	l.putBack()
	st.lanes.enqueue(l)
}

// ended lets other lanes start again after the attempt of a lane that ran alone.
func (st *starter) ended(l *lane) {
	st.alone = slices.DeleteFunc(st.alone, func(other *lane) bool { return other == l })
}

// start starts attempts while lanes are ready and workers are free. Nothing starts before runs that were freed are taken over:
// they may have to go first.
func (st *starter) start() error {
	st.lanes.ready.release(st.release.mayStart)
	if len(st.lanes.ready.behind)+len(st.alone) == 0 {
		st.link.awaited.Store(false)
	}
	if st.link.stale || st.lanes.ready.size() > 0 && !st.release.record() {
		return nil
	}
	for !st.link.stale && st.workers.free() {
		l := st.next()
		switch {
		case l == nil:
			return nil
		case l.head() == nil:
			st.lanes.requeue(l) // its head was cancelled: it may be forgotten
			continue
		case !st.release.mayStart(l):
			st.lanes.ready.wait(l)
			st.link.await()
			continue
		}
		wanted, err := st.reader.stillWanted(l)
		if err != nil {
			return err
		}
		if wanted {
			st.pass(l)
		}
	}
	return nil
}

// next removes and returns the lane that starts an attempt now; nil: none may. A lane that runs alone goes first, once nothing
// else runs, and nothing starts until its attempt has ended.
func (st *starter) next() *lane {
	for len(st.alone) > 0 {
		l := st.alone[0]
		switch {
		case st.workers.running > 0:
			return nil
		case l.state == ready && !st.release.mayStart(l):
			st.link.await()
			return nil
		case l.state == ready:
			st.lanes.ready.remove(l)
			return l
		}
		st.alone = st.alone[1:] // its run was cancelled, or waits for something else
	}
	return st.lanes.ready.pop()
}

// pass passes a lane's head to the workers, with the events behind it.
func (st *starter) pass(l *lane) {
	it := l.take()
	c := call{lane: l, event: it.event, delivery: delivery(st.link.plugin, l, it)}
	if it.first() && st.release.runsAhead() {
		for i := range l.queue[:min(len(l.queue), runLength-1)] {
			if l.queue[i].routed != st.release.manifest {
				break // enqueued for another release: stillWanted asks first whether this one wants it
			}
			c.behind = append(c.behind, l.queue[i].event)
		}
	}
	st.workers.pass(c)
}

// goesOn takes the head of a lane whose attempt a worker has begun already.
func (st *starter) goesOn(l *lane, seq int64) error {
	if h := l.head(); h == nil || !l.first() || h.event.Seq != seq {
		return errAstray
	}
	l.take()
	return nil
}

// recall takes back the attempts that have not begun.
func (st *starter) recall() {
	for _, l := range st.workers.recall() {
		l.putBack()
		st.lanes.enqueue(l)
	}
}

// evict makes room for the attempts of other lanes when the window is full of events that wait for each other. It reports
// whether it did.
func (st *starter) evict() bool {
	return st.reader.full() && st.workers.free() && len(st.lanes.ready.first)+len(st.lanes.ready.behind) == 0 && st.reader.evict()
}

// probe makes one attempt of a plugin on hold, when it is time and nothing else runs.
func (st *starter) probe(now time.Time) {
	if st.link.stale {
		return
	}
	l := st.nextProbe()
	if l == nil {
		st.release.health.ProbeAt = now.Add(time.Second) // nothing to probe with yet
		return
	}
	if !st.release.record() {
		return
	}
	st.turn++
	l.probed = st.turn
	if l.state == ready {
		st.lanes.ready.remove(l)
	}
	l.endRetry()
	l.toIdle()
	if l.row != nil && len(l.queue) == 0 && (!st.lanes.catchUp(l) || l.head() == nil) {
		return
	}
	st.pass(l)
}

// probeDue reports whether the next probe of a plugin on hold may start.
func (st *starter) probeDue(now time.Time) bool {
	return st.workers.running == 0 && !now.Before(st.release.health.ProbeAt)
}

// nextProbe returns the lane whose last probe is the oldest, so that one bad event cannot hold the plugin for ever. nil: no
// lane has anything to attempt.
func (st *starter) nextProbe() *lane {
	var best *lane
	for _, l := range st.lanes.byID {
		waiting := l.row != nil && l.row.State != inbox.LaneParked && l.row.Next <= st.lanes.cursor.scanned
		if l.busy != nil || (!waiting && l.head() == nil) || !st.release.mayStart(l) {
			continue
		}
		if best == nil || l.probed < best.probed {
			best = l
		}
	}
	return best
}
