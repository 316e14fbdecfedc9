package store

import (
	"context"
	"database/sql"

	"inbox/inbox"
)

// pluginColumns are the columns of plugins that make an inbox.PluginRecord, in the order of scanPlugin. Register writes the
// first four; the others have defaults.
const pluginColumns = `name, created_at, started_at, cursor, paused, live, pinned, pinned_off, proven, previous, filtered, lane_rule,
	held_at, hold_reason, probe_at, probes, state_version`

// scanPlugin reads pluginColumns and then the columns of more.
func scanPlugin(row scanner, r *inbox.PluginRecord, more ...any) error {
	h := &r.Health
	var held sql.NullInt64
	err := row.Scan(append([]any{
		&r.Name, moment{&r.CreatedAt}, &r.StartedAt, &r.Cursor, &r.Paused, &r.Live, &r.Pinned, &r.PinnedOff, &r.Proven, &r.Previous, &r.Filtered, &r.LaneRule,
		&held, &h.Reason, moment{&h.ProbeAt}, &h.Probes, &r.StateVersion,
	}, more...)...)
	h.OnHold, h.Since = held.Valid, fromMillis(held.Int64)
	return err
}

// Register adds a plugin with the cursor that from names. It changes nothing when the store knows the plugin: a plugin whose
// file is added again continues at its old cursor.
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

// Record returns the record of a plugin. Its cost does not depend on the number of waiting events: it leaves out the counts, which
// only Plugins returns. Dead is 1 when the plugin has any dead letter.
func (s *Store) Record(ctx context.Context, plugin string) (*inbox.PluginRecord, error) {
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return nil, err
	}
	var r inbox.PluginRecord
	row := s.readers.QueryRowContext(ctx, `SELECT `+pluginColumns+`, EXISTS (SELECT 1 FROM dead WHERE plugin = plugins.id AND resolution = ''),
		EXISTS (SELECT 1 FROM states WHERE plugin = plugins.id), EXISTS (SELECT 1 FROM kv WHERE plugin = plugins.id) FROM plugins WHERE id = ?`, p)
	if err := scanPlugin(row, &r, &r.Dead, &r.HasState, &r.HasKV); err != nil {
		return nil, readError(err)
	}
	return &r, nil
}

// Plugins returns the records of all plugins, by name, with the numbers of their waiting lanes and dead letters.
func (s *Store) Plugins(ctx context.Context) ([]inbox.PluginRecord, error) {
	var list []inbox.PluginRecord
	err := s.each(ctx, `SELECT `+pluginColumns+`,
			(SELECT count(*) FROM dead d WHERE d.plugin = p.id AND d.resolution = ''),
			(SELECT count(*) FROM lanes l WHERE l.plugin = p.id AND l.state = 'retry'),
			(SELECT count(*) FROM lanes l WHERE l.plugin = p.id AND l.state = 'ready'),
			(SELECT count(*) FROM lanes l WHERE l.plugin = p.id AND l.state = 'parked'),
			EXISTS (SELECT 1 FROM states s WHERE s.plugin = p.id), EXISTS (SELECT 1 FROM kv WHERE kv.plugin = p.id),
			coalesce((SELECT stored_at FROM events WHERE seq = min(p.cursor + 1, coalesce((SELECT min(next) FROM lanes l WHERE l.plugin = p.id), p.cursor + 1))), 0)
		FROM plugins p ORDER BY name`, nil, func(row scanner) error {
		var r inbox.PluginRecord
		if err := scanPlugin(row, &r, &r.Dead, &r.Retrying, &r.Ready, &r.Parked, &r.HasState, &r.HasKV, moment{&r.OldestAt}); err != nil {
			return err
		}
		list = append(list, r)
		return nil
	})
	head := s.newest(ctx)
	for i := range list {
		list[i].Behind = max(head-list[i].Cursor, 0)
	}
	return list, err
}

