package dispatch

import (
	"container/heap"
	"context"
	"time"

	"inbox/inbox"
)

// load makes everything in memory from what is stored. Loading twice, or after any crash, comes to the same. What was
// handed in before is waited for: it may be stored yet, and what is read now would not hold it.
func (p *pump) load() bool {
	now := p.now()
	if now.Before(p.retryAt) || p.inFlight.Load() > 0 {
		return false
	}
	switch err := p.tryLoad(p.d.stop, now); {
	case inbox.EndOf(err) == inbox.EndFenced:
		p.fenced.Store(true)
		p.giveUp()
		return false
	case err != nil:
		p.d.opt.Log.Error("cannot read where the plugin stands; trying again", "plugin", p.name, "error", err)
		p.why, p.retryAt = "waits for the store: "+err.Error(), now.Add(resetPause)
		return false
	}
	p.loaded, p.stale = true, false
	return true
}

func (p *pump) tryLoad(ctx context.Context, now time.Time) error {
	record, term, err := p.d.opt.Store.Load(ctx, p.name)
	if err != nil {
		return err
	}
	p.term = term
	p.chain, p.open, p.jobs, p.due = &inbox.Chain{}, newWindow(), nil, nil
	p.lanes, p.known, p.lined, p.rows, p.ahead = map[inbox.LaneID]*lane{}, map[runKey]bool{}, [2][]*lane{}, 0, nil
	p.revived, p.skipped, p.unread = map[runKey]int{}, nil, false
	p.handed = 0
	p.stored.Store(0) // nothing is on its way that could count
	p.cursor, p.scanned, p.more, p.moved = record.Cursor, record.Cursor, true, now
	p.paused, p.health, p.anyDead = record.Paused, record.Health, record.Dead > 0
	p.health.ProbeAt = p.health.Due(now)
	p.proven = record.Proven && record.Live == p.release
	if !p.watching.Load() { // the store was told in vain
		p.watched = ""
	}
	p.wanted = inbox.Keying{Order: p.manifest.Order, By: p.manifest.KeyBy}
	p.keying = inbox.ParseKeying(record.Keying)
	if record.Keying == "" {
		p.keying = p.wanted
		p.settle(&inbox.Settlement{Keying: p.keying.String()})
	}
	if err := p.loadLanes(ctx, now); err != nil {
		return err
	}
	if err := p.loadSettled(ctx); err != nil {
		return err
	}
	if err := p.loadJobs(ctx); err != nil {
		return err
	}
	return p.loadRuns(ctx, now)
}

// loadSettled learns which events above the cursor need no run: those that have a final attempt, and those that a
// later event of their lane has overtaken, which only happens when the plugin did not want them at the time.
func (p *pump) loadSettled(ctx context.Context) error {
	seqs, err := p.d.opt.Store.SettledAbove(ctx, p.name, 0, p.cursor)
	if err != nil {
		return err
	}
	p.settled, p.passed = make(map[int64]bool, len(seqs)), map[inbox.LaneID]int64{}
	for _, seq := range seqs {
		p.settled[seq] = true
	}
	for at, left := p.cursor, len(seqs); left > 0; {
		events, err := p.d.opt.Store.EventsAfter(ctx, at, readAhead)
		if err != nil || len(events) == 0 {
			return err
		}
		for i := range events {
			e := &events[i]
			if at = e.Seq; p.settled[e.Seq] {
				_, id, err := p.sort(ctx, e)
				if err != nil {
					return err
				}
				p.passed[id] = e.Seq
				left--
			}
		}
	}
	return nil
}

// loadRuns takes over the runs that are due first. Of the others it takes more when these have been made.
func (p *pump) loadRuns(ctx context.Context, now time.Time) error {
	limit := len(p.known) + runPage
	runs, err := p.d.opt.Store.Runs(ctx, p.name, limit)
	if err != nil {
		return err
	}
	if p.unread = len(runs) == limit; p.unread {
		p.horizon = p.manifest.Policy.Due(runs[limit-1].DueAt, now, runs[limit-1].Attempt)
	}
	for _, j := range p.jobs {
		if j.retrying, err = p.d.opt.Store.JobRuns(ctx, p.name, j.ID); err != nil {
			return err
		}
	}
	for i := range runs {
		if err := p.adopt(ctx, &runs[i], now); err != nil {
			return err
		}
	}
	return nil
}

