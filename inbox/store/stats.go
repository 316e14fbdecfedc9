package store

import (
	"context"
	"database/sql"
	"errors"

	"inbox/inbox"
	"inbox/inbox/datadir"
)

// Stats returns the counts and sizes of the whole store.
func (s *Store) Stats(ctx context.Context) (inbox.StoreStats, error) {
	var st inbox.StoreStats
	var first, last int64
	err := s.readers.QueryRowContext(ctx, `SELECT coalesce((SELECT max(seq) FROM events), 0),
			coalesce((SELECT stored_at FROM events ORDER BY seq LIMIT 1), 0), coalesce((SELECT stored_at FROM events ORDER BY seq DESC LIMIT 1), 0),
			(SELECT coalesce(sum(count), 0) FROM copies)`).
		Scan(&st.Events, &first, &last, &st.Copies)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return st, readError(err)
	}
	st.FirstAt, st.LastAt = fromMillis(first), fromMillis(last)
	if st.Quarantine, err = s.quarantineStats(ctx); err != nil {
		return st, err
	}
	st.FileBytes, st.WALBytes = fileSize(s.path), fileSize(s.path+"-wal")
	if st.FreeBytes, err = datadir.FreeBytes(s.opt.Dir); err != nil {
		return st, inbox.Errorf(inbox.Unavailable, "measure the free disk space", "%w", err)
	}
	return st, nil
}

// newest returns the newest seq in the file, which another process may have written. After a read error it returns Head.
func (s *Store) newest(ctx context.Context) int64 {
	var seq int64
	if err := s.readers.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM events`).Scan(&seq); err != nil {
		return s.Head()
	}
	return seq
}

// quarantineStats returns the content, the bounds and the dropped requests of the quarantine.
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
	for d, n := range s.unstored.snapshot() {
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
