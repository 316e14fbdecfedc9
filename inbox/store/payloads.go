package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"inbox/inbox"
)

// Payload returns the payload of an event after a check of its checksum. It returns NotFound for a purged payload, an Internal error
// that wraps ErrDamaged for a damaged one, and Unavailable when the disk cannot be read. The bytes must not be changed.
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
	payloadBytes = 1 << 20 // bytes of bodies read from the disk, after which the read ends
)

// Payloads reads many payloads at once. It returns results for the first of seqs, in their order: at least one, at most MaxPayloads,
// and no more after a megabyte was read from the disk. The caller calls it again for the rest. A purged, damaged or missing payload
// has the error of [Store.Payload] in its own result. Payloads returns Unavailable when the disk cannot be read. The bytes must
// not be changed.
func (s *Store) Payloads(ctx context.Context, seqs []int64) ([]inbox.PayloadOf, error) {
	seqs = seqs[:min(len(seqs), MaxPayloads)]
	list := make([]inbox.PayloadOf, len(seqs))
	var missing []int64 // seqs that are not cached
	var at []int        // their indexes in list
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

// errEnough ends a read after payloadBytes.
var errEnough = errors.New("enough was read")

// readPayloads reads the payloads of the first of seqs from the disk, until it has read payloadBytes. It caches small ones. SQLite
// returns the rows in the order of the list, because json_each is the left side of the joins. With ORDER BY it would sort all
// bodies before it returns the first.
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
			result := inbox.PayloadOf{Seq: seqs[len(list)]}
			if result.Payload, result.Err = r.payload(result.Seq); result.Err == nil {
				s.cache.put(result.Seq, result.Payload)
			}
			bytes += len(result.Payload.Body)
			list = append(list, result)
			return nil
		})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, fmt.Errorf("read %d payloads: %w", len(seqs), err)
	}
	return list, nil
}

// payloadColumns are the columns of an event e and its content c that make a payload, in the order of payloadRow.into.
var payloadColumns = `e.seq, e.content_id, ` + contentColumns("c")

// payloadRow is the row of an event's payload. The seq is NULL for a missing event.
type payloadRow struct {
	seq, id sql.NullInt64
	content content
}

// into returns the destinations of payloadColumns.
func (r *payloadRow) into() []any { return append([]any{&r.seq, &r.id}, r.content.into()...) }

// payload returns the payload of an event after a check of its checksum.
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
