package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"inbox/inbox"
)

// Settle queues a settlement and returns; it blocks while the queue is full. done is called from the
// writing goroutine once it is durable, or with the reason why it is not; [inbox.EndOf] names the end. All of a settlement
// is one transaction with its neighbours'; those of a chain commit in the order they were handed in, and none after one
// that failed. A settlement of an earlier term ends with [inbox.ErrFenced].
func (s *Store) Settle(ctx context.Context, st *inbox.Settlement, done func(error)) error {
	fenced := false // belongs to the writing goroutine
	size := 512
	if st.Attempt != nil {
		size += len(st.Attempt.Log) + len(st.Attempt.Reason)
	}
	return s.submit(ctx, &op{
		size: size, lazy: true,
		refuse: func() error {
			if st.Chain != nil && st.Chain.Broken() {
				return errBroken
			}
			return nil
		},
		apply: func(t *tx) (err error) {
			fenced, err = t.settleUnlessFenced(st)
			return err
		},
		done: func(err error) {
			if err == nil && fenced {
				err = inbox.ErrFenced
			}
			switch {
			case inbox.EndOf(err) != inbox.EndFailed: // who settles says what a fence means
			case st.Chain == nil:
				s.opt.Log.Error("cannot record what a plugin came to", "plugin", st.Plugin, "error", err)
			case !st.Chain.Broken(): // what rests on it fails too, and would only repeat it
				st.Chain.Break()
				s.opt.Log.Error("cannot record what a plugin came to; it begins again from what is stored", "plugin", st.Plugin, "error", err)
			}
			done(err)
		},
	}, patient)
}

// errBroken refuses what rests on a settlement that failed.
var errBroken = inbox.Errorf(inbox.Unavailable, "", "an earlier settlement of the plugin failed")

func (t *tx) settle(st *inbox.Settlement) error {
	p, err := t.plugin(st.Plugin)
	if err != nil {
		return err
	}
	if seq := newest(st); seq > t.head {
		return inbox.Errorf(inbox.Internal, "settle for plugin "+st.Plugin, "event %d is not stored: the log ends with %d", seq, t.head)
	}
	steps := []func() error{
		func() error { return t.settleAttempt(p, st.Attempt) },
		func() error { return t.settlePlugin(p, st) },
		func() error { return t.settleRelease(p, st) },
		func() error { return t.settleLanes(p, st) },
		func() error { return t.settleDead(p, st.Dead) },
		func() error { return t.settleRuns(p, st) },
		func() error { return t.settleJob(p, st.Job) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("settle for plugin %s: %w", st.Plugin, err)
		}
	}
	return nil
}

// newest returns the highest seq that a settlement says something about.
func newest(st *inbox.Settlement) int64 {
	seq := st.Cursor
	if st.Attempt != nil {
		seq = max(seq, st.Attempt.Seq)
	}
	if st.Run != nil {
		seq = max(seq, st.Run.Seq)
	}
	return seq
}

// Bounds of what is recorded of one attempt. The host keeps to smaller ones.
const (
	longestReason = 64 << 10
	longestLog    = 16 << 20
)

// recordable returns an attempt that the schema takes, whatever was measured of it: clocks step back, counters overflow. An
// attempt that could not be recorded would be made again and again, without a trace.
func recordable(a inbox.Attempt) inbox.Attempt {
	a.Duration = max(a.Duration, 0)
	if a.Fuel < 0 { // it counted beyond what the type holds
		a.Fuel = math.MaxInt64
	}
	a.Result = cmp.Or(a.Result, inbox.HostError)
	if len(a.Reason) > longestReason {
		a.Reason = a.Reason[:longestReason]
	}
	a.HostWords = max(0, min(a.HostWords, len(a.Reason)))
	if len(a.Log) > longestLog {
		a.Log, a.LogCut = a.Log[:longestLog], true
	}
	return a
}

