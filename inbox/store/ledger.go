package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"inbox/inbox"
)

// Register makes a plugin known, with its cursor where from says, if it is not known yet. The first call decides: a
// plugin that comes back goes on where it was.
func (s *Store) Register(ctx context.Context, plugin string, from inbox.StartFrom) error {
	if _, err := s.pluginID(ctx, plugin); err == nil || inbox.KindOf(err) != inbox.NotFound {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		at := t.head
		switch {
		case from.Start:
			at = 0
		case from.Seq > 0:
			at = min(from.Seq-1, t.head)
		}
		_, err := t.exec(`INSERT INTO plugins (name, created_at, started_at, cursor) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO NOTHING`,
			plugin, t.now, at, at)
		return err
	})
}

// Record returns where a plugin stands, by a read that costs the same however much waits in it. The figures of the record
// that need counting are only in Plugins; Dead is 1 when there is any.
func (s *Store) Record(ctx context.Context, plugin string) (*inbox.PluginRecord, error) {
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return nil, err
	}
	r := inbox.PluginRecord{Name: plugin}
	var created, probe int64
	var held sql.NullInt64
	err = s.readers.QueryRowContext(ctx, `SELECT created_at, started_at, cursor, paused, live, pinned, pinned_off, proven, previous, filtered, keying, held_at,
		hold_reason, probe_at, probes, EXISTS (SELECT 1 FROM dead WHERE plugin = plugins.id AND resolution = '') FROM plugins WHERE id = ?`, p).
		Scan(&created, &r.StartedAt, &r.Cursor, &r.Paused, &r.Live, &r.Pinned, &r.PinnedOff, &r.Proven, &r.Previous, &r.Filtered, &r.Keying, &held,
			&r.Health.Reason, &probe, &r.Health.Probes, &r.Dead)
	if err != nil {
		return nil, readError(err)
	}
	r.CreatedAt, r.Health.ProbeAt = fromMillis(created), fromMillis(probe)
	if held.Valid {
		r.Health.OnHold, r.Health.Since = true, fromMillis(held.Int64)
	}
	return &r, nil
}

// EachLane calls fn for every lane of a plugin that lags.
func (s *Store) EachLane(ctx context.Context, plugin string, fn func(inbox.LaneID, inbox.LaneState)) error {
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return err
	}
	return s.each(ctx, `SELECT mode, key, state FROM lanes WHERE plugin = ?`, []any{p}, func(row scanner) error {
		var id inbox.LaneID
		var state inbox.LaneState
		if err := row.Scan(&id.Mode, &id.Key, &state); err != nil {
			return err
		}
		fn(id, state)
		return nil
	})
}

// Lanes returns up to limit lanes of a plugin in a state, those with the oldest next event first; a limit of 0 is none.
func (s *Store) Lanes(ctx context.Context, plugin string, state inbox.LaneState, limit int) ([]inbox.Lane, error) {
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return nil, err
	}
	if limit <= 0 {
		limit = -1
	}
	return s.lanes(ctx, `INDEXED BY lanes_by_state WHERE plugin = ? AND state = ? ORDER BY next, mode, key LIMIT ?`, p, state, limit)
}

func (s *Store) lanes(ctx context.Context, where string, args ...any) ([]inbox.Lane, error) {
	var lanes []inbox.Lane
	err := s.each(ctx, `SELECT `+laneColumns+` FROM lanes `+where, args, func(row scanner) error {
		lanes = append(lanes, inbox.Lane{})
		return scanLane(row, &lanes[len(lanes)-1])
	})
	return lanes, err
}

const laneColumns = `mode, key, next, state, due_at, attempt, tries, since,
	EXISTS (SELECT 1 FROM runs r WHERE r.plugin = lanes.plugin AND r.mode = lanes.mode AND r.key = lanes.key AND r.waits = 1)`

func scanLane(row scanner, l *inbox.Lane) error {
	var due sql.NullInt64
	var since int64
	if err := row.Scan(&l.ID.Mode, &l.ID.Key, &l.Next, &l.State, &due, &l.Attempt, &l.Tries, &since, &l.Waits); err != nil {
		return err
	}
	l.DueAt, l.Since = fromMillis(due.Int64), fromMillis(since)
	return nil
}

// Lane returns a lane that lags, nil when it does not.
func (s *Store) Lane(ctx context.Context, plugin string, id inbox.LaneID) (*inbox.Lane, error) {
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return nil, err
	}
	var l inbox.Lane
	err = scanLane(s.readers.QueryRowContext(ctx, `SELECT `+laneColumns+` FROM lanes WHERE plugin = ? AND mode = ? AND key = ?`, p, id.Mode, id.Key), &l)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &l, readError(err)
}

// SettledAbove returns the seqs above seq whose run needs no attempt any more: it has one whose fate is done or dead,
// or, for a replay, a row of its own that stands for what is left of it. Ascending.
func (s *Store) SettledAbove(ctx context.Context, plugin string, run, seq int64) ([]int64, error) {
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return nil, err
	}
	var seqs []int64
	err = s.each(ctx, `SELECT seq FROM attempts WHERE plugin = ?1 AND seq > ?2 AND run = ?3 AND fate <> 'again'
		UNION SELECT seq FROM runs WHERE plugin = ?1 AND seq > ?2 AND run = ?3 AND run > 0 ORDER BY 1`, []any{p, seq, run}, func(row scanner) error {
		seqs = append(seqs, 0)
		return row.Scan(&seqs[len(seqs)-1])
	})
	return seqs, err
}

