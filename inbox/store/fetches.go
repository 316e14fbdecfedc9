package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"inbox/inbox"
)

// fetchHead is the head of a content of a fetch; the answer follows it. The digest of a request is personal data: whoever guesses the
// request recognises it.
type fetchHead struct {
	URL    string `json:"url"`
	Digest string `json:"digest"` // hex
}

// settleJournal stores what an attempt fetched.
func (t *tx) settleJournal(p int64, st *inbox.Settlement) error {
	a := st.Attempt
	for i := range st.Effects.Journal {
		f := &st.Effects.Journal[i]
		packed, err := pack(fetchHead{f.URL, hex.EncodeToString(f.Digest[:])}, f.Document)
		if err != nil {
			return err
		}
		id, err := t.contentID()
		if err != nil {
			return err
		}
		if err := t.putAt(id, contentFetch, encodingHeaded, a.Seq, st.Effects.Subject, packed); err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO fetches (plugin, seq, run, attempt, idx, content_id, `+fetchColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			p, a.Seq, a.Run, a.Number, i, id, f.Method, f.Origin, f.Status, f.Why, f.Ended, f.Again, millis(f.StartedAt), max(f.Duration, 0).Microseconds())
		if err != nil {
			return err
		}
	}
	return nil
}

// fetchColumns are the columns of fetches that make an inbox.Fetched without its content, in the order of fetchInto.
const fetchColumns = `method, origin, status, why, ended, again, started_at, duration`

// fetchInto returns the destinations of fetchColumns.
func fetchInto(f *inbox.Fetched) []any {
	return []any{&f.Method, &f.Origin, &f.Status, &f.Why, &f.Ended, &f.Again, moment{&f.StartedAt}, microseconds{&f.Duration}}
}

// Journal returns what an attempt fetched, in order, with the answers. It is empty when the attempt fetched nothing, and when its journal
// was deleted. The error wraps [inbox.ErrDamaged] when an answer was purged or is damaged.
func (s *Store) Journal(ctx context.Context, plugin string, seq, run int64, attempt int) ([]inbox.Fetched, error) {
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return nil, err
	}
	var list []inbox.Fetched
	err = s.each(ctx, `SELECT `+qualified("f", fetchColumns)+`, `+contentColumns("c")+` FROM fetches f LEFT JOIN contents c ON c.id = f.content_id
		WHERE f.plugin = ? AND f.seq = ? AND f.run = ? AND f.attempt = ? ORDER BY f.idx`, []any{p, seq, run, attempt}, func(row scanner) error {
		var f inbox.Fetched
		var c content
		if err := row.Scan(append(fetchInto(&f), c.into()...)...); err != nil {
			return err
		}
		var h fetchHead
		var err error
		if f.Document, err = c.unpack(&h); err != nil {
			return fmt.Errorf("read fetch %d of attempt %d: %w", len(list), attempt, err)
		}
		f.URL = h.URL
		digest, err := hex.DecodeString(h.Digest)
		if err != nil || copy(f.Digest[:], digest) != len(f.Digest) {
			return fmt.Errorf("read fetch %d of attempt %d: %w", len(list), attempt, inbox.ErrDamaged)
		}
		list = append(list, f)
		return nil
	})
	return list, err
}

// ReplayJournal returns what answers the fetches of a replayed event: nil, which sends them, in a replay that sends effects. In another
// replay it is the journal of the newest attempt that settled the event.
func (s *Store) ReplayJournal(ctx context.Context, plugin string, seq, replay int64) (*inbox.Journal, error) {
	var how inbox.ReplayEffects
	err := s.readers.QueryRowContext(ctx, `SELECT effects FROM replays WHERE id = ?`, replay).Scan(&how)
	switch {
	case err != nil:
		return nil, readError(fmt.Errorf("read the replay %d: %w", replay, err))
	case how == inbox.SendEffects:
		return nil, nil
	}
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return nil, err
	}
	var run int64
	var attempt int
	err = s.readers.QueryRowContext(ctx, `SELECT a.run, a.attempt FROM attempts a WHERE a.plugin = ? AND a.seq = ? AND a.fate = 'done'`+newestFirst, p, seq).Scan(&run, &attempt)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return &inbox.Journal{}, nil
	case err != nil:
		return nil, readError(err)
	}
	list, err := s.Journal(ctx, plugin, seq, run, attempt)
	return &inbox.Journal{Fetches: list}, err
}

// traceFetches adds what the attempts of events in a plugin fetched, without urls and answers.
func (s *Store) traceFetches(ctx context.Context, p *pluginRule, seqs []int64, fn func(seq int64, f *inbox.AttemptFetch)) error {
	return s.each(ctx, `SELECT f.seq, f.run, f.attempt, f.idx, `+qualified("f", fetchColumns)+` FROM fetches f INDEXED BY fetches_by_attempt
		WHERE f.plugin = ? AND f.seq IN (SELECT value FROM json_each(?)) ORDER BY f.seq, f.run, f.attempt, f.idx`, []any{p.id, listOf(seqs)}, func(row scanner) error {
		var f inbox.AttemptFetch
		var seq int64
		if err := row.Scan(append([]any{&seq, &f.Run, &f.Attempt, &f.Index}, fetchInto(&f.Fetched)...)...); err != nil {
			return err
		}
		fn(seq, &f)
		return nil
	})
}

// removeFetches deletes the fetches that a condition selects, with their contents.
func (t *tx) removeFetches(where string, args ...any) error {
	if _, err := t.exec(`DELETE FROM contents WHERE id IN (SELECT content_id FROM fetches WHERE `+where+`)`, args...); err != nil {
		return err
	}
	_, err := t.exec(`DELETE FROM fetches WHERE `+where, args...)
	return err
}

// expireFetches deletes fetches that were made before a time. It reads them in the order of their commits, up to the first that was made
// after that time, and returns the number of deleted fetches.
func (s *Store) expireFetches(ctx context.Context, before int64) (deleted int, err error) {
	for {
		var old []int64
		n, newer := 0, false
		err := s.each(ctx, `SELECT id, started_at >= ? FROM fetches ORDER BY id LIMIT ?`, []any{before, expireStep}, func(row scanner) error {
			var id int64
			var kept bool
			if err := row.Scan(&id, &kept); err != nil {
				return err
			}
			if n++; kept {
				newer = true
			}
			if !newer {
				old = append(old, id)
			}
			return nil
		})
		if err != nil || len(old) == 0 {
			return deleted, err
		}
		if err := s.write(ctx, func(t *tx) error { return t.removeFetches(`id IN (SELECT value FROM json_each(?))`, listOf(old)) }); err != nil {
			return deleted, err
		}
		if deleted += len(old); newer || n < expireStep {
			return deleted, nil
		}
	}
}

func fetchInvariants() []invariant {
	return []invariant{
		{"a fetch belongs to an attempt", `SELECT 'fetch ' || f.id FROM fetches f WHERE NOT EXISTS (
			SELECT 1 FROM attempts a WHERE a.plugin = f.plugin AND a.seq = f.seq AND a.run = f.run AND a.attempt = f.attempt)`},
		{"every fetch has its answer", `SELECT 'fetch ' || id FROM fetches f WHERE NOT EXISTS (
			SELECT 1 FROM contents c WHERE c.id = f.content_id AND c.kind = 10 AND c.root_seq = f.seq)`},
		{"a fetch without a response says why", `SELECT 'fetch ' || id FROM fetches WHERE (status = 0) <> (why <> '')`},
	}
}