func (t *tx) settleAttempt(p int64, made *inbox.Attempt) error {
	if made == nil {
		return nil
	}
	a := recordable(*made)
	reason, err := t.putText(contentReason, a.Seq, []byte(a.Reason))
	if err != nil {
		return err
	}
	logID, err := t.putText(contentLog, a.Seq, a.Log)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO attempts (plugin, seq, run, attempt, result, fate, counted, started_at, duration, release, reason_id, host_words, log_id, log_cut, fuel)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, (SELECT num FROM releases WHERE plugin = ?1 AND id = ?10), ?11, ?12, ?13, ?14, nullif(?15, 0))`,
		p, a.Seq, a.Run, a.Number, a.Result, a.Fate, a.Counted, millis(a.StartedAt), a.Duration.Microseconds(), a.Release,
		reason, a.HostWords, logID, a.LogCut, a.Fuel)
	if err != nil {
		return err
	}
	return t.thin(p, &a)
}

func (t *tx) settlePlugin(p int64, st *inbox.Settlement) error {
	if st.Cursor > 0 {
		if _, err := t.exec(`UPDATE plugins SET cursor = max(cursor, ?) WHERE id = ?`, st.Cursor, p); err != nil {
			return err
		}
	}
	if st.Keying != "" {
		if _, err := t.exec(`UPDATE plugins SET keying = ? WHERE id = ?`, st.Keying, p); err != nil {
			return err
		}
	}
	if st.Health == nil {
		return nil
	}
	h := st.Health
	var held any
	if h.OnHold {
		held = millis(h.Since)
	}
	// A probe that fails lengthens the hold it belongs to. Where an operator or a new release has ended that meanwhile, it
	// says nothing.
	_, err := t.exec(`UPDATE plugins SET held_at = ?1, hold_reason = ?2, probe_at = ?3, probes = ?4 WHERE id = ?5 AND (?4 = 0 OR held_at IS ?1)`,
		held, h.Reason, millis(h.ProbeAt), h.Probes, p)
	return err
}

func (t *tx) settleLanes(p int64, st *inbox.Settlement) error {
	for _, f := range st.Uncount {
		if _, err := t.exec(`UPDATE attempts SET counted = 0 WHERE plugin = ?1 AND seq = ?2 AND run = 0 AND attempt = (
				SELECT max(attempt) FROM attempts WHERE plugin = ?1 AND seq = ?2 AND run = 0 AND counted = 1)`, p, f.Seq); err != nil {
			return err
		}
		if _, err := t.exec(`UPDATE lanes SET tries = tries - 1 WHERE plugin = ? AND mode = ? AND key = ? AND state = 'retry' AND next = ? AND tries > 0`,
			p, f.Lane.Mode, f.Lane.Key, f.Seq); err != nil {
			return err
		}
	}
	if st.Lane != nil {
		if err := t.putLane(p, st.Lane); err != nil {
			return err
		}
	}
	if id := st.LaneGone; id != nil {
		if _, err := t.exec(`DELETE FROM lanes WHERE plugin = ? AND mode = ? AND key = ?`, p, id.Mode, id.Key); err != nil {
			return err
		}
		return t.freeRuns(p, *id)
	}
	return nil
}

func (t *tx) putLane(p int64, l *inbox.Lane) error {
	var due any
	if l.State == inbox.LaneRetry {
		due = millis(l.DueAt)
	}
	_, err := t.exec(`INSERT INTO lanes (plugin, mode, key, next, state, due_at, attempt, tries, since) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (plugin, mode, key) DO UPDATE SET next = excluded.next, state = excluded.state, due_at = excluded.due_at,
			attempt = excluded.attempt, tries = excluded.tries`,
		p, l.ID.Mode, l.ID.Key, l.Next, l.State, due, l.Attempt, l.Tries, millis(l.Since))
	return err
}

// freeRuns makes the runs that waited behind a lane due, and takes them out of their jobs' counts of waiting ones.
func (t *tx) freeRuns(p int64, id inbox.LaneID) error {
	if _, err := t.exec(`UPDATE job_parts SET waiting = waiting - (
			SELECT count(*) FROM runs r WHERE r.plugin = ?1 AND r.mode = ?2 AND r.key = ?3 AND r.waits = 1 AND r.job = job_parts.job)
		WHERE plugin = ?1 AND job IN (SELECT job FROM runs r WHERE r.plugin = ?1 AND r.mode = ?2 AND r.key = ?3 AND r.waits = 1)`,
		p, id.Mode, id.Key); err != nil {
		return err
	}
	_, err := t.exec(`UPDATE runs INDEXED BY runs_waiting SET waits = 0, due_at = ? WHERE plugin = ? AND mode = ? AND key = ? AND waits = 1`, t.now, p, id.Mode, id.Key)
	return err
}

func (t *tx) settleDead(p int64, d *inbox.DeadLetter) error {
	if d == nil {
		return nil
	}
	if d.Resolution != inbox.Unresolved {
		return t.resolve(p, d.Seq, d.Run, d.Resolution)
	}
	_, err := t.exec(`INSERT INTO dead (plugin, seq, run, attempt, mode, key, parks, result, died_at, resolution, resolved_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '', NULL)`,
		p, d.Seq, d.Run, d.Attempt, d.Lane.Mode, d.Lane.Key, d.Parks, cmp.Or(d.Result, inbox.HostError), millis(d.DiedAt))
	return err
}

// resolve marks the open letter of a run as dealt with. It is a Conflict when somebody else was faster: what was to become of
// the run rests on a letter that is no longer open.
func (t *tx) resolve(p, seq, run int64, how inbox.Resolution) error {
	res, err := t.exec(`UPDATE dead SET resolution = ?, resolved_at = ? WHERE plugin = ? AND seq = ? AND run = ? AND resolution = ''`,
		how, t.now, p, seq, run)
	if err != nil {
		return err
	}
	switch n, err := res.RowsAffected(); {
	case err != nil:
		return err
	case n == 0:
		return inbox.Errorf(inbox.Conflict, "", "the dead letter of event %d was dealt with already", seq)
	}
	return nil
}

func (t *tx) settleRuns(p int64, st *inbox.Settlement) error {
	if st.RunGone != nil {
		if _, err := t.exec(`DELETE FROM runs WHERE plugin = ? AND seq = ? AND run = ?`, p, st.RunGone.Seq, st.RunGone.Run); err != nil {
			return err
		}
	}
	if st.Run == nil {
		return nil
	}
	return t.putRun(p, st.Run)
}

func (t *tx) putRun(p int64, r *inbox.Run) error {
	_, err := t.exec(`INSERT INTO runs (plugin, seq, run, job, mode, key, waits, due_at, attempt, tries) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (plugin, seq, run) DO UPDATE SET waits = excluded.waits, due_at = excluded.due_at, attempt = excluded.attempt, tries = excluded.tries`,
		p, r.Seq, r.Run, r.Job, r.Lane.Mode, r.Lane.Key, r.Waits, millis(r.DueAt), r.Attempt, r.Tries)
	return err
}

func (t *tx) settleJob(p int64, j *inbox.JobStep) error {
	if j == nil {
		return nil
	}
	a := j.Add
	if _, err := t.exec(`UPDATE job_parts SET position = max(position, ?), ok = ok + ?, dead = dead + ?, pending = pending + ?,
			revived = revived + ?, filtered = filtered + ?, waiting = waiting + ?, done = max(done, ?) WHERE job = ? AND plugin = ?`,
		j.Position, a.OK, a.Dead, a.Pending, a.Revived, a.Filtered, a.Waiting, j.Done, j.Job, p); err != nil || !j.Done {
		return err
	}
	_, err := t.exec(`UPDATE jobs SET state = 'done', finished_at = ?1 WHERE id = ?2 AND state = 'running'
		AND NOT EXISTS (SELECT 1 FROM job_parts WHERE job = ?2 AND done = 0)`, t.now, j.Job)
	return err
}

// Dead returns the unresolved dead letter of an event in a plugin, the newest when several runs died; NotFound when
// there is none.
func (s *Store) Dead(ctx context.Context, plugin string, seq int64) (*inbox.DeadLetter, error) {
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return nil, err
	}
	d := inbox.DeadLetter{Plugin: plugin, Seq: seq}
	var died int64
	err = s.readers.QueryRowContext(ctx, `SELECT run, attempt, mode, key, parks, result, died_at FROM dead
		WHERE plugin = ? AND seq = ? AND resolution = '' ORDER BY run DESC LIMIT 1`, p, seq).
		Scan(&d.Run, &d.Attempt, &d.Lane.Mode, &d.Lane.Key, &d.Parks, &d.Result, &died)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, inbox.Errorf(inbox.NotFound, "", "event %d is not dead in plugin %s", seq, plugin)
	}
	d.DiedAt = fromMillis(died)
	return &d, readError(err)
}
