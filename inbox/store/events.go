package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"inbox/inbox"
)

// eventColumns are the columns of events that make an inbox.Event, in the order of scanEvent.
const eventColumns = `e.seq, substr(e.digest, 1, 5), e.source, e.mode, e.origin, e.secret, e.event, e.event_type, e.external_id,
	e.key, e.customer_reference, e.verdict, e.status, e.state, e.sub_status, e.rank, e.late, e.duplicate_hint,
	e.norm_version, e.size, e.content_id IS NULL, e.received_at, e.first_seen_at, e.stored_at`

// scanner is a row or rows.
type scanner interface{ Scan(dest ...any) error }

// scanEvent reads eventColumns, and after them whatever else was selected.
func scanEvent(row scanner, e *inbox.Event, more ...any) error {
	var id []byte
	var received, first, stored int64
	v := &e.View
	dest := []any{
		&e.Seq, &id, &e.Source, &e.Mode, &e.Origin, &e.SecretName, &v.Event, &v.EventType, &v.ExternalID,
		&v.Key, &v.CustomerReference, &v.Verdict, &v.Status, &v.State, &v.SubStatus, &v.Rank, &e.Late, &e.DuplicateHint,
		&v.NormVersion, &e.Size, &e.Purged, &received, &first, &stored,
	}
	if err := row.Scan(append(dest, more...)...); err != nil {
		return err
	}
	e.ID = inbox.EventID(e.Seq, id)
	e.ReceivedAt, e.FirstSeenAt, e.StoredAt = fromMillis(received), fromMillis(first), fromMillis(stored)
	return nil
}

// events runs a query that selects eventColumns and returns its rows.
func (s *Store) events(ctx context.Context, query string, args ...any) ([]inbox.Event, error) {
	var list []inbox.Event
	err := s.each(ctx, query, args, func(row scanner) error {
		list = append(list, inbox.Event{})
		return scanEvent(row, &list[len(list)-1])
	})
	return list, err
}

// each runs a query on a connection for reading and calls fn for every row.
func (s *Store) each(ctx context.Context, query string, args []any, fn func(row scanner) error) error {
	rows, err := s.readers.QueryContext(ctx, query, args...)
	if err != nil {
		return readError(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(checkedRows{rows}); err != nil {
			return readError(err)
		}
	}
	return readError(rows.Err())
}

// checkedRows are rows whose values must fit where they are read to: the tables are STRICT, so what does not was not
// written by us.
type checkedRows struct{ *sql.Rows }

// Scan copies the row's columns.
func (r checkedRows) Scan(dest ...any) error {
	err := r.Rows.Scan(dest...)
	if err != nil && r.Err() == nil {
		// Of the error only the column: the rest speaks of Go's types.
		column, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "sql: Scan error on "), ": ")
		return &unsound{fmt.Errorf("a stored value is not of its type (%s)", column)}
	}
	return err
}

// readError gives a failed read its kind.
func readError(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return unavailable("read the store", err)
}

// EventsAfter returns up to limit events with seqs above after, in the order of the log.
func (s *Store) EventsAfter(ctx context.Context, after int64, limit int) ([]inbox.Event, error) {
	return s.events(ctx, `SELECT `+eventColumns+` FROM events e WHERE e.seq > ? ORDER BY e.seq LIMIT ?`, after, limit)
}

// LaneEvents returns up to limit events of a mode and key with from <= seq <= upto, in order.
func (s *Store) LaneEvents(ctx context.Context, mode inbox.Mode, key string, from, upto int64, limit int) ([]inbox.Event, error) {
	return s.events(ctx, `SELECT `+eventColumns+` FROM events e
		WHERE e.mode = ? AND e.key = ? AND e.seq BETWEEN ? AND ? ORDER BY e.seq LIMIT ?`, mode, key, from, upto, limit)
}

// ReferenceEvents is LaneEvents for a customer reference. It reads the log from from on: there is no index, because a
// second one would cost every accepted event more than the few lanes that lag by reference are worth.
func (s *Store) ReferenceEvents(ctx context.Context, mode inbox.Mode, ref string, from, upto int64, limit int) ([]inbox.Event, error) {
	return s.events(ctx, `SELECT `+eventColumns+` FROM events e
		WHERE e.seq BETWEEN ? AND ? AND e.mode = ? AND e.customer_reference = ? ORDER BY e.seq LIMIT ?`, from, upto, mode, ref, limit)
}

// Event returns one event, a NotFound error when there is none.
func (s *Store) Event(ctx context.Context, seq int64) (*inbox.Event, error) {
	var e inbox.Event
	err := scanEvent(s.readers.QueryRowContext(ctx, `SELECT `+eventColumns+` FROM events e WHERE e.seq = ?`, seq), &e)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, inbox.Errorf(inbox.NotFound, "", "no event with seq %d", seq)
	}
	if err != nil {
		return nil, readError(err)
	}
	return &e, nil
}

// EventByID returns the event an id names, a NotFound error when there is none or the id is another store's.
func (s *Store) EventByID(ctx context.Context, id string) (*inbox.Event, error) {
	seq, ok := inbox.EventSeq(id)
	if !ok {
		return nil, inbox.Errorf(inbox.Invalid, "", "%q is not an event id", id).WithHint("ids look like evt_0000000100000000; see `inbox event list`")
	}
	e, err := s.Event(ctx, seq)
	if err == nil && e.ID != id {
		return nil, inbox.Errorf(inbox.NotFound, "", "no event %s in this store", id).
			WithHint("the event at its place is another one: the id may come from another store")
	}
	if err != nil && inbox.KindOf(err) == inbox.NotFound {
		return nil, inbox.Errorf(inbox.NotFound, "", "no event %s", id)
	}
	return e, err
}
