package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"inbox/inbox"
	"inbox/inbox/store/commit"
)

// resolveBatch is the number of dead letters that one transaction resolves.
const resolveBatch = 256

// Retry continues a dead delivery. A lane that is parked behind it becomes ready and continues in order with it. In a lane that
// has continued without it, the delivery runs after the lane's other events. Retry returns a Conflict when the delivery is not
// dead.
func (s *Store) Retry(ctx context.Context, actor inbox.Actor, plugin string, seq, run int64) error {
	return s.resolveOne(ctx, actor, inbox.Retried, inbox.DeadLetter{Plugin: plugin, Seq: seq, Run: run})
}

// Discard ends a dead delivery for good. A lane that is parked behind it continues with the next event. Discard returns a Conflict
// when the delivery is not dead.
func (s *Store) Discard(ctx context.Context, actor inbox.Actor, plugin string, seq, run int64) error {
	return s.resolveOne(ctx, actor, inbox.Discarded, inbox.DeadLetter{Plugin: plugin, Seq: seq, Run: run})
}

func (s *Store) resolveOne(ctx context.Context, actor inbox.Actor, how inbox.Resolution, d inbox.DeadLetter) error {
	failed, err := s.ResolveDead(ctx, actor, how, []inbox.DeadLetter{d})
	if err != nil {
		return err
	}
	return failed[0]
}

// ResolveDead retries or discards the dead deliveries that Plugin, Seq and Run of refs name, up to resolveBatch in one
// transaction. It returns an error or nil for each of them: a Conflict when the delivery is not dead. The second result is the
// error of the first transaction that failed. Its deliveries and all later ones are unchanged.
func (s *Store) ResolveDead(ctx context.Context, actor inbox.Actor, how inbox.Resolution, refs []inbox.DeadLetter) ([]error, error) {
	failed := make([]error, 0, len(refs))
	for part := range slices.Chunk(refs, resolveBatch) {
		answer := make(chan []error, 1) // a channel, because the writer may still run the function after writeSized has returned an error
		err := s.writeSized(ctx, 256*len(part), commit.Wait, func(t *tx) error {
			results := make([]error, len(part))
			for i := range part {
				err := t.resolveDead(actor, how, part[i])
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

// resolveDead resolves one dead letter. It returns a Conflict or NotFound before it changes anything.
func (t *tx) resolveDead(actor inbox.Actor, how inbox.Resolution, d inbox.DeadLetter) error {
	p, err := t.plugin(d.Plugin)
	if err != nil {
		return err
	}
	var digest []byte
	err = t.get(`SELECT substr(e.digest, 1, 5), `+qualified("d", deadColumns)+` FROM dead d JOIN events e ON e.seq = d.seq
		WHERE d.plugin = ? AND d.seq = ? AND d.run = ? AND d.resolution = ''`, p, d.Seq, d.Run).
		Scan(append([]any{&digest}, deadInto(&d)...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return inbox.Errorf(inbox.Conflict, "", "event %d is not dead in plugin %s", d.Seq, d.Plugin).WithHint("`inbox dead list` shows the dead letters")
	}
	if err != nil {
		return fmt.Errorf("read the dead letter of event %d: %w", d.Seq, err)
	}
	if err := t.resolve(p, d.Seq, d.Run, how); err != nil {
		return err
	}
	switch {
	case d.Parks:
		err = t.unpark(p, d.Lane, d.Seq, how)
	case how == inbox.Retried:
		err = t.putRun(p, &inbox.Run{Seq: d.Seq, Run: d.Run, Lane: d.Lane, DueAt: fromMillis(t.now), Attempt: d.Attempt})
	}
	if err != nil {
		return err
	}
	action := "retry"
	if how == inbox.Discarded {
		action = "discard"
	}
	return t.audit(actor, action, fmt.Sprintf("event %s in plugin %s", inbox.EventID(d.Seq, digest), d.Plugin))
}

// unpark makes a parked lane ready: at its dead event for a retry, after it for a discard.
func (t *tx) unpark(p int64, id inbox.LaneID, seq int64, how inbox.Resolution) error {
	set := `state = 'ready', counted = 0`
	if how == inbox.Discarded {
		set = `state = 'ready', next = next + 1, attempt = 0, counted = 0`
	}
	res, err := t.exec(`UPDATE lanes SET `+set+` WHERE plugin = ? AND mode = ? AND key = ? AND state = 'parked' AND next = ?`,
		p, id.Mode, id.Key, seq)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return err
	}
	if n != 1 {
		return inbox.Errorf(inbox.Internal, "", "lane %s of a parking dead letter is not parked", id.Key).WithHint("run `inbox db check`")
	}
	return nil
}

// resolve sets the resolution of the unresolved dead letter of a run. It returns a Conflict when the dead letter is
// already resolved: the caller decided about an unresolved one.
func (t *tx) resolve(p, seq, run int64, how inbox.Resolution) error {
	res, err := t.exec(`UPDATE dead SET resolution = ?, resolved_at = ? WHERE plugin = ? AND seq = ? AND run = ? AND resolution = ''`,
		how, t.now, p, seq, run)
	if err != nil {
		return err
	}
	switch n, err := res.RowsAffected(); {
	case err != nil:
		return err
	case n == 0:
		return inbox.Errorf(inbox.Conflict, "", "the dead letter of event %d was resolved already", seq)
	}
	return nil
}
