package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"inbox/inbox"
)

// Bounds of one query of the log. They keep a read from blocking checkpoints of the write-ahead log for long, and a list from
// reading more than it needs.
const (
	scanChunk = 5000 // seqs
	scanRows  = 500  // events
	scanSeqs  = 500  // seqs that a filter names
)

// ofMode is a condition on the mode of events e. The plus sign keeps the planner from the index of keys, with which it would read
// and sort half the log. The bounds of seq find a chunk in order.
const ofMode = "+e.mode = ?"

// selection is a filter in the form that queries need: bounds of seq, conditions on the columns of events e, and the parts that
// are decided in Go.
type selection struct {
	*inbox.Filter
	low, high int64   // low < seq <= high
	seqs      []int64 // named by the filter, ascending; nil: the filter names no seq
	where     string
	args      []any
	byKey     bool // the index of keys finds the events
	narrow    bool // a key or seqs bound the result: the log is not read in chunks
}

// newSelection turns a filter into a selection. Bounds of time become bounds of seq: stored_at never decreases along the log.
func (s *Store) newSelection(ctx context.Context, f *inbox.Filter) (*selection, error) {
	sel := &selection{Filter: f, low: f.After, high: s.newest(ctx), byKey: f.Key != ""}
	if f.Before > 0 {
		sel.high = min(sel.high, f.Before-1)
	}
	if !f.Since.IsZero() {
		at, err := s.seqAt(ctx, millis(f.Since))
		if err != nil {
			return nil, err
		}
		sel.low = max(sel.low, at-1)
	}
	if !f.Until.IsZero() {
		at, err := s.seqAt(ctx, millis(f.Until))
		if err != nil {
			return nil, err
		}
		sel.high = min(sel.high, at-1)
	}
	if n := len(f.Seqs); n > 0 {
		if sel.seqs = f.Seqs; !slices.IsSorted(sel.seqs) {
			sel.seqs = slices.Sorted(slices.Values(f.Seqs))
		}
		sel.low, sel.high = max(sel.low, sel.seqs[0]-1), min(sel.high, sel.seqs[n-1])
	}
	sel.narrow = sel.byKey || len(sel.seqs) > 0
	return sel, s.conditions(ctx, sel)
}

// conditions adds the conditions on columns.
func (s *Store) conditions(ctx context.Context, sel *selection) error {
	f := sel.Filter
	switch {
	case f.Mode == "" && sel.byKey: // the index begins with the mode
		sel.and("e.mode IN (?, ?)", inbox.Live, inbox.Test)
	case sel.byKey:
		sel.and("e.mode = ?", f.Mode)
	case f.Mode != "":
		sel.and(ofMode, f.Mode)
	}
	if f.Key != "" {
		sel.and("e.key = ?", f.Key)
	}
	if f.CustomerReference != "" {
		sel.and(`(e.customer_reference = ? OR EXISTS (SELECT 1 FROM entity_links k WHERE k.mode = e.mode AND k.key = e.key AND k.reference = ?))`,
			f.CustomerReference, f.CustomerReference)
	}
	if n := len(f.Where); n > maxPointers {
		return inbox.Errorf(inbox.Invalid, "", "where has %d JSON pointers, and the limit is %d", n, maxPointers).
			WithHint("a pointer may have any number of alternative values")
	}
	for _, c := range []struct {
		column string
		values []string
	}{{"e.event", f.Events}, {"e.event_type", f.EventTypes}, {"e.source", f.Sources}} {
		if err := sel.anyOf(c.column, c.values); err != nil {
			return err
		}
	}
	if f.Plugin != "" {
		p, err := s.pluginID(ctx, f.Plugin)
		if err != nil {
			return err
		}
		sel.and("EXISTS (SELECT 1 FROM attempts a WHERE a.plugin = ? AND a.seq = e.seq)", p)
	}
	return nil
}

// and adds a condition.
func (sel *selection) and(condition string, args ...any) {
	sel.where += " AND " + condition
	sel.args = append(sel.args, args...)
}

// Bounds of a filter. Every event that is read is compared with each pattern and each pointer.
const (
	maxPatterns = 100 // names that end in "*", of one field
	maxPointers = 100 // of --where; each may have any number of values
)

// anyOf adds the condition that a column equals one of the values, or begins with a value that ends in "*". All values are one
// argument, because SQLite limits the number of arguments of a statement and the depth of a condition.
func (sel *selection) anyOf(column string, values []string) error {
	if len(values) == 0 {
		return nil
	}
	whole, alternatives := []string{}, []string{column + " IN (SELECT value FROM json_each(?))"}
	args := []any{""}
	for _, v := range values {
		if head, ok := strings.CutSuffix(v, "*"); ok {
			alternatives = append(alternatives, "substr("+column+", 1, ?) = ?")
			args = append(args, len([]rune(head)), head)
		} else {
			whole = append(whole, v)
		}
	}
	if n := len(alternatives) - 1; n > maxPatterns {
		return inbox.Errorf(inbox.Invalid, "", "a field has %d patterns with *, and the limit is %d", n, maxPatterns).
			WithHint("the number of whole names is not limited")
	}
	args[0] = listOf(whole)
	sel.and("("+strings.Join(alternatives, " OR ")+")", args...)
	return nil
}