// setPlugin changes columns of a plugin's row and records the action; an empty action is not recorded.
func (s *Store) setPlugin(ctx context.Context, actor inbox.Actor, action, plugin, set string, args ...any) error {
	return s.write(ctx, func(t *tx) error {
		p, err := t.plugin(plugin)
		if err != nil {
			return err
		}
		if _, err := t.exec(`UPDATE plugins SET `+set+` WHERE id = ?`, append(args, p)...); err != nil || action == "" {
			return err
		}
		return t.audit(actor, action, plugin)
	})
}

// SetPaused pauses or resumes a plugin. A paused plugin loses no event.
func (s *Store) SetPaused(ctx context.Context, actor inbox.Actor, plugin string, paused bool) error {
	action := "resume"
	if paused {
		action = "pause"
	}
	return s.setPlugin(ctx, actor, action, plugin, `paused = ?`, paused)
}

// ResumeHold ends a plugin's hold before a probe succeeds, and resumes a paused plugin.
func (s *Store) ResumeHold(ctx context.Context, actor inbox.Actor, plugin string) error {
	return s.setPlugin(ctx, actor, "resume", plugin, `held_at = NULL, hold_reason = '', probe_at = 0, probes = 0, paused = 0`)
}

// SetPin makes a plugin run an earlier release while its files are those of release off.
func (s *Store) SetPin(ctx context.Context, actor inbox.Actor, plugin, release, off string) error {
	return s.setPlugin(ctx, actor, "rollback", plugin, `pinned = ?, pinned_off = ?`, release, off)
}

// Unpin ends a rollback, because the files of the plugin changed.
func (s *Store) Unpin(ctx context.Context, plugin string) error {
	return s.setPlugin(ctx, inbox.Actor{}, "", plugin, `pinned = '', pinned_off = ''`)
}

// settlePosition stores the plugin's cursor and its lane rule.
func (t *tx) settlePosition(p int64, st *inbox.Settlement) error {
	if st.Position.Cursor > 0 {
		if _, err := t.exec(`UPDATE plugins SET cursor = max(cursor, ?) WHERE id = ?`, st.Position.Cursor, p); err != nil {
			return err
		}
	}
	if st.Release.LaneRule == "" {
		return nil
	}
	_, err := t.exec(`UPDATE plugins SET lane_rule = ? WHERE id = ?`, st.Release.LaneRule, p)
	return err
}

// settleHealth stores the plugin's health and takes back the counted attempts of the failures that led to a hold.
func (t *tx) settleHealth(p int64, st *inbox.Settlement) error {
	if err := t.uncount(p, st.Health.Uncount); err != nil || st.Health.Set == nil {
		return err
	}
	h := st.Health.Set
	var held any
	if h.OnHold {
		held = millis(h.Since)
	}
	// A failed probe lengthens only its own hold. It changes nothing when an operator or a new release has ended that hold.
	_, err := t.exec(`UPDATE plugins SET held_at = ?1, hold_reason = ?2, probe_at = ?3, probes = ?4 WHERE id = ?5 AND (?4 = 0 OR held_at IS ?1)`,
		held, h.Reason, millis(h.ProbeAt), h.Probes, p)
	return err
}

// uncount takes one counted attempt back from each lane in retry whose next event is the failure's, and from the newest counted
// attempt of that event.
func (t *tx) uncount(p int64, failures []inbox.Failure) error {
	for _, f := range failures {
		if _, err := t.exec(`UPDATE attempts SET counted = 0 WHERE plugin = ?1 AND seq = ?2 AND run = 0 AND attempt = (
				SELECT max(attempt) FROM attempts WHERE plugin = ?1 AND seq = ?2 AND run = 0 AND counted = 1)`, p, f.Seq); err != nil {
			return err
		}
		if _, err := t.exec(`UPDATE lanes SET counted = counted - 1 WHERE plugin = ? AND mode = ? AND key = ? AND state = 'retry' AND next = ? AND counted > 0`,
			p, f.Lane.Mode, f.Lane.Key, f.Seq); err != nil {
			return err
		}
	}
	return nil
}
