package store

import (
	"context"
	"database/sql"
	"slices"

	"inbox/inbox"
)

// program is the actor of what the program does by itself.
const program = "inbox"

const crashRecordsQuery = `SELECT plugin, release, term, running, ends, aside_at, why FROM suspects ORDER BY plugin, release, term`

// Suspects returns the releases that have not survived yet, and those that were set aside, by plugin.
func (s *Store) Suspects(ctx context.Context) ([]inbox.Suspect, error) {
	var list []inbox.Suspect
	err := s.each(ctx, crashRecordsQuery, nil, func(row scanner) (err error) {
		list, err = appendCrashRecord(list, row)
		return err
	})
	return list, err
}

func (t *tx) crashRecords() (list []inbox.Suspect, err error) {
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
func appendCrashRecord(list []inbox.Suspect, row scanner) ([]inbox.Suspect, error) {
	var one inbox.Suspect
	var aside sql.NullInt64
	if err := row.Scan(&one.Plugin, &one.Release, &one.Term, &one.Running, &one.Ends, &aside, &one.Why); err != nil {
		return nil, err
	}
	if aside.Valid {
		one.AsideAt = fromMillis(aside.Int64)
	}
	return append(list, one), nil
}

// Reckon is called once at the start of a server, before it runs anything. It takes over the records of the processes that
// ended before it as [inbox.Reckon] decides, and returns what is known of releases from now on. They are this process's
// records then. The processes that ended are those of this term and of earlier ones: on SQLite there is one at a time.
// Nothing is written when the end was clean. It may be at work while an operator brings back what was set aside.
func (s *Store) Reckon(ctx context.Context) ([]inbox.Suspect, error) {
	if was, err := s.Suspects(ctx); err != nil || len(was) == 0 {
		return nil, err
	}
	var now []inbox.Suspect // the writer's, until it is done: when ctx ends it may still be at work
	err := s.write(ctx, func(t *tx) error {
		was, err := t.crashRecords()
		if err != nil {
			return err
		}
		was = slices.DeleteFunc(was, func(one inbox.Suspect) bool { return one.Term > t.w.s.term })
		now = inbox.Reckon(was, fromMillis(t.now))
		if _, err := t.exec(`DELETE FROM suspects WHERE term <= ?`, t.w.s.term); err != nil {
			return err
		}
		for i := range now {
			now[i].Term = t.w.s.term
			if err := t.putCrashRecord(&now[i]); err != nil {
				return err
			}
		}
		return t.auditDisabled(was, now)
	})
	if err != nil {
		return nil, err
	}
	return now, nil
}

// auditDisabled records which releases were set aside just now.
func (t *tx) auditDisabled(was, now []inbox.Suspect) error {
	before := map[string]bool{}
	for _, one := range was {
		key := one.Plugin + " " + one.Release
		before[key] = before[key] || !one.AsideAt.IsZero()
	}
	for _, one := range now {
		if one.AsideAt.IsZero() || before[one.Plugin+" "+one.Release] {
			continue
		}
		if err := t.audit(Actor{Name: program, Reason: one.Why}, "set_aside", one.Plugin+" "+one.Release); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) putCrashRecord(one *inbox.Suspect) error {
	var aside any
	if !one.AsideAt.IsZero() {
		aside = millis(one.AsideAt)
	}
	_, err := t.exec(`INSERT INTO suspects (plugin, release, term, running, ends, aside_at, why) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (plugin, release, term) DO UPDATE SET running = excluded.running, ends = excluded.ends, aside_at = excluded.aside_at, why = excluded.why`,
		one.Plugin, one.Release, t.w.s.term, one.Running, one.Ends, aside, one.Why)
	return err
}

// recordRunning stores that this process is about to start a release, or to make its first attempt.
func (t *tx) recordRunning(plugin, release string) error {
	_, err := t.exec(`INSERT INTO suspects (plugin, release, term, running, ends, aside_at, why)
		SELECT ?1, ?2, ?3, 1, 0, NULL, '' WHERE NOT EXISTS (SELECT 1 FROM suspects WHERE plugin = ?1 AND release = ?2 AND aside_at IS NOT NULL)
		ON CONFLICT (plugin, release, term) DO UPDATE SET running = 1`, plugin, release, t.w.s.term)
	return err
}

// Watch stores that a release is about to be compiled and started for a trial: if the program dies of it, the next start
// knows. It returns when that is durable. [Store.SetLive] ends it, and [Store.Spare].
func (s *Store) Watch(ctx context.Context, plugin, release string) error {
	return s.write(ctx, func(t *tx) error { return t.recordRunning(plugin, release) })
}

// Spare deletes this process's record of a release that survived, or that cannot run at all.
func (s *Store) Spare(ctx context.Context, plugin, release string) error {
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM suspects WHERE plugin = ? AND release = ? AND term = ? AND aside_at IS NULL`, plugin, release, t.w.s.term)
		return err
	})
}

// EndCleanly stores that this process ends as it should: nothing that it ran is to blame for anything, so its records are
// deleted. It may start nothing after that.
func (s *Store) EndCleanly(ctx context.Context) error {
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM suspects WHERE term = ? AND aside_at IS NULL`, t.w.s.term)
		return err
	})
}

// BringBack lets the releases of a plugin run that were set aside.
func (s *Store) BringBack(ctx context.Context, who Actor, plugin string) error {
	return s.write(ctx, func(t *tx) error {
		if _, err := t.exec(`DELETE FROM suspects WHERE plugin = ? AND aside_at IS NOT NULL`, plugin); err != nil {
			return err
		}
		return t.audit(who, "resume", plugin)
	})
}

// Forget forgets what was set aside of a plugin but for a release: its file changed.
func (s *Store) Forget(ctx context.Context, plugin, but string) error {
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM suspects WHERE plugin = ? AND release <> ? AND aside_at IS NOT NULL`, plugin, but)
		return err
	})
}

// disable sets the live release of a plugin aside, unless there is none to go back to: then it goes on as it is.
func (t *tx) disable(p int64, plugin string, a *inbox.Aside) error {
	if a == nil {
		return nil
	}
	var possible bool
	if err := t.get(`SELECT live = ? AND previous <> '' FROM plugins WHERE id = ?`, a.Release, p).Scan(&possible); err != nil || !possible {
		return err
	}
	if err := t.putCrashRecord(&inbox.Suspect{Plugin: plugin, Release: a.Release, AsideAt: fromMillis(t.now), Why: a.Why}); err != nil {
		return err
	}
	return t.audit(Actor{Name: program, Reason: a.Why}, "set_aside", plugin+" "+a.Release)
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
		if _, err := t.exec(`DELETE FROM suspects WHERE plugin = ? AND term = ? AND aside_at IS NULL AND (release <> ? OR ends = 0)`, plugin, t.w.s.term, release); err != nil {
			return err
		}
		_, err = t.exec(`UPDATE suspects SET running = 0 WHERE plugin = ? AND release = ? AND term = ?`, plugin, release, t.w.s.term)
		return err
	})
}

func (t *tx) setLive(p int64, plugin, release string) error {
	var r inbox.PluginRecord
	var aside bool
	err := t.get(`SELECT live, proven, previous, held_at IS NOT NULL, EXISTS (
			SELECT 1 FROM suspects s WHERE s.plugin = ? AND s.release = live AND s.aside_at IS NOT NULL) FROM plugins WHERE id = ?`, plugin, p).
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
		if err := t.recordRunning(st.Plugin, st.Running); err != nil {
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
	return t.disable(p, st.Plugin, st.Aside)
}
