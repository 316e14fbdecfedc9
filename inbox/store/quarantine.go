package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"inbox/inbox"
	"inbox/inbox/store/commit"
)

// QuarantineBounds bound what strangers can make the store keep.
type QuarantineBounds struct {
	Count int64         // requests
	Bytes int64         // of headers and bodies
	Age   time.Duration // since a request came first
}

// DefaultQuarantine keeps ten thousand requests or 64 MiB for a week.
func DefaultQuarantine() QuarantineBounds {
	return QuarantineBounds{Count: 10_000, Bytes: 64 << 20, Age: 7 * 24 * time.Hour}
}

// Refuse keeps a request whose signature did not pass, once however often it comes, so that a mistyped secret loses
// nothing. What exceeds the bounds is dropped, and counted with its cause: see shareLevels for what makes room. A request
// that has more than a quarter of the bytes is never kept. An Unavailable error says that the request was not kept because
// too many wait for the disk, or the store takes nothing.
func (s *Store) Refuse(ctx context.Context, r *inbox.Refused) error {
	packed, err := packPayload(&r.Payload)
	if err != nil {
		return err
	}
	if int64(len(packed)) > s.opt.Bounds.Bytes/4 {
		s.unkept.add(dropped{droppedTooLarge, r.Why})
		return nil
	}
	whole := max(r.BodySize, len(r.Payload.Body))
	digest := s.digest.sum([]byte("refused"), []byte(r.Source), []byte(signatureOf(r)), []byte(strconv.Itoa(whole)), r.Payload.Body)
	path := sharePath(r, len(packed))
	err = s.writer.Do(ctx, &op{Kind: commit.Background, Size: len(packed) + 512, Apply: func(t *tx) error {
		return t.refuse(r, digest, packed, whole, path)
	}})
	if errors.Is(err, commit.ErrFull) {
		s.unkept.add(dropped{droppedQueue, r.Why})
	}
	return err
}

// refuse is Refuse inside a transaction.
func (t *tx) refuse(r *inbox.Refused, digest [sha256.Size]byte, packed []byte, whole int, path [shareLevels]string) error {
	if err := t.writeUnkept(); err != nil {
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
	slot, err := t.takeShare(path, len(packed))
	if err != nil {
		return err
	}
	content, err := t.put(contentRefused, encodingBody, 0, packed)
	if err != nil {
		return err
	}
	if _, err := t.exec(`INSERT INTO refused (source, digest, address, why, received_at, last_at, count, size, body_size, share, content_id)
		VALUES (?, ?, ?, ?, ?5, ?5, 1, ?6, ?7, ?8, ?9)`, r.Source, digest[:], r.Address, r.Why, at, len(packed), whole, slot, content); err != nil {
		return err
	}
	if _, err := t.expire(t.w.s.opt.Bounds); err != nil {
		return err
	}
	return t.makeRoom(t.w.s.opt.Bounds)
}

// signatureOf tells two requests with the same body apart: the second may carry the right signature.
func signatureOf(r *inbox.Refused) string {
	return inbox.HeaderValue(r.Payload.Headers, r.SignatureHeader)
}

// expireRefused drops what is too old, also when nothing new comes, and writes what was counted meanwhile.
func (s *Store) expireRefused(ctx context.Context) error {
	for more := true; more; {
		err := s.write(ctx, func(t *tx) (err error) {
			if err := t.writeUnkept(); err != nil {
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

// discardAtOnce is how many requests one change of [Store.DiscardRefused] deletes.
const discardAtOnce = 256

// DiscardRefused deletes the refused requests of a source, or of all with an empty one: those whose signature has one of
// these faults, or all without any. It returns how many it deleted. What comes meanwhile stays.
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
	for some := range slices.Chunk(ids, discardAtOnce) {
		n := int64(0)
		err := s.write(ctx, func(t *tx) (err error) {
			n, err = t.discardRefused(some)
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

const refusedColumns = `refused.id, source, address, why, received_at, last_at, count, size, body_size`

func scanRefused(row scanner, r *inbox.Refused, more ...any) error {
	var received, last int64
	dest := append([]any{&r.ID, &r.Source, &r.Address, &r.Why, &received, &last, &r.Count, &r.Size, &r.BodySize}, more...)
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
		r, err := s.RefusedOne(ctx, id)
		if inbox.KindOf(err) == inbox.NotFound {
			continue // dropped meanwhile
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

// RefusedOne returns a refused request with its payload. It is NotFound when it is not kept any more.
func (s *Store) RefusedOne(ctx context.Context, id int64) (*inbox.Refused, error) {
	var r inbox.Refused
	var c content
	row := s.readers.QueryRowContext(ctx, `SELECT `+refusedColumns+`, `+contentColumns("c")+`
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

// Readmit stores a request that was refused and passes now, and takes it out of the quarantine, in one commit.
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
