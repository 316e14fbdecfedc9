package store

import (
	"context"
	"database/sql"
	"errors"

	"inbox/inbox"
)

// EachLane calls fn for every lane of a plugin that lags behind the cursor.
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

// Lanes returns up to limit lanes of a plugin in a state, by the seq of their next event. A limit of 0 means all.
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
	err := s.each(ctx, `SELECT `+laneColumns+`, `+laneWaits+` FROM lanes `+where, args, func(row scanner) error {
		lanes = append(lanes, inbox.Lane{})
		return scanLane(row, &lanes[len(lanes)-1])
	})
	return lanes, err
}

// laneColumns are the columns of lanes that make an inbox.Lane, in the order of scanLane and laneRow.
const laneColumns = `mode, key, next, state, due_at, attempt, counted, since`

// laneWaits is a column that is 1 if runs wait behind a lane, else 0.
const laneWaits = `EXISTS (SELECT 1 FROM runs r WHERE r.plugin = lanes.plugin AND r.mode = lanes.mode AND r.key = lanes.key AND r.waits = 1)`

// scanLane reads laneColumns and laneWaits.
func scanLane(row scanner, l *inbox.Lane) error {
	return row.Scan(&l.ID.Mode, &l.ID.Key, &l.Next, &l.State, moment{&l.DueAt}, &l.Attempt, &l.Counted, moment{&l.Since}, &l.Waits)
}

// laneRow returns the values of plugin and laneColumns. Only a lane in retry has a due time.
func laneRow(p int64, l *inbox.Lane) []any {
	var due any
	if l.State == inbox.LaneRetry {
		due = millis(l.DueAt)
	}
	return []any{p, l.ID.Mode, l.ID.Key, l.Next, l.State, due, l.Attempt, l.Counted, millis(l.Since)}
}

// Lane returns the row of a lane, nil for a lane that does not lag.
func (s *Store) Lane(ctx context.Context, plugin string, id inbox.LaneID) (*inbox.Lane, error) {
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return nil, err
	}
	var l inbox.Lane
	err = scanLane(s.readers.QueryRowContext(ctx, `SELECT `+laneColumns+`, `+laneWaits+` FROM lanes WHERE plugin = ? AND mode = ? AND key = ?`, p, id.Mode, id.Key), &l)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &l, readError(err)
}

// settleLane stores a lane's row or deletes it. Runs that waited behind a deleted lane become due.
func (t *tx) settleLane(p int64, st *inbox.Settlement) error {
	if st.Lane.Put != nil {
		if err := t.putLane(p, st.Lane.Put); err != nil {
			return err
		}
	}
	if id := st.Lane.Gone; id != nil {
		if _, err := t.exec(`DELETE FROM lanes WHERE plugin = ? AND mode = ? AND key = ?`, p, id.Mode, id.Key); err != nil {
			return err
		}
		return t.freeRuns(p, *id)
	}
	return nil
}

func (t *tx) putLane(p int64, l *inbox.Lane) error {
	_, err := t.exec(`INSERT INTO lanes (plugin, `+laneColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (plugin, mode, key) DO UPDATE SET next = excluded.next, state = excluded.state, due_at = excluded.due_at,
			attempt = excluded.attempt, counted = excluded.counted`, laneRow(p, l)...)
	return err
}

// laneCondition returns the condition on events e that selects all events of a lane, also those that the plugin filters out.
// It returns false for a lane that is made by a value of the body, because no column holds that value.
func laneCondition(id inbox.LaneID) (where string, args []any, ok bool) {
	switch ref, isRef := id.Reference(); {
	case id.Global():
		return ofMode, []any{id.Mode}, true
	case isRef:
		return ofMode + " AND e.customer_reference = ?", []any{id.Mode, ref}, true
	case id.ByValue():
		return "", nil, false
	}
	return "e.mode = ? AND e.key = ?", []any{id.Mode, id.Key}, true
}

// firstInLane returns the first event of a lane with from <= seq < before. It returns 0 when the lane has no such event, and for
// a lane that is made by a value of the body.
func (s *Store) firstInLane(ctx context.Context, id inbox.LaneID, from, before int64) (int64, error) {
	where, args, ok := laneCondition(id)
	if !ok {
		return 0, nil
	}
	var seq int64
	err := s.readers.QueryRowContext(ctx, `SELECT coalesce(min(e.seq), 0) FROM events e WHERE e.seq >= ? AND e.seq < ? AND `+where,
		append([]any{from, before}, args...)...).Scan(&seq)
	return seq, readError(err)
}
