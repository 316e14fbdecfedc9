package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"

	"inbox/inbox"
)

// settleEmissions appends the events that an attempt emitted to the log.
func (t *tx) settleEmissions(p int64, st *inbox.Settlement) error {
	if len(st.Effects.Emit) == 0 {
		return nil
	}
	c, err := t.sharingCause(st)
	if err != nil {
		return err
	}
	for i := range st.Effects.Emit {
		place := emissionPlace{plugin: p, name: st.Plugin, run: st.Attempt.Run, attempt: st.Attempt.Number, idx: i}
		// No source has the name "@emit".
		digest := t.w.s.digest.sum([]byte("@emit"), []byte(st.Plugin), []byte(c.id), fmt.Append(nil, st.Attempt.Run), fmt.Append(nil, i))
		if err := t.emit(&st.Effects.Emit[i], c, place, digest); err != nil {
			return fmt.Errorf("emit event %d of the list: %w", i, err)
		}
	}
	return nil
}

// settleAnswer appends the event that the end of an effect becomes.
func (t *tx) settleAnswer(p int64, st *inbox.SendSettlement) error {
	if st.Emit == nil {
		return nil
	}
	e := st.Effect
	c, err := t.cause(e.Cause.Seq)
	if err != nil {
		return err
	}
	if err := t.get(`SELECT then_share FROM effects WHERE id = ?`, e.ID).Scan(&c.share); err != nil {
		return fmt.Errorf("read the share of effect %d: %w", e.ID, err)
	}
	place := emissionPlace{plugin: p, name: e.Lane.Plugin, run: e.Cause.Run, attempt: e.Cause.Attempt, idx: e.Tries + 1, effect: e.ID}
	digest := t.w.s.digest.sum([]byte("@then"), []byte(e.Key), fmt.Append(nil, place.idx))
	if err := t.emit(st.Emit, c, place, digest); err != nil {
		return fmt.Errorf("emit the response of effect %d: %w", e.ID, err)
	}
	return nil
}

// sharingCause reads the event whose attempt emits, or asks for requests whose responses become events, and divides its allowance.
func (t *tx) sharingCause(st *inbox.Settlement) (cause, error) {
	c, err := t.cause(st.Attempt.Seq)
	if err != nil {
		return c, err
	}
	n := st.Effects.Descendants()
	switch {
	case c.depth >= inbox.MaxDepth:
		return c, inbox.Errorf(inbox.Internal, "", "event %d has depth %d, and its attempt emits", c.seq, c.depth)
	case n > c.allowance:
		return c, inbox.Errorf(inbox.Internal, "", "event %d may have %d descendants, and its attempt emits %d events", c.seq, c.allowance, n)
	}
	c.share = inbox.ShareOf(c.allowance, n)
	return c, nil
}

// cause is what an emitted event takes over from its cause.
type cause struct {
	seq       int64
	id        string
	mode      inbox.Mode
	key       string
	reference string
	depth     int
	allowance int // of the cause
	share     int // allowance of each event that is emitted
}

// cause reads the event whose attempt emits.
func (t *tx) cause(seq int64) (cause, error) {
	c := cause{seq: seq}
	var digest []byte
	err := t.get(`SELECT digest, mode, key, customer_reference, coalesce(depth, 0), coalesce(share, ?) FROM events e LEFT JOIN emitted m ON m.seq = e.seq WHERE e.seq = ?`,
		inbox.MaxDescendants, seq).Scan(&digest, &c.mode, &c.key, &c.reference, &c.depth, &c.allowance)
	if err != nil {
		return c, fmt.Errorf("read event %d, whose attempt emits: %w", seq, err)
	}
	c.id = inbox.EventID(seq, digest)
	return c, nil
}

// emissionPlace is where an emitted event comes from, beside its cause: an item of an attempt's list, or the end of an effect.
type emissionPlace struct {
	plugin  int64
	name    string // of the plugin
	run     int64
	attempt int
	idx     int
	effect  int64 // 0: none
}

