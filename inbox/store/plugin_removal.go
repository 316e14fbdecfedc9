package store

import (
	"context"

	"inbox/inbox"
)

// removeStep is how many events' attempts are deleted in one transaction: other writes come between.
const removeStep = 2000

// RemovePlugin forgets a plugin: its position, lanes, dead letters, runs, its parts of replays, attempts with their logs and
// reasons, releases, and what is known of them. It returns the ids of releases that no other plugin has, whose modules may go.
// The caller sees to it that nothing of the plugin runs and that nothing is handed in for it. It is recorded. When it ends
// early, old attempts are gone and the rest is as it was: it can be done again.
func (s *Store) RemovePlugin(ctx context.Context, who inbox.Actor, plugin string) (releases []string, err error) {
	for more := true; more; {
		if err := s.write(ctx, func(t *tx) (err error) {
			more, err = t.removeHistory(plugin)
			return err
		}); err != nil {
			return nil, err
		}
	}
	var unused []string // the writer's, until it is done: when ctx ends it may still be at work
	err = s.write(ctx, func(t *tx) (err error) {
		unused, err = t.removePlugin(who, plugin)
		return err
	})
	if err != nil {
		return nil, err
	}
	return unused, nil
}

// removeHistory deletes some attempts of first runs that are over, and that nothing else refers to. It reports whether it
// deleted any.
func (t *tx) removeHistory(plugin string) (more bool, err error) {
	p, err := t.plugin(plugin)
	if err != nil {
		return false, err
	}
	var n, last int64
	const old = `FROM (SELECT seq FROM attempts a WHERE a.plugin = ?1 AND a.run = 0 AND a.fate = 'done'
		AND a.seq <= (SELECT cursor FROM plugins WHERE id = ?1)
		AND NOT EXISTS (SELECT 1 FROM dead d WHERE d.plugin = ?1 AND d.seq = a.seq)
		ORDER BY a.seq LIMIT ?2)`
	if err := t.get(`SELECT count(*), coalesce(max(seq), 0) `+old, p, removeStep).Scan(&n, &last); err != nil || n == 0 {
		return false, err
	}
	const these = `plugin = ?1 AND run = 0 AND seq IN (SELECT seq ` + old + `)`
	for _, column := range []string{"reason_id", "log_id"} {
		if _, err := t.exec(`DELETE FROM contents WHERE id IN (SELECT `+column+` FROM attempts WHERE `+these+`)`, p, removeStep); err != nil {
			return false, err
		}
	}
	_, err = t.exec(`DELETE FROM attempts WHERE `+these, p, removeStep)
	return n == removeStep, err
}

func (t *tx) removePlugin(who inbox.Actor, plugin string) (unused []string, err error) {
	p, err := t.plugin(plugin)
	if err != nil {
		return nil, err
	}
	if unused, err = t.onlyOf(p); err != nil {
		return nil, err
	}
	for _, query := range []string{
		`DELETE FROM contents WHERE id IN (SELECT reason_id FROM attempts WHERE plugin = ?1)`,
		`DELETE FROM contents WHERE id IN (SELECT log_id FROM attempts WHERE plugin = ?1)`,
		`DELETE FROM attempts WHERE plugin = ?1`, `DELETE FROM dead WHERE plugin = ?1`, `DELETE FROM runs WHERE plugin = ?1`,
		`DELETE FROM lanes WHERE plugin = ?1`, `DELETE FROM releases WHERE plugin = ?1`, `DELETE FROM job_parts WHERE plugin = ?1`,
		`DELETE FROM suspects WHERE plugin = (SELECT name FROM plugins WHERE id = ?1)`, `DELETE FROM plugins WHERE id = ?1`,
	} {
		if _, err := t.exec(query, p); err != nil {
			return nil, err
		}
	}
	// A replay that only waited for this plugin has nothing left to do.
	if _, err := t.exec(`UPDATE jobs SET state = ?, finished_at = ? WHERE state = ?
		AND NOT EXISTS (SELECT 1 FROM job_parts j WHERE j.job = jobs.id AND j.done = 0)`, string(inbox.JobDone), t.now, string(inbox.JobRunning)); err != nil {
		return nil, err
	}
	t.after = append(t.after, func() { t.w.s.ids.drop(plugin) })
	return unused, t.audit(who, "remove", plugin)
}

// onlyOf returns the ids of releases that no other plugin has.
func (t *tx) onlyOf(p int64) (ids []string, err error) {
	rows, err := t.query(`SELECT id FROM releases r WHERE plugin = ?1 AND NOT EXISTS (
		SELECT 1 FROM plugins p CROSS JOIN releases o ON o.plugin = p.id AND o.id = r.id WHERE p.id <> ?1)`, p)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
