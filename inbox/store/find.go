package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"inbox/inbox"
)

// fileSize returns the size of a file, 0 when there is none. The file is not opened: closing any descriptor of a live
// database would drop its locks.
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// scanChunk is how many rows of the log one query looks at, so that no read holds back the write-ahead log for long.
const scanChunk = 5000

// where builds the conditions of a filter that the columns can answer. Bounds of time become bounds of seq: stored_at
// never decreases along the log.
func (s *Store) where(ctx context.Context, f *inbox.Filter) (string, []any, error) {
	var parts []string
	var args []any
	add := func(sql string, a ...any) {
		parts = append(parts, sql)
		args = append(args, a...)
	}
	anyOf := func(column string, values []string) {
		var alternatives []string
		for _, v := range values {
			if head, ok := strings.CutSuffix(v, "*"); ok {
				alternatives = append(alternatives, "substr("+column+", 1, ?) = ?")
				args = append(args, len([]rune(head)), head)
			} else {
				alternatives = append(alternatives, column+" = ?")
				args = append(args, v)
			}
		}
		if len(alternatives) > 0 {
			parts = append(parts, "("+strings.Join(alternatives, " OR ")+")")
		}
	}
	if len(f.Seqs) > 0 {
		add("e.seq IN ("+strings.TrimSuffix(strings.Repeat("?,", len(f.Seqs)), ",")+")", anys(f.Seqs)...)
	}
	anyOf("e.event", f.Events)
	anyOf("e.event_type", f.EventTypes)
	anyOf("e.source", f.Sources)
	if f.Mode != "" {
		add("e.mode = ?", f.Mode)
	}
	if f.Key != "" {
		add("e.key = ?", f.Key)
	}
	if f.CustomerReference != "" {
		add("e.customer_reference = ?", f.CustomerReference)
	}
	if f.Plugin != "" {
		p, err := s.pluginID(ctx, f.Plugin)
		if err != nil {
			return "", nil, err
		}
		add("EXISTS (SELECT 1 FROM attempts a WHERE a.plugin = ? AND a.seq = e.seq)", p)
	}
	if !f.Since.IsZero() {
		add("e.seq >= (SELECT coalesce(min(seq), 9223372036854775807) FROM events WHERE seq >= ?)", s.seqAt(ctx, millis(f.Since)))
	}
	if !f.Until.IsZero() {
		add("e.seq < ?", s.seqAt(ctx, millis(f.Until)))
	}
	if len(parts) == 0 {
		return "1", nil, nil
	}
	return strings.Join(parts, " AND "), args, nil
}

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