// emit appends one emitted event. Its digest is made from its place, and not from its body. The same emission has the same digest
// after a restore of a backup. De-duplication never drops it: a plugin that was removed and came back may emit it a second time,
// and the second event gets a digest of its own.
func (t *tx) emit(e *inbox.Emission, c cause, at emissionPlace, digest [sha256.Size]byte) error {
	switch other, err := t.find(digest); {
	case err != nil:
		return err
	case other != 0:
		digest = t.placed(digest)
	}
	arrival := emissionArrival(at.name, e, c)
	arrival.ReceivedAt = fromMillis(t.now)
	packed, err := packPayload(&arrival.Payload)
	if err != nil {
		return err
	}
	seq, err := t.append(arrival, digest, packed)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO emitted (seq, plugin, cause, run, attempt, effect, idx, depth, share) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		seq, at.plugin, c.seq, at.run, at.attempt, at.effect, at.idx, c.depth+1, c.share)
	return err
}

// emissionArrival returns an emitted event as an arrival. It has the key and the reference of its cause, or a key of its own. When
// its cause has no key, it has none either.
func emissionArrival(plugin string, e *inbox.Emission, c cause) *inbox.Arrival {
	view := inbox.View{Event: e.Event, EventType: e.EventType, Key: c.key, CustomerReference: c.reference, Verdict: inbox.Unknown, Rank: -1}
	switch {
	case e.Key != "":
		view.Key, view.CustomerReference = inbox.EmittedKey(plugin, e.Key), ""
	case c.key == inbox.SoloKey(c.seq):
		view.Key = ""
	}
	return &inbox.Arrival{
		Source: inbox.EmitterSource(plugin), Mode: c.mode, Origin: inbox.FromEmission, View: view, Payload: inbox.Payload{Body: e.Body},
	}
}

// traceCause returns the cause of an emitted event, nil for any other event.
func (s *Store) traceCause(ctx context.Context, e *inbox.Event) (*inbox.Cause, error) {
	if e.Origin != inbox.FromEmission {
		return nil, nil
	}
	c := inbox.Cause{Depth: e.Depth}
	var digest []byte
	row := s.readers.QueryRowContext(ctx, `SELECT m.cause, e.digest, m.run, m.attempt, m.idx, m.effect FROM emitted m JOIN events e ON e.seq = m.cause WHERE m.seq = ?`, e.Seq)
	switch err := row.Scan(&c.Seq, &digest, &c.Run, &c.Attempt, &c.Index, &c.Effect); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, readError(err)
	}
	c.ID, c.Plugin = inbox.EventID(c.Seq, digest), inbox.Emitter(e.Source)
	return &c, nil
}

// traceCauses adds the causes of emitted events.
func (s *Store) traceCauses(ctx context.Context, list []inbox.EventTrace) (err error) {
	for i := range list {
		if list[i].Cause, err = s.traceCause(ctx, &list[i].Event); err != nil {
			return err
		}
	}
	return nil
}

// traceEmitted passes the events that the attempts of a plugin with some events emitted, in the order of the log.
func (s *Store) traceEmitted(ctx context.Context, p int64, seqs []int64, fn func(seq int64, e *inbox.Emitted)) error {
	return s.each(ctx, `SELECT `+eventColumns+`, m.run, m.attempt, m.idx, m.effect, m.cause FROM emitted m JOIN events e ON e.seq = m.seq
		WHERE m.cause IN (SELECT value FROM json_each(?)) AND m.plugin = ? ORDER BY m.seq`, []any{listOf(seqs), p}, func(row scanner) error {
		var e inbox.Emitted
		var cause int64
		if err := scanEvent(row, &e.Event, &e.Run, &e.Attempt, &e.Index, &e.Effect, &cause); err != nil {
			return err
		}
		fn(cause, &e)
		return nil
	})
}

// forgetEmitter keeps the emitted events of a plugin that is removed, and forgets which attempts emitted them. attempts selects the
// seqs of the attempts that are deleted, with the plugin as ?1.
func (t *tx) forgetEmitter(attempts string, args ...any) error {
	_, err := t.exec(`UPDATE emitted SET plugin = NULL WHERE plugin = ?1 AND cause IN (`+attempts+`)`, args...)
	return err
}