// andSeqs adds the condition that the seq is in the filter's list, if it has one.
func (sel *selection) andSeqs() {
	if len(sel.seqs) > 0 {
		sel.and("e.seq IN (SELECT value FROM json_each(?))", listOf(sel.seqs))
	}
}

// listOf returns values as one argument, in JSON. Texts and numbers can always be encoded.
func listOf[T int64 | string | [3]any](values []T) string {
	text, _ := json.Marshal(values)
	return string(text)
}

// byColumns reports whether the columns decide the whole filter.
func (sel *selection) byColumns() bool { return len(sel.Statuses) == 0 && len(sel.Where) == 0 }

// chunk returns the next part of low < seq <= high to read.
func (sel *selection) chunk(low, high int64) (from, upto int64) {
	switch {
	case len(sel.seqs) > 0:
		return sel.chunkOfSeqs(low, high)
	case sel.narrow:
		return low, high
	case sel.Newest:
		return max(low, high-scanChunk), high
	}
	return low, min(high, low+scanChunk)
}

// chunkOfSeqs returns a chunk with up to scanSeqs of the seqs in the filter.
func (sel *selection) chunkOfSeqs(low, high int64) (from, upto int64) {
	first, _ := slices.BinarySearch(sel.seqs, low+1)
	end, _ := slices.BinarySearch(sel.seqs, high+1)
	switch {
	case end-first <= scanSeqs:
		return low, high
	case sel.Newest:
		return sel.seqs[end-scanSeqs] - 1, high
	}
	return low, sel.seqs[first+scanSeqs-1]
}

// query returns the query of columns over a chunk of the log, and its arguments. more is appended to the conditions.
func (sel *selection) query(columns string, from, upto int64, more string) (string, []any) {
	table := "events e"
	if sel.byKey { // without statistics the planner may prefer the bounds of seq
		table += " INDEXED BY events_by_key"
	}
	where, args := sel.where, append([]any{from, upto}, sel.args...)
	if len(sel.seqs) > 0 {
		first, _ := slices.BinarySearch(sel.seqs, from+1)
		end, _ := slices.BinarySearch(sel.seqs, upto+1)
		where += " AND e.seq IN (SELECT value FROM json_each(?))"
		args = append(args, listOf(sel.seqs[first:max(first, end)]))
	}
	return "SELECT " + columns + " FROM " + table + " WHERE e.seq > ? AND e.seq <= ?" + where + more, args
}

// seqAt returns the first seq that was stored at or after a time, by bisection. Without one it returns the seq after the newest.
func (s *Store) seqAt(ctx context.Context, ms int64) (int64, error) {
	low, high := int64(1), s.newest(ctx)+1
	for low < high {
		mid := low + (high-low)/2
		var at int64
		err := s.readers.QueryRowContext(ctx, `SELECT stored_at FROM events WHERE seq >= ? ORDER BY seq LIMIT 1`, mid).Scan(&at)
		switch {
		case errors.Is(err, sql.ErrNoRows) || err == nil && at >= ms:
			high = mid
		case err != nil:
			return 0, readError(fmt.Errorf("find the first event after a time: %w", err))
		default:
			low = mid + 1
		}
	}
	return low, nil
}

// matches applies the parts of the filter that need the folded status or the body.
func (s *Store) matches(ctx context.Context, f *inbox.Filter, e *inbox.Event) (bool, error) {
	if len(f.Statuses) > 0 && !slices.ContainsFunc(f.Statuses, func(want string) bool {
		want = inbox.Fold(want)
		return want == string(e.View.Verdict) || want == inbox.Fold(e.View.Status)
	}) {
		return false, nil
	}
	if len(f.Where) == 0 || e.Purged {
		return len(f.Where) == 0, nil
	}
	p, err := s.Payload(ctx, e.Seq)
	switch {
	case err == nil:
	case inbox.KindOf(err) == inbox.NotFound, errors.Is(err, inbox.ErrDamaged):
		return false, nil // a purged or damaged body has no values to compare
	default:
		return false, err
	}
	m := inbox.Manifest{Where: f.Where}
	return m.Holds(inbox.Scalars(p.Body)), nil
}

// eachSelected calls fn for every event of a selection until it returns false.
func (s *Store) eachSelected(ctx context.Context, sel *selection, fn func(e *inbox.Event) bool) error {
	rows := scanRows
	if sel.byColumns() && sel.Limit > 0 {
		rows = min(sel.Limit, scanRows)
	}
	order := " ORDER BY e.seq LIMIT ?"
	if sel.Newest {
		order = " ORDER BY e.seq DESC LIMIT ?"
	}
	for low, high := sel.low, sel.high; low < high; {
		from, upto := sel.chunk(low, high)
		query, args := sel.query(eventColumns, from, upto, order)
		events, err := s.events(ctx, query, append(args, rows)...)
		if err != nil {
			return err
		}
		for i := range events {
			ok, err := s.matches(ctx, sel.Filter, &events[i])
			if err != nil {
				return err
			}
			if ok && !fn(&events[i]) {
				return nil
			}
		}
		if len(events) == rows { // there may be more in the chunk
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
