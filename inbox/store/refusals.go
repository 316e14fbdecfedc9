package store

import (
	"context"
	"time"

	"inbox/inbox"
)

// keptRefusals is the retention of the counts of refused requests. Callers ask for the last day.
const keptRefusals = 48 * time.Hour

// CountRefusals adds to the counts of refused requests, and deletes counts older than keptRefusals. ctx bounds only the wait.
func (s *Store) CountRefusals(ctx context.Context, counts []inbox.Refusal) error {
	return s.write(ctx, func(t *tx) error {
		if _, err := t.exec(`DELETE FROM refusals WHERE hour < ?`, t.now-keptRefusals.Milliseconds()); err != nil {
			return err
		}
		for i := range counts {
			c := &counts[i]
			if _, err := t.exec(`INSERT INTO refusals (hour, source, why, lost, count, last_at) VALUES (?, ?, ?, ?, ?, ?)
				ON CONFLICT (hour, source, why, lost) DO UPDATE SET count = count + excluded.count, last_at = max(last_at, excluded.last_at)`,
				millis(c.Hour), c.Source, c.Why, c.Lost, c.Count, millis(c.LastAt)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Refusals returns the numbers of requests that were refused since a time, by source and reason. It includes the whole hour of that
// time.
func (s *Store) Refusals(ctx context.Context, since time.Time) ([]inbox.Refusal, error) {
	var list []inbox.Refusal
	err := s.each(ctx, `SELECT source, why, lost, sum(count), max(last_at) FROM refusals WHERE hour >= ?
		GROUP BY source, why, lost ORDER BY source, why, lost`, []any{millis(since.Truncate(time.Hour))}, func(row scanner) error {
		var r inbox.Refusal
		var last int64
		if err := row.Scan(&r.Source, &r.Why, &r.Lost, &r.Count, &last); err != nil {
			return err
		}
		r.LastAt = fromMillis(last)
		list = append(list, r)
		return nil
	})
	return list, err
}
