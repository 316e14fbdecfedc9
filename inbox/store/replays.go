package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"inbox/inbox"
)

// CreateJob stores a replay and fills in its number, bounds and counts. Events that come later are not part of it. A
// limit in its filter becomes the seq of the last event it allows. A replay that matches nothing is not stored:
// NotFound. One that makes no sense is Invalid.
func (s *Store) CreateJob(ctx context.Context, who inbox.Actor, j *inbox.Job) error {
	job := *j
	if job.Only == "" {
		job.Only = inbox.OnlyAll
	}
	job.Plugins = slices.Compact(slices.Sorted(slices.Values(job.Plugins)))
	if len(job.Filter.Seqs) > 0 { // it is searched by them often
		job.Filter.Seqs = slices.Compact(slices.Sorted(slices.Values(job.Filter.Seqs)))
	}
	switch {
	case len(job.Plugins) == 0:
		return inbox.Errorf(inbox.Invalid, "", "a replay needs a plugin").WithHint("`inbox plugin list` shows them")
	case job.Rate < 0:
		return inbox.Errorf(inbox.Invalid, "", "the rate is negative")
	case !slices.Contains([]inbox.Only{inbox.OnlyAll, inbox.OnlyFailed, inbox.OnlyMissing}, job.Only):
		return inbox.Errorf(inbox.Invalid, "", "only is %q, not failed, missing or all", job.Only)
	}
	stored := job.Filter // what is counted ends at the newest event there is now
	if head := s.newest(ctx); stored.Before == 0 || stored.Before > head {
		stored.Before = head + 1
	}
	matched, first, last, err := s.CountJob(ctx, stored, job.Only, job.Plugins)
	if err != nil {
		return err
	}
	if matched == 0 {
		return inbox.Errorf(inbox.NotFound, "", "no event matches")
	}
	job.Matched, job.Upto, job.State, job.Actor, job.Reason = matched, last.Seq, inbox.JobRunning, who.Name, who.Reason
	filter, err := json.Marshal(job.Filter)
	if err != nil {
		return fmt.Errorf("store the filter of a replay: %w", err)
	}
	made := job // the writer's own: it may still be at work when this returns
	err = s.write(ctx, func(t *tx) error { return t.createJob(who, &made, string(filter), first.Seq-1) })
	if err != nil {
		return err
	}
	*j = made
	return nil
}

// createJob writes a replay, which begins after a position.
func (t *tx) createJob(who inbox.Actor, j *inbox.Job, filter string, position int64) error {
	res, err := t.exec(`INSERT INTO jobs (created_at, finished_at, actor, reason, filter, only_what, upto, rate, matched, state)
		VALUES (?, NULL, ?, ?, ?, ?, ?, ?, ?, 'running')`, t.now, who.Name, who.Reason, filter, j.Only, j.Upto, j.Rate, j.Matched)
	if err != nil {
		return err
	}
	if j.ID, err = res.LastInsertId(); err != nil {
		return err
	}
	j.CreatedAt, j.Parts = fromMillis(t.now), nil
	for _, name := range j.Plugins {
		p, err := t.plugin(name)
		if err != nil {
			return err
		}
		if _, err := t.exec(`INSERT INTO job_parts (job, plugin, position) VALUES (?, ?, ?)`, j.ID, p, position); err != nil {
			return err
		}
		j.Parts = append(j.Parts, inbox.JobPart{Job: j.ID, Plugin: name, Position: position})
	}
	return t.audit(who, "replay", fmt.Sprintf("replay %d, events %d, through %s", j.ID, j.Matched, strings.Join(j.Plugins, ", ")))
}

// CancelJob ends a replay: what has run stays, what waits is dropped, what is under way is recorded. It is a Conflict
// when the replay is not running, NotFound when there is none.
func (s *Store) CancelJob(ctx context.Context, who inbox.Actor, id int64) error {
	if _, err := s.Job(ctx, id); err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		res, err := t.exec(`UPDATE jobs SET state = 'cancelled', finished_at = ? WHERE id = ? AND state = 'running'`, t.now, id)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		if n == 0 {
			return inbox.Errorf(inbox.Conflict, "", "replay %d is not running", id)
		}
		for _, statement := range []string{
			`DELETE FROM runs WHERE job = ?1 AND run = ?1 AND plugin IN (SELECT plugin FROM job_parts WHERE job = ?1)`,
			`UPDATE job_parts SET waiting = 0 WHERE job = ?1`,
		} {
			if _, err := t.exec(statement, id); err != nil {
				return err
			}
		}
		return t.audit(who, "cancel", fmt.Sprintf("replay %d", id))
	})
}
