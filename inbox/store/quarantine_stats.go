package store

import (
	"context"

	"inbox/inbox"
)

// quarantineStats returns what the quarantine holds, may hold and has dropped.
func (s *Store) quarantineStats(ctx context.Context) (inbox.QuarantineStats, error) {
	b := s.opt.Bounds
	q := inbox.QuarantineStats{MaxCount: b.Count, MaxBytes: b.Bytes, MaxAge: b.Age, DroppedBy: map[string]int64{}}
	var oldest, last int64
	err := s.readers.QueryRowContext(ctx, `SELECT coalesce(sum(count), 0), coalesce(sum(bytes), 0), coalesce(sum(count) FILTER (WHERE name <> 'unsigned'), 0),
			coalesce((SELECT min(received_at) FROM refused), 0),
			coalesce((SELECT max(last_at) FROM refused WHERE why IN ('mismatch', 'no_secret')), 0)
			FROM refused_shares WHERE parent = 0`).Scan(&q.Count, &q.Bytes, &q.CouldPass, &oldest, &last)
	if err != nil {
		return q, readError(err)
	}
	q.Oldest, q.LastCouldPass = fromMillis(oldest), fromMillis(last)
	count := func(d dropped, n int64) {
		q.Dropped += n
		q.DroppedBy[d.cause] += n
		if inbox.CouldPass(d.why) {
			q.DroppedCouldPass += n
		}
	}
	for d, n := range s.unkept.snapshot() {
		count(d, n)
	}
	err = s.each(ctx, `SELECT cause, why, count FROM refused_dropped`, nil, func(row scanner) error {
		var d dropped
		var n int64
		err := row.Scan(&d.cause, &d.why, &n)
		count(d, n)
		return err
	})
	return q, err
}
