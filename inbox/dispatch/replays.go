package dispatch

import (
	"slices"
	"time"

	"inbox/inbox"
)

// replays searches the log for the events of running replays and admits them to their lanes.
type replays struct {
	link    *link
	release *release
	cursor  *cursor
	lanes   *lanes
	runs    *runs
	retried map[runKey]int // last attempts of dead runs that settlements in flight retry
	anyDead bool           // the store may hold unresolved dead letters of the plugin
}

// load takes over the replays that run and are not in memory.
func (rs *replays) load() error {
	stored, err := rs.link.store.Replays(rs.link.stop, rs.link.plugin)
	if err != nil {
		return err
	}
	return rs.adopt(stored)
}

func (rs *replays) adopt(stored []inbox.Replay) error {
	for i := range stored {
		part := slices.IndexFunc(stored[i].Parts, func(x inbox.ReplayPart) bool { return x.Plugin == rs.link.plugin })
		if part < 0 || stored[i].Parts[part].Done || rs.runs.replay(stored[i].ID) != nil {
			continue
		}
		at := stored[i].Parts[part].Position
		seqs, err := rs.link.store.SettledAbove(rs.link.stop, rs.link.plugin, stored[i].ID, at)
		if err != nil {
			return err
		}
		rs.runs.replays = append(rs.runs.replays, newReplay(&stored[i], at, seqs))
	}
	return nil
}

// reread takes over new replays and drops those that were cancelled.
func (rs *replays) reread() error {
	stored, err := rs.link.store.Replays(rs.link.stop, rs.link.plugin)
	if err != nil {
		return err
	}
	for _, j := range rs.runs.replays {
		runs := slices.ContainsFunc(stored, func(s inbox.Replay) bool { return s.ID == j.ID })
		if !j.done && !runs {
			j.done = true
			rs.runs.drop(j)
		}
	}
	rs.forgetDone()
	return rs.load()
}

func (rs *replays) forgetDone() {
	rs.runs.replays = slices.DeleteFunc(rs.runs.replays, func(j *replay) bool { return j.done })
}

// admit admits the next runs of every replay to their lanes.
func (rs *replays) admit(now time.Time) error {
	if rs.link.quiet() {
		clear(rs.retried) // the store knows
	}
	if rs.runs.overdue(now) {
		return nil // runs that were admitted before wait in the store
	}
	for _, j := range rs.runs.replays {
		if err := rs.admitFor(j, now); err != nil {
			return err
		}
	}
	rs.forgetDone()
	return nil
}

func (rs *replays) admitFor(j *replay, now time.Time) error {
	j.held = j.held && j.window.size() > 0
	for turns := 0; j.searching(); turns++ {
		limit := j.allowed(now)
		if limit == 0 {
			break
		}
		if turns == replayTurns { // live events and other replays need the loop too
			rs.link.again()
			break
		}
		n, err := rs.search(j, limit)
		if err != nil {
			return err
		}
		j.pace(now, n)
	}
	rs.finish(j)
	return nil
}

// search finds the next events of a replay, admits them, and returns their number.
func (rs *replays) search(j *replay, limit int) (int, error) {
	before := j.scanned
	events, upto, err := rs.link.store.Match(rs.link.stop, &j.Replay, rs.link.plugin, before, limit)
	if err != nil {
		return 0, err
	}
	for i := range events {
		if err := rs.admitEvent(j, &events[i]); err != nil {
			return 0, err
		}
		if j.held {
			j.scanned = events[i].Seq - 1
			return i, nil
		}
	}
	if upto <= before {
		upto = j.Upto
	}
	j.scanned = upto
	return len(events), nil
}

// admitEvent decides about the next event of a replay. The event is filtered, is retried where it died, waits, or joins its
// lane's tail.
func (rs *replays) admitEvent(j *replay, e *inbox.Event) error {
	if j.settled[e.Seq] || rs.runs.known[runKey{e.Seq, j.ID}] {
		return nil
	}
	wanted, id, err := rs.release.route(e)
	switch {
	case err != nil:
		return err
	case !wanted:
		j.skip(e.Seq, inbox.ReplayCount{Filtered: 1})
		return nil
	}
	// l is the lane of the first run.
	l, err := rs.lanes.find(id)
	if err != nil {
		return err
	}
	defer rs.lanes.enqueue(l)
	if l.state == parked && l.row.Next == e.Seq {
		if !j.hold(e.Seq) {
			rs.retryHead(j, l)
		}
		return nil
	}
	switch pending, err := rs.pending(l, e.Seq); {
	case err != nil:
		return err
	case pending:
		j.skip(e.Seq, inbox.ReplayCount{Pending: 1})
		return nil
	}
	return rs.run(j, l, e)
}

