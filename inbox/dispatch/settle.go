package dispatch

import "inbox/inbox"

// settle takes one result to its settlement:
//
//	outcome → inbox.Hold (is the plugin sick?) and inbox.Next (done, again or dead?)
//	        → the lane or the run changes, and one inbox.Settlement holds the changes
//	        → link.submit
//
// An attempt that was interrupted, or whose payload cannot be read now, leaves no record: its run returns to its lane. So does
// one that read a key of kv which another lane has changed since. On an error the loop begins again from the store, as if the
// attempt had not been made.
func (p *loop) settle(r result) error {
	p.workers.ended(r)
	m, l, it := p.mem, r.lane, r.lane.busy
	if r.err != nil || r.outcome.Interrupted {
		l.putBack()
		m.lanes.enqueue(l)
		return r.err
	}
	if current, err := p.current(r); err != nil || !current {
		m.starter.refused(l)
		return err
	}
	l.busy = nil
	m.starter.ended(l)

	// Decide.
	now := p.link.now()
	d := delivery(p.name, l, it)
	before := p.release.observe(d.Seq, l.id, r.outcome, now)
	health := &p.release.health
	decision := inbox.Next(d, r.outcome, p.release.manifest.Policy, health.OnHold, p.link.opt.Roll(), now)

	// Change memory, and collect the changes in one settlement.
	s := &inbox.Settlement{Attempt: record(d, r, decision)}
	it.attempt, it.counted = d.Attempt, decision.Counted
	if decision.Fate == inbox.Dead {
		m.replays.anyDead = true
		s.Dead = deadLetter(d, it, r, decision)
		s.Dead.DiedAt = now
	}
	if !it.first() {
		m.runs.settle(l, it, decision, s)
	} else if err := m.lanes.settleFirst(l, it, decision, now, s); err != nil {
		return err
	}
	if l.state == parked {
		m.runs.parkTail(l)
	}
	if health.OnHold && !before.OnHold {
		m.starter.recall()
		m.lanes.uncount(health.Streak, s)
	}
	p.release.note(before, &r.outcome, s)
	s.Effects = effects(l, it.event, &r.outcome)
	p.link.noteState(s.Effects)
	m.cursor.move(s, now)

	// Submit.
	p.link.submit(s)
	l.settled = p.link.submitted
	p.link.opt.Observe(it.event, s.Attempt)
	p.log.attempt(it.event, s.Attempt, s.Dead)

	return m.goOn(r, before.OnHold && !health.OnHold)
}

// current reports whether everything that an attempt read is still in force. If not, its outcome rests on values that are gone,
// and the attempt is made again.
func (p *loop) current(r result) (bool, error) {
	if r.outcome.Effects == nil {
		return true, nil
	}
	return p.link.store.Current(p.link.stop, p.name, r.lane.id.Mode, r.outcome.Effects)
}

// goOn lets the lane of a settled result go on, and after a hold every lane.
func (m *memory) goOn(r result, holdEnded bool) error {
	if r.next != 0 { // a worker runs its next event already
		if err := m.starter.goesOn(r.lane, r.next); err != nil {
			return err
		}
	}
	if holdEnded {
		m.lanes.hurry()
		return nil
	}
	m.lanes.enqueue(r.lane)
	return nil
}

// effects returns the effects of an attempt on its lane, nil without any. Of an attempt that did not settle, they are its journal.
func effects(l *lane, e *inbox.Event, o *inbox.Outcome) *inbox.Effects {
	if o.Effects != nil {
		o.Effects.Lane, o.Effects.Subject = l.id, inbox.LaneID{Mode: e.Mode, Key: e.View.Key}
	}
	if !o.Result.Settled() {
		return o.Effects.OnlyJournal()
	}
	return o.Effects
}

// delivery describes a run at the moment before its next attempt.
func delivery(plugin string, l *lane, it *item) inbox.Delivery {
	return inbox.Delivery{Plugin: plugin, Seq: it.event.Seq, Run: it.run, Attempt: it.attempt + 1, Counted: it.counted, Lane: l.id}
}

// record returns the attempt as it will be stored.
func record(d inbox.Delivery, r result, decision inbox.Decision) *inbox.Attempt {
	o := &r.outcome
	return &inbox.Attempt{
		Plugin: d.Plugin, Seq: d.Seq, Run: d.Run, Number: d.Attempt, Result: o.Result, Fate: decision.Fate,
		Counted: decision.Counted > d.Counted, StartedAt: r.started, Duration: o.Duration, Fuel: o.Fuel, Release: o.Release,
		Reason: o.Reason, HostWords: o.HostWords, Log: o.Log, LogCut: o.LogCut,
	}
}

// deadLetter returns the dead letter of a run that has just died.
func deadLetter(d inbox.Delivery, it *item, r result, decision inbox.Decision) *inbox.DeadLetter {
	return &inbox.DeadLetter{
		Plugin: d.Plugin, Seq: d.Seq, Run: d.Run, Attempt: d.Attempt, Lane: d.Lane, Parks: decision.Parks && it.first(),
		Result: r.outcome.Result,
	}
}
