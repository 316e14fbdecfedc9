package store

import (
	"context"
	"fmt"

	"inbox/inbox"
	"inbox/inbox/store/commit"
)

// keptTries is the number of first, and of last, tries of an effect that are kept.
const keptTries = 20

// SettleSend queues the settlement of a try and returns. It blocks while the queue is full. The writing goroutine calls done with
// nil once the settlement is durable, or with the error. A settlement of an earlier term ends with [inbox.ErrFenced]. A try of an
// effect that has changed since, because its plugin was removed, changes nothing.
func (s *Store) SettleSend(ctx context.Context, st *inbox.SendSettlement, done func(error)) error {
	size := 512
	if r := st.Sent.Response; r != nil {
		size += len(r.Body)
	}
	if st.Emit != nil {
		size += st.Emit.Size()
	}
	fenced := false // belongs to the writing goroutine
	return s.submit(ctx, &op{
		Kind: commit.Lazy, Size: size,
		Apply: func(t *tx) (err error) {
			if fenced, err = t.isFenced(st.Term); err != nil || fenced {
				return err
			}
			return t.settleSend(st)
		},
		Done: func(err error) {
			if err == nil && fenced {
				err = inbox.ErrFenced
			}
			done(err)
		},
	})
}

func (t *tx) settleSend(st *inbox.SendSettlement) error {
	e := st.Effect
	p, err := t.plugin(e.Lane.Plugin)
	if inbox.KindOf(err) == inbox.NotFound && err != nil {
		return nil // it was removed
	}
	if err != nil {
		return err
	}
	changed, err := t.moveEffect(st)
	if err != nil || !changed {
		return err
	}
	if err := t.addTry(st); err != nil {
		return fmt.Errorf("record a try of effect %d: %w", e.ID, err)
	}
	if err := t.settleAnswer(p, st); err != nil {
		return err
	}
	if st.Decision.Fate != inbox.Again && !st.Decision.Parks {
		if err := t.advance(p, e.Lane); err != nil {
			return err
		}
	}
	return t.settleOrigin(p, e.Lane.Origin, &st.Health)
}

// moveEffect changes the row of an effect after a try, and reports whether the row was as before the try.
func (t *tx) moveEffect(st *inbox.SendSettlement) (bool, error) {
	e, d := st.Effect, &st.Decision
	state, open, due, finished := inbox.EffectDone, false, any(nil), any(t.now)
	switch d.Fate {
	case inbox.Again:
		state, open, due, finished = inbox.EffectRetry, true, millis(d.DueAt), nil
	case inbox.Dead:
		state, open = inbox.EffectDead, d.Parks
	}
	counts := d.Fate != inbox.Done && d.Counted > e.Counted // added to the stored count, from which a hold may have taken some meanwhile
	res, err := t.exec(`UPDATE effects SET state = ?, open = ?, due_at = ?, finished_at = ?, tries = tries + 1, counted = counted + ?
		WHERE id = ? AND idempotency = ? AND tries = ? AND due_at IS NOT NULL`, state, open, due, finished, counts, e.ID, e.Key, e.Tries)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

// addTry stores a try, and deletes one of the middle.
func (t *tx) addTry(st *inbox.SendSettlement) error {
	e, s, number := st.Effect, st.Sent, st.Effect.Tries+1
	var status, answer any
	if r := s.Response; r != nil {
		packed, err := packResponse(r)
		if err != nil {
			return err
		}
		if answer, err = t.put(contentAnswer, encodingHeaded, e.Cause.Seq, packed); err != nil {
			return err
		}
		status = r.Status
	}
	_, err := t.exec(`INSERT INTO effect_tries (effect, try, started_at, duration, result, fate, counted, status, why, content_id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		e.ID, number, millis(s.StartedAt), s.Duration.Microseconds(), s.Result(), st.Decision.Fate, st.Decision.Counted > e.Counted, status, s.Why, answer)
	old := number - keptTries
	if err != nil || old <= keptTries {
		return err
	}
	if _, err := t.exec(`DELETE FROM contents WHERE id = (SELECT content_id FROM effect_tries WHERE effect = ? AND try = ?)`, e.ID, old); err != nil {
		return err
	}
	_, err = t.exec(`DELETE FROM effect_tries WHERE effect = ? AND try = ?`, e.ID, old)
	return err
}

// settleOrigin stores the health of an origin, and takes back the counted tries of the failures that led to a hold.
func (t *tx) settleOrigin(p int64, origin string, c *inbox.HealthChange) error {
	for _, f := range c.Uncount {
		if _, err := t.exec(`UPDATE effect_tries SET counted = 0 WHERE effect = ?1 AND try = (
				SELECT max(try) FROM effect_tries WHERE effect = ?1 AND counted = 1) AND EXISTS (
				SELECT 1 FROM effects WHERE id = ?1 AND state = 'retry' AND counted > 0)`, f.Seq); err != nil {
			return err
		}
		if _, err := t.exec(`UPDATE effects SET counted = counted - 1 WHERE id = ? AND state = 'retry' AND counted > 0`, f.Seq); err != nil {
			return err
		}
	}
	if c.Set == nil {
		return nil
	}
	h := c.Set
	var held any
	if h.OnHold {
		held = millis(h.Since)
	}
	_, err := t.exec(`UPDATE effect_origins SET held_at = ?, hold_reason = ?, probe_at = ?, probes = ? WHERE plugin = ? AND origin = ?`,
		held, h.Reason, millis(h.ProbeAt), h.Probes, p, origin)
	return err
}
