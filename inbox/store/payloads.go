package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"inbox/inbox"
)

// Payload returns the payload of an event after checking it. A purged one is a NotFound error, a damaged one an
// Internal error that wraps ErrDamaged, a disk that cannot be read Unavailable. Its bytes must not be changed.
func (s *Store) Payload(ctx context.Context, seq int64) (inbox.Payload, error) {
	if p, ok := s.cache.get(seq); ok {
		return p, nil
	}
	if err := s.readAhead(ctx, seq); err != nil {
		return inbox.Payload{}, err
	}
	if p, ok := s.cache.get(seq); ok {
		return p, nil
	}
	var r payloadRow
	err := s.readers.QueryRowContext(ctx, `SELECT `+payloadColumns+` FROM events e LEFT JOIN contents c ON c.id = e.content_id WHERE e.seq = ?`, seq).
		Scan(r.into()...)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return inbox.Payload{}, readError(fmt.Errorf("read the payload of event %d: %w", seq, err))
	}
	return r.payload(seq)
}

// Bounds of one call of Payloads.
const (
	MaxPayloads  = 256     // payloads
	payloadBytes = 1 << 20 // bytes of those that are read from the disk; one payload may have more
)

// Payloads reads many payloads at once. It answers for the first of seqs, in their order: for MaxPayloads at most, and for
// no more once a megabyte was read, but always for one. The caller asks again for those that are left. What [Store.Payload]
// says of one that is purged, damaged or not there is the error of its own answer and does not keep the others back; a
// disk that cannot be read fails the whole call, as Unavailable. The bytes must not be changed.
func (s *Store) Payloads(ctx context.Context, seqs []int64) ([]inbox.PayloadOf, error) {
	seqs = seqs[:min(len(seqs), MaxPayloads)]
	list := make([]inbox.PayloadOf, len(seqs))
	var missing []int64 // not in memory
	var at []int        // their places in list
	for i, seq := range seqs {
		p, ok := s.cache.get(seq)
		if list[i] = (inbox.PayloadOf{Seq: seq, Payload: p}); !ok {
			missing, at = append(missing, seq), append(at, i)
		}
	}
	if len(missing) == 0 {
		return list, nil
	}
	read, err := s.readPayloads(ctx, missing)
	if err != nil {
		return nil, err
	}
	for i := range read {
		list[at[i]] = read[i]
	}
	if len(read) < len(missing) {
		list = list[:at[len(read)]]
	}
	return list, nil
}

// errEnough ends a read that has reached its bound.
var errEnough = errors.New("enough was read")

// readPayloads reads the payloads of the first of seqs from the disk, up to a bound of bytes. Small ones are kept in memory.
// The rows come in the order of the list: the join to its right never comes first, and an ORDER BY would have all bodies
// sorted before the first is returned.
func (s *Store) readPayloads(ctx context.Context, seqs []int64) ([]inbox.PayloadOf, error) {
	list := make([]inbox.PayloadOf, 0, len(seqs))
	bytes := 0
	err := s.each(ctx, `SELECT `+payloadColumns+` FROM json_each(?) j LEFT JOIN events e ON e.seq = j.value LEFT JOIN contents c ON c.id = e.content_id`,
		[]any{listOf(seqs)}, func(row scanner) error {
			if bytes >= payloadBytes {
				return errEnough
			}
			var r payloadRow
			if err := row.Scan(r.into()...); err != nil {
				return err
			}
			one := inbox.PayloadOf{Seq: seqs[len(list)]}
			if one.Payload, one.Err = r.payload(one.Seq); one.Err == nil {
				s.cache.put(one.Seq, one.Payload)
			}
			bytes += len(one.Payload.Body)
			list = append(list, one)
			return nil
		})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, fmt.Errorf("read %d payloads: %w", len(seqs), err)
	}
	return list, nil
}

// payloadColumns are the columns of an event e and its content c that make a payload, in the order of payloadRow.into.
var payloadColumns = `e.seq, e.content_id, ` + contentColumns("c")

// payloadRow is an event's payload as it was read. That of an event that is not there has no seq.
type payloadRow struct {
	seq, id sql.NullInt64
	content content
}

// into returns where payloadColumns are read to.
func (r *payloadRow) into() []any { return append([]any{&r.seq, &r.id}, r.content.into()...) }

// payload returns the payload of an event after checking it.
func (r *payloadRow) payload(seq int64) (inbox.Payload, error) {
	switch {
	case !r.seq.Valid:
		return inbox.Payload{}, inbox.Errorf(inbox.NotFound, "", "no event with seq %d", seq)
	case !r.id.Valid:
		return inbox.Payload{}, inbox.Errorf(inbox.NotFound, "", "the payload of event %d was purged", seq)
	}
	p, err := r.content.payload()
	if err != nil {
		return p, inbox.Errorf(inbox.Internal, fmt.Sprintf("read the payload of event %d", seq), "%w", err).
			WithHint("restore a backup, or run `inbox db check` to see how much is damaged")
	}
	return p, nil
}
