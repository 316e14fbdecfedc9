package store

import (
	"context"
	"fmt"
	"slices"

	"inbox/inbox"
	"inbox/inbox/store/commit"
)

// ResolveEffects retries or discards dead effects, up to resolveBatch in one transaction. It returns an error or nil for each of
// them: a Conflict when the effect is not dead. The second result is the error of the first transaction that failed. Its effects
// and all later ones are unchanged. A retried effect returns to its lane, before the effects that wait behind it.
func (s *Store) ResolveEffects(ctx context.Context, actor inbox.Actor, how inbox.Resolution, ids []int64) ([]error, error) {
	failed := make([]error, 0, len(ids))
	for part := range slices.Chunk(ids, resolveBatch) {
		answer := make(chan []error, 1) // a channel, because the writer may still run the function after writeSized has returned an error
		err := s.writeSized(ctx, 256*len(part), commit.Wait, func(t *tx) error {
			results := make([]error, len(part))
			for i, id := range part {
				err := t.resolveEffect(actor, how, id)
				if err != nil && inbox.KindOf(err) != inbox.Conflict && inbox.KindOf(err) != inbox.NotFound {
					return err
				}
				results[i] = err
			}
			select {
			case <-answer: // drops the results of an earlier try of the transaction
			default:
			}
			answer <- results
			return nil
		})
		if err != nil {
			return failed, err
		}
		failed = append(failed, <-answer...)
	}
	return failed, nil
}

// resolveEffect resolves one dead effect. It returns a Conflict or NotFound before it changes anything.
func (t *tx) resolveEffect(actor inbox.Actor, how inbox.Resolution, id int64) error {
	p, lane, state, err := t.laneOfEffect(id)
	if err != nil {
		return err
	}
	if state != inbox.EffectDead {
		return inbox.Errorf(inbox.Conflict, "", "effect %d is not dead: it is %s", id, state).WithHint("`inbox dead list --kind effect` shows the dead ones")
	}
	action, set, args := "retry", `state = 'retry', open = 1, counted = 0, finished_at = NULL`, []any{id}
	if how == inbox.Discarded {
		action, set, args = "discard", `state = 'discarded', open = 0, finished_at = ?`, []any{t.now, id}
	}
	if _, err := t.exec(`UPDATE effects SET `+set+` WHERE id = ?`, args...); err != nil {
		return err
	}
	if err := t.advance(p, lane); err != nil {
		return err
	}
	return t.audit(actor, action, fmt.Sprintf("effect %d of plugin %s", id, lane.Plugin))
}
