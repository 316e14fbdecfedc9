package dispatch

import (
	"context"
	"slices"
	"time"

	"inbox/inbox"
)

// feedJobs admits the next runs of every replay to their lanes.
func (p *pump) feedJobs(now time.Time) {
	if p.inFlight.Load() == 0 {
		clear(p.revived) // the store knows
	}
	if p.unread && !p.horizon.After(now) {
		return // runs that were admitted before wait in the store
	}
	for _, j := range p.jobs {
		if err := p.feedJob(j, now); err != nil {
			p.reset(err)
			return
		}
	}
	p.jobs = slices.DeleteFunc(p.jobs, func(j *job) bool { return j.done })
}

func (p *pump) feedJob(j *job, now time.Time) error {
	j.stands = j.stands && j.open.size() > 0
	for turns := 0; j.searching(); turns++ {
		limit := j.allowed(now)
		if limit == 0 {
			break
		}
		if turns == jobTurns { // live events and other replays have a right to the pump too
			p.again()
			break
		}
		n, err := p.search(j, limit)
		if err != nil {
			return err
		}
		j.pace(now, n)
	}
	p.closeJob(j)
	return nil
}

// searching reports whether the replay may look at more of the log now.
func (j *job) searching() bool {
	return j.scanned < j.Upto && j.open.size() < jobOpen && !j.stands
}

// search looks for the next events of a replay, admits them, and returns how many.
func (p *pump) search(j *job, limit int) (int, error) {
	before := j.scanned
	events, upto, err := p.d.opt.Store.Match(p.d.stop, &j.Job, p.name, before, limit)
	if err != nil {
		return 0, err
	}
	for i := range events {
		if err := p.admit(p.d.stop, j, &events[i]); err != nil {
			return 0, err
		}
		if j.stands {
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

// admit decides what becomes of the next event of a replay: it is left out, or goes on where it died, or waits, or
// joins its lane's tail.
func (p *pump) admit(ctx context.Context, j *job, e *inbox.Event) error {
	if j.settled[e.Seq] || p.known[runKey{e.Seq, j.ID}] {
		return nil
	}
	wanted, id, err := p.sort(ctx, e)
	if err != nil {
		return err
	}
	if !wanted {
		j.uncounted = append(j.uncounted, tally{e.Seq, inbox.JobCount{Filtered: 1}})
		return nil
	}
	l, err := p.lane(ctx, id)
	if err != nil {
		return err
	}
	defer p.line(l)
	if l.state() == inbox.LaneParked && l.row.Next == e.Seq {
		if !j.stand(e.Seq) {
			p.revive(j, l)
		}
		return nil
	}
	goesOn := false
	if p.unread { // it may be among the runs that only the store holds
		if goesOn, err = p.d.opt.Store.GoesOn(ctx, p.name, e.Seq); err != nil {
			return err
		}
	}
	if goesOn || p.pending(l, e.Seq) {
		j.uncounted = append(j.uncounted, tally{e.Seq, inbox.JobCount{Pending: 1}})
		return nil
	}
	return p.runAgain(ctx, j, l, e)
}

// runAgain lets the event go on where it died, or has it run at its lane's tail.
func (p *pump) runAgain(ctx context.Context, j *job, l *lane, e *inbox.Event) error {
	switch letter, err := p.letter(ctx, e.Seq); {
	case err != nil:
		return err
	case letter == nil:
		p.join(j, l, e)
	case !j.stand(e.Seq):
		p.reviveRun(j, l, e, letter)
	}
	return nil
}

// letter returns the dead letter of an event that no settlement on its way has resolved; nil: it has none.
func (p *pump) letter(ctx context.Context, seq int64) (*inbox.DeadLetter, error) {
	if !p.anyDead {
		return nil, nil
	}
	letter, err := p.d.opt.Store.Dead(ctx, p.name, seq)
	switch {
	case inbox.KindOf(err) == inbox.NotFound:
		return nil, nil
	case err != nil:
		return nil, err
	case p.revived[runKey{seq, letter.Run}] >= letter.Attempt:
		return nil, nil
	}
	return letter, nil
}

// join has the replay run the event at its lane's tail, or behind the lane if that is parked.
func (p *pump) join(j *job, l *lane, e *inbox.Event) {
	it := item{event: e, run: j.ID, job: j, jobID: j.ID}
	j.open.open(e.Seq)
	if l.state() == inbox.LaneParked {
		p.park(l, &it)
		return
	}
	p.known[runKey{e.Seq, j.ID}] = true
	l.join(&it)
}

// stand moves the replay to a dead event that is to go on; or it has the replay stand before it, and says so, while
// something before it is open. What was dead goes on as the run that it was, and leaves nothing behind by which a replay that begins again
// could know that it has dealt with it: so that must be one commit with the position that passes the event.
func (j *job) stand(seq int64) bool {
	if j.stands = j.open.size() > 0; !j.stands {
		j.scanned = seq
	}
	return j.stands
}

// pending reports whether an event's first run, or its revived one, is still to come or under way.
func (p *pump) pending(l *lane, seq int64) bool {
	if seq > p.scanned || p.known[runKey{seq, 0}] || (l.row != nil && l.row.Next <= seq) {
		return true
	}
	_, open := slices.BinarySearch(p.open.seqs, seq)
	return open && !p.open.done[seq]
}

// revive lets a parked lane go on with its dead event.
func (p *pump) revive(j *job, l *lane) {
	step := &inbox.JobStep{Job: j.ID, Plugin: p.name, Add: inbox.JobCount{Revived: 1}}
	j.move(step)
	row := *l.row
	row.State, row.Tries = inbox.LaneReady, 0
	p.setRow(l, row)
	p.settle(&inbox.Settlement{
		Lane: &row,
		Dead: &inbox.DeadLetter{Plugin: p.name, Seq: row.Next, Lane: l.id, Resolution: inbox.Retried, ResolvedAt: p.now()},
		Job:  step,
	})
}

// reviveRun lets a dead run go on whose lane has gone on without it.
func (p *pump) reviveRun(j *job, l *lane, e *inbox.Event, letter *inbox.DeadLetter) {
	step := &inbox.JobStep{Job: j.ID, Plugin: p.name, Add: inbox.JobCount{Revived: 1}}
	j.move(step)
	now := p.now()
	it := item{event: e, run: letter.Run, stored: true, attempt: letter.Attempt}
	p.known[runKey{e.Seq, it.run}], p.revived[runKey{e.Seq, it.run}] = true, letter.Attempt
	p.wait(l, &it, now)
	p.settle(&inbox.Settlement{
		Run: &inbox.Run{Plugin: p.name, Seq: e.Seq, Run: it.run, Lane: l.id, DueAt: now, Attempt: it.attempt},
		Dead: &inbox.DeadLetter{
			Plugin: p.name, Seq: e.Seq, Run: it.run, Lane: l.id, Resolution: inbox.Retried, ResolvedAt: now,
		},
		Job: step,
	})
}