// adopt takes over a stored run, if it is not in memory yet.
func (p *pump) adopt(ctx context.Context, r *inbox.Run, now time.Time) error {
	key := runKey{r.Seq, r.Run}
	if p.known[key] {
		return nil
	}
	events, err := p.d.opt.Store.EventsAfter(ctx, r.Seq-1, 1)
	if err != nil || len(events) == 0 {
		return err
	}
	p.known[key] = true
	it := item{event: &events[0], run: r.Run, jobID: r.Job, stored: true, attempt: r.Attempt, tries: r.Tries}
	if j := p.job(r.Job); j != nil {
		it.job = j
	}
	l, err := p.lane(ctx, r.Lane)
	if err != nil {
		return err
	}
	due := now // what was never tried has nothing to wait for, whatever the clock was when it was freed
	if r.Attempt > 0 {
		due = p.manifest.Policy.Due(r.DueAt, now, r.Attempt)
	}
	p.wait(l, &it, due)
	return nil
}

// wait lets a run that has a row go on at due.
func (p *pump) wait(l *lane, it *item, due time.Time) {
	l.waits++
	heap.Push(&p.due, timer{at: due, lane: l, run: it})
}

// reread takes over what an operator changed in the store, once nothing handed in is on its way, so that what is
// stored is what is in memory but for that change. Nothing is started meanwhile. The pump itself asks for it when runs
// that waited behind a lane were freed.
func (p *pump) reread() bool {
	if p.inFlight.Load() > 0 {
		return false
	}
	p.stale = false
	if err := p.tryReread(p.d.stop, p.now()); err != nil {
		p.reset(err)
		return false
	}
	return true
}

func (p *pump) tryReread(ctx context.Context, now time.Time) error {
	record, err := p.d.opt.Store.Record(ctx, p.name)
	if err != nil {
		return err
	}
	p.paused, p.anyDead = record.Paused, record.Dead > 0
	if p.health.OnHold && !record.Health.OnHold {
		p.health = inbox.Health{}
		p.hurry()
	}
	if err := p.takeUp(ctx); err != nil {
		return err
	}
	if err := p.rereadJobs(ctx); err != nil {
		return err
	}
	return p.loadRuns(ctx, now)
}

// forget has everything made from the store anew when the plugin comes back, as of a plugin that is new. It reports whether
// nothing of it was under way.
func (p *pump) forget() bool {
	if p.live != nil || p.running > 0 || p.inFlight.Load() > 0 {
		return false
	}
	p.loaded, p.stale, p.release, p.watched, p.proven = false, false, "", "", false
	return true
}

// swap changes the release that runs.
func (p *pump) swap(live *Live) {
	p.hire(live)
	if live == nil {
		return
	}
	changed := p.release != "" && p.release != live.Release
	if p.release = live.Release; changed {
		p.proven, p.health.Streak = false, nil
	}
	p.manifest = &live.Manifest
	p.wanted = inbox.Keying{Order: live.Manifest.Order, By: live.Manifest.KeyBy}
	if changed && p.loaded && p.health.OnHold {
		p.d.opt.Log.Info("a new release is live; the plugin is no longer on hold", "plugin", p.name, "release", live.Release)
		p.health = inbox.Health{}
		p.settle(&inbox.Settlement{Health: &inbox.Health{}})
		p.hurry()
	}
}

// rekey changes what lanes are made by, once no lane made the old way has anything left to run. Until then the old
// way goes on: an event must not stand in two lanes. After a start, that includes what lies before the events that a
// former process settled above the cursor: the next start knows by the lanes they were settled in which events they passed.
func (p *pump) rekey() {
	if p.keying == p.wanted || p.rows > 0 || p.open.size() > 0 || len(p.lanes) > 0 || len(p.settled) > 0 {
		return
	}
	p.keying = p.wanted
	p.settle(&inbox.Settlement{Keying: p.keying.String()})
}

// draining reports whether nothing new may be read, so that rekey gets its moment.
func (p *pump) draining() bool { return p.keying != p.wanted && p.rows == 0 && len(p.settled) == 0 }
