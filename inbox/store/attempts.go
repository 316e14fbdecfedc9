package store

import (
	"context"

	"inbox/inbox"
)

// What is kept of a run that is tried again and again: without a bound, one event and one plugin would fill the disk.
const (
	keptTexts = 5   // of the first and of the last attempts of a run, with their reasons and logs
	keptRows  = 100 // of the first and of the last attempts of a run at all
)

// thin drops what is not kept of a run any more now that attempt a was recorded: the texts of the attempt that is no longer
// one of the last, and the row of an older one. An attempt that a run died of stays: its dead letter names it.
func (t *tx) thin(p int64, a *inbox.Attempt) error {
	if old := a.Number - keptTexts; old > keptTexts {
		if err := t.dropTexts(p, a, old); err != nil {
			return err
		}
	}
	if old := a.Number - keptRows; old > keptRows {
		_, err := t.exec(`DELETE FROM attempts WHERE plugin = ? AND seq = ? AND run = ? AND attempt = ? AND fate = 'again'`, p, a.Seq, a.Run, old)
		return err
	}
	return nil
}

// dropTexts deletes the reason and the log of an attempt of the same run as a. That its log is cut says so.
func (t *tx) dropTexts(p int64, a *inbox.Attempt, number int) error {
	const which = ` FROM attempts WHERE plugin = ?1 AND seq = ?2 AND run = ?3 AND attempt = ?4 AND fate = 'again'`
	if _, err := t.exec(`DELETE FROM contents WHERE id IN (SELECT reason_id`+which+` UNION ALL SELECT log_id`+which+`)`,
		p, a.Seq, a.Run, number); err != nil {
		return err
	}
	_, err := t.exec(`UPDATE attempts SET reason_id = NULL, host_words = 0, log_id = NULL, log_cut = 1
		WHERE plugin = ? AND seq = ? AND run = ? AND attempt = ? AND fate = 'again' AND coalesce(reason_id, log_id) IS NOT NULL`,
		p, a.Seq, a.Run, number)
	return err
}

// OftenTried returns runs that wait for their next attempt after at least so many, those with most attempts first, at most
// limit of them.
func (s *Store) OftenTried(ctx context.Context, attempts, limit int) ([]inbox.OftenTried, error) {
	var list []inbox.OftenTried
	err := s.each(ctx, `SELECT `+eventColumns+`, p.name, w.run, w.attempt FROM (
			SELECT plugin, next AS seq, 0 AS run, attempt FROM lanes WHERE state = 'retry' AND attempt >= ?1
			UNION ALL SELECT plugin, seq, run, attempt FROM runs WHERE attempt >= ?1
		) w JOIN events e ON e.seq = w.seq JOIN plugins p ON p.id = w.plugin ORDER BY w.attempt DESC, p.name, w.seq LIMIT ?2`,
		[]any{attempts, limit}, func(row scanner) error {
			var r inbox.OftenTried
			var e inbox.Event
			if err := scanEvent(row, &e, &r.Plugin, &r.Run, &r.Attempts); err != nil {
				return err
			}
			r.ID = e.ID
			list = append(list, r)
			return nil
		})
	return list, err
}
