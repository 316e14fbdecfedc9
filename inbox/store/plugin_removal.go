package store

import (
	"context"
	"errors"

	"inbox/inbox"
)

// removeStep is the number of events whose attempts one transaction deletes, so that other writes are not blocked for long.
const removeStep = 2000

// RemovePlugin deletes a plugin: its position, lanes, dead letters, runs, parts of replays, attempts with logs, reasons and fetches,
// effects with their tries, and releases with their crash records. It returns the ids of releases that no other plugin has: their modules may be deleted. The
// caller makes sure that the plugin does not run and that no settlement of it is submitted. The removal is recorded in the audit
// log. A removal that fails has only deleted old attempts, and can be repeated.
func (s *Store) RemovePlugin(ctx context.Context, actor inbox.Actor, plugin string) (releases []string, err error) {
	for more := true; more; {
		if err := s.write(ctx, func(t *tx) (err error) {
			more, err = t.removeHistory(plugin)
			return err
		}); err != nil {
			return nil, err
		}
	}
	var unused []string // used by the writer until the transaction ends, which may be after the end of ctx
	err = s.write(ctx, func(t *tx) (err error) {
		unused, err = t.removePlugin(actor, plugin)
		return err
	})
	if err != nil {
		return nil, err
	}
	return unused, nil
}

// removeHistory deletes attempts of up to removeStep settled first runs that no dead letter refers to. It reports whether there may
// be more.
func (t *tx) removeHistory(plugin string) (more bool, err error) {
	p, err := t.plugin(plugin)
	if err != nil {
		return false, err
	}
	var n, last int64
	const old = `FROM (SELECT seq FROM attempts a WHERE a.plugin = ?1 AND a.run = 0 AND a.fate = 'done'
		AND a.seq <= (SELECT cursor FROM plugins WHERE id = ?1)
		AND NOT EXISTS (SELECT 1 FROM dead d WHERE d.plugin = ?1 AND d.seq = a.seq)
		AND NOT EXISTS (SELECT 1 FROM effects f WHERE f.plugin = ?1 AND f.seq = a.seq AND (f.state NOT IN ('done', 'discarded') OR f.run > 0))
		ORDER BY a.seq LIMIT ?2)`
	if err := t.get(`SELECT count(*), coalesce(max(seq), 0) `+old, p, removeStep).Scan(&n, &last); err != nil || n == 0 {
		return false, err
	}
	const settled = `plugin = ?1 AND run = 0 AND seq IN (SELECT seq ` + old + `)`
	if err := t.removeEffects(settled, p, removeStep); err != nil {
		return false, err
	}
	if err := t.removeFetches(settled, p, removeStep); err != nil {
		return false, err
	}
	for _, column := range []string{"reason_id", "log_id"} {
		if _, err := t.exec(`DELETE FROM contents WHERE id IN (SELECT `+column+` FROM attempts WHERE `+settled+`)`, p, removeStep); err != nil {
			return false, err
		}
	}
	if err := t.forgetEmitter(`SELECT seq `+old, p, removeStep); err != nil {
		return false, err
	}
	_, err = t.exec(`DELETE FROM attempts WHERE `+settled, p, removeStep)
	return n == removeStep, err
}

func (t *tx) removePlugin(actor inbox.Actor, plugin string) (unused []string, err error) {
	p, err := t.plugin(plugin)
	if err != nil {
		return nil, err
	}
	t.origins = nil
	t.after = append(t.after, func() { delete(t.w.stateVersions, p) }) // the id may be given again
	if unused, err = t.ownReleases(p); err != nil {
		return nil, err
	}
	if err := t.forgetEmitter(`SELECT seq FROM attempts WHERE plugin = ?1`, p); err != nil {
		return nil, err
	}
	if err := errors.Join(t.removeEffects(`plugin = ?1`, p), t.removeFetches(`plugin = ?1`, p)); err != nil {
		return nil, err
	}
	for _, query := range []string{
		`DELETE FROM contents WHERE id IN (SELECT reason_id FROM attempts WHERE plugin = ?1)`,
		`DELETE FROM contents WHERE id IN (SELECT log_id FROM attempts WHERE plugin = ?1)`,
		`DELETE FROM contents WHERE id IN (SELECT content_id FROM states WHERE plugin = ?1)`, `DELETE FROM states WHERE plugin = ?1`,
		`DELETE FROM contents WHERE id IN (SELECT content_id FROM kv WHERE plugin = ?1)`, `DELETE FROM kv WHERE plugin = ?1`,
		`DELETE FROM effect_origins WHERE plugin = ?1`,
		`DELETE FROM attempts WHERE plugin = ?1`, `DELETE FROM dead WHERE plugin = ?1`, `DELETE FROM runs WHERE plugin = ?1`,
		`DELETE FROM lanes WHERE plugin = ?1`, `DELETE FROM releases WHERE plugin = ?1`, `DELETE FROM replay_parts WHERE plugin = ?1`,
		`DELETE FROM crash_records WHERE plugin = (SELECT name FROM plugins WHERE id = ?1)`, `DELETE FROM plugins WHERE id = ?1`,
	} {
		if _, err := t.exec(query, p); err != nil {
			return nil, err
		}
	}
	// A replay whose other parts are done ends with the part of this plugin.
	if _, err := t.exec(`UPDATE replays SET state = ?, finished_at = ? WHERE state = ?
		AND NOT EXISTS (SELECT 1 FROM replay_parts j WHERE j.replay = replays.id AND j.done = 0)`, string(inbox.ReplayDone), t.now, string(inbox.ReplayRunning)); err != nil {
		return nil, err
	}
	t.after = append(t.after, func() { // also when the caller has stopped waiting
		t.w.s.ids.drop(plugin)
		t.w.s.submitted.forget(plugin)
	})
	return unused, t.audit(actor, "remove", plugin)
}

// effectsDeleted is the name in meta of the highest id of a deleted effect. An id is never given to another effect: operators and the
// causes of events refer to effects by id.
const effectsDeleted = "effects_deleted"

// removeEffects deletes the effects that a condition selects, with their requests, tries and answers.
func (t *tx) removeEffects(where string, args ...any) error {
	var last int64
	err := t.get(`SELECT max(coalesce((SELECT max(id) FROM effects WHERE `+where+`), 0), coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = '`+effectsDeleted+`'), 0))`,
		args...).Scan(&last)
	if err != nil {
		return err
	}
	if last > 0 {
		if err := t.setMeta(effectsDeleted, last); err != nil {
			return err
		}
	}
	for _, query := range []string{
		`DELETE FROM contents WHERE id IN (SELECT content_id FROM effect_tries WHERE effect IN (SELECT id FROM effects WHERE ` + where + `))`,
		`DELETE FROM effect_tries WHERE effect IN (SELECT id FROM effects WHERE ` + where + `)`,
		`DELETE FROM contents WHERE id IN (SELECT content_id FROM effects WHERE ` + where + `)`,
		`DELETE FROM effects WHERE ` + where,
	} {
		if _, err := t.exec(query, args...); err != nil {
			return err
		}
	}
	return nil
}

// ownReleases returns the ids of releases that no other plugin has.
func (t *tx) ownReleases(p int64) (ids []string, err error) {
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
