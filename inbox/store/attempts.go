package store

import (
	"cmp"
	"context"
	"math"
	"slices"

	"inbox/inbox"
)

// Bounds of the stored attempts of a run. Without them, an event that is retried for ever would fill the disk.
const (
	keptTexts = 5   // number of first, and of last, attempts of a run whose reasons and logs are kept
	keptRows  = 100 // number of first, and of last, attempts of a run whose rows are kept
)

// prune applies the bounds of a run after attempt a was stored. It deletes the texts of the attempt keptTexts before a, and the row of
// the attempt keptRows before a. It keeps attempts that ended in a dead letter, because the dead letter refers to them.
func (t *tx) prune(p int64, a *inbox.Attempt) error {
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

// dropTexts deletes the reason, the log and the journal of an attempt of the same run as a, and marks its log as cut.
func (t *tx) dropTexts(p int64, a *inbox.Attempt, number int) error {
	const from = ` FROM attempts WHERE plugin = ?1 AND seq = ?2 AND run = ?3 AND attempt = ?4 AND fate = 'again'`
	if _, err := t.exec(`DELETE FROM contents WHERE id IN (SELECT reason_id`+from+` UNION ALL SELECT log_id`+from+`)`,
		p, a.Seq, a.Run, number); err != nil {
		return err
	}
	if err := t.removeFetches(`plugin = ?1 AND seq = ?2 AND run = ?3 AND attempt = (SELECT attempt`+from+`)`, p, a.Seq, a.Run, number); err != nil {
		return err
	}
	_, err := t.exec(`UPDATE attempts SET reason_id = NULL, host_words = 0, log_id = NULL, log_cut = 1
		WHERE plugin = ? AND seq = ? AND run = ? AND attempt = ? AND fate = 'again' AND coalesce(reason_id, log_id) IS NOT NULL`,
		p, a.Seq, a.Run, number)
	return err
}

// attempts calls fn for all attempts of some events in a plugin, run by run.
func (s *Store) attempts(ctx context.Context, p *pluginRule, seqs []int64, fn func(a *inbox.Attempt)) error {
	return s.each(ctx, `SELECT coalesce(r.id, ''), `+qualified("a", attemptColumns)+`, `+contentColumns("why")+`, `+contentColumns("log")+`
		FROM json_each(?) j CROSS JOIN attempts a ON a.plugin = ? AND a.seq = j.value LEFT JOIN releases r ON r.num = a.release
		LEFT JOIN contents why ON why.id = a.reason_id LEFT JOIN contents log ON log.id = a.log_id
		ORDER BY j.key, a.run, a.attempt`,
		[]any{listOf(seqs), p.id}, func(row scanner) error {
			a := inbox.Attempt{Plugin: p.name}
			var why, log content
			if err := row.Scan(slices.Concat([]any{&a.Release}, attemptInto(&a), why.into(), log.into())...); err != nil {
				return err
			}
			a.Reason, a.Log = string(why.text()), log.text()
			fn(&a)
			return nil
		})
}

// newestFirst selects the newest of the attempts a of an event by their start: a first run that was retried may be newer than a
// replay.
const newestFirst = ` ORDER BY a.started_at DESC, a.run DESC, a.attempt DESC LIMIT 1`

// attemptColumns are the columns of attempts that make an inbox.Attempt without its release and its texts, in the order of
// attemptInto and attemptRow.
const attemptColumns = `seq, run, attempt, result, fate, counted, started_at, duration, fuel, host_words, log_cut`

// attemptInto returns the destinations of attemptColumns.
func attemptInto(a *inbox.Attempt) []any {
	return []any{
		&a.Seq, &a.Run, &a.Number, &a.Result, &a.Fate, &a.Counted, moment{&a.StartedAt}, microseconds{&a.Duration}, optional{&a.Fuel}, &a.HostWords, &a.LogCut,
	}
}

// attemptRow returns the values of plugin, release, reason_id, log_id and attemptColumns.
func attemptRow(p int64, a *inbox.Attempt, reason, log any) []any {
	return []any{
		p, a.Release, reason, log,
		a.Seq, a.Run, a.Number, a.Result, a.Fate, a.Counted, millis(a.StartedAt), a.Duration.Microseconds(), a.Fuel, a.HostWords, a.LogCut,
	}
}

// Bounds of the texts of an attempt in bytes. The bounds of the host are smaller.
const (
	longestReason = 64 << 10
	longestLog    = 16 << 20
)

// settleAttempt stores an attempt with its texts.
func (t *tx) settleAttempt(p int64, attempt *inbox.Attempt) error {
	if attempt == nil {
		return nil
	}
	a := recordable(*attempt)
	reason, err := t.putText(contentReason, a.Seq, []byte(a.Reason))
	if err != nil {
		return err
	}
	logID, err := t.putText(contentLog, a.Seq, a.Log)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO attempts (plugin, release, reason_id, log_id, `+attemptColumns+`)
		VALUES (?1, (SELECT num FROM releases WHERE plugin = ?1 AND id = ?2), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, nullif(?13, 0), ?14, ?15)`,
		attemptRow(p, &a, reason, logID)...)
	if err != nil {
		return err
	}
	if a.Fate == inbox.Done {
		t.w.s.watches.note(p, a.Seq)
	}
	return t.prune(p, &a)
}

// recordable returns a copy of an attempt with values that the schema accepts, because clocks step back and counters overflow. An
// attempt that the schema rejects would be repeated for ever, without a record.
func recordable(a inbox.Attempt) inbox.Attempt {
	a.Duration = max(a.Duration, 0)
	if a.Fuel < 0 { // the counter overflowed
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
