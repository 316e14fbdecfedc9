package store

import (
	"context"
	"database/sql"
	"errors"

	"inbox/inbox"
)

// ResetState deletes a state document for an operator, also a damaged one. The deletion is a change of the document's history, with the
// seq of the change before it and attempt 0. It is NotFound when there is no document, and, while a server runs, a Conflict unless the
// plugin is paused: an attempt that had read the document would write it again. The caller waits until running attempts have ended.
func (s *Store) ResetState(ctx context.Context, who inbox.Actor, id inbox.StateID) error {
	p, err := s.pluginID(ctx, id.Plugin)
	if err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		var paused bool
		if err := t.get(`SELECT paused FROM plugins WHERE id = ?`, p).Scan(&paused); err != nil {
			return err
		}
		if s.opt.Server && !paused {
			return notPaused(id.Plugin)
		}
		var change, seq int64
		var version int
		var content sql.NullInt64
		err := t.get(`SELECT change, seq, version, content_id FROM states WHERE plugin = ? AND mode = ? AND key = ? ORDER BY change DESC LIMIT 1`,
			p, id.Lane.Mode, id.Lane.Key).Scan(&change, &seq, &version, &content)
		switch {
		case errors.Is(err, sql.ErrNoRows), err == nil && !content.Valid:
			return inbox.Errorf(inbox.NotFound, "", "plugin %s keeps no %s state for %s", id.Plugin, id.Lane.Mode, id.Lane.Key).
				WithHint("`inbox state list " + id.Plugin + "` shows the keys that it keeps state for")
		case err != nil:
			return err
		}
		_, err = t.exec(`INSERT INTO states (plugin, mode, key, change, seq, run, attempt, version, size, content_id, at) VALUES (?, ?, ?, ?, ?, 0, 0, ?, 0, NULL, ?)`,
			p, id.Lane.Mode, id.Lane.Key, change+1, seq, version, t.now)
		if err != nil {
			return err
		}
		t.after = append(t.after, func() { s.submitted.dropState(id.Plugin, id.Lane) })
		return t.audit(who, "reset", "state of plugin "+id.Plugin+" for "+string(id.Lane.Mode)+" "+id.Lane.Key)
	})
}

func notPaused(plugin string) error {
	return inbox.Errorf(inbox.Conflict, "", "plugin %s is not paused: a running attempt could write the document again", plugin).
		WithHint("`inbox plugin pause " + plugin + "`, then reset, then `inbox plugin resume " + plugin + "`")
}

// damagedState returns the error about a state document whose bytes cannot be read, with the way out.
func damagedState(op string, id inbox.StateID, err error) error {
	if !errors.Is(err, inbox.ErrDamaged) {
		return inbox.Errorf(inbox.KindOf(err), op, "%w", err)
	}
	return inbox.Errorf(inbox.Internal, op, "%w; `inbox state reset %s %s --mode %s` deletes the document, and the plugin begins anew", err, id.Plugin, id.Lane.Key, id.Lane.Mode)
}
