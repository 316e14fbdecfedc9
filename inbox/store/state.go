package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"inbox/inbox"
)

// State returns the state document of a lane: the one of the newest settlement that was submitted, durable or not.
func (s *Store) State(ctx context.Context, plugin string, lane inbox.LaneID) (inbox.State, error) {
	if doc, ok := s.submitted.state(plugin, lane); ok {
		return doc, nil
	}
	return s.storedState(ctx, plugin, lane)
}

// newestState selects the newest change of the document of a lane.
const newestState = ` FROM states s LEFT JOIN contents c ON c.id = s.content_id
	WHERE s.plugin = ? AND s.mode = ? AND s.key = ? ORDER BY s.change DESC LIMIT 1`

func (s *Store) storedState(ctx context.Context, plugin string, lane inbox.LaneID) (inbox.State, error) {
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return inbox.State{}, err
	}
	var doc inbox.State
	var c content
	var id sql.NullInt64
	row := s.readers.QueryRowContext(ctx, `SELECT s.version, s.content_id, `+contentColumns("c")+newestState, p, lane.Mode, lane.Key)
	switch err := row.Scan(append([]any{&doc.Version, &id}, c.into()...)...); {
	case errors.Is(err, sql.ErrNoRows):
		return inbox.State{}, nil
	case err != nil:
		return inbox.State{}, readError(err)
	case !id.Valid:
		return inbox.State{}, nil
	}
	if doc.Document, err = c.open(encodingRaw); err != nil {
		return inbox.State{}, fmt.Errorf("read the state document of plugin %s for %s: %w", plugin, lane.Key, err)
	}
	return doc, nil
}

// settleState stores a change of the state document of the attempt's lane.
func (t *tx) settleState(p int64, st *inbox.Settlement) error {
	change := st.Effects.State
	if change == nil {
		return nil
	}
	var id any
	if change.Document != nil {
		var err error
		if id, err = t.put(contentState, encodingRaw, st.Attempt.Seq, change.Document); err != nil {
			return err
		}
	}
	a := st.Attempt
	_, err := t.exec(`INSERT INTO states (plugin, mode, key, change, seq, run, attempt, version, size, content_id, at)
		VALUES (?1, ?2, ?3, coalesce((SELECT max(change) FROM states WHERE plugin = ?1 AND mode = ?2 AND key = ?3), 0) + 1, ?4, ?5, ?6, ?7, ?8, ?9, ?10)`,
		p, st.Effects.Lane.Mode, st.Effects.Lane.Key, a.Seq, a.Run, a.Number, change.Version, len(change.Document), id, t.now)
	if err != nil || change.Version == 0 {
		return err
	}
	_, err = t.exec(`UPDATE plugins SET state_version = ?1 WHERE id = ?2 AND state_version < ?1`, change.Version, p)
	return err
}
