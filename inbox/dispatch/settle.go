package dispatch

import (
	"context"
	"time"

	"inbox/inbox"
)

// ended takes an attempt's outcome to its consequences: Hold, Next, one settlement.
func (p *pump) ended(r result) {
	if r.next == 0 {
		p.running--
	}
	l, it := r.lane, r.lane.busy
	if r.err != nil || r.outcome.Interrupted {
		l.putBack(it)
		if r.err != nil {
			p.reset(r.err)
			return
		}
		p.line(l)
		return
	}
	l.busy = nil
	now := p.now()
	s := &inbox.Settlement{}
	before := p.health
	if r.outcome.Release == p.release { // what an earlier one came to says nothing of this one
		p.health = inbox.Hold(before, it.event.Seq, l.id, r.outcome, p.manifest.Policy, now)
	}
	d := inbox.Delivery{Plugin: p.name, Seq: it.event.Seq, Run: it.run, Attempt: it.attempt + 1, Tries: it.tries, Lane: l.id}
	decision := inbox.Next(d, r.outcome, p.manifest.Policy, p.health.OnHold, p.d.opt.Roll(), now)
	s.Attempt = record(d, r, decision)
	it.attempt, it.tries = d.Attempt, decision.Tries
	if decision.Fate == inbox.Dead {
		p.anyDead = true
		s.Dead = &inbox.DeadLetter{
			Plugin: p.name, Seq: d.Seq, Run: d.Run, Attempt: d.Attempt, Lane: l.id, Parks: decision.Parks && it.first(),
			Result: r.outcome.Result, DiedAt: now,
		}
	}
	var err error
	if it.first() {
		err = p.settleFirst(l, it, decision, now, s)
	} else {
		p.settleOther(l, it, decision, s)
	}
	if err != nil {
		p.reset(err) // the lane could not be read on: as if the attempt had not been made
		return
	}
	p.noteHealth(before, s)
	p.judge(before, &r.outcome, s)
	p.moveCursor(s)
	p.settle(s)
	p.d.opt.Observe(it.event, s.Attempt)
	p.log.attempt(it.event, s.Attempt, s.Dead)
	if r.next != 0 {
		p.goesOn(l, r.next)
	}
	if !before.OnHold || p.health.OnHold {
		p.line(l)
		return
	}
	p.hurry()
}

// record is the attempt as it will be stored.
func record(d inbox.Delivery, r result, decision inbox.Decision) *inbox.Attempt {
	o := &r.outcome
	return &inbox.Attempt{
		Plugin: d.Plugin, Seq: d.Seq, Run: d.Run, Number: d.Attempt, Result: o.Result, Fate: decision.Fate,
		Counted: decision.Tries > d.Tries, StartedAt: r.started, Duration: o.Duration, Fuel: o.Fuel, Release: o.Release,
		Reason: o.Reason, HostWords: o.HostWords, Log: o.Log, LogCut: o.LogCut,
	}
}

// settleFirst moves the lane of a first run by what was decided.
func (p *pump) settleFirst(l *lane, it *item, decision inbox.Decision, now time.Time, s *inbox.Settlement) error {
	seq := it.event.Seq
	switch {
	case decision.Fate == inbox.Again:
		p.stall(l, it, inbox.LaneRetry, decision.DueAt, now, s)
	case decision.Fate == inbox.Dead && decision.Parks:
		p.stall(l, it, inbox.LaneParked, time.Time{}, now, s)
		p.parkTail(l)
	case l.row == nil:
		p.open.settle(seq)
	default:
		return p.advance(p.d.stop, l, seq+1, s)
	}
	return nil
}

// stall gives the lane a row that says why its next event does not run now.
func (p *pump) stall(l *lane, it *item, state inbox.LaneState, due, now time.Time, s *inbox.Settlement) {
	row := inbox.Lane{
		ID: l.id, Next: it.event.Seq, State: state, DueAt: due, Attempt: it.attempt, Tries: it.tries, Since: now,
	}
	if l.row == nil {
		p.open.settle(it.event.Seq)
		p.cover(l, 0)
	} else {
		row.Since = l.row.Since
		l.queue = nil
	}
	p.setRow(l, row)
	s.Lane = &row
}

// settleOther settles a replay or a revived run. It never moves the lane's row.
func (p *pump) settleOther(l *lane, it *item, decision inbox.Decision, s *inbox.Settlement) {
	key := runKey{it.event.Seq, it.run}
	step := &inbox.JobStep{Job: it.jobID, Plugin: p.name}
	run := &inbox.Run{
		Plugin: p.name, Seq: key.seq, Run: key.run, Job: it.jobID, Lane: l.id, DueAt: decision.DueAt,
		Attempt: it.attempt, Tries: it.tries,
	}
	wasStored := it.stored
	switch decision.Fate {
	case inbox.Again:
		it.stored = true
		s.Run = run
		if p.unread && decision.DueAt.After(p.horizon) {
			delete(p.known, key) // others that are due before it are still to be read, and it with them
			break
		}
		p.known[key] = true
		p.wait(l, it, decision.DueAt)
	case inbox.Dead:
		step.Add.Dead = 1
	default:
		step.Add.OK = 1
	}
	if decision.Fate != inbox.Again {
		delete(p.known, key)
		if wasStored {
			s.RunGone = run
		}
	}
	if it.job != nil {
		it.job.left(it, wasStored, decision.Fate, step)
	}
	if step.Job != 0 {
		s.Job = step
	}
}

