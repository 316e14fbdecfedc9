package store

import (
	"context"
	"time"

	"inbox/inbox"
)

// EntityFilter selects verifications and customers.
type EntityFilter struct {
	inbox.Filter
	Open      bool          // started, and not completed
	OlderThan time.Duration // the newest event is at least so old
}

// Entities returns the keys of the events that a filter selects, those with the newest event first.
func (s *Store) Entities(ctx context.Context, f EntityFilter) ([]inbox.Entity, error) {
	limit := f.Limit
	walk := f.Filter
	walk.Limit, walk.Newest = 0, true
	seen := map[inbox.LaneID]bool{}
	list := []inbox.Entity{}
	var inner error
	err := s.walk(ctx, &walk, func(e *inbox.Event) bool {
		id := inbox.LaneID{Mode: e.Mode, Key: e.View.Key}
		if seen[id] {
			return true
		}
		seen[id] = true
		var one inbox.Entity
		if one, inner = s.entity(ctx, id); inner != nil {
			return false
		}
		if f.Open && !one.Open || f.OlderThan > 0 && one.LastAt.After(s.opt.Now().Add(-f.OlderThan)) {
			return true
		}
		list = append(list, one)
		return limit == 0 || len(list) < limit
	})
	if err == nil {
		err = inner
	}
	return list, err
}

// entity sums up the events of a key.
func (s *Store) entity(ctx context.Context, id inbox.LaneID) (inbox.Entity, error) {
	one := inbox.Entity{Mode: id.Mode, Key: id.Key}
	var first, last int64
	err := s.readers.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(e.late), 0), min(e.stored_at), max(e.stored_at), max(e.rank), max(e.customer_reference),
			(SELECT event FROM events WHERE mode = ?1 AND key = ?2 ORDER BY seq DESC LIMIT 1),
			(SELECT coalesce(sum(c.count), 0) FROM copies c JOIN events x ON x.seq = c.seq WHERE x.mode = ?1 AND x.key = ?2)
		FROM events e WHERE e.mode = ?1 AND e.key = ?2`, id.Mode, id.Key).
		Scan(&one.Events, &one.Late, &first, &last, &one.TopRank, &one.CustomerReference, &one.Event, &one.Copies)
	if err == nil {
		err = s.readers.QueryRowContext(ctx, `SELECT verdict, status FROM events WHERE mode = ? AND key = ? ORDER BY rank DESC, seq DESC LIMIT 1`, id.Mode, id.Key).
			Scan(&one.Verdict, &one.Status)
	}
	one.FirstAt, one.LastAt = fromMillis(first), fromMillis(last)
	one.Open = one.TopRank >= 0 && one.TopRank < completed
	return one, readError(err)
}

// completed is the rank of verification_completed.
const completed = 3

func microseconds(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
