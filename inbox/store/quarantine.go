package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"inbox/inbox"
	"inbox/inbox/store/commit"
)

// Refuse stores a request whose signature did not pass, so that a mistyped secret loses no event. It stores copies of a request
// once, with a count. Requests that exceed the bounds are dropped and counted by cause; see shareLevels for the order. A request
// larger than a quarter of the bound in bytes is not stored. Refuse returns Unavailable when too many requests wait for the disk,
// or when the store accepts no changes.
func (s *Store) Refuse(ctx context.Context, r *inbox.Refused) error {
	packed, err := packPayload(&r.Payload)
	if err != nil {
		return err
	}
	if int64(len(packed)) > s.opt.Bounds.Bytes/4 {
		s.unstored.add(dropped{droppedTooLarge, r.Why})
		return nil
	}
	bodySize := max(r.BodySize, len(r.Payload.Body))
	digest := s.digest.sum([]byte("refused"), []byte(r.Source), []byte(signatureOf(r)), []byte(strconv.Itoa(bodySize)), r.Payload.Body)
	path := sharePath(r, len(packed))
	err = s.writer.Do(ctx, &op{Kind: commit.Background, Size: len(packed) + 512, Apply: func(t *tx) error {
		return t.refuse(r, digest, packed, bodySize, path)
	}})
	if errors.Is(err, commit.ErrFull) {
		s.unstored.add(dropped{droppedQueue, r.Why})
	}
	return err
}

