package store

import (
	"fmt"

	"inbox/inbox"
)

// A lane of effects is (plugin, mode, key, origin). Its open effects wait for each other: the first of them is due at due_at, or
// dead and parks the lane. All others have no due_at. So the due effects of an origin are found without a look at those that wait.

// asked is what the requests of one attempt have in common.
type asked struct {
	source string
	digest []byte // of the event
	begun  int64  // creation of the replay; 0 for the first run
	how    inbox.ReplayEffects
	keep   bool // the keys are those of the first run
	share  int  // descendants of each event that a response becomes
}

// settleRequests stores the requests of an attempt, or counts those that its replay drops.
func (t *tx) settleRequests(p int64, st *inbox.Settlement) error {
	n := len(st.Effects.Requests)
	if n == 0 {
		return nil
	}
	a := st.Attempt
	r := asked{how: inbox.SendEffects}
	if err := t.get(`SELECT source, digest FROM events WHERE seq = ?`, a.Seq).Scan(&r.source, &r.digest); err != nil {
		return fmt.Errorf("read the event %d: %w", a.Seq, err)
	}
	if a.Run != 0 {
		if err := t.get(`SELECT created_at, effects, keep_keys FROM replays WHERE id = ?`, a.Run).Scan(&r.begun, &r.how, &r.keep); err != nil {
			return fmt.Errorf("read the replay %d: %w", a.Run, err)
		}
	}
	if r.how == inbox.DropEffects {
		_, err := t.exec(`UPDATE replay_parts SET dropped = dropped + ? WHERE replay = ? AND plugin = ?`, n, a.Run, p)
		return err
	}
	if st.Effects.Descendants() > len(st.Effects.Emit) {
		c, err := t.sharingCause(st)
		if err != nil {
			return err
		}
		r.share = c.share
	}
	for i := range n {
		if err := t.addEffect(p, st, i, &r); err != nil {
			return err
		}
	}
	t.after = append(t.after, t.w.s.due.wake)
	return nil
}

// key returns the idempotency key of a request.
func (r *asked) key(plugin string, run int64, index int) string {
	if r.keep {
		return inbox.IdempotencyKey(r.source, r.digest, plugin, 0, 0, index)
	}
	return inbox.IdempotencyKey(r.source, r.digest, plugin, run, r.begun, index)
}

// addEffect stores one request. It is due when no open effect of its lane is before it. A held one does not belong to its lane yet.
func (t *tx) addEffect(p int64, st *inbox.Settlement, i int, of *asked) error {
	a, lane, r := st.Attempt, st.Effects.Lane, &st.Effects.Requests[i]
	packed, err := packRequest(&r.Request)
	if err != nil {
		return err
	}
	id, err := t.contentID()
	if err != nil {
		return err
	}
	if err := t.putAt(id, contentRequest, encodingHeaded, a.Seq, st.Effects.Subject, packed); err != nil {
		return err
	}
	if err := t.addOrigin(p, r.Origin); err != nil {
		return err
	}
	state, open := inbox.EffectWaiting, true
	if of.how == inbox.HoldEffects {
		state, open = inbox.EffectHeld, false
	}
	_, err = t.exec(`INSERT INTO effects (id, plugin, seq, run, attempt, idx, mode, key, origin, method, idempotency, content_id, created_at, then_event, then_share, state, open, due_at)
		VALUES (1 + max(coalesce((SELECT max(id) FROM effects), 0), coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = '`+effectsDeleted+`'), 0)),
			?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, CASE WHEN ?16 AND NOT EXISTS (
			SELECT 1 FROM effects INDEXED BY effects_open WHERE open = 1 AND plugin = ?1 AND mode = ?6 AND key = ?7 AND origin = ?8) THEN ?12 END)`,
		p, a.Seq, a.Run, a.Number, i, lane.Mode, lane.Key, r.Origin, r.Method, of.key(st.Plugin, a.Run, i), id, t.now, r.Then, of.share, state, open)
	return err
}

// addOrigin stores the origin of an effect, once in a transaction.
func (t *tx) addOrigin(p int64, origin string) error {
	name := pluginOrigin{p, origin}
	if t.origins[name] {
		return nil
	}
	if _, err := t.exec(`INSERT INTO effect_origins (plugin, origin) VALUES (?, ?) ON CONFLICT DO NOTHING`, p, origin); err != nil {
		return err
	}
	if t.origins == nil {
		t.origins = map[pluginOrigin]bool{}
	}
	t.origins[name] = true
	return nil
}

// pluginOrigin names an origin of a plugin's effects.
type pluginOrigin struct {
	plugin int64
	origin string
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