// parkTail stores the other runs of a lane that has just been parked: they wait behind it.
func (p *pump) parkTail(l *lane) {
	for i := range l.tail {
		p.park(l, &l.tail[i])
	}
	l.tail = nil
}

// park stores a run that waits behind a parked lane.
func (p *pump) park(l *lane, it *item) {
	l.hadWait = true
	delete(p.known, runKey{it.event.Seq, it.run})
	s := &inbox.Settlement{Run: &inbox.Run{
		Plugin: p.name, Seq: it.event.Seq, Run: it.run, Job: it.jobID, Lane: l.id, Waits: true, DueAt: p.now(),
		Attempt: it.attempt, Tries: it.tries,
	}}
	if it.jobID != 0 {
		s.Job = &inbox.JobStep{Job: it.jobID, Plugin: p.name, Add: inbox.JobCount{Waiting: 1}}
	}
	if it.job != nil {
		it.job.left(it, it.stored, inbox.Dead, s.Job)
	}
	p.settle(s)
}

// noteHealth adds a changed health to the settlement and says so in the log.
func (p *pump) noteHealth(before inbox.Health, s *inbox.Settlement) {
	h := p.health
	if !before.OnHold && !h.OnHold {
		return // a streak is not stored: after a restart it begins anew
	}
	s.Health = &h
	switch {
	case h.OnHold && !before.OnHold:
		p.withdraw()
		p.uncount(h.Streak, s)
		p.d.opt.Log.Error("plugin is on hold: it, or what it depends on, is sick; only probes run until one succeeds",
			"plugin", p.name, "result", h.Reason, "failures", len(h.Streak), "next_probe", h.ProbeAt)
	case !h.OnHold:
		p.d.opt.Log.Info("plugin is no longer on hold", "plugin", p.name, "probes", before.Probes)
	}
}

// uncount takes back the tries of a streak that turned out to be the plugin's sickness and not the events' fault. The
// attempt that ended the streak was not counted in the first place.
func (p *pump) uncount(streak []inbox.Failure, s *inbox.Settlement) {
	for _, f := range streak[:len(streak)-1] {
		l := p.lanes[f.Lane]
		if l != nil && l.row != nil && l.row.State != inbox.LaneParked && l.row.Next == f.Seq && l.row.Tries > 0 {
			l.row.Tries--
			if l.busy != nil && l.busy.first() { // its next attempt is under way already
				l.busy.tries = l.row.Tries
			}
			s.Uncount = append(s.Uncount, f)
		}
	}
	if s.Lane != nil { // the lane of this very attempt may have been part of the streak before
		if l := p.lanes[s.Lane.ID]; l != nil && l.row != nil {
			s.Lane.Tries = l.row.Tries
		}
	}
}

// settle hands a settlement to the store. Recording goes on while the program stops, so it ends with no context but
// the store's own life.
func (p *pump) settle(s *inbox.Settlement) {
	s.Plugin, s.Term, s.Chain = p.name, p.term, p.chain
	p.handed++
	p.inFlight.Add(1)
	chain := p.chain
	done := func(err error) {
		switch {
		case inbox.EndOf(err) == inbox.EndFenced:
			p.fenced.Store(true)
		case err != nil:
			chain.Break()
		case s.Running != "":
			p.watching.Store(true)
			p.again()
		case s.Aside != nil:
			p.d.opt.Aside(p.name)
		}
		if err == nil {
			p.stored.Add(1)
		}
		if p.inFlight.Add(-1) == 0 || err != nil {
			p.again()
		}
	}
	if err := p.d.opt.Store.Settle(context.Background(), s, done); err != nil {
		done(err)
	}
}

// again makes the pump look once more.
func (p *pump) again() {
	select {
	case p.signal <- struct{}{}:
	default:
	}
}

// moveCursor adds the cursor to s if it moved since it was last handed in.
func (p *pump) moveCursor(s *inbox.Settlement) bool {
	c := p.open.low(p.scanned)
	if c <= p.cursor {
		return false
	}
	p.cursor, s.Cursor, p.moved = c, c, p.now()
	for len(p.skipped) > 0 && p.skipped[0] <= c { // the cursor does not pass them twice, so they are counted once
		p.skipped, s.Filtered = p.skipped[1:], s.Filtered+1
	}
	return true
}

// flush stores a cursor that moved over events the plugin does not want, from time to time: looking at them again
// after a crash would be cheap, but not for ever.
func (p *pump) flush() {
	if !p.loaded {
		return
	}
	c := p.open.low(p.scanned)
	if c-p.cursor >= lazyMoves || (c > p.cursor && p.now().Sub(p.moved) >= lazyFlush) {
		s := &inbox.Settlement{}
		p.moveCursor(s)
		p.settle(s)
	}
}