// seqAt returns the first seq stored at or after a time, by bisection.
func (s *Store) seqAt(ctx context.Context, ms int64) int64 {
	low, high := int64(1), s.newest(ctx)+1
	for low < high {
		mid := low + (high-low)/2
		var at int64
		if err := s.readers.QueryRowContext(ctx, `SELECT stored_at FROM events WHERE seq >= ? ORDER BY seq LIMIT 1`, mid).Scan(&at); err != nil || at >= ms {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low
}

// Find returns the events a filter selects, in the order of the log, or newest first. It looks at the log piece by
// piece and holds nothing open in between.
func (s *Store) Find(ctx context.Context, f inbox.Filter) ([]inbox.Event, error) {
	list := []inbox.Event{}
	err := s.walk(ctx, &f, func(e *inbox.Event) bool {
		list = append(list, *e)
		return f.Limit == 0 || len(list) < f.Limit
	})
	return list, err
}

// walk calls fn for every event a filter selects until it returns false.
func (s *Store) walk(ctx context.Context, f *inbox.Filter, fn func(e *inbox.Event) bool) error {
	where, args, err := s.where(ctx, f)
	if err != nil {
		return err
	}
	low, high := f.After, s.newest(ctx)
	if f.Before > 0 {
		high = min(high, f.Before-1)
	}
	for low < high {
		from, upto := low, min(high, low+scanChunk)
		order := "ASC"
		if f.Newest {
			from, upto, order = max(low, high-scanChunk), high, "DESC"
		}
		events, err := s.events(ctx, `SELECT `+eventColumns+` FROM events e WHERE e.seq > ? AND e.seq <= ? AND `+where+` ORDER BY e.seq `+order,
			append([]any{from, upto}, args...)...)
		if err != nil {
			return err
		}
		for i := range events {
			ok, err := s.selected(ctx, f, &events[i])
			if err != nil {
				return err
			}
			if ok && !fn(&events[i]) {
				return nil
			}
		}
		if f.Newest {
			high = from
		} else {
			low = upto
		}
	}
	return ctx.Err()
}

// selected answers what the columns cannot: the folded status and the body.
func (s *Store) selected(ctx context.Context, f *inbox.Filter, e *inbox.Event) (bool, error) {
	if len(f.Statuses) > 0 {
		ok := false
		for _, want := range f.Statuses {
			ok = ok || inbox.Fold(want) == string(e.View.Verdict) || inbox.Fold(want) == inbox.Fold(e.View.Status)
		}
		if !ok {
			return false, nil
		}
	}
	if len(f.Where) == 0 {
		return true, nil
	}
	p, err := s.Payload(ctx, e.Seq)
	switch {
	case err == nil:
	case inbox.KindOf(err) == inbox.NotFound, errors.Is(err, ErrDamaged):
		return false, nil // a body that is gone has no values to compare
	default:
		return false, err
	}
	m := inbox.Manifest{Where: f.Where}
	return m.Holds(inbox.Scalars(p.Body)), nil
}

// Match returns the next events of a replay in a plugin, in the order of the log, and how far the log was searched:
// job.Upto when nothing is left. It looks at a bounded piece of the log, so it may find none and still not be done.
func (s *Store) Match(ctx context.Context, job *inbox.Job, plugin string, after int64, limit int) (events []inbox.Event, upto int64, err error) {
	f := job.Filter
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return nil, after, err
	}
	where, args, err := s.where(ctx, &f)
	if err != nil {
		return nil, after, err
	}
	upto = min(job.Upto, after+scanChunk)
	found, err := s.events(ctx, `SELECT `+eventColumns+` FROM events e WHERE e.seq > ? AND e.seq <= ? AND `+where+` AND `+onlyWhere(job.Only)+` ORDER BY e.seq LIMIT ?`,
		append(append([]any{after, upto}, args...), p, limit)...)
	if err != nil {
		return nil, after, err
	}
	if len(found) == limit {
		upto = found[limit-1].Seq
	}
	for i := range found {
		ok, err := s.selected(ctx, &f, &found[i])
		if err != nil {
			return nil, after, err
		}
		if ok {
			events = append(events, found[i])
		}
	}
	return events, upto, nil
}

// onlyWhere narrows by what became of an event in the plugin ?: its newest attempt tells.
func onlyWhere(only inbox.Only) string {
	const newest = `(SELECT a.fate FROM attempts a WHERE a.plugin = ? AND a.seq = e.seq ORDER BY a.run DESC, a.attempt DESC LIMIT 1)`
	switch only {
	case inbox.OnlyFailed:
		return newest + ` = 'dead'`
	case inbox.OnlyMissing:
		return newest + ` IS NULL`
	}
	return `? IS NOT NULL`
}

// CountJob returns how many events a replay would take, and the first and last of them, without making it. With
// several plugins an event counts once if any of them would take it.
func (s *Store) CountJob(ctx context.Context, f inbox.Filter, only inbox.Only, plugins []string) (matched int64, first, last *inbox.Event, err error) {
	ids := make([]int64, 0, len(plugins))
	for _, name := range plugins {
		p, err := s.pluginID(ctx, name)
		if err != nil {
			return 0, nil, nil, err
		}
		ids = append(ids, p)
	}
	var inner error
	err = s.walk(ctx, &f, func(e *inbox.Event) bool {
		take, err := s.takes(ctx, only, ids, e.Seq)
		if err != nil {
			inner = err
			return false
		}
		if take {
			if first == nil {
				first = e
			}
			last = e
			matched++
		}
		return f.Limit == 0 || matched < int64(f.Limit)
	})
	return matched, first, last, errors.Join(err, inner)
}

func (s *Store) takes(ctx context.Context, only inbox.Only, plugins []int64, seq int64) (bool, error) {
	if only == inbox.OnlyAll || only == "" {
		return true, nil
	}
	for _, p := range plugins {
		var yes bool
		err := s.readers.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM events e WHERE e.seq = ?1 AND `+strings.Replace(onlyWhere(only), "= ?", "= ?2", 1)+`)`, seq, p).Scan(&yes)
		if err != nil {
			return false, readError(fmt.Errorf("count events: %w", err))
		}
		if yes {
			return true, nil
		}
	}
	return false, nil
}
