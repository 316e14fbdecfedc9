package store

import (
	"context"

	"inbox/inbox"
)

// runColumns are the columns of runs that make an inbox.Run, in the order of scanRun and runRow.
const runColumns = `seq, run, replay, mode, key, waits, due_at, attempt, counted`

// scanRun reads runColumns.
func scanRun(row scanner, r *inbox.Run) error {
	return row.Scan(&r.Seq, &r.Run, &r.Replay, &r.Lane.Mode, &r.Lane.Key, &r.Waits, moment{&r.DueAt}, &r.Attempt, &r.Counted)
}

// runRow returns the values of plugin and runColumns.
func runRow(p int64, r *inbox.Run) []any {
	return []any{p, r.Seq, r.Run, r.Replay, r.Lane.Mode, r.Lane.Key, r.Waits, millis(r.DueAt), r.Attempt, r.Counted}
}

// SettledAbove returns the seqs above seq, ascending, whose run is settled: an attempt of it is done or dead. For a replay it
// also returns the seqs whose run has a row of its own, which holds the rest of the run.
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

// Runs returns up to limit runs of a plugin that do not wait behind a lane, by due time, run and seq. A limit of 0 means all.
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

// IsRetried reports whether the first run of an event has a row: its dead letter did not park the lane and was retried.
func (s *Store) IsRetried(ctx context.Context, plugin string, seq int64) (yes bool, err error) {
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return false, err
	}
	err = s.readers.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM runs WHERE plugin = ? AND seq = ? AND run = 0)`, p, seq).Scan(&yes)
	return yes, readError(err)
}

// ReplayRuns returns the number of runs of a replay in a plugin that have a row and do not wait behind a lane.
func (s *Store) ReplayRuns(ctx context.Context, plugin string, replay int64) (n int, err error) {
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return 0, err
	}
	err = s.readers.QueryRowContext(ctx, `SELECT count(*) FROM runs INDEXED BY runs_of_replay WHERE plugin = ? AND replay = ? AND waits = 0`, p, replay).Scan(&n)
	return n, readError(err)
}

func (s *Store) runs(ctx context.Context, plugin, where string, args ...any) ([]inbox.Run, error) {
	var list []inbox.Run
	err := s.each(ctx, `SELECT `+runColumns+` FROM runs `+where, args, func(row scanner) error {
		r := inbox.Run{Plugin: plugin}
		if err := scanRun(row, &r); err != nil {
			return err
		}
		list = append(list, r)
		return nil
	})
	return list, err
}

// ManyAttempts returns up to limit runs that wait for another attempt after at least the given number of attempts, those with the
// most attempts first.
func (s *Store) ManyAttempts(ctx context.Context, attempts, limit int) ([]inbox.ManyAttempts, error) {
	var list []inbox.ManyAttempts
	err := s.each(ctx, `SELECT `+eventColumns+`, p.name, w.run, w.attempt FROM (
			SELECT plugin, next AS seq, 0 AS run, attempt FROM lanes WHERE state = 'retry' AND attempt >= ?1
			UNION ALL SELECT plugin, seq, run, attempt FROM runs WHERE attempt >= ?1
		) w JOIN events e ON e.seq = w.seq JOIN plugins p ON p.id = w.plugin ORDER BY w.attempt DESC, p.name, w.seq LIMIT ?2`,
		[]any{attempts, limit}, func(row scanner) error {
			var r inbox.ManyAttempts
			var e inbox.Event
			if err := scanEvent(row, &e, &r.Plugin, &r.Run, &r.Attempts); err != nil {
				return err
			}
			r.ID = e.ID
			list = append(list, r)
			return nil
		})
	return list, err
}

// settleRun stores a run's row or deletes it.
func (t *tx) settleRun(p int64, st *inbox.Settlement) error {
	if st.Run.Gone != nil {
		if _, err := t.exec(`DELETE FROM runs WHERE plugin = ? AND seq = ? AND run = ?`, p, st.Run.Gone.Seq, st.Run.Gone.Run); err != nil {
			return err
		}
	}
	if st.Run.Put == nil {
		return nil
	}
	return t.putRun(p, st.Run.Put)
}

func (t *tx) putRun(p int64, r *inbox.Run) error {
	_, err := t.exec(`INSERT INTO runs (plugin, `+runColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (plugin, seq, run) DO UPDATE SET waits = excluded.waits, due_at = excluded.due_at, attempt = excluded.attempt, counted = excluded.counted`,
		runRow(p, r)...)
	return err
}

// freeRuns makes the runs that waited behind a lane due, and subtracts them from the waiting runs of their replays.
func (t *tx) freeRuns(p int64, id inbox.LaneID) error {
	if _, err := t.exec(`UPDATE replay_parts SET waiting = waiting - (
			SELECT count(*) FROM runs r WHERE r.plugin = ?1 AND r.mode = ?2 AND r.key = ?3 AND r.waits = 1 AND r.replay = replay_parts.replay)
		WHERE plugin = ?1 AND replay IN (SELECT replay FROM runs r WHERE r.plugin = ?1 AND r.mode = ?2 AND r.key = ?3 AND r.waits = 1)`,
		p, id.Mode, id.Key); err != nil {
		return err
	}
	_, err := t.exec(`UPDATE runs INDEXED BY runs_waiting SET waits = 0, due_at = ? WHERE plugin = ? AND mode = ? AND key = ? AND waits = 1`, t.now, p, id.Mode, id.Key)
	return err
}
