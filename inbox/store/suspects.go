package store

import (
	"context"
	"database/sql"

	"inbox/inbox"
)

// program is the actor of what the program does by itself.
const program = "inbox"

const suspectsQuery = `SELECT plugin, release, running, ends, disabled_at, why FROM crash_records ORDER BY plugin, release`

// Suspects returns the releases that have not survived yet, and those that were set aside, by plugin.
func (s *Store) CrashRecords(ctx context.Context) ([]inbox.CrashRecord, error) {
	var list []inbox.CrashRecord
	err := s.each(ctx, suspectsQuery, nil, func(row scanner) (err error) {
		list, err = appendSuspect(list, row)
		return err
	})
	return list, err
}

func (t *tx) suspects() (list []inbox.CrashRecord, err error) {
	rows, err := t.query(suspectsQuery)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		if list, err = appendSuspect(list, rows); err != nil {
			return nil, err
		}
	}
	return list, rows.Err()
}

// appendSuspect reads a row of suspectsQuery.
func appendSuspect(list []inbox.CrashRecord, row scanner) ([]inbox.CrashRecord, error) {
	var one inbox.CrashRecord
	var aside sql.NullInt64
	if err := row.Scan(&one.Plugin, &one.Release, &one.Running, &one.Ends, &aside, &one.Why); err != nil {
		return nil, err
	}
	if aside.Valid {
		one.DisabledAt = fromMillis(aside.Int64)
	}
	return append(list, one), nil
}

// Reckon takes over, once at the start of a server, what [inbox.Reckon] makes of the end before it, and returns what is
// known of releases from now on. Nothing is written when the end was clean. It may be at work while an operator brings
// back what was set aside.
func (s *Store) CountCrashes(ctx context.Context) ([]inbox.CrashRecord, error) {
	if was, err := s.CrashRecords(ctx); err != nil || len(was) == 0 {
		return nil, err
	}
	var now []inbox.CrashRecord // the writer's, until it is done: when ctx ends it may still be at work
	err := s.write(ctx, func(t *tx) error {
		was, err := t.suspects()
		if err != nil {
			return err
		}
		now = inbox.CountCrashes(was, fromMillis(t.now))
		if _, err := t.exec(`DELETE FROM crash_records`); err != nil {
			return err
		}
		for i := range now {
			if err := t.putSuspect(&now[i]); err != nil {
				return err
			}
		}
		return t.auditAsides(was, now)
	})
	if err != nil {
		return nil, err
	}
	return now, nil
}

// auditAsides records which releases were set aside just now.
func (t *tx) auditAsides(was, now []inbox.CrashRecord) error {
	before := map[string]bool{}
	for _, one := range was {
		before[one.Plugin+" "+one.Release] = !one.DisabledAt.IsZero()
	}
	for _, one := range now {
		if one.DisabledAt.IsZero() || before[one.Plugin+" "+one.Release] {
			continue
		}
		if err := t.audit(inbox.Actor{Name: program, Reason: one.Why}, "disabled", one.Plugin+" "+one.Release); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) putSuspect(one *inbox.CrashRecord) error {
	var aside any
	if !one.DisabledAt.IsZero() {
		aside = millis(one.DisabledAt)
	}
	_, err := t.exec(`INSERT INTO crash_records (plugin, release, running, ends, disabled_at, why) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (plugin, release) DO UPDATE SET running = excluded.running, ends = excluded.ends, disabled_at = excluded.disabled_at, why = excluded.why`,
		one.Plugin, one.Release, one.Running, one.Ends, aside, one.Why)
	return err
}

// watch stores that a release is about to be started, or to make its first attempt.
func (t *tx) watch(plugin, release string) error {
	_, err := t.exec(`INSERT INTO crash_records (plugin, release, running, ends, disabled_at, why) VALUES (?, ?, 1, 0, NULL, '')
		ON CONFLICT (plugin, release) DO UPDATE SET running = 1 WHERE disabled_at IS NULL`, plugin, release)
	return err
}

// Watch stores that a release is about to be compiled and started for a trial: if the program dies of it, the next start
// knows. It returns when that is durable. [Store.SetLive] ends it, and [Store.Spare].
func (s *Store) RecordStart(ctx context.Context, plugin, release string) error {
	return s.write(ctx, func(t *tx) error { return t.watch(plugin, release) })
}

// Spare forgets a release that survived, or that cannot run at all.
func (s *Store) ClearCrashes(ctx context.Context, plugin, release string) error {
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM crash_records WHERE plugin = ? AND release = ? AND disabled_at IS NULL`, plugin, release)
		return err
	})
}

// EndCleanly stores that the program ends as it should: nothing that ran is to blame for anything. Nothing may be started
// after it.
func (s *Store) EndCleanly(ctx context.Context) error {
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM crash_records WHERE disabled_at IS NULL`)
		return err
	})
}