// refuse is Refuse inside a transaction.
func (t *tx) refuse(r *inbox.Refused, digest [sha256.Size]byte, packed []byte, bodySize int, path [shareLevels]string) error {
	if err := t.writeUnstored(); err != nil {
		return err
	}
	at := millis(r.ReceivedAt)
	res, err := t.exec(`UPDATE refused SET count = count + 1, last_at = ? WHERE source = ? AND digest = ?`, at, r.Source, digest[:])
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); n > 0 || err != nil {
		return err
	}
	slot, err := t.addToShares(path, len(packed))
	if err != nil {
		return err
	}
	content, err := t.put(contentRefused, encodingBody, 0, packed)
	if err != nil {
		return err
	}
	if _, err := t.exec(`INSERT INTO refused (digest, share, content_id, `+refusedColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?7, ?7, 1, ?8, ?9)`, digest[:], slot, content, r.Source, r.Address, r.Why, at, len(packed), bodySize); err != nil {
		return err
	}
	if _, err := t.expire(t.w.s.opt.Bounds); err != nil {
		return err
	}
	return t.freeSpace(t.w.s.opt.Bounds)
}

// signatureOf returns the signature of a request. It distinguishes requests with the same body: the second may have the right
// signature.
func signatureOf(r *inbox.Refused) string {
	return inbox.HeaderValue(r.Payload.Headers, r.SignatureHeader)
}

// expireRefused deletes requests that are too old and stores the counts of dropped requests, even while no requests arrive.
func (s *Store) expireRefused(ctx context.Context) error {
	for more := true; more; {
		err := s.write(ctx, func(t *tx) (err error) {
			if err := t.writeUnstored(); err != nil {
				return err
			}
			more, err = t.expire(s.opt.Bounds)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// discardBatch is the number of requests that a transaction of [Store.DiscardRefused] deletes.
const discardBatch = 256

// DiscardRefused deletes the refused requests of a source whose signature has one of the faults why, and returns their number. An
// empty source means all sources, and no fault means all faults. It does not delete requests that arrive meanwhile.
func (s *Store) DiscardRefused(ctx context.Context, source string, why []string) (deleted int64, err error) {
	faults, err := json.Marshal(why)
	if err != nil {
		return 0, err
	}
	var ids []int64
	err = s.each(ctx, `SELECT id FROM refused WHERE ?1 IN ('', source) AND (?2 OR why IN (SELECT value FROM json_each(?3)))`,
		[]any{source, len(why) == 0, string(faults)}, func(row scanner) error {
			ids = append(ids, 0)
			return row.Scan(&ids[len(ids)-1])
		})
	if err != nil {
		return 0, err
	}
	for batch := range slices.Chunk(ids, discardBatch) {
		n := int64(0)
		err := s.write(ctx, func(t *tx) (err error) {
			n, err = t.discardRefused(batch)
			return err
		})
		if err != nil {
			return deleted, err
		}
		deleted += n
	}
	return deleted, nil
}

func (t *tx) discardRefused(ids []int64) (deleted int64, err error) {
	for _, id := range ids {
		_, err := t.deleteRefused(id)
		switch {
		case err == nil:
			deleted++
		case !errors.Is(err, sql.ErrNoRows):
			return deleted, err
		}
	}
	return deleted, nil
}

// refusedColumns are the columns of refused that make an inbox.Refused without its payload, in the order of scanRefused.
const refusedColumns = `source, address, why, received_at, last_at, count, size, body_size`

// scanRefused reads the id, refusedColumns and then the columns of more.
func scanRefused(row scanner, r *inbox.Refused, more ...any) error {
	return row.Scan(append([]any{&r.ID, &r.Source, &r.Address, &r.Why, moment{&r.ReceivedAt}, moment{&r.LastAt}, &r.Count, &r.Size, &r.BodySize}, more...)...)
}

// RefusedList returns the newest refused requests of a source without their payloads. An empty source means all sources.
func (s *Store) RefusedList(ctx context.Context, source string, limit int) ([]inbox.Refused, error) {
	var list []inbox.Refused
	err := s.each(ctx, `SELECT id, `+refusedColumns+` FROM refused WHERE ?1 IN ('', source) ORDER BY received_at DESC, id DESC LIMIT ?2`,
		[]any{source, limit}, func(row scanner) error {
			list = append(list, inbox.Refused{})
			return scanRefused(row, &list[len(list)-1])
		})
	return list, err
}

// EachRefused calls fn for every refused request of a source with its payload, in the order of arrival. An empty source means all
// sources. It holds no transaction open while fn runs, and does not visit requests that arrive meanwhile.
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
		r, err := s.RefusedRequest(ctx, id)
		if inbox.KindOf(err) == inbox.NotFound {
			continue // deleted meanwhile
		}
		if err != nil {
			return err
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

// RefusedRequest returns a refused request with its payload, or NotFound when the request was deleted.
func (s *Store) RefusedRequest(ctx context.Context, id int64) (*inbox.Refused, error) {
	var r inbox.Refused
	var c content
	row := s.readers.QueryRowContext(ctx, `SELECT refused.id, `+refusedColumns+`, `+contentColumns("c")+`
		FROM refused LEFT JOIN contents c ON c.id = content_id WHERE refused.id = ?`, id)
	err := scanRefused(row, &r, c.into()...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, refusedGone(id)
	}
	if err != nil {
		return nil, readError(err)
	}
	if r.Payload, err = c.payload(); err != nil {
		return nil, inbox.Errorf(inbox.Internal, "read a refused request", "%w", err)
	}
	return &r, nil
}

func refusedGone(id int64) error {
	return inbox.Errorf(inbox.NotFound, "", "refused request %d is gone", id)
}

// Readmit stores a refused request whose signature passes now as an event, and deletes it from the quarantine, in one transaction.
// It returns NotFound when the request was deleted.
func (s *Store) Readmit(ctx context.Context, id int64, a *inbox.Arrival) (inbox.Receipt, error) {
	packed, err := packPayload(&a.Payload)
	if err != nil {
		return inbox.Receipt{}, err
	}
	digest := s.digest.sum([]byte(a.Source), a.Payload.Body)
	var receipt inbox.Receipt
	err = s.write(ctx, func(t *tx) error {
		_, err := t.deleteRefused(id)
		if errors.Is(err, sql.ErrNoRows) {
			return refusedGone(id)
		}
		if err != nil {
			return err
		}
		receipt, err = t.accept(a, digest, packed)
		return err
	})
	if err != nil {
		return inbox.Receipt{}, err
	}
	return receipt, nil
}
