package dispatch

import (
	"container/heap"
	"slices"
	"time"
)

// readyQueue holds the lanes in state ready. Lanes with a first run at their head go before the others: a replay yields to
// live traffic.
type readyQueue struct {
	first  []*lane
	other  []*lane
	behind []*lane // their last settlements are not durable, and must be before they start
}

// push adds a lane at the end.
func (q *readyQueue) push(l *lane) {
	if l.first() {
		q.first = append(q.first, l)
	} else {
		q.other = append(q.other, l)
	}
}

// wait puts a lane that pop returned behind its last settlement.
func (q *readyQueue) wait(l *lane) { q.behind = append(q.behind, l) }

// release puts lanes back into the queue that may start now.
func (q *readyQueue) release(mayStart func(*lane) bool) {
	waiting := q.behind
	q.behind = nil
	for _, l := range waiting {
		switch {
		case l.state != ready: // a probe started it, or it was forgotten
		case mayStart(l):
			q.push(l)
		default:
			q.behind = append(q.behind, l)
		}
	}
}

// pop removes and returns the next lane, nil when the queue is empty. The lane is still in state ready.
func (q *readyQueue) pop() *lane {
	from := &q.first
	if len(*from) == 0 {
		from = &q.other
	}
	if len(*from) == 0 {
		return nil
	}
	l := (*from)[0]
	*from = (*from)[1:]
	return l
}

// remove takes a lane out of the queue.
func (q *readyQueue) remove(l *lane) {
	same := func(other *lane) bool { return other == l }
	q.first, q.other, q.behind = slices.DeleteFunc(q.first, same), slices.DeleteFunc(q.other, same), slices.DeleteFunc(q.behind, same)
}

// size returns the number of lanes that do not wait behind a settlement.
func (q *readyQueue) size() int { return len(q.first) + len(q.other) }

// timer is a lane or a run that is due at a time.
type timer struct {
	at   time.Time
	lane *lane
	run  *item // nil: the lane's own next event
}

// timers is a heap of timers by time. Of timers with the same time, those of lanes come first, then those of runs, by run and seq.
type timers []timer

// wait adds a timer.
func (t *timers) wait(at time.Time, l *lane, run *item) {
	heap.Push(t, timer{at: at, lane: l, run: run})
}

// next returns the earliest time, zero without timers.
func (t timers) next() time.Time {
	if len(t) == 0 {
		return time.Time{}
	}
	return t[0].at
}

// due removes and returns the earliest timer if its time has come.
func (t *timers) due(now time.Time) (timer, bool) {
	if len(*t) == 0 || (*t)[0].at.After(now) {
		return timer{}, false
	}
	return heap.Pop(t).(timer), true
}

// drop removes the timers for which gone returns true.
func (t *timers) drop(gone func(timer) bool) {
	*t = slices.DeleteFunc(*t, gone)
	heap.Init(t)
}

// Len returns the number of timers.
func (t timers) Len() int { return len(t) }

// Less reports whether timer i is due before timer j.
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

// Pop removes the timer at the end; heap.Pop calls it.
func (t *timers) Pop() any {
	last := (*t)[len(*t)-1]
	*t = (*t)[:len(*t)-1]
	return last
}