// BringBack lets the releases of a plugin run that were set aside.
func (s *Store) EnableRelease(ctx context.Context, who inbox.Actor, plugin string) error {
	return s.write(ctx, func(t *tx) error {
		if _, err := t.exec(`DELETE FROM crash_records WHERE plugin = ? AND disabled_at IS NOT NULL`, plugin); err != nil {
			return err
		}
		return t.audit(who, "resume", plugin)
	})
}

// Forget forgets what was set aside of a plugin but for a release: its file changed.
func (s *Store) Forget(ctx context.Context, plugin, but string) error {
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM crash_records WHERE plugin = ? AND release <> ? AND disabled_at IS NOT NULL`, plugin, but)
		return err
	})
}

// setAside sets the live release of a plugin aside, unless there is none to go back to: then it goes on as it is.
func (t *tx) setAside(p int64, plugin string, a *inbox.Disable) error {
	if a == nil {
		return nil
	}
	var possible bool
	if err := t.get(`SELECT live = ? AND previous <> '' FROM plugins WHERE id = ?`, a.Release, p).Scan(&possible); err != nil || !possible {
		return err
	}
	if err := t.putSuspect(&inbox.CrashRecord{Plugin: plugin, Release: a.Release, DisabledAt: fromMillis(t.now), Why: a.Why}); err != nil {
		return err
	}
	return t.audit(inbox.Actor{Name: program, Reason: a.Why}, "disabled", plugin+" "+a.Release)
}

// SetLive records which release of a plugin runs; it has survived its start. Another one than before ends a hold: it was
// the one before that was sick.
func (s *Store) SetLive(ctx context.Context, plugin, release string) error {
	return s.write(ctx, func(t *tx) error {
		p, err := t.plugin(plugin)
		if err != nil {
			return err
		}
		if err := t.setLive(p, plugin, release); err != nil {
			return err
		}
		if _, err := t.exec(`DELETE FROM crash_records WHERE plugin = ? AND disabled_at IS NULL AND (release <> ? OR ends = 0)`, plugin, release); err != nil {
			return err
		}
		_, err = t.exec(`UPDATE crash_records SET running = 0 WHERE plugin = ? AND release = ?`, plugin, release)
		return err
	})
}

func (t *tx) setLive(p int64, plugin, release string) error {
	var r inbox.PluginRecord
	var aside bool
	err := t.get(`SELECT live, proven, previous, held_at IS NOT NULL, EXISTS (
			SELECT 1 FROM crash_records s WHERE s.plugin = ? AND s.release = live AND s.disabled_at IS NOT NULL) FROM plugins WHERE id = ?`, plugin, p).
		Scan(&r.Live, &r.Proven, &r.Previous, &r.Health.OnHold, &aside)
	if err != nil || r.Live == release {
		return err
	}
	_, err = t.exec(`UPDATE plugins SET live = ?, proven = 0, previous = ?, held_at = NULL, hold_reason = '', probe_at = 0, probes = 0 WHERE id = ?`,
		release, r.Predecessor(release, aside), p)
	return err
}

// settleRelease records what a settlement says about the release that runs.
func (t *tx) settleRelease(p int64, st *inbox.Settlement) error {
	if st.Running != "" {
		if err := t.watch(st.Plugin, st.Running); err != nil {
			return err
		}
	}
	if st.Proven != "" {
		if _, err := t.exec(`UPDATE plugins SET proven = 1 WHERE id = ? AND live = ?`, p, st.Proven); err != nil {
			return err
		}
	}
	if st.Filtered > 0 {
		if _, err := t.exec(`UPDATE plugins SET filtered = filtered + ? WHERE id = ?`, st.Filtered, p); err != nil {
			return err
		}
	}
	return t.setAside(p, st.Plugin, st.Disable)
}
