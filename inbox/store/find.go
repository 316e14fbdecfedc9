package store

import (
	"context"

	"inbox/inbox"
)

// Find returns the events a filter selects, in the order of the log, or newest first. It looks at the log piece by
// piece and holds nothing open in between. Without a limit the whole list is in memory; whoever wants it in pages goes
// on with After, or Before when newest first.
func (s *Store) Find(ctx context.Context, f inbox.Filter) ([]inbox.Event, error) {
	list := []inbox.Event{}
	sel, err := s.choose(ctx, &f)
	if err != nil {
		return list, err
	}
	err = s.walk(ctx, sel, func(e *inbox.Event) bool {
		list = append(list, *e)
		return f.Limit == 0 || len(list) < f.Limit
	})
	return list, err
}

// walk calls fn for every event of a selection until it returns false.
func (s *Store) walk(ctx context.Context, sel *selection, fn func(e *inbox.Event) bool) error {
	rows := scanRows
	if sel.plain() && sel.Limit > 0 {
		rows = min(sel.Limit, scanRows)
	}
	order := " ORDER BY e.seq LIMIT ?"
	if sel.Newest {
		order = " ORDER BY e.seq DESC LIMIT ?"
	}
	for low, high := sel.low, sel.high; low < high; {
		from, upto := sel.piece(low, high)
		query, args := sel.query(eventColumns, from, upto, order)
		events, err := s.events(ctx, query, append(args, rows)...)
		if err != nil {
			return err
		}
		for i := range events {
			ok, err := s.selected(ctx, sel.Filter, &events[i])
			if err != nil {
				return err
			}
			if ok && !fn(&events[i]) {
				return nil
			}
		}
		if len(events) == rows { // there may be more in the piece
			from, upto = events[rows-1].Seq-1, events[rows-1].Seq
		}
		if sel.Newest {
			high = from
		} else {
			low = upto
		}
	}
	return ctx.Err()
}
