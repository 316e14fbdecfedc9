package store

import (
	"context"
	"database/sql"
	"slices"

	"inbox/inbox"
)

// program is the actor of audit entries for actions of the program itself.
const program = "inbox"

const crashRecordsQuery = `SELECT plugin, release, term, running, ends, disabled_at, why FROM crash_records ORDER BY plugin, release, term`

// CrashRecords returns the crash records of all processes, and the disabled releases, by plugin.
func (s *Store) CrashRecords(ctx context.Context) ([]inbox.CrashRecord, error) {
	var list []inbox.CrashRecord
	err := s.each(ctx, crashRecordsQuery, nil, func(row scanner) (err error) {
		list, err = appendCrashRecord(list, row)
		return err
	})
	return list, err
}

func (t *tx) crashRecords() (list []inbox.CrashRecord, err error) {
	rows, err := t.query(crashRecordsQuery)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		if list, err = appendCrashRecord(list, rows); err != nil {
			return nil, err
		}
	}
	return list, rows.Err()
}

// appendCrashRecord reads a row of crashRecordsQuery.
func appendCrashRecord(list []inbox.CrashRecord, row scanner) ([]inbox.CrashRecord, error) {
	var r inbox.CrashRecord
	var disabled sql.NullInt64
	if err := row.Scan(&r.Plugin, &r.Release, &r.Term, &r.Running, &r.Ends, &disabled, &r.Why); err != nil {
		return nil, err
	}
	if disabled.Valid {
		r.DisabledAt = fromMillis(disabled.Int64)
	}
	return append(list, r), nil
}

// CountCrashes counts the unclean ends of earlier processes. A server calls it once, before it runs any release.
// [inbox.CountCrashes] decides which records remain; they become records of this process and are returned. Records of this and of
// earlier terms count: their processes have ended, because SQLite allows one server at a time. After a clean end CountCrashes
// writes nothing. An operator may enable a disabled release at the same time.
func (s *Store) CountCrashes(ctx context.Context) ([]inbox.CrashRecord, error) {
	if stored, err := s.CrashRecords(ctx); err != nil || len(stored) == 0 {
		return nil, err
	}
	var counted []inbox.CrashRecord // used by the writer, which may continue after ctx has ended
	err := s.write(ctx, func(t *tx) error {
		stored, err := t.crashRecords()
		if err != nil {
			return err
		}
		stored = slices.DeleteFunc(stored, func(r inbox.CrashRecord) bool { return r.Term > t.w.s.term })
		counted = inbox.CountCrashes(stored, fromMillis(t.now))
		if _, err := t.exec(`DELETE FROM crash_records WHERE term <= ?`, t.w.s.term); err != nil {
			return err
		}
		for i := range counted {
			counted[i].Term = t.w.s.term
			if err := t.putCrashRecord(&counted[i]); err != nil {
				return err
			}
		}
		return t.auditDisabled(stored, counted)
	})
	if err != nil {
		return nil, err
	}
	return counted, nil
}

// auditDisabled adds an audit entry for every release that is disabled in counted and was not in stored.
func (t *tx) auditDisabled(stored, counted []inbox.CrashRecord) error {
	before := map[string]bool{}
	for _, r := range stored {
		key := r.Plugin + " " + r.Release
		before[key] = before[key] || !r.DisabledAt.IsZero()
	}
	for _, r := range counted {
		if r.DisabledAt.IsZero() || before[r.Plugin+" "+r.Release] {
			continue
		}
		if err := t.audit(inbox.Actor{Name: program, Reason: r.Why}, "disabled", r.Plugin+" "+r.Release); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) putCrashRecord(r *inbox.CrashRecord) error {
	var disabled any
	if !r.DisabledAt.IsZero() {
		disabled = millis(r.DisabledAt)
	}
	_, err := t.exec(`INSERT INTO crash_records (plugin, release, term, running, ends, disabled_at, why) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (plugin, release, term) DO UPDATE SET running = excluded.running, ends = excluded.ends, disabled_at = excluded.disabled_at, why = excluded.why`,
		r.Plugin, r.Release, t.w.s.term, r.Running, r.Ends, disabled, r.Why)
	return err
}

// recordRunning stores that this process is about to start a release, or to make its first attempt. A disabled release
// gets no record.
func (t *tx) recordRunning(plugin, release string) error {
	_, err := t.exec(`INSERT INTO crash_records (plugin, release, term, running, ends, disabled_at, why)
		SELECT ?1, ?2, ?3, 1, 0, NULL, '' WHERE NOT EXISTS (SELECT 1 FROM crash_records WHERE plugin = ?1 AND release = ?2 AND disabled_at IS NOT NULL)
		ON CONFLICT (plugin, release, term) DO UPDATE SET running = 1`, plugin, release, t.w.s.term)
	return err
}

// RecordStart stores that this process is about to compile and start a release. If the release crashes the process, the next
// process finds the record. RecordStart returns when the record is durable. [Store.SetLive] and [Store.ClearCrashes] delete it.
func (s *Store) RecordStart(ctx context.Context, plugin, release string) error {
	return s.write(ctx, func(t *tx) error { return t.recordRunning(plugin, release) })
}

// ClearCrashes deletes this process's record of a release that runs without a crash, or that cannot start.
func (s *Store) ClearCrashes(ctx context.Context, plugin, release string) error {
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM crash_records WHERE plugin = ? AND release = ? AND term = ? AND disabled_at IS NULL`, plugin, release, t.w.s.term)
		return err
	})
}

// EndCleanly deletes the records of this process before a clean exit, which no release has caused. The process must start no
// release afterwards.
func (s *Store) EndCleanly(ctx context.Context) error {
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM crash_records WHERE term = ? AND disabled_at IS NULL`, t.w.s.term)
		return err
	})
}