// Runs returns up to limit runs of a plugin that do not wait behind a lane, by due time, run and seq; a limit of 0 is none.
func (s *Store) Runs(ctx context.Context, plugin string, limit int) ([]inbox.Run, error) {
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return nil, err
	}
	if limit <= 0 {
		limit = -1
	}
	return s.runs(ctx, plugin, `INDEXED BY runs_due WHERE plugin = ? AND waits = 0 ORDER BY due_at, run, seq LIMIT ?`, p, limit)
}

// GoesOn reports whether the first run of an event in a plugin has a row: it died, its lane went on, and it was retried.
func (s *Store) GoesOn(ctx context.Context, plugin string, seq int64) (yes bool, err error) {
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return false, err
	}
	err = s.readers.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM runs WHERE plugin = ? AND seq = ? AND run = 0)`, p, seq).Scan(&yes)
	return yes, readError(err)
}

// JobRuns returns how many runs of a replay in a plugin are to be made that have a row and do not wait behind a lane.
func (s *Store) JobRuns(ctx context.Context, plugin string, job int64) (n int, err error) {
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return 0, err
	}
	err = s.readers.QueryRowContext(ctx, `SELECT count(*) FROM runs INDEXED BY runs_of_job WHERE plugin = ? AND job = ? AND waits = 0`, p, job).Scan(&n)
	return n, readError(err)
}

func (s *Store) runs(ctx context.Context, plugin, where string, args ...any) ([]inbox.Run, error) {
	var list []inbox.Run
	err := s.each(ctx, `SELECT seq, run, job, mode, key, waits, due_at, attempt, tries FROM runs `+where, args, func(row scanner) error {
		r := inbox.Run{Plugin: plugin}
		var due int64
		if err := row.Scan(&r.Seq, &r.Run, &r.Job, &r.Lane.Mode, &r.Lane.Key, &r.Waits, &due, &r.Attempt, &r.Tries); err != nil {
			return err
		}
		r.DueAt = fromMillis(due)
		list = append(list, r)
		return nil
	})
	return list, err
}

// Jobs returns the replays that are running and have a part in the plugin, oldest first; with an empty name all
// replays, newest first.
func (s *Store) Jobs(ctx context.Context, plugin string) ([]inbox.Job, error) {
	if plugin == "" {
		return s.jobs(ctx, `ORDER BY id DESC`)
	}
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return nil, err
	}
	return s.jobs(ctx, `WHERE state = 'running' AND id IN (SELECT job FROM job_parts WHERE plugin = ?) ORDER BY id`, p)
}

// RunningJobs returns the replays that are running, newest first.
func (s *Store) RunningJobs(ctx context.Context) ([]inbox.Job, error) {
	return s.jobs(ctx, `WHERE state = 'running' ORDER BY id DESC`)
}

// Job returns one replay, a NotFound error when there is none.
func (s *Store) Job(ctx context.Context, id int64) (*inbox.Job, error) {
	list, err := s.jobs(ctx, `WHERE id = ?`, id)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, inbox.Errorf(inbox.NotFound, "", "no replay %d", id).WithHint("`inbox replay --list` shows them")
	}
	return &list[0], nil
}

func (s *Store) jobs(ctx context.Context, where string, args ...any) ([]inbox.Job, error) {
	var list []inbox.Job
	err := s.each(ctx, `SELECT id, created_at, finished_at, actor, reason, filter, only_what, upto, rate, matched, state FROM jobs `+where, args, func(row scanner) error {
		var j inbox.Job
		var created int64
		var finished sql.NullInt64
		var filter []byte
		if err := row.Scan(&j.ID, &created, &finished, &j.Actor, &j.Reason, &filter, &j.Only, &j.Upto, &j.Rate, &j.Matched, &j.State); err != nil {
			return err
		}
		j.CreatedAt, j.FinishedAt = fromMillis(created), fromMillis(finished.Int64)
		if err := json.Unmarshal(filter, &j.Filter); err != nil {
			return fmt.Errorf("read the filter of replay %d: %w", j.ID, err)
		}
		list = append(list, j)
		return nil
	})
	for i := range list {
		if err == nil {
			err = s.jobParts(ctx, &list[i])
		}
	}
	return list, err
}

func (s *Store) jobParts(ctx context.Context, j *inbox.Job) error {
	return s.each(ctx, `SELECT p.name, j.position, j.ok, j.dead, j.pending, j.revived, j.filtered, j.waiting, j.done
		FROM job_parts j JOIN plugins p ON p.id = j.plugin WHERE j.job = ? ORDER BY p.name`, []any{j.ID}, func(row scanner) error {
		part := inbox.JobPart{Job: j.ID}
		if err := row.Scan(&part.Plugin, &part.Position, &part.OK, &part.Dead, &part.Pending, &part.Revived, &part.Filtered,
			&part.Waiting, &part.Done); err != nil {
			return err
		}
		j.Parts = append(j.Parts, part)
		j.Plugins = append(j.Plugins, part.Plugin)
		return nil
	})
}
