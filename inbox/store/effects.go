package store

import (
	"fmt"

	"inbox/inbox"
)

// A lane of effects is (plugin, mode, key, origin). Its open effects wait for each other: the first of them is due at due_at, or
// dead and parks the lane. All others have no due_at. So the due effects of an origin are found without a look at those that wait.

// settleRequests stores the requests of an attempt.
func (t *tx) settleRequests(p int64, st *inbox.Settlement) error {
	if len(st.Effects.Requests) == 0 {
		return nil
	}
	a := st.Attempt
	var source string
	var digest []byte
	var begun int64
	err := t.get(`SELECT source, digest, coalesce((SELECT created_at FROM replays WHERE id = ?), 0) FROM events WHERE seq = ?`, a.Run, a.Seq).Scan(&source, &digest, &begun)
	if err != nil {
		return fmt.Errorf("read the event %d: %w", a.Seq, err)
	}
	share := 0
	if st.Effects.Descendants() > len(st.Effects.Emit) {
		c, err := t.sharingCause(st)
		if err != nil {
			return err
		}
		share = c.share
	}
	for i := range st.Effects.Requests {
		key := inbox.IdempotencyKey(source, digest, st.Plugin, a.Run, begun, i)
		if err := t.addEffect(p, st, i, key, share); err != nil {
			return err
		}
	}
	t.after = append(t.after, t.w.s.due.wake)
	return nil
}

func (t *tx) addEffect(p int64, st *inbox.Settlement, i int, key string, share int) error {
	a, lane, r := st.Attempt, st.Effects.Lane, &st.Effects.Requests[i]
	packed, err := packRequest(&r.Request)
	if err != nil {
		return err
	}
	id, err := t.put(contentRequest, encodingHeaded, a.Seq, packed)
	if err != nil {
		return err
	}
	if _, err := t.exec(`INSERT INTO effect_origins (plugin, origin) VALUES (?, ?) ON CONFLICT DO NOTHING`, p, r.Origin); err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO effects (id, plugin, seq, run, attempt, idx, mode, key, origin, method, idempotency, content_id, created_at, then_event, then_share, state, open, due_at)
		VALUES (1 + max(coalesce((SELECT max(id) FROM effects), 0), coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'effects_deleted'), 0)), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, 'waiting', 1, CASE WHEN NOT EXISTS (
			SELECT 1 FROM effects INDEXED BY effects_open WHERE open = 1 AND plugin = ?1 AND mode = ?6 AND key = ?7 AND origin = ?8) THEN ?12 END)`,
		p, a.Seq, a.Run, a.Number, i, lane.Mode, lane.Key, r.Origin, r.Method, key, id, t.now, r.Then, share)
	return err
}

// advance makes the first open effect of a lane due, unless one is due already or the first is dead and parks the lane.
func (t *tx) advance(p int64, lane inbox.EffectLane) error {
	const open = ` FROM effects INDEXED BY effects_open WHERE open = 1 AND plugin = ?1 AND mode = ?2 AND key = ?3 AND origin = ?4`
	_, err := t.exec(`UPDATE effects SET due_at = ?5 WHERE id = (SELECT id`+open+` ORDER BY id LIMIT 1) AND state IN ('waiting', 'retry')
		AND NOT EXISTS (SELECT 1`+open+` AND due_at IS NOT NULL)`, p, lane.Mode, lane.Key, lane.Origin, t.now)
	if err == nil {
		t.after = append(t.after, t.w.s.due.wake)
	}
	return err
}
