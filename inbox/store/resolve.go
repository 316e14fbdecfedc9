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

// resolveBatch is how many letters are dealt with in one transaction.
const resolveBatch = 256

// Retry lets a dead delivery go on. When its lane is parked behind it, the lane's whole sequence goes on in order. When
// the lane has gone on without it, it joins the lane's tail. It is a Conflict when the delivery is not dead.
func (s *Store) Retry(ctx context.Context, who Actor, plugin string, seq, run int64) error {
	return s.resolveOne(ctx, who, inbox.Retried, inbox.DeadLetter{Plugin: plugin, Seq: seq, Run: run})
}

// Discard gives a dead delivery up. When its lane is parked behind it, the lane goes on with the next event. It is a
// Conflict when the delivery is not dead.
func (s *Store) Discard(ctx context.Context, who Actor, plugin string, seq, run int64) error {
	return s.resolveOne(ctx, who, inbox.Discarded, inbox.DeadLetter{Plugin: plugin, Seq: seq, Run: run})
}

func (s *Store) resolveOne(ctx context.Context, who Actor, how inbox.Resolution, d inbox.DeadLetter) error {
	failed, err := s.ResolveDead(ctx, who, how, []inbox.DeadLetter{d})
	if err != nil {
		return err
	}
	return failed[0]
}

// ResolveDead retries or discards dead deliveries, of which Plugin, Seq and Run count, many in one transaction. It returns
// for each why it could not be: a Conflict when it is not dead. An error is about all from a transaction on.
func (s *Store) ResolveDead(ctx context.Context, who Actor, how inbox.Resolution, refs []inbox.DeadLetter) ([]error, error) {
	failed := make([]error, 0, len(refs))
	for part := range slices.Chunk(refs, resolveBatch) {
		answer := make(chan []error, 1) // not failed itself: the writer may still be at work when write returns
		err := s.writeSized(ctx, 256*len(part), commit.Wait, func(t *tx) error {
			why := make([]error, len(part))
			for i := range part {
				err := t.resolveDead(who, how, part[i])
				if err != nil && inbox.KindOf(err) != inbox.Conflict && inbox.KindOf(err) != inbox.NotFound {
					return err
				}
				why[i] = err
			}
			select {
			case <-answer: // of a try before
			default:
			}
			answer <- why
			return nil
		})
		if err != nil {
			return failed, err
		}
		failed = append(failed, <-answer...)
	}
	return failed, nil
}

// resolveDead deals with one letter. A Conflict or NotFound comes before anything is changed.
func (t *tx) resolveDead(who Actor, how inbox.Resolution, d inbox.DeadLetter) error {
	p, err := t.plugin(d.Plugin)
	if err != nil {
		return err
	}
	var digest []byte
	err = t.get(`SELECT d.attempt, d.mode, d.key, d.parks, substr(e.digest, 1, 5) FROM dead d JOIN events e ON e.seq = d.seq
		WHERE d.plugin = ? AND d.seq = ? AND d.run = ? AND d.resolution = ''`, p, d.Seq, d.Run).
		Scan(&d.Attempt, &d.Lane.Mode, &d.Lane.Key, &d.Parks, &digest)
	if errors.Is(err, sql.ErrNoRows) {
		return inbox.Errorf(inbox.Conflict, "", "event %d is not dead in plugin %s", d.Seq, d.Plugin).WithHint("`inbox dead list` shows what is")
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
	return t.audit(who, action, fmt.Sprintf("event %s in plugin %s", inbox.EventID(d.Seq, digest), d.Plugin))
}

// unpark lets a parked lane go on: with its dead event, or after it.
func (t *tx) unpark(p int64, id inbox.LaneID, seq int64, how inbox.Resolution) error {
	set := `state = 'ready', tries = 0`
	if how == inbox.Discarded {
		set = `state = 'ready', next = next + 1, attempt = 0, tries = 0`
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