// pending reports whether an event's first run, or its retried one, is still to come or under way.
func (rs *replays) pending(l *lane, seq int64) (bool, error) {
	if rs.runs.unloaded { // it may be among the runs that only the store holds
		if goesOn, err := rs.link.store.IsRetried(rs.link.stop, rs.link.plugin, seq); goesOn || err != nil {
			return goesOn, err
		}
	}
	return seq > rs.cursor.scanned || rs.runs.known[runKey{seq, 0}] || (l.row != nil && l.row.Next <= seq) ||
		rs.cursor.window.holds(seq), nil
}

// run retries the event where it died, or runs it at its lane's tail.
func (rs *replays) run(j *replay, l *lane, e *inbox.Event) error {
	switch dead, err := rs.deadLetter(e.Seq); {
	case err != nil:
		return err
	case dead == nil:
		return rs.joinLinked(j, l, e)
	case !j.hold(e.Seq):
		rs.retryRun(j, l, e, dead)
	}
	return nil
}

// deadLetter returns the dead letter of an event that no settlement in flight has resolved; nil: it has no such dead letter.
func (rs *replays) deadLetter(seq int64) (*inbox.DeadLetter, error) {
	if !rs.anyDead {
		return nil, nil
	}
	dead, err := rs.link.store.DeadLetter(rs.link.stop, rs.link.plugin, seq)
	switch {
	case inbox.KindOf(err) == inbox.NotFound:
		return nil, nil
	case err != nil:
		return nil, err
	case rs.retried[runKey{seq, dead.Run}] >= dead.Attempt:
		return nil, nil
	}
	return dead, nil
}

// joinLinked joins the lane of the event as a replay sees it. Where lanes are made by customer reference, and the key was linked to one
// after the event was stored, that is not the lane l of its first run. The first run has ended, so no two lanes run the event.
func (rs *replays) joinLinked(j *replay, l *lane, e *inbox.Event) error {
	seen, err := rs.runs.linked(e)
	if err != nil {
		return err
	}
	if seen != e {
		_, id, err := rs.release.route(seen)
		if err != nil {
			return err
		}
		if l, err = rs.lanes.find(id); err != nil {
			return err
		}
		defer rs.lanes.enqueue(l)
	}
	rs.join(j, l, seen)
	return nil
}

// join runs the event at its lane's tail. If the lane is parked, the run waits behind it.
func (rs *replays) join(j *replay, l *lane, e *inbox.Event) {
	it := item{event: e, run: j.ID, replay: j, replayID: j.ID}
	j.window.open(e.Seq)
	if l.state == parked {
		rs.runs.park(l, &it)
		return
	}
	rs.runs.known[it.key()] = true
	l.join(&it)
}

// retryHead lets a parked lane go on with its dead event.
func (rs *replays) retryHead(j *replay, l *lane) {
	row := *l.row
	row.State, row.Counted = inbox.LaneReady, 0
	rs.lanes.setRow(l, row)
	s := rs.retry(j, l, row.Next, 0)
	s.Lane.Put = &row
	rs.link.submit(s)
}

// retryRun lets a dead run go on whose lane has gone on without it.
func (rs *replays) retryRun(j *replay, l *lane, e *inbox.Event, dead *inbox.DeadLetter) {
	it := item{event: e, run: dead.Run, stored: true, attempt: dead.Attempt}
	rs.runs.known[it.key()], rs.retried[it.key()] = true, dead.Attempt
	s := rs.retry(j, l, e.Seq, it.run)
	s.Run.Put = rs.runs.row(l, &it)
	s.Run.Put.DueAt = s.Dead.ResolvedAt
	rs.runs.wait(l, &it, s.Run.Put.DueAt)
	rs.link.submit(s)
}

// retry returns a settlement that resolves a dead letter and moves the replay over its event.
func (rs *replays) retry(j *replay, l *lane, seq, run int64) *inbox.Settlement {
	step := &inbox.ReplayStep{Replay: j.ID, Plugin: rs.link.plugin, Add: inbox.ReplayCount{Retried: 1}}
	j.move(step)
	return &inbox.Settlement{
		Dead: &inbox.DeadLetter{
			Plugin: rs.link.plugin, Seq: seq, Run: run, Lane: l.id, Resolution: inbox.Retried, ResolvedAt: rs.link.now(),
		},
		Replay: step,
	}
}

// finish stores the replay's position when no run will do so, and that it has ended when it has.
func (rs *replays) finish(j *replay) {
	step := &inbox.ReplayStep{Replay: j.ID, Plugin: rs.link.plugin}
	moved := j.move(step)
	if j.scanned >= j.Upto && j.window.size() == 0 && j.retrying == 0 && !rs.link.stale {
		step.Done, j.done = true, true
	}
	if moved || step.Done {
		rs.link.submit(&inbox.Settlement{Replay: step})
	}
}
