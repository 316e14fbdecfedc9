package store

import (
	"context"
	"fmt"
	"slices"

	"inbox/inbox"
	"inbox/inbox/store/commit"
)

// ResolveEffects retries, discards, releases or drops effects, up to resolveBatch in one transaction. It returns an error or nil for
// each of them: a Conflict when the effect is in none of the states of [inbox.Resolution.Effects]. The second result is the error of the first transaction that failed. Its effects
// and all later ones are unchanged. A retried or released effect is sent in the order of the ids
// of its lane. A try that runs while its effect is dropped is not recorded.
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

// resolveEffect resolves one effect. It returns a Conflict or NotFound before it changes anything.
func (t *tx) resolveEffect(actor inbox.Actor, how inbox.Resolution, id int64) error {
	p, lane, state, err := t.laneOfEffect(id)
	if err != nil {
		return err
	}
	if !slices.Contains(how.Effects(), state) {
		return notIn(how, id, state)
	}
	var action, set string
	args := []any{id}
	switch how {
	case inbox.Discarded:
		action, set, args = "discard", `state = 'discarded', open = 0, finished_at = ?`, []any{t.now, id}
	case inbox.Dropped:
		action, set, args = "drop", `state = 'discarded', open = 0, due_at = NULL, finished_at = ?`, []any{t.now, id}
	case inbox.Released:
		action, set = "release", `state = 'waiting', open = 1`
	default:
		action, set = "retry", `state = 'retry', open = 1, counted = 0, finished_at = NULL`
	}
	if _, err := t.exec(`UPDATE effects SET `+set+` WHERE id = ?`, args...); err != nil {
		return err
	}
	if err := t.advance(p, lane); err != nil {
		return err
	}
	return t.audit(actor, action, fmt.Sprintf("effect %d of plugin %s", id, lane.Plugin))
}

// notIn returns the Conflict for an effect that is in none of the states that a resolution is for.
func notIn(how inbox.Resolution, id int64, state inbox.EffectState) error {
	switch how {
	case inbox.Released:
		return inbox.Errorf(inbox.Conflict, "", "effect %d is not held: it is %s", id, state).WithHint("`inbox effect list --state held` shows the held ones")
	case inbox.Dropped:
		return inbox.Errorf(inbox.Conflict, "", "effect %d is not to be sent: it is %s", id, state).WithHint("`inbox effect list --state held,waiting,retry` shows those that are")
	}
	return inbox.Errorf(inbox.Conflict, "", "effect %d is not dead: it is %s", id, state).WithHint("`inbox dead list --kind effect` shows the dead ones")
}
