package store

import (
	"context"
	"database/sql"
	"errors"
	"math"

	"inbox/inbox"
	"inbox/inbox/datadir"
)

// Actor is who does something, and why.
type Actor struct{ Name, Reason string }

// audit records a deed in the transaction that does it.
func (t *tx) audit(who Actor, action, target string) error {
	_, err := t.exec(`INSERT INTO audit (at, actor, action, target, reason) VALUES (?, ?, ?, ?, ?)`, t.now, who.Name, action, target, who.Reason)
	return err
}

// Audit records a deed that changes nothing in the store, such as revealing a payload.
func (s *Store) Audit(ctx context.Context, who Actor, action, target string) error {
	return s.write(ctx, func(t *tx) error { return t.audit(who, action, target) })
}

// AuditLog returns the recorded deeds that a filter selects, the newest first.
func (s *Store) AuditLog(ctx context.Context, f inbox.AuditFilter) ([]inbox.AuditEntry, error) {
	until, limit := int64(math.MaxInt64), -1
	if !f.Until.IsZero() {
		until = millis(f.Until)
	}
	if f.Limit > 0 {
		limit = f.Limit
	}
	var list []inbox.AuditEntry
	err := s.each(ctx, `SELECT at, actor, action, target, reason FROM audit
		WHERE (?1 = '' OR action = ?1) AND (?2 = '' OR actor = ?2) AND at >= ?3 AND at < ?4
		ORDER BY id DESC LIMIT ?5`, []any{f.Action, f.Actor, millis(f.Since), until, limit}, func(row scanner) error {
		var e inbox.AuditEntry
		var at int64
		if err := row.Scan(&at, &e.Actor, &e.Action, &e.Target, &e.Reason); err != nil {
			return err
		}
		e.At = fromMillis(at)
		list = append(list, e)
		return nil
	})
	return list, err
}

// SaveRelease records a release, once. What was found out about its module is replaced.
func (s *Store) SaveRelease(ctx context.Context, r inbox.Release) error {
	return s.write(ctx, func(t *tx) error {
		p, err := t.plugin(r.Plugin)
		if err != nil {
			return err
		}
		blob := func(b []byte) []byte { return append([]byte{}, b...) } // nil would be NULL
		_, err = t.exec(`INSERT INTO releases (plugin, id, wasm, size, manifest, created_at, actor, asks, module) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (plugin, id) DO UPDATE SET module = excluded.module WHERE length(excluded.module) > 0`,
			p, r.ID, r.Wasm, r.Size, blob(r.Manifest), millis(r.CreatedAt), r.Actor, blob(r.Asks), blob(r.Module))
		return err
	})
}

// Releases returns a plugin's releases, the newest first.
func (s *Store) Releases(ctx context.Context, plugin string) ([]inbox.Release, error) {
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return nil, err
	}
	var list []inbox.Release
	err = s.each(ctx, `SELECT id, wasm, size, manifest, created_at, actor, asks, module FROM releases WHERE plugin = ? ORDER BY num DESC`, []any{p}, func(row scanner) error {
		r := inbox.Release{Plugin: plugin}
		var created int64
		if err := row.Scan(&r.ID, &r.Wasm, &r.Size, &r.Manifest, &created, &r.Actor, &r.Asks, &r.Module); err != nil {
			return err
		}
		r.CreatedAt = fromMillis(created)
		list = append(list, r)
		return nil
	})
	return list, err
}

// setPlugin changes columns of a plugin's row and records the deed, if it has an action.
func (s *Store) setPlugin(ctx context.Context, who Actor, action, plugin, set string, args ...any) error {
	return s.write(ctx, func(t *tx) error {
		p, err := t.plugin(plugin)
		if err != nil {
			return err
		}
		if _, err := t.exec(`UPDATE plugins SET `+set+` WHERE id = ?`, append(args, p)...); err != nil || action == "" {
			return err
		}
		return t.audit(who, action, plugin)
	})
}

// SetPaused pauses a plugin, or lets it go on. Nothing is dropped meanwhile.
func (s *Store) SetPaused(ctx context.Context, who Actor, plugin string, paused bool) error {
	action := "resume"
	if paused {
		action = "pause"
	}
	return s.setPlugin(ctx, who, action, plugin, `paused = ?`, paused)
}

