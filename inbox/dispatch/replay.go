package dispatch

import (
	"container/heap"
	"context"
	"slices"
	"time"

	"inbox/inbox"
)

const (
	jobOpen  = 256 // bound of the runs of one replay in memory
	jobTurns = 4   // searches of the log per step
)

// job is one replay, as far as it concerns one plugin.
type job struct {
	inbox.Job
	scanned   int64 // the log was searched up to here
	position  int64 // as handed to the store
	open      *window
	settled   map[int64]bool // seqs above the stored position that need no run any more
	uncounted []tally        // what was left out above the position
	retrying  int            // runs that have a row and are due again, in memory or not
	notBefore time.Time      // pace: when the next run may be admitted
	stands    bool           // before a dead event, until nothing before it is open
	done      bool
}

// tally is an event that was left out. It is counted in the settlement that moves the position over it, so that a
// crash does not count it twice.
type tally struct {
	seq int64
	add inbox.JobCount
}

// left notes that a run of the job ended, or went on to a row of its own, and adds the new position to step.
func (j *job) left(it *item, wasStored bool, fate inbox.Fate, step *inbox.JobStep) {
	switch {
	case !wasStored:
		j.open.settle(it.event.Seq)
		if fate == inbox.Again {
			j.retrying++
		}
	case fate != inbox.Again:
		j.retrying--
	}
	j.move(step)
}

// move adds the job's position to step, if it moved, and the counts of what it moved over.
func (j *job) move(step *inbox.JobStep) bool {
	at := j.open.low(j.scanned)
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

func (p *pump) job(id int64) *job {
	for _, j := range p.jobs {
		if j.ID == id {
			return j
		}
	}
	return nil
}

// loadJobs takes over the replays that are running.
func (p *pump) loadJobs(ctx context.Context) error {
	jobs, err := p.d.opt.Store.Jobs(ctx, p.name)
	if err != nil {
		return err
	}
	for i := range jobs {
		part := slices.IndexFunc(jobs[i].Parts, func(x inbox.JobPart) bool { return x.Plugin == p.name })
		if part < 0 || jobs[i].Parts[part].Done || p.job(jobs[i].ID) != nil {
			continue
		}
		at := jobs[i].Parts[part].Position
		seqs, err := p.d.opt.Store.SettledAbove(ctx, p.name, jobs[i].ID, at)
		if err != nil {
			return err
		}
		j := &job{Job: jobs[i], scanned: at, position: at, open: newWindow(), settled: map[int64]bool{}}
		for _, seq := range seqs {
			j.settled[seq] = true
		}
		p.jobs = append(p.jobs, j)
	}
	return nil
}

// rereadJobs takes over new replays and drops those that were cancelled.
func (p *pump) rereadJobs(ctx context.Context) error {
	jobs, err := p.d.opt.Store.Jobs(ctx, p.name)
	if err != nil {
		return err
	}
	runs := func(id int64) bool {
		return slices.ContainsFunc(jobs, func(j inbox.Job) bool { return j.ID == id })
	}
	for _, j := range p.jobs {
		if !j.done && !runs(j.ID) {
			j.done = true
			p.drop(j)
		}
	}
	p.jobs = slices.DeleteFunc(p.jobs, func(j *job) bool { return j.done })
	return p.loadJobs(ctx)
}

// drop forgets the runs of a cancelled replay that are not under way. Those under way are recorded as any other.
func (p *pump) drop(j *job) {
	gone := func(it item) bool {
		if it.job == j {
			delete(p.known, runKey{it.event.Seq, it.run})
		}
		return it.job == j
	}
	for _, l := range p.lanes {
		l.tail = slices.DeleteFunc(l.tail, gone)
	}
	var idle []*lane
	p.due = slices.DeleteFunc(p.due, func(t timer) bool {
		if t.run == nil || !gone(*t.run) {
			return false
		}
		t.lane.waits--
		idle = append(idle, t.lane)
		return true
	})
	heap.Init(&p.due)
	for _, l := range idle {
		p.line(l) // it may be forgotten
	}
}

// allowed returns how many runs may be admitted now.
func (j *job) allowed(now time.Time) int {
	if j.Rate <= 0 {
		return readAhead
	}
	if now.Before(j.notBefore) {
		return 0
	}
	return max(1, min(readAhead, int(j.share()/10)))
}

// share is the rate that falls to one plugin, in runs per second.
func (j *job) share() float64 { return j.Rate / float64(max(len(j.Plugins), 1)) }

// pace remembers when the next run may be admitted after n were.
func (j *job) pace(now time.Time, n int) {
	if j.Rate > 0 && n > 0 {
		j.notBefore = now.Add(time.Duration(float64(n) / j.share() * float64(time.Second)))
	}
}

// closeJob stores how far the replay is when no run will do so, and that it has ended when it has.
func (p *pump) closeJob(j *job) {
	step := &inbox.JobStep{Job: j.ID, Plugin: p.name}
	moved := j.move(step)
	if j.scanned >= j.Upto && j.open.size() == 0 && j.retrying == 0 && !p.stale {
		step.Done, j.done = true, true
	}
	if moved || step.Done {
		p.settle(&inbox.Settlement{Job: step})
	}
}
