package dispatch

import (
	"slices"
	"time"

	"inbox/inbox"
)

// runPage is the number of runs with a row that are loaded at a time.
const runPage = 4096

// runKey names a run of one plugin.
type runKey struct{ seq, run int64 }

// runs holds the runs other than first ones: replays, and dead runs that were retried after their lane went on.
type runs struct {
	link     *link
	release  *release
	lanes    *lanes
	replays  []*replay       // those that run
	known    map[runKey]bool // runs in memory
	unloaded bool            // the store holds runs that are not in memory …
	horizon  time.Time       // … which are due at this time or later
}

// replay returns a running replay, nil for others.
func (rs *runs) replay(id int64) *replay {
	for _, j := range rs.replays {
		if j.ID == id {
			return j
		}
	}
	return nil
}

// load takes over the runs that are due first. It takes more of the others when these have run.
func (rs *runs) load(now time.Time) error {
	limit := len(rs.known) + rs.link.opt.bounds.runs
	stored, err := rs.link.store.Runs(rs.link.stop, rs.link.plugin, limit)
	if err != nil {
		return err
	}
	if rs.unloaded = len(stored) == limit; rs.unloaded {
		last := &stored[limit-1]
		rs.horizon = rs.release.manifest.Policy.Due(last.DueAt, now, last.Attempt)
	}
	for _, j := range rs.replays {
		if j.retrying, err = rs.link.store.ReplayRuns(rs.link.stop, rs.link.plugin, j.ID); err != nil {
			return err
		}
	}
	for i := range stored {
		if err := rs.adopt(&stored[i], now); err != nil {
			return err
		}
	}
	return nil
}

// adopt takes over a stored run, if it is not in memory yet.
func (rs *runs) adopt(r *inbox.Run, now time.Time) error {
	key := runKey{r.Seq, r.Run}
	if rs.known[key] {
		return nil
	}
	events, err := rs.link.store.EventsAfter(rs.link.stop, r.Seq-1, 1)
	if err != nil || len(events) == 0 {
		return err
	}
	event, err := rs.replayed(&events[0], r)
	if err != nil {
		return err
	}
	rs.known[key] = true
	it := item{
		event: event, run: r.Run, replay: rs.replay(r.Replay), replayID: r.Replay, stored: true, attempt: r.Attempt, counted: r.Counted,
	}
	l, err := rs.lanes.find(r.Lane)
	if err != nil {
		return err
	}
	due := now // a run without an attempt has nothing to wait for, whatever the clock was when it was freed
	if r.Attempt > 0 {
		due = rs.release.manifest.Policy.Due(r.DueAt, now, r.Attempt)
	}
	rs.wait(l, &it, due)
	return nil
}

// replayed returns the event of a stored run as the run sees it. The run of a replay that is in the lane of a customer reference keeps that
// reference, also when its key was linked to another one meanwhile.
func (rs *runs) replayed(e *inbox.Event, r *inbox.Run) (*inbox.Event, error) {
	if r.Replay == 0 || e.View.CustomerReference != "" {
		return e, nil
	}
	if ref, ok := r.Lane.Reference(); ok {
		e.View.CustomerReference = ref
		return e, nil
	}
	return rs.linked(e)
}

// linked returns an event as a replay sees it: with the customer reference that its key is linked to, if its row has none.
func (rs *runs) linked(e *inbox.Event) (*inbox.Event, error) {
	if e.View.CustomerReference != "" {
		return e, nil
	}
	ref, err := rs.link.store.LinkedReference(rs.link.stop, e.Mode, e.View.Key)
	if err != nil || ref == "" {
		return e, err
	}
	seen := *e
	seen.View.CustomerReference = ref
	return &seen, nil
}

// wait lets a run that has a row go on at due.
func (rs *runs) wait(l *lane, it *item, due time.Time) {
	l.waits++
	rs.lanes.timers.wait(due, l, it)
}

// ring lets the lanes and runs that are due go on.
func (rs *runs) ring(now time.Time) {
	for {
		t, ok := rs.lanes.timers.due(now)
		if !ok {
			return
		}
		l := t.lane
		switch {
		case t.run != nil && l.state == parked:
			l.waits--
			rs.park(l, t.run)
			rs.lanes.mayUnload(l, rs.link.submitted)
		case t.run != nil:
			l.waits--
			l.join(t.run)
		case l.state == retrying && !l.row.DueAt.After(now):
			l.endRetry()
		}
		rs.lanes.enqueue(l)
	}
}

