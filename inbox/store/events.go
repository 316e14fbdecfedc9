package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"

	"inbox/inbox"
)

// eventColumns are the columns of events that make an inbox.Event, in the order of scanEvent.
const eventColumns = `e.seq, substr(e.digest, 1, 5), e.source, e.mode, e.origin, e.secret, e.event, e.event_type, e.external_id,
	e.key, e.customer_reference, e.verdict, e.status, e.state, e.sub_status, e.rank, e.late, e.duplicate_hint,
	e.norm_version, e.size, e.content_id IS NULL, e.received_at, e.first_seen_at, e.stored_at,
	CASE e.origin WHEN 'emit' THEN coalesce((SELECT depth FROM emitted m WHERE m.seq = e.seq), 0) ELSE 0 END,
	CASE e.origin WHEN 'emit' THEN coalesce((SELECT share FROM emitted m WHERE m.seq = e.seq), 0) ELSE 0 END`

// scanEvent reads eventColumns and then the columns of more.
func scanEvent(row scanner, e *inbox.Event, more ...any) error {
	var id []byte
	var received, first, stored int64
	v := &e.View
	dest := []any{
		&e.Seq, &id, &e.Source, &e.Mode, &e.Origin, &e.SecretName, &v.Event, &v.EventType, &v.ExternalID,
		&v.Key, &v.CustomerReference, &v.Verdict, &v.Status, &v.State, &v.SubStatus, &v.Rank, &e.Late, &e.DuplicateHint,
		&v.NormVersion, &e.Size, &e.Purged, &received, &first, &stored, &e.Depth, &e.Share,
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

// EventsAfter returns up to limit events with seqs above after, in the order of the log.
func (s *Store) EventsAfter(ctx context.Context, after int64, limit int) ([]inbox.Event, error) {
	return s.events(ctx, `SELECT `+eventColumns+` FROM events e WHERE e.seq > ? ORDER BY e.seq LIMIT ?`, after, limit)
}

// LaneEvents returns up to limit events of a mode and key with from <= seq <= upto, in order.
func (s *Store) LaneEvents(ctx context.Context, mode inbox.Mode, key string, from, upto int64, limit int) ([]inbox.Event, error) {
	return s.events(ctx, `SELECT `+eventColumns+` FROM events e
		WHERE e.mode = ? AND e.key = ? AND e.seq BETWEEN ? AND ? ORDER BY e.seq LIMIT ?`, mode, key, from, upto, limit)
}

// ReferenceEvents is LaneEvents for a customer reference. It reads the log from seq from on, without an index: a second index would
// cost every accepted event more than it saves the few lanes that lag by reference.
func (s *Store) ReferenceEvents(ctx context.Context, mode inbox.Mode, ref string, from, upto int64, limit int) ([]inbox.Event, error) {
	return s.events(ctx, `SELECT `+eventColumns+` FROM events e
		WHERE e.seq BETWEEN ? AND ? AND e.mode = ? AND e.customer_reference = ? ORDER BY e.seq LIMIT ?`, from, upto, mode, ref, limit)
}

// Event returns one event, or NotFound.
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

// EventByID returns the event with an id. It is NotFound when the store has no such event, and when the id is another store's.
func (s *Store) EventByID(ctx context.Context, id string) (*inbox.Event, error) {
	seq, ok := inbox.EventSeq(id)
	if !ok {
		return nil, inbox.Errorf(inbox.Invalid, "", "%q is not an event id", id).WithHint("ids look like evt_0000000100000000; see `inbox event list`")
	}
	e, err := s.Event(ctx, seq)
	if err == nil && e.ID != id {
		return nil, inbox.Errorf(inbox.NotFound, "", "no event %s in this store", id).
			WithHint("another event has this number: the id may come from another store")
	}
	if err != nil && inbox.KindOf(err) == inbox.NotFound {
		return nil, inbox.Errorf(inbox.NotFound, "", "no event %s", id)
	}
	return e, err
}

// Find returns the events that a filter selects, in the order of the log or newest first. It reads the log in chunks and holds no
// transaction open between two of them. Without a limit the whole list is in memory. A caller that wants pages continues with
// After, or with Before when newest first.
func (s *Store) Find(ctx context.Context, f inbox.Filter) ([]inbox.Event, error) {
	list := []inbox.Event{}
	sel, err := s.newSelection(ctx, &f)
	if err != nil {
		return list, err
	}
	err = s.eachSelected(ctx, sel, func(e *inbox.Event) bool {
		list = append(list, *e)
		return f.Limit == 0 || len(list) < f.Limit
	})
	return list, err
}

// insertEvent stores the row of an event, with its rank, lateness and likely duplicate, which depend on earlier events.
func (t *tx) insertEvent(seq, content int64, a *inbox.Arrival, v inbox.View, digest [sha256.Size]byte) error {
	top, duplicate, err := t.earlierEvents(a.Mode, &v)
	if err != nil {
		return err
	}
	if a.Origin == inbox.FromEmission {
		duplicate = false // a plugin that repeats itself does so on purpose
	}
	received := millis(a.ReceivedAt)
	first := received
	if !a.FirstSeen.IsZero() {
		first = millis(a.FirstSeen)
	}
	_, err = t.exec(`INSERT INTO events (seq, digest, source, mode, origin, secret, event, event_type, external_id, key,
			customer_reference, verdict, status, state, sub_status, rank, top_rank, late, duplicate_hint, norm_version,
			size, content_id, received_at, first_seen_at, stored_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		seq, digest[:], a.Source, a.Mode, a.Origin, a.SecretName, v.Event, v.EventType, v.ExternalID, v.Key,
		v.CustomerReference, v.Verdict, v.Status, v.State, v.SubStatus, v.Rank, max(top, v.Rank),
		v.Rank >= 0 && v.Rank < top, v.SaysDuplicate || duplicate, v.NormVersion,
		len(a.Payload.Body), content, received, first, max(t.stored, t.now))
	return err
}

// earlierEvents returns the highest rank among the earlier events of the key, -1 without any, and whether one of the newest 32 of them has
// the same event, type, id and status.
func (t *tx) earlierEvents(mode inbox.Mode, v *inbox.View) (top int, duplicate bool, err error) {
	top = -1
	rows, err := t.query(earlierQuery, mode, v.Key, v.Event, v.EventType, v.ExternalID)
	if err != nil {
		return top, false, err
	}
	defer rows.Close()
	for newest := true; rows.Next(); newest = false {
		var rank int
		var status sql.NullString
		if err := rows.Scan(&rank, &status); err != nil {
			return top, false, err
		}
		if newest {
			top = rank
		}
		if status.Valid && inbox.Fold(status.String) == inbox.Fold(v.Status) {
			return top, true, nil
		}
	}
	return top, false, rows.Err()
}

// earlierQuery returns the newest event of a key, and those of its newest 32 that may be equal, with their status, newest first. It
// compares inside SQLite: a returned row costs as much as two rows that are skipped.
const earlierQuery = `SELECT top_rank, same FROM (
		SELECT seq, top_rank, CASE WHEN event = ?3 AND event_type = ?4 AND external_id = ?5 THEN status END AS same
		FROM events WHERE mode = ?1 AND key = ?2 ORDER BY seq DESC LIMIT 32)
	WHERE same IS NOT NULL OR seq = (SELECT max(seq) FROM events WHERE mode = ?1 AND key = ?2)
	ORDER BY seq DESC`
