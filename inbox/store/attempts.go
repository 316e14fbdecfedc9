package store

import (
	"cmp"
	"context"
	"math"
	"time"

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

// attempts reads all attempts of an event in a plugin, run by run.
func (s *Store) attempts(ctx context.Context, p, seq int64, d *inbox.DeliveryTrace) error {
	d.Attempts = []inbox.Attempt{}
	return s.each(ctx, `SELECT a.run, a.attempt, a.result, a.fate, a.counted, a.started_at, a.duration, coalesce(a.fuel, 0), coalesce(r.id, ''), a.log_cut,
			a.host_words, `+contentColumns("why")+`, `+contentColumns("log")+`
		FROM attempts a LEFT JOIN releases r ON r.num = a.release
		LEFT JOIN contents why ON why.id = a.reason_id LEFT JOIN contents log ON log.id = a.log_id
		WHERE a.plugin = ? AND a.seq = ? ORDER BY a.run, a.attempt`,
		[]any{p, seq}, func(row scanner) error {
			a := inbox.Attempt{Plugin: d.Plugin, Seq: seq}
			var started, micros int64
			var why, log content
			dest := []any{&a.Run, &a.Number, &a.Result, &a.Fate, &a.Counted, &started, &micros, &a.Fuel, &a.Release, &a.LogCut, &a.HostWords}
			if err := row.Scan(append(append(dest, why.into()...), log.into()...)...); err != nil {
				return err
			}
			a.StartedAt, a.Duration = fromMillis(started), time.Duration(micros)*time.Microsecond
			a.Reason, a.Log = string(why.text()), log.text()
			d.Attempts = append(d.Attempts, a)
			return nil
		})
}

// newestFirst orders the attempts a of an event by when they were made: a first run that was retried may be newer than
// a replay.
const newestFirst = ` ORDER BY a.started_at DESC, a.run DESC, a.attempt DESC LIMIT 1`

// Bounds of what is recorded of one attempt. The host keeps to smaller ones.
const (
	longestReason = 64 << 10
	longestLog    = 16 << 20
)

func (t *tx) settleAttempt(p int64, made *inbox.Attempt) error {
	if made == nil {
		return nil
	}
	a := recordable(*made)
	reason, err := t.putText(contentReason, a.Seq, []byte(a.Reason))
	if err != nil {
		return err
	}
	logID, err := t.putText(contentLog, a.Seq, a.Log)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO attempts (plugin, seq, run, attempt, result, fate, counted, started_at, duration, release, reason_id, host_words, log_id, log_cut, fuel)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, (SELECT num FROM releases WHERE plugin = ?1 AND id = ?10), ?11, ?12, ?13, ?14, nullif(?15, 0))`,
		p, a.Seq, a.Run, a.Number, a.Result, a.Fate, a.Counted, millis(a.StartedAt), a.Duration.Microseconds(), a.Release,
		reason, a.HostWords, logID, a.LogCut, a.Fuel)
	if err != nil {
		return err
	}
	return t.thin(p, &a)
}

// recordable returns an attempt that the schema takes, whatever was measured of it: clocks step back, counters overflow. An
// attempt that could not be recorded would be made again and again, without a trace.
func recordable(a inbox.Attempt) inbox.Attempt {
	a.Duration = max(a.Duration, 0)
	if a.Fuel < 0 { // it counted beyond what the type holds
		a.Fuel = math.MaxInt64
	}
	a.Result = cmp.Or(a.Result, inbox.HostError)
	if len(a.Reason) > longestReason {
		a.Reason = a.Reason[:longestReason]
	}
	a.HostWords = max(0, min(a.HostWords, len(a.Reason)))
	if len(a.Log) > longestLog {
		a.Log, a.LogCut = a.Log[:longestLog], true
	}
	return a
}