// EnableRelease enables the disabled releases of a plugin.
func (s *Store) EnableRelease(ctx context.Context, actor inbox.Actor, plugin string) error {
	return s.write(ctx, func(t *tx) error {
		if _, err := t.exec(`DELETE FROM crash_records WHERE plugin = ? AND disabled_at IS NOT NULL`, plugin); err != nil {
			return err
		}
		return t.audit(actor, "resume", plugin)
	})
}

// EnableOtherReleases enables the disabled releases of a plugin, except one, after the plugin's file has changed.
func (s *Store) EnableOtherReleases(ctx context.Context, plugin, except string) error {
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM crash_records WHERE plugin = ? AND release <> ? AND disabled_at IS NOT NULL`, plugin, except)
		return err
	})
}

// disable disables the live release of a plugin. It changes nothing if the plugin has no earlier release to fall back to.
func (t *tx) disable(p int64, plugin string, a *inbox.Disable) error {
	if a == nil {
		return nil
	}
	var possible bool
	if err := t.get(`SELECT live = ? AND previous <> '' FROM plugins WHERE id = ?`, a.Release, p).Scan(&possible); err != nil || !possible {
		return err
	}
	if err := t.putCrashRecord(&inbox.CrashRecord{Plugin: plugin, Release: a.Release, DisabledAt: fromMillis(t.now), Why: a.Why}); err != nil {
		return err
	}
	return t.audit(inbox.Actor{Name: program, Reason: a.Why}, "disabled", plugin+" "+a.Release)
}

// SetLive stores the running release of a plugin, after its start succeeded. A change of the release ends a hold, because the
// failures were those of the previous release.
func (s *Store) SetLive(ctx context.Context, plugin, release string) error {
	return s.write(ctx, func(t *tx) error {
		p, err := t.plugin(plugin)
		if err != nil {
			return err
		}
		if err := t.setLive(p, plugin, release); err != nil {
			return err
		}
		if _, err := t.exec(`DELETE FROM crash_records WHERE plugin = ? AND term = ? AND disabled_at IS NULL AND (release <> ? OR ends = 0)`, plugin, t.w.s.term, release); err != nil {
			return err
		}
		_, err = t.exec(`UPDATE crash_records SET running = 0 WHERE plugin = ? AND release = ? AND term = ?`, plugin, release, t.w.s.term)
		return err
	})
}

func (t *tx) setLive(p int64, plugin, release string) error {
	var r inbox.PluginRecord
	var disabled bool
	err := t.get(`SELECT live, proven, previous, held_at IS NOT NULL, EXISTS (
			SELECT 1 FROM crash_records s WHERE s.plugin = ? AND s.release = live AND s.disabled_at IS NOT NULL) FROM plugins WHERE id = ?`, plugin, p).
		Scan(&r.Live, &r.Proven, &r.Previous, &r.Health.OnHold, &disabled)
	if err != nil || r.Live == release {
		return err
	}
	_, err = t.exec(`UPDATE plugins SET live = ?, proven = 0, previous = ?, held_at = NULL, hold_reason = '', probe_at = 0, probes = 0 WHERE id = ?`,
		release, r.Predecessor(release, disabled), p)
	return err
}

// settleRelease stores the release fields of a settlement: Running, Proven, Filtered and Disable.
func (t *tx) settleRelease(p int64, st *inbox.Settlement) error {
	if st.Release.Running != "" {
		if err := t.recordRunning(st.Plugin, st.Release.Running); err != nil {
			return err
		}
	}
	if st.Release.Proven != "" {
		if _, err := t.exec(`UPDATE plugins SET proven = 1 WHERE id = ? AND live = ?`, p, st.Release.Proven); err != nil {
			return err
		}
	}
	if st.Position.Filtered > 0 {
		if _, err := t.exec(`UPDATE plugins SET filtered = filtered + ? WHERE id = ?`, st.Position.Filtered, p); err != nil {
			return err
		}
	}
	return t.disable(p, st.Plugin, st.Release.Disable)
}
