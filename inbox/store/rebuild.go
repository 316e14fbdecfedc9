package store

import (
	"context"
	"fmt"

	"inbox/inbox"
	"inbox/inbox/store/commit"
)

// Settled returns the events that a query selects, with the attempts that settled them first.
func (s *Store) Settled(ctx context.Context, q *inbox.SettledQuery) ([]inbox.Settled, error) {
	p, err := s.pluginID(ctx, q.Plugin)
	if err != nil {
		return nil, err
	}
	const first = ` a.plugin = ?1 AND a.seq > ?2 AND a.fate = 'done' AND NOT EXISTS (SELECT 1 FROM attempts b
		WHERE b.plugin = a.plugin AND b.seq = a.seq AND b.fate = 'done' AND (b.run, b.attempt) < (a.run, a.attempt))`
	args := []any{p, q.After, q.Limit}
	from := ` FROM attempts a CROSS JOIN events e ON e.seq = a.seq WHERE` + first
	switch {
	case q.Seqs != nil:
		from = ` FROM json_each(?4) j CROSS JOIN attempts a ON a.seq = j.value CROSS JOIN events e ON e.seq = a.seq WHERE` + first
		args = append(args, listOf(q.Seqs))
	case q.Key != (inbox.LaneID{}):
		from = ` FROM events e INDEXED BY events_by_key CROSS JOIN attempts a ON a.seq = e.seq WHERE e.mode = ?4 AND e.key = ?5 AND e.seq > ?2 AND` + first
		args = append(args, q.Key.Mode, q.Key.Key)
	}
	var list []inbox.Settled
	err = s.each(ctx, `SELECT `+eventColumns+`, a.run, a.attempt, a.started_at`+from+` ORDER BY e.seq LIMIT ?3`, args, func(row scanner) error {
		var x inbox.Settled
		if err := scanEvent(row, &x.Event, &x.Run, &x.Attempt, moment{&x.StartedAt}); err != nil {
			return err
		}
		list = append(list, x)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, s.lanesOfChanges(ctx, p, list)
}

// lanesOfChanges adds to settled events the lanes in which their attempts changed state.
func (s *Store) lanesOfChanges(ctx context.Context, p int64, list []inbox.Settled) error {
	if len(list) == 0 {
		return nil
	}
	var seqs []int64
	at := make(map[int64]*inbox.Settled, len(list))
	for i := range list {
		at[list[i].Seq] = &list[i]
		seqs = append(seqs, list[i].Seq)
	}
	return s.each(ctx, `SELECT DISTINCT s.seq, s.mode, s.key FROM json_each(?) j CROSS JOIN states s INDEXED BY states_by_seq ON s.seq = j.value
		WHERE s.plugin = ? AND s.attempt > 0 ORDER BY s.seq, s.key`, []any{listOf(seqs), p}, func(row scanner) error {
		var seq int64
		var lane inbox.LaneID
		err := row.Scan(&seq, &lane.Mode, &lane.Key)
		if err == nil {
			at[seq].Lanes = append(at[seq].Lanes, lane)
		}
		return err
	})
}

// SwapState makes the changes of a swap in one transaction. Each is a change of its document's history, with attempt 0. The caller makes sure that
// no settlement of the plugin is submitted meanwhile.
func (s *Store) SwapState(ctx context.Context, who inbox.Actor, w *inbox.StateSwap) error {
	size := 512 * len(w.Docs)
	for i := range w.Docs {
		size += len(w.Docs[i].Document)
	}
	return s.writeSized(ctx, min(size, DefaultQueueBytes), commit.Wait, func(t *tx) error {
		p, err := t.plugin(w.Plugin)
		if err != nil {
			return err
		}
		deleted := 0
		for i := range w.Docs {
			if w.Docs[i].Document == nil {
				deleted++
			}
			if err := t.swapDocument(p, &w.Docs[i], w.Version); err != nil {
				return fmt.Errorf("rebuild the state of plugin %s for %s: %w", w.Plugin, w.Docs[i].Lane.Key, err)
			}
		}
		if w.KV != nil {
			if err := t.swapKV(p, w); err != nil {
				return fmt.Errorf("rebuild the kv of plugin %s: %w", w.Plugin, err)
			}
		}
		if err := t.swapVersion(p, w); err != nil {
			return err
		}
		t.after = append(t.after, func() { s.submitted.forget(w.Plugin) })
		return t.audit(who, "rebuild", fmt.Sprintf("state of plugin %s, %d documents changed, %d of them deleted", w.Plugin, len(w.Docs), deleted))
	})
}

// swapDocument adds a change to the history of a document.
func (t *tx) swapDocument(p int64, d *inbox.LaneDocument, version int) error {
	var content any
	if d.Document != nil {
		id, err := t.contentID()
		if err != nil {
			return err
		}
		if err := t.putAt(id, contentState, encodingRaw, d.Seq, d.Subject, d.Document); err != nil {
			return err
		}
		content = id
	}
	_, err := t.exec(insertState, p, d.Lane.Mode, d.Lane.Key, d.Seq, 0, 0, version, len(d.Document), content, t.now)
	return err
}

// swapKV replaces all pairs.
func (t *tx) swapKV(p int64, w *inbox.StateSwap) error {
	for _, statement := range []string{
		`DELETE FROM contents WHERE id IN (SELECT content_id FROM kv WHERE plugin = ?)`, `DELETE FROM kv WHERE plugin = ?`,
	} {
		if _, err := t.exec(statement, p); err != nil {
			return err
		}
	}
	version := t.w.s.submitted.next()
	for mode, pairs := range w.KV {
		for i := range pairs {
			if err := t.putKey(p, mode, &pairs[i], version); err != nil {
				return err
			}
		}
	}
	return nil
}

// swapVersion stores the highest version of the plugin's documents.
func (t *tx) swapVersion(p int64, w *inbox.StateSwap) error {
	if !w.All {
		return t.raiseStateVersion(p, w.Version)
	}
	_, err := t.exec(`UPDATE plugins SET state_version = ? WHERE id = ?`, w.Version, p)
	t.after = append(t.after, func() { t.w.stateVersions[p] = w.Version })
	return err
}