// ResumeHold ends a plugin's hold before a probe does.
func (s *Store) ResumeHold(ctx context.Context, who Actor, plugin string) error {
	return s.setPlugin(ctx, who, "resume", plugin, `held_at = NULL, hold_reason = '', probe_at = 0, probes = 0, paused = 0`)
}

// SetPin makes a plugin run an earlier release for as long as its files are those of release off.
func (s *Store) SetPin(ctx context.Context, who Actor, plugin, release, off string) error {
	return s.setPlugin(ctx, who, "rollback", plugin, `pinned = ?, pinned_off = ?`, release, off)
}

// Unpin ends a rollback: the files changed.
func (s *Store) Unpin(ctx context.Context, plugin string) error {
	return s.setPlugin(ctx, Actor{}, "", plugin, `pinned = '', pinned_off = ''`)
}

// Plugins returns all plugins the store knows, by name, with what waits in them.
func (s *Store) Plugins(ctx context.Context) ([]inbox.PluginRecord, error) {
	var list []inbox.PluginRecord
	err := s.each(ctx, `SELECT name, created_at, started_at, cursor, paused, live, pinned, pinned_off, proven, previous, filtered, keying, held_at, hold_reason, probe_at, probes,
			(SELECT count(*) FROM dead d WHERE d.plugin = p.id AND d.resolution = ''),
			(SELECT count(*) FROM lanes l WHERE l.plugin = p.id AND l.state = 'retry'),
			(SELECT count(*) FROM lanes l WHERE l.plugin = p.id AND l.state = 'ready'),
			(SELECT count(*) FROM lanes l WHERE l.plugin = p.id AND l.state = 'parked'),
			coalesce((SELECT stored_at FROM events WHERE seq = min(p.cursor + 1, coalesce((SELECT min(next) FROM lanes l WHERE l.plugin = p.id), p.cursor + 1))), 0)
		FROM plugins p ORDER BY name`, nil, func(row scanner) error {
		var r inbox.PluginRecord
		var created, probe, oldest int64
		var held sql.NullInt64
		if err := row.Scan(&r.Name, &created, &r.StartedAt, &r.Cursor, &r.Paused, &r.Live, &r.Pinned, &r.PinnedOff, &r.Proven, &r.Previous, &r.Filtered, &r.Keying, &held,
			&r.Health.Reason, &probe, &r.Health.Probes, &r.Dead, &r.Retrying, &r.Ready, &r.Parked, &oldest); err != nil {
			return err
		}
		r.CreatedAt, r.Health.ProbeAt, r.OldestAt = fromMillis(created), fromMillis(probe), fromMillis(oldest)
		if held.Valid {
			r.Health.OnHold, r.Health.Since = true, fromMillis(held.Int64)
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

// newest returns the newest seq also when another process writes.
func (s *Store) newest(ctx context.Context) int64 {
	var seq int64
	if err := s.readers.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM events`).Scan(&seq); err != nil {
		return s.Head()
	}
	return seq
}

// Stats returns figures about the store as a whole.
func (s *Store) Stats(ctx context.Context) (inbox.StoreStats, error) {
	var st inbox.StoreStats
	var first, last int64
	err := s.readers.QueryRowContext(ctx, `SELECT coalesce((SELECT max(seq) FROM events), 0),
			coalesce((SELECT stored_at FROM events ORDER BY seq LIMIT 1), 0), coalesce((SELECT stored_at FROM events ORDER BY seq DESC LIMIT 1), 0),
			(SELECT coalesce(sum(count), 0) FROM copies)`).
		Scan(&st.Events, &first, &last, &st.Copies)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return st, readError(err)
	}
	st.FirstAt, st.LastAt = fromMillis(first), fromMillis(last)
	if st.Quarantine, err = s.quarantineStats(ctx); err != nil {
		return st, err
	}
	st.FileBytes, st.WALBytes = fileSize(s.path), fileSize(s.path+"-wal")
	if st.FreeBytes, err = datadir.FreeBytes(s.opt.Dir); err != nil {
		return st, inbox.Errorf(inbox.Unavailable, "measure the free disk space", "%w", err)
	}
	return st, nil
}
