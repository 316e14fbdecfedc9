package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"inbox/inbox"
)

// CreateJob stores a replay and fills in its number, bounds and counts. Events that come later are not part of it. A
// limit in its filter becomes the seq of the last event it allows. A replay that matches nothing is not stored:
// NotFound.
func (s *Store) CreateJob(ctx context.Context, who Actor, j *inbox.Job) error {
	if len(j.Plugins) == 0 {
		return inbox.Errorf(inbox.Invalid, "", "a replay needs a plugin").WithHint("`inbox plugin list` shows them")
	}
	head := s.newest(ctx)
	matched, _, last, err := s.CountJob(ctx, j.Filter, j.Only, j.Plugins)
	if err != nil {
		return err
	}
	if matched == 0 {
		return inbox.Errorf(inbox.NotFound, "", "no event matches")
	}
	if j.Only == "" {
		j.Only = inbox.OnlyAll
	}
	j.Matched, j.Upto, j.State, j.Actor, j.Reason = matched, min(head, last.Seq), inbox.JobRunning, who.Name, who.Reason
	filter, err := json.Marshal(j.Filter)
	if err != nil {
		return fmt.Errorf("store the filter of a replay: %w", err)
	}
	return s.write(ctx, func(t *tx) error {
		res, err := t.exec(`INSERT INTO jobs (created_at, finished_at, actor, reason, filter, only_what, upto, rate, matched, state)
			VALUES (?, NULL, ?, ?, ?, ?, ?, ?, ?, 'running')`, t.now, who.Name, who.Reason, string(filter), j.Only, j.Upto, j.Rate, matched)
		if err != nil {
			return err
		}
		if j.ID, err = res.LastInsertId(); err != nil {
			return err
		}
		j.CreatedAt = fromMillis(t.now)
		for _, name := range j.Plugins {
			p, err := t.plugin(name)
			if err != nil {
				return err
			}
			if _, err := t.exec(`INSERT INTO job_parts (job, plugin, position) VALUES (?, ?, ?)`, j.ID, p, j.Filter.After); err != nil {
				return err
			}
		}
		return t.audit(who, "replay", fmt.Sprintf("replay %d of %d events through %v", j.ID, matched, j.Plugins))
	})
}

// CancelJob ends a replay: what has run stays, what waits is dropped, what is under way is recorded.
func (s *Store) CancelJob(ctx context.Context, who Actor, id int64) error {
	return s.write(ctx, func(t *tx) error {
		res, err := t.exec(`UPDATE jobs SET state = 'cancelled', finished_at = ? WHERE id = ? AND state = 'running'`, t.now, id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); n == 0 || err != nil {
			return errors.Join(err, inbox.Errorf(inbox.Conflict, "", "replay %d is not running", id))
		}
		if _, err := t.exec(`DELETE FROM runs WHERE job = ? AND run = job`, id); err != nil {
			return err
		}
		if _, err := t.exec(`UPDATE job_parts SET waiting = 0 WHERE job = ?`, id); err != nil {
			return err
		}
		return t.audit(who, "cancel", fmt.Sprintf("replay %d", id))
	})
}
