package store

import (
	"context"
	"time"

	"inbox/inbox"
)

// completed is the rank of verification_completed.
const completed = 3

// Entities returns verifications and customers, by their newest event, newest first. It reads the log backwards in chunks, considers
// only the newest event of every key, and holds no transaction open between two chunks.
func (s *Store) Entities(ctx context.Context, f inbox.EntityFilter) ([]inbox.Entity, error) {
	list := []inbox.Entity{}
	newest, events, err := s.entitySelections(ctx, &f)
	if err != nil {
		return list, err
	}
	var failed error
	err = s.eachSelected(ctx, newest, func(e *inbox.Event) bool {
		id := inbox.LaneID{Mode: e.Mode, Key: e.View.Key}
		ok := true
		if !events.byColumns() {
			if ok, failed = s.anySelected(ctx, events, id); failed != nil {
				return false
			}
		}
		if !ok {
			return true
		}
		var entity inbox.Entity
		if entity, failed = s.entity(ctx, id); failed != nil {
			return false
		}
		list = append(list, entity)
		return f.Limit == 0 || len(list) < f.Limit
	})
	if err == nil {
		err = failed
	}
	return list, err
}

// entitySelections returns two selections: the newest events of the keys whose entities match, as far as columns can decide, and the
// events of which a matching entity has at least one.
func (s *Store) entitySelections(ctx context.Context, f *inbox.EntityFilter) (newest, events *selection, err error) {
	inner := f.Filter
	inner.After, inner.Before, inner.Limit, inner.Newest = 0, 0, 0, false
	if events, err = s.newSelection(ctx, &inner); err != nil {
		return nil, nil, err
	}
	events.andSeqs()
	outer := inbox.Filter{Mode: f.Mode, Key: f.Key, After: f.After, Before: f.Before, Newest: true}
	if events.byColumns() {
		outer.Limit = f.Limit
	}
	if f.OlderThan > 0 {
		outer.Until = s.opt.Now().Add(time.Millisecond - f.OlderThan)
	}
	if newest, err = s.newSelection(ctx, &outer); err != nil {
		return nil, nil, err
	}
	newest.low = max(newest.low, events.low) // the newest event is no older than any other
	if f.Open {
		newest.and("e.top_rank BETWEEN 0 AND ?", completed-1)
	}
	newest.and("NOT EXISTS (SELECT 1 FROM events n WHERE n.mode = e.mode AND n.key = e.key AND n.seq > e.seq)")
	if events.where == "" && events.low == 0 && events.high >= newest.high {
		return newest, events, nil
	}
	newest.and(`EXISTS (SELECT 1 FROM events x WHERE x.mode = e.mode AND x.key = e.key AND x.seq > ? AND x.seq <= ?
		AND EXISTS (SELECT 1 FROM events e WHERE e.seq = x.seq`+events.where+`))`, append([]any{events.low, events.high}, events.args...)...)
	return newest, events, nil
}

// anySelected reports whether a selection contains an event of a key.
func (s *Store) anySelected(ctx context.Context, sel *selection, id inbox.LaneID) (bool, error) {
	f := *sel.Filter
	f.Mode, f.Key = id.Mode, id.Key
	ofKey, err := s.newSelection(ctx, &f)
	if err != nil {
		return false, err
	}
	found := false
	err = s.eachSelected(ctx, ofKey, func(*inbox.Event) bool {
		found = true
		return false
	})
	return found, err
}

// entity returns the summary of the events of a key. Its customer reference is that of its newest event after its link, else the link's. Event, verdict and status are those of an emitted event only when all events of
// the key are emitted.
func (s *Store) entity(ctx context.Context, id inbox.LaneID) (inbox.Entity, error) {
	e := inbox.Entity{Mode: id.Mode, Key: id.Key}
	var first, last int64
	err := s.readers.QueryRowContext(ctx, `WITH own AS (SELECT * FROM events WHERE mode = ?1 AND key = ?2)
		SELECT count(*), coalesce(sum(late), 0), min(stored_at), max(stored_at), max(rank),
			coalesce(sum((SELECT count FROM copies c WHERE c.seq = own.seq)), 0),
			(SELECT event FROM own ORDER BY origin = 'emit', seq DESC LIMIT 1),
			coalesce((SELECT customer_reference FROM own WHERE customer_reference <> '' AND seq > coalesce(k.after, 0) ORDER BY seq DESC LIMIT 1), k.reference, ''),
			k.reference IS NOT NULL,
			(SELECT verdict FROM own ORDER BY origin = 'emit', rank DESC, seq DESC LIMIT 1),
			(SELECT status FROM own ORDER BY origin = 'emit', rank DESC, seq DESC LIMIT 1)
		FROM own LEFT JOIN entity_links k ON k.mode = ?1 AND k.key = ?2`, id.Mode, id.Key).
		Scan(&e.Events, &e.Late, &first, &last, &e.TopRank, &e.Copies, &e.Event, &e.CustomerReference, &e.Linked, &e.Verdict, &e.Status)
	e.FirstAt, e.LastAt = fromMillis(first), fromMillis(last)
	e.Open = e.TopRank >= 0 && e.TopRank < completed
	return e, readError(err)
}