// nextDue returns when the first lane or run is due, in memory or in the store; zero: nothing waits for a time. Where those in
// the store are due already, the end of an attempt makes room for them.
func (rs *runs) nextDue(now time.Time) time.Time {
	at := rs.lanes.timers.next()
	if rs.unloaded && rs.horizon.After(now) && (at.IsZero() || rs.horizon.Before(at)) {
		return rs.horizon
	}
	return at
}

// overdue reports whether the store holds runs that are due and not in memory.
func (rs *runs) overdue(now time.Time) bool { return rs.unloaded && !rs.horizon.After(now) }

// wantsMore reports whether there is room for such runs.
func (rs *runs) wantsMore(now time.Time) bool {
	return rs.overdue(now) && len(rs.known) <= rs.link.opt.bounds.runs/2
}

// settle adds to s the changes of a run that is not a first one. It never changes the lane's row.
func (rs *runs) settle(l *lane, it *item, d inbox.Decision, s *inbox.Settlement) {
	l.move(idle)
	step := &inbox.ReplayStep{Replay: it.replayID, Plugin: rs.link.plugin}
	row := rs.row(l, it)
	row.DueAt = d.DueAt
	wasStored := it.stored
	switch d.Fate {
	case inbox.Again:
		it.stored = true
		s.Run.Put = row
		if rs.unloaded && d.DueAt.After(rs.horizon) {
			delete(rs.known, it.key()) // runs that are due before it are not loaded yet; it will be loaded with them
			break
		}
		rs.known[it.key()] = true
		rs.wait(l, it, d.DueAt)
	case inbox.Dead:
		step.Add.Dead = 1
	default:
		step.Add.OK = 1
	}
	if d.Fate != inbox.Again {
		delete(rs.known, it.key())
		if wasStored {
			s.Run.Gone = row
		}
	}
	if it.replay != nil {
		it.replay.left(it, wasStored, d.Fate, step)
	}
	if step.Replay != 0 {
		s.Replay = step
	}
}

// parkTail stores the other runs of a lane that has just been parked: they wait behind it.
func (rs *runs) parkTail(l *lane) {
	for i := range l.tail {
		rs.park(l, &l.tail[i])
	}
	l.tail = nil
}

// park stores a run that waits behind a parked lane.
func (rs *runs) park(l *lane, it *item) {
	l.hadWait = true
	delete(rs.known, it.key())
	row := rs.row(l, it)
	row.Waits, row.DueAt = true, rs.link.now()
	s := &inbox.Settlement{Run: inbox.RunChange{Put: row}}
	if it.replayID != 0 {
		s.Replay = &inbox.ReplayStep{Replay: it.replayID, Plugin: rs.link.plugin, Add: inbox.ReplayCount{Waiting: 1}}
	}
	if it.replay != nil {
		it.replay.left(it, it.stored, inbox.Dead, s.Replay)
	}
	rs.link.submit(s)
}

// row returns the row of a run without the time when it is due.
func (rs *runs) row(l *lane, it *item) *inbox.Run {
	return &inbox.Run{
		Plugin: rs.link.plugin, Seq: it.event.Seq, Run: it.run, Replay: it.replayID, Lane: l.id, Attempt: it.attempt, Counted: it.counted,
	}
}

// drop forgets the runs of a cancelled replay that are not under way. Those under way are recorded as any other.
func (rs *runs) drop(j *replay) {
	gone := func(it item) bool {
		if it.replay == j {
			delete(rs.known, it.key())
		}
		return it.replay == j
	}
	for _, l := range rs.lanes.byID {
		l.tail = slices.DeleteFunc(l.tail, gone)
	}
	var left []*lane
	rs.lanes.timers.drop(func(t timer) bool {
		if t.run == nil || !gone(*t.run) {
			return false
		}
		t.lane.waits--
		left = append(left, t.lane)
		return true
	})
	for _, l := range left {
		rs.lanes.enqueue(l) // it may be forgotten
	}
}
