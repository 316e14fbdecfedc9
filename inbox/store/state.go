package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"inbox/inbox"
)

// State returns the state document of a lane: the one of the newest settlement that was submitted, durable or not. Only the worker
// that runs the lane may call it, because the answer is cached.
func (s *Store) State(ctx context.Context, plugin string, lane inbox.LaneID) (inbox.State, error) {
	if doc, ok := s.submitted.state(plugin, lane); ok {
		return doc, nil
	}
	doc, err := s.storedState(ctx, plugin, lane)
	if err == nil {
		s.submitted.keepState(plugin, lane, doc)
	}
	return doc, err
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
	if ctx.Err() != nil {
		return inbox.State{}, readError(ctx.Err())
	}
	row := s.readers.QueryRowContext(point(ctx), `SELECT s.version, s.content_id, `+contentColumns("c")+newestState, p, lane.Mode, lane.Key)
	switch err := row.Scan(append([]any{&doc.Version, &id}, c.into()...)...); {
	case errors.Is(err, sql.ErrNoRows):
		return inbox.State{}, nil
	case err != nil:
		return inbox.State{}, readError(err)
	case !id.Valid:
		return inbox.State{}, nil
	}
	if doc.Document, err = c.open(encodingRaw); err != nil {
		return inbox.State{}, damagedState(fmt.Sprintf("read the state document of plugin %s for %s", plugin, lane.Key), inbox.StateID{Plugin: plugin, Lane: lane}, err)
	}
	return doc, nil
}

// insertState adds a change to the history of a document. Changes are numbered from 1 in each lane.
const insertState = `INSERT INTO states (plugin, mode, key, change, seq, run, attempt, version, size, content_id, at)
	VALUES (?1, ?2, ?3, coalesce((SELECT max(change) FROM states WHERE plugin = ?1 AND mode = ?2 AND key = ?3), 0) + 1, ?4, ?5, ?6, ?7, ?8, ?9, ?10)`

// settleState stores a change of the state document of the attempt's lane.
func (t *tx) settleState(p int64, st *inbox.Settlement) error {
	change := st.Effects.State
	if change == nil {
		return nil
	}
	a, lane := st.Attempt, st.Effects.Lane
	var content any
	if change.Document != nil {
		id, err := t.contentID()
		if err != nil {
			return err
		}
		if err := t.putAt(id, contentState, encodingRaw, a.Seq, st.Effects.Subject, change.Document); err != nil {
			return err
		}
		content = id
	}
	_, err := t.exec(insertState,
		p, lane.Mode, lane.Key, a.Seq, a.Run, a.Number, change.Version, len(change.Document), content, t.now)
	if err != nil {
		return err
	}
	return t.raiseStateVersion(p, change.Version)
}

// raiseStateVersion notes in the plugin's row the highest version of its documents. The writer remembers it, so that most changes
// of state do not touch the row.
func (t *tx) raiseStateVersion(p int64, version int) error {
	if version <= t.w.stateVersions[p] {
		return nil
	}
	_, err := t.exec(`UPDATE plugins SET state_version = ?1 WHERE id = ?2 AND state_version < ?1`, version, p)
	t.after = append(t.after, func() { t.w.stateVersions[p] = max(t.w.stateVersions[p], version) })
	return err
}
