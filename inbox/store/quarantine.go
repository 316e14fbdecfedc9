package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"inbox/inbox"
)

// QuarantineBounds bound what strangers can make the store keep.
type QuarantineBounds struct {
	Count      int64
	Bytes      int64
	Age        time.Duration
	PerAddress int64
}

// DefaultQuarantine keeps a thousand requests or 64 MiB for a week, a hundred of one address.
func DefaultQuarantine() QuarantineBounds {
	return QuarantineBounds{Count: 1000, Bytes: 64 << 20, Age: 7 * 24 * time.Hour, PerAddress: 100}
}

// Refuse keeps a request whose signature did not pass, once however often it comes, so that a mistyped secret loses
// nothing. What exceeds the bounds is dropped, and counted: first what carried no signature at all or a malformed
// one, which no secret will ever admit, then the oldest.
func (s *Store) Refuse(ctx context.Context, r *inbox.Refused) error {
	packed, err := packPayload(&r.Payload)
	if err != nil {
		return err
	}
	digest := s.digest.sum([]byte("refused"), []byte(r.Source), []byte(signatureOf(r)), r.Payload.Body)
	return s.writeSized(ctx, len(packed)+512, leftover, func(t *tx) error {
		at := millis(r.ReceivedAt)
		res, err := t.exec(`UPDATE refused SET count = count + 1, last_at = ? WHERE source = ? AND digest = ?`, at, r.Source, digest[:])
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); n > 0 || err != nil {
			return err
		}
		content, err := t.put(contentRefused, encodingBody, 0, packed)
		if err != nil {
			return err
		}
		if _, err := t.exec(`INSERT INTO refused (source, digest, address, why, received_at, last_at, count, size, content_id)
			VALUES (?, ?, ?, ?, ?5, ?5, 1, ?6, ?7)`, r.Source, digest[:], r.Address, r.Why, at, len(packed), content); err != nil {
			return err
		}
		return t.evict(r.Address, s.opt.Bounds)
	})
}

// signatureOf tells two requests with the same body apart: the second may carry the right signature.
func signatureOf(r *inbox.Refused) string {
	return inbox.HeaderValue(r.Payload.Headers, r.SignatureHeader)
}

// evict drops what exceeds the bounds.
func (t *tx) evict(address string, b QuarantineBounds) error {
	const worstFirst = ` ORDER BY why IN ('mismatch', 'no_secret'), received_at, id LIMIT 1`
	if err := t.expire(b); err != nil {
		return err
	}
	for {
		var count, bytes, own int64
		err := t.get(`SELECT count(*), coalesce(sum(size), 0), count(*) FILTER (WHERE address = ?) FROM refused`, address).Scan(&count, &bytes, &own)
		switch {
		case err != nil:
			return err
		case own > b.PerAddress:
			err = t.dropRefused(`WHERE id = (SELECT id FROM refused WHERE address = ?`+worstFirst+`)`, address)
		case count > b.Count || (bytes > b.Bytes && count > 1):
			err = t.dropRefused(`WHERE id = (SELECT id FROM refused` + worstFirst + `)`)
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// expireRefused drops what is too old, also when nothing new comes.
func (s *Store) expireRefused(ctx context.Context) error {
	return s.write(ctx, func(t *tx) error { return t.expire(s.opt.Bounds) })
}

func (t *tx) expire(b QuarantineBounds) error {
	return t.dropRefused(`WHERE received_at < ?`, t.now-b.Age.Milliseconds())
}

// dropRefused deletes refused requests with their contents and counts them.
func (t *tx) dropRefused(where string, args ...any) error {
	if _, err := t.exec(`DELETE FROM contents WHERE id IN (SELECT content_id FROM refused `+where+`)`, args...); err != nil {
		return err
	}
	res, err := t.exec(`DELETE FROM refused `+where, args...)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err != nil || n == 0 {
		return err
	}
	_, err = t.exec(`INSERT INTO meta (name, value) VALUES ('refused_dropped', CAST(?1 AS TEXT))
		ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + ?1 AS TEXT)`, n)
	return err
}

const refusedColumns = `refused.id, source, address, why, received_at, last_at, count, size`

func scanRefused(row scanner, r *inbox.Refused, more ...any) error {
	var received, last int64
	dest := append([]any{&r.ID, &r.Source, &r.Address, &r.Why, &received, &last, &r.Count, &r.Size}, more...)
	if err := row.Scan(dest...); err != nil {
		return err
	}
	r.ReceivedAt, r.LastAt = fromMillis(received), fromMillis(last)
	return nil
}

// RefusedList returns the newest refused requests, without their payloads; an empty source means all.
func (s *Store) RefusedList(ctx context.Context, source string, limit int) ([]inbox.Refused, error) {
	var list []inbox.Refused
	err := s.each(ctx, `SELECT `+refusedColumns+` FROM refused WHERE ?1 IN ('', source) ORDER BY received_at DESC, id DESC LIMIT ?2`,
		[]any{source, limit}, func(row scanner) error {
			list = append(list, inbox.Refused{})
			return scanRefused(row, &list[len(list)-1])
		})
	return list, err
}

// EachRefused calls fn for every refused request of a source, or of all with an empty one, in the order they came,
// with its payload. It holds nothing open while fn runs; what comes meanwhile is not visited.
func (s *Store) EachRefused(ctx context.Context, source string, fn func(*inbox.Refused) error) error {
	var ids []int64
	err := s.each(ctx, `SELECT id FROM refused WHERE ?1 IN ('', source) ORDER BY received_at, id`, []any{source}, func(row scanner) error {
		ids = append(ids, 0)
		return row.Scan(&ids[len(ids)-1])
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		var r inbox.Refused
		var c content
		row := s.readers.QueryRowContext(ctx, `SELECT `+refusedColumns+`, `+contentColumns("c")+`
			FROM refused LEFT JOIN contents c ON c.id = content_id WHERE refused.id = ?`, id)
		err := scanRefused(row, &r, c.into()...)
		if errors.Is(err, sql.ErrNoRows) {
			continue // dropped meanwhile
		}
		if err != nil {
			return readError(err)
		}
		if r.Payload, err = c.payload(); err != nil {
			return inbox.Errorf(inbox.Internal, "read a refused request", "%w", err)
		}
		if err := fn(&r); err != nil {
			return err
		}
	}
	return nil
}

// Readmit stores a request that was refused and passes now, and takes it out of the quarantine, in one commit.
func (s *Store) Readmit(ctx context.Context, id int64, a *inbox.Arrival) (inbox.Receipt, error) {
	packed, err := packPayload(&a.Payload)
	if err != nil {
		return inbox.Receipt{}, err
	}
	digest := s.digest.sum([]byte(a.Source), a.Payload.Body)
	var receipt inbox.Receipt
	err = s.write(ctx, func(t *tx) error {
		if _, err := t.exec(`DELETE FROM contents WHERE id IN (SELECT content_id FROM refused WHERE id = ?)`, id); err != nil {
			return err
		}
		res, err := t.exec(`DELETE FROM refused WHERE id = ?`, id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); n == 0 && err == nil {
			return inbox.Errorf(inbox.NotFound, "", "refused request %d is gone", id)
		}
		receipt, err = t.accept(a, digest, packed)
		return err
	})
	if err != nil {
		return inbox.Receipt{}, err
	}
	return receipt, nil
}
