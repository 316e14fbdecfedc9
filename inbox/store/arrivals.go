package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"sync"

	"inbox/inbox"
	"inbox/inbox/store/commit"
	"inbox/inbox/store/dedup"
)

// busyAccepts is the number of waiting Accept calls from which [Store.Busy] reports true.
const busyAccepts = 16

// digester computes digests with the store's key.
type digester struct {
	key  []byte
	pool sync.Pool
}

// sum returns the HMAC-SHA-256 of the parts, separated by zero bytes.
func (d *digester) sum(parts ...[]byte) [sha256.Size]byte {
	mac, ok := d.pool.Get().(hash.Hash)
	if !ok {
		mac = hmac.New(sha256.New, d.key)
	}
	mac.Reset()
	for i, p := range parts {
		if i > 0 {
			mac.Write([]byte{0})
		}
		inbox.WriteText(mac, p)
	}
	var out [sha256.Size]byte
	mac.Sum(out[:0])
	d.pool.Put(mac)
	return out
}

// LaneDigest returns the digest that is stored for a body value that makes a lane: 32 hexadecimal digits, computed with the store's
// key. The value itself is not stored, because it may be long and personal.
func (s *Store) LaneDigest(value string) string {
	sum := s.digest.sum([]byte("@lane"), []byte(value)) // no source has the name "@lane", so no event has this digest
	return hex.EncodeToString(sum[:16])
}

// Accept stores an arrival, or counts a copy of a stored event, and returns when the change is durable. It returns Unavailable when
// the sender must try again: the queue is full, the disk fails, or the program stops. ctx bounds only the wait: an arrival is
// stored even if its sender disconnects.
func (s *Store) Accept(ctx context.Context, a *inbox.Arrival) (inbox.Receipt, error) {
	packed, err := packPayload(&a.Payload)
	if err != nil {
		return inbox.Receipt{}, err
	}
	digest := s.digest.sum([]byte(a.Source), a.Payload.Body)
	var receipt inbox.Receipt
	s.accepts.Add(1)
	defer s.accepts.Add(-1)
	err = s.writeSized(ctx, len(packed)+512, commit.Offer, func(t *tx) error {
		var err error
		receipt, err = t.accept(a, digest, packed)
		return err
	})
	if err != nil {
		return inbox.Receipt{}, err // the writer may still assign receipt
	}
	return receipt, nil
}

// accept is Accept inside a transaction.
func (t *tx) accept(a *inbox.Arrival, digest [sha256.Size]byte, packed []byte) (inbox.Receipt, error) {
	received := millis(a.ReceivedAt)
	if !a.NoDedup {
		seq, err := t.find(digest)
		if err != nil {
			return inbox.Receipt{}, err
		}
		if seq != 0 {
			_, err := t.exec(`INSERT INTO copies (seq, count, first_at, last_at) VALUES (?1, 1, ?2, ?2)
				ON CONFLICT (seq) DO UPDATE SET count = count + 1, last_at = max(last_at, ?2)`, seq, received)
			return inbox.Receipt{ID: inbox.EventID(seq, digest[:]), Seq: seq, Status: inbox.Duplicate}, err
		}
	}
	if a.NoDedup { // the source repeats bodies on purpose: each copy is an event
		digest = t.placed(digest)
	}
	seq, err := t.append(a, digest, packed)
	return inbox.Receipt{ID: inbox.EventID(seq, digest[:]), Seq: seq, Status: inbox.Stored}, err
}

// placed returns the digest of the event that is stored next, in place of a digest that an earlier event may have.
func (t *tx) placed(digest [sha256.Size]byte) [sha256.Size]byte {
	var place [8]byte
	binary.BigEndian.PutUint64(place[:], uint64(t.head+1))
	return t.w.s.digest.sum(digest[:], place[:])
}

// append stores an event at the end of the log and returns its seq.
func (t *tx) append(a *inbox.Arrival, digest [sha256.Size]byte, packed []byte) (int64, error) {
	seq, view := t.head+1, a.View
	if view.Key == "" {
		view.Key = inbox.SoloKey(seq)
	}
	view, err := t.linkedView(a.Mode, view)
	if err != nil {
		return 0, err
	}
	content, err := t.putFor(subject(a.Mode, view.Key), contentEvent, encodingBody, seq, packed)
	if err != nil {
		return 0, err
	}
	if err := t.insertEvent(seq, content, a, view, digest); err != nil {
		return 0, err
	}
	if t.fresh == nil {
		t.fresh = map[uint64]int64{}
	}
	t.fresh[dedup.Prefix(digest)] = seq
	if t.w.s.subs.any() && len(packed) <= cachedSize { // a subscriber will read it soon
		t.payloads = append(t.payloads, placed{seq, inbox.Payload{Headers: a.Payload.Headers, Body: packed[len(packed)-len(a.Payload.Body):]}})
	}
	t.head, t.stored = seq, max(t.stored, t.now)
	return seq, nil
}

// find returns the seq of the event with a digest, else 0.
func (t *tx) find(digest [sha256.Size]byte) (int64, error) {
	hash := dedup.Prefix(digest)
	if seq, ok := t.fresh[hash]; ok {
		if same, err := t.same(seq, digest); same || err != nil {
			return seq, err
		}
	}
	return t.w.digests.Find(t.on, digest, func(seq int64) (bool, error) { return t.same(seq, digest) })
}

// same reports whether the event with a seq has the whole digest.
func (t *tx) same(seq int64, digest [sha256.Size]byte) (bool, error) {
	var stored []byte
	err := t.get(`SELECT digest FROM events WHERE seq = ?`, seq).Scan(&stored)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil && hmac.Equal(stored, digest[:]), err
}
