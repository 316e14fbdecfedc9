package dispatch

import (
	"slices"
	"time"

	"inbox/inbox"
)

const (
	replayOpen  = 256 // bound of the runs of one replay in memory
	replayTurns = 4   // searches of the log per step
)

// replay is one stored replay, as far as it concerns one plugin.
type replay struct {
	inbox.Replay
	scanned   int64 // the log was searched up to here
	position  int64 // as submitted
	window    *window
	settled   map[int64]bool // seqs above the stored position that need no run any more
	uncounted []tally        // events above the position that are not replayed
	retrying  int            // runs that have a row and are due again, in memory or not
	notBefore time.Time      // pace: when the next run may be admitted
	held      bool           // before a dead event, until nothing before it is open
	done      bool
}

// tally is an event that is not replayed. It is counted in the settlement that moves the position over it, so that a crash
// does not count it twice.
type tally struct {
	seq int64
	add inbox.ReplayCount
}

// newReplay returns a replay that goes on after its stored position. settled are the seqs above it that need no run.
func newReplay(stored *inbox.Replay, position int64, settled []int64) *replay {
	j := &replay{Replay: *stored, scanned: position, position: position, window: newWindow(), settled: map[int64]bool{}}
	for _, seq := range settled {
		j.settled[seq] = true
	}
	return j
}

// left notes that a run of the replay ended, or went on to a row of its own, and adds the new position to step.
func (j *replay) left(it *item, wasStored bool, fate inbox.Fate, step *inbox.ReplayStep) {
	switch {
	case !wasStored:
		j.window.settle(it.event.Seq)
		if fate == inbox.Again {
			j.retrying++
		}
	case fate != inbox.Again:
		j.retrying--
	}
	j.move(step)
}

// move adds the replay's position to step, if it moved, and the counts of the events it moved over.
func (j *replay) move(step *inbox.ReplayStep) bool {
	at := j.window.low(j.scanned)
	if at <= j.position {
		return false
	}
	j.position, step.Position = at, at
	n := 0
	for ; n < len(j.uncounted) && j.uncounted[n].seq <= at; n++ {
		a := &j.uncounted[n].add
		step.Add.Filtered += a.Filtered
		step.Add.Pending += a.Pending
	}
	j.uncounted = slices.Clone(j.uncounted[n:])
	return true
}

// skip notes an event that is not replayed.
func (j *replay) skip(seq int64, add inbox.ReplayCount) {
	j.uncounted = append(j.uncounted, tally{seq, add})
}

// searching reports whether the replay may look at more of the log now.
func (j *replay) searching() bool {
	return j.scanned < j.Upto && j.window.size() < replayOpen && !j.held
}

// hold moves the replay to a dead event that is to be retried. While an earlier event is open, it holds the replay before the
// event instead, and reports true. A retried event goes on as the run that it was. Nothing else tells a replay that begins
// again that it has dealt with the event, so the retry must be one commit with the position that passes the event.
func (j *replay) hold(seq int64) bool {
	if j.held = j.window.size() > 0; !j.held {
		j.scanned = seq
	}
	return j.held
}

// allowed returns how many runs may be admitted now.
func (j *replay) allowed(now time.Time) int {
	if j.Rate <= 0 {
		return readAhead
	}
	if now.Before(j.notBefore) {
		return 0
	}
	return max(1, min(readAhead, int(j.share()/10)))
}

// share returns the part of the rate that falls to one plugin, in runs per second.
func (j *replay) share() float64 { return j.Rate / float64(max(len(j.Plugins), 1)) }

// pace sets when the next run may be admitted after n were.
func (j *replay) pace(now time.Time, n int) {
	if j.Rate > 0 && n > 0 {
		j.notBefore = now.Add(time.Duration(float64(n) / j.share() * float64(time.Second)))
	}
}
