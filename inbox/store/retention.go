package store

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// expirePause is the time between two searches for what is older than the retention.
const expirePause = 24 * time.Hour

// expireStep is the number of rows that one query reads and one transaction deletes.
const expireStep = 500

// expireHistory deletes old changes of state, old requests and old fetches, once in expirePause. Only upkeep calls it.
func (s *Store) expireHistory(ctx context.Context) error {
	now := s.opt.Now()
	if now.Before(s.nextExpiry) && s.nextExpiry.Sub(now) <= expirePause { // also when the clock was set back
		return nil
	}
	var changes, requests, fetches int
	var err error
	r := s.opt.Retention
	if r.State > 0 {
		if changes, err = s.expireStates(ctx, now.Add(-r.State).UnixMilli()); err != nil {
			return fmt.Errorf("delete old changes of state: %w", err)
		}
	}
	if r.Effects > 0 {
		if requests, err = s.expireEffects(ctx, now.Add(-r.Effects).UnixMilli()); err != nil {
			return fmt.Errorf("delete old requests: %w", err)
		}
		if fetches, err = s.expireFetches(ctx, now.Add(-r.Effects).UnixMilli()); err != nil {
			return fmt.Errorf("delete old fetches: %w", err)
		}
	}
	s.nextExpiry = now.Add(expirePause)
	level := slog.LevelDebug
	if changes+requests+fetches > 0 {
		level = slog.LevelInfo
	}
	s.opt.Log.Log(ctx, level, "deleted what is older than its retention", "state_changes", changes, "requests", requests, "fetches", fetches)
	return nil
}

// stateChange names a change of a state document. The fields are in the order of the index states_by_seq.
type stateChange struct {
	seq, plugin int64
	mode, key   string
	change      int64
}

// expireStates deletes changes that were made before a time and that are not the newest of their documents. It reads the changes in
// the order of their events, up to the first event that was stored after that time, and returns the number of deleted changes.
func (s *Store) expireStates(ctx context.Context, before int64) (deleted int, err error) {
	var last stateChange
	for {
		var old []stateChange
		n := 0
		err := s.each(ctx, `SELECT s.seq, s.plugin, s.mode, s.key, s.change, s.at < ?1 AND EXISTS (
				SELECT 1 FROM states o WHERE o.plugin = s.plugin AND o.mode = s.mode AND o.key = s.key AND o.change > s.change)
			FROM states s WHERE (s.seq, s.plugin, s.mode, s.key, s.change) > (?2, ?3, ?4, ?5, ?6)
			ORDER BY s.seq, s.plugin, s.mode, s.key, s.change LIMIT ?7`,
			[]any{before, last.seq, last.plugin, last.mode, last.key, last.change, expireStep}, func(row scanner) error {
				var expired bool
				n++
				if err := row.Scan(&last.seq, &last.plugin, &last.mode, &last.key, &last.change, &expired); err != nil {
					return err
				}
				if expired {
					old = append(old, last)
				}
				return nil
			})
		if err != nil {
			return deleted, err
		}
		if len(old) > 0 {
			if err := s.write(ctx, func(t *tx) error { return t.deleteStateChanges(old) }); err != nil {
				return deleted, err
			}
			deleted += len(old)
		}
		if n < expireStep || s.storedAfter(ctx, last.seq, before) {
			return deleted, nil
		}
	}
}

// storedAfter reports whether an event was stored after a time. It is true also when that cannot be read, which ends a search.
func (s *Store) storedAfter(ctx context.Context, seq, before int64) bool {
	var at int64
	err := s.readers.QueryRowContext(ctx, `SELECT stored_at FROM events WHERE seq = ?`, seq).Scan(&at)
	return err != nil || at >= before
}

func (t *tx) deleteStateChanges(list []stateChange) error {
	const where = ` FROM states WHERE plugin = ? AND mode = ? AND key = ? AND change = ?`
	for _, c := range list {
		if _, err := t.exec(`DELETE FROM contents WHERE id = (SELECT content_id`+where+`)`, c.plugin, c.mode, c.key, c.change); err != nil {
			return err
		}
		if _, err := t.exec(`DELETE`+where, c.plugin, c.mode, c.key, c.change); err != nil {
			return err
		}
	}
	return nil
}

// expireEffects deletes requests that ended before a time. Dead ones are kept: an operator decides on them. It reads the requests in
// the order of their commits, up to the first that was made after that time, and returns the number of deleted requests.
func (s *Store) expireEffects(ctx context.Context, before int64) (deleted int, err error) {
	var last, created int64
	for {
		var old []int64
		n := 0
		err := s.each(ctx, `SELECT id, created_at, state IN ('done', 'discarded') AND finished_at < ?1 FROM effects WHERE id > ?2 ORDER BY id LIMIT ?3`,
			[]any{before, last, expireStep}, func(row scanner) error {
				var expired bool
				n++
				if err := row.Scan(&last, &created, &expired); err != nil {
					return err
				}
				if expired {
					old = append(old, last)
				}
				return nil
			})
		if err != nil {
			return deleted, err
		}
		if len(old) > 0 {
			if err := s.write(ctx, func(t *tx) error { return t.removeEffects(`id IN (SELECT value FROM json_each(?))`, listOf(old)) }); err != nil {
				return deleted, err
			}
			deleted += len(old)
		}
		if n < expireStep || created >= before {
			return deleted, nil
		}
	}
}
