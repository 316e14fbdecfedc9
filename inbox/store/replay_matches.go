package store

import (
	"context"
	"fmt"
	"strings"

	"inbox/inbox"
)

// Match returns the next events of a replay in a plugin, in the order of the log, and the seq up to which it searched: replay.Upto
// at the end. It searches a bounded chunk of the log, so it may return no event before the end. It applies Only to the
// attempts that are stored now, not to those at the time when the replay was made.
func (s *Store) Match(ctx context.Context, replay *inbox.Replay, plugin string, after int64, limit int) (events []inbox.Event, upto int64, err error) {
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return nil, after, err
	}
	f := replay.Filter
	f.Newest = false
	sel, err := s.newSelection(ctx, &f)
	if err != nil {
		return nil, after, err
	}
	low, high := max(sel.low, after), min(sel.high, replay.Upto)
	if low >= high {
		return nil, replay.Upto, nil
	}
	limit = max(limit, 1)
	from, upto := sel.chunk(low, high)
	sel.and(onlyCondition(replay.Only, p))
	query, args := sel.query(eventColumns, from, upto, " ORDER BY e.seq LIMIT ?")
	found, err := s.events(ctx, query, append(args, limit)...)
	if err != nil {
		return nil, after, err
	}
	switch {
	case len(found) == limit:
		upto = found[limit-1].Seq
	case upto == high:
		upto = replay.Upto
	}
	for i := range found {
		ok, err := s.matches(ctx, &f, &found[i])
		if err != nil {
			return nil, after, err
		}
		if ok {
			events = append(events, found[i])
		}
	}
	return events, upto, nil
}

// onlyCondition returns the condition on events e that applies Only in a plugin. A dead event that was retried has not failed: it
// waits for its next attempt.
func onlyCondition(only inbox.Only, p int64) string {
	switch only {
	case inbox.OnlyFailed:
		return fmt.Sprintf(`(SELECT a.fate = 'dead' AND NOT EXISTS (SELECT 1 FROM dead d WHERE d.plugin = a.plugin AND d.seq = a.seq
				AND d.run = a.run AND d.attempt = a.attempt AND d.resolution = 'retried')
			FROM attempts a WHERE a.plugin = %[1]d AND a.seq = e.seq`+newestFirst+`)
			AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.plugin = %[1]d AND r.seq = e.seq)`, p)
	case inbox.OnlyMissing:
		return fmt.Sprintf(`NOT EXISTS (SELECT 1 FROM attempts a WHERE a.plugin = %d AND a.seq = e.seq)`, p)
	}
	return `1`
}

// CountReplay returns the number of events that a replay would select, and the first and the last of them. It stores nothing. With
// several plugins, an event that any of them would select counts once. A limit counts from the oldest event.
func (s *Store) CountReplay(ctx context.Context, f inbox.Filter, only inbox.Only, plugins []string) (matched int64, first, last *inbox.Event, err error) {
	f.Newest = false
	sel, err := s.newSelection(ctx, &f)
	if err != nil {
		return 0, nil, nil, err
	}
	alternatives := make([]string, 0, len(plugins))
	for _, name := range plugins {
		p, err := s.pluginID(ctx, name)
		if err != nil {
			return 0, nil, nil, err
		}
		alternatives = append(alternatives, "("+onlyCondition(only, p)+")")
	}
	if len(alternatives) > 0 {
		sel.and("(" + strings.Join(alternatives, " OR ") + ")")
	}
	if sel.byColumns() && f.Limit == 0 {
		return s.countByColumns(ctx, sel)
	}
	err = s.eachSelected(ctx, sel, func(e *inbox.Event) bool {
		if first == nil {
			first = e
		}
		last = e
		matched++
		return f.Limit == 0 || matched < int64(f.Limit)
	})
	return matched, first, last, err
}

// countByColumns counts the events of a selection that columns decide, without reading them.
func (s *Store) countByColumns(ctx context.Context, sel *selection) (matched int64, first, last *inbox.Event, err error) {
	var lowest, highest int64
	for low := sel.low; low < sel.high; {
		from, upto := sel.chunk(low, sel.high)
		query, args := sel.query("count(*), coalesce(min(e.seq), 0), coalesce(max(e.seq), 0)", from, upto, "")
		var n, a, b int64
		if err := s.readers.QueryRowContext(ctx, query, args...).Scan(&n, &a, &b); err != nil {
			return 0, nil, nil, readError(fmt.Errorf("count events: %w", err))
		}
		if n > 0 {
			if matched == 0 {
				lowest = a
			}
			matched, highest = matched+n, b
		}
		low = upto
	}
	if matched == 0 {
		return 0, nil, nil, nil
	}
	if first, err = s.Event(ctx, lowest); err != nil {
		return 0, nil, nil, err
	}
	last, err = s.Event(ctx, highest)
	return matched, first, last, err
}
