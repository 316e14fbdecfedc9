package store

import (
	"context"
	"fmt"
)

// law is something that must hold in every store. Its query returns a text for every place where it does not.
type law struct {
	name  string
	query string
}

// laws are the invariants of the schema that its CHECKs cannot say.
func laws() []law {
	return []law{
		{"the log has no gap", `SELECT 'after seq ' || seq FROM (SELECT seq, lead(seq) OVER (ORDER BY seq) AS following FROM events) WHERE following <> seq + 1`},
		{"stored_at never decreases", `SELECT 'seq ' || seq FROM (SELECT seq, stored_at, lag(stored_at) OVER (ORDER BY seq) AS before FROM events) WHERE before > stored_at`},
		{"top_rank is the highest rank so far", `SELECT 'seq ' || seq FROM (SELECT seq, top_rank, max(rank) OVER (PARTITION BY mode, key ORDER BY seq) AS top FROM events) WHERE top <> top_rank`},
		{"late means a higher rank came before", `SELECT 'seq ' || seq FROM events WHERE late <> (rank >= 0 AND rank < top_rank)`},
		{"every payload of an event is there", `SELECT 'seq ' || seq FROM events WHERE content_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM contents WHERE id = content_id AND kind = 1)`},
		{"every content belongs to something", `SELECT 'content ' || c.id FROM contents c WHERE
			(kind = 1 AND NOT EXISTS (SELECT 1 FROM events WHERE seq = c.root_seq AND content_id = c.id)) OR
			(kind = 2 AND NOT EXISTS (SELECT 1 FROM refused WHERE content_id = c.id))`},
		{"every refused request has its payload", `SELECT 'refused ' || id FROM refused WHERE NOT EXISTS (SELECT 1 FROM contents WHERE id = content_id AND kind = 2)`},
		{"copies are of events", `SELECT 'seq ' || seq FROM copies WHERE seq NOT IN (SELECT seq FROM events)`},
		{"no digest stands twice", `SELECT 'seq ' || max(seq) FROM events GROUP BY digest HAVING count(*) > 1`},
		{"no cursor is beyond the log", `SELECT name FROM plugins WHERE cursor > (SELECT coalesce(max(seq), 0) FROM events)`},
		{"a parked lane has its dead letter", `SELECT p.name || ' ' || l.key FROM lanes l JOIN plugins p ON p.id = l.plugin WHERE l.state = 'parked'
			AND NOT EXISTS (SELECT 1 FROM dead d WHERE d.plugin = l.plugin AND d.seq = l.next AND d.run = 0 AND d.parks = 1 AND d.resolution = '')`},
		{"a parking dead letter has its lane", `SELECT p.name || ' seq ' || d.seq FROM dead d JOIN plugins p ON p.id = d.plugin WHERE d.parks = 1 AND d.resolution = ''
			AND NOT EXISTS (SELECT 1 FROM lanes l WHERE l.plugin = d.plugin AND l.mode = d.mode AND l.key = d.key AND l.state = 'parked' AND l.next = d.seq)`},
		{"a dead letter has its attempt", `SELECT p.name || ' seq ' || d.seq FROM dead d JOIN plugins p ON p.id = d.plugin WHERE NOT EXISTS (
			SELECT 1 FROM attempts a WHERE a.plugin = d.plugin AND a.seq = d.seq AND a.run = d.run AND a.attempt = d.attempt AND a.fate = 'dead')`},
		{"attempts are numbered without a gap", `SELECT plugin || ' seq ' || seq || ' run ' || run FROM attempts GROUP BY plugin, seq, run HAVING max(attempt) <> count(*)`},
		{"a run is done once, and last", `SELECT a.plugin || ' seq ' || a.seq || ' run ' || a.run FROM attempts a WHERE a.fate = 'done'
			AND EXISTS (SELECT 1 FROM attempts b WHERE b.plugin = a.plugin AND b.seq = a.seq AND b.run = a.run AND b.attempt > a.attempt)`},
		{"attempts are of events", `SELECT 'seq ' || seq FROM attempts WHERE seq NOT IN (SELECT seq FROM events)`},
		{"what failed and is not waiting is dead", `SELECT p.name || ' seq ' || a.seq || ' run ' || a.run FROM attempts a JOIN plugins p ON p.id = a.plugin
			WHERE a.fate = 'again' AND a.attempt = (SELECT max(attempt) FROM attempts b WHERE b.plugin = a.plugin AND b.seq = a.seq AND b.run = a.run)
			AND NOT EXISTS (SELECT 1 FROM lanes l WHERE l.plugin = a.plugin AND l.next = a.seq)
			AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.plugin = a.plugin AND r.seq = a.seq AND r.run = a.run)
			AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = a.run AND j.state = 'cancelled')`},
		{"a waiting run waits behind a parked lane", `SELECT p.name || ' seq ' || r.seq FROM runs r JOIN plugins p ON p.id = r.plugin WHERE r.waits = 1
			AND NOT EXISTS (SELECT 1 FROM lanes l WHERE l.plugin = r.plugin AND l.mode = r.mode AND l.key = r.key)`},
		{"a replay counts what waits", `SELECT 'replay ' || j.job FROM job_parts j WHERE j.waiting <> (
			SELECT count(*) FROM runs r WHERE r.plugin = j.plugin AND r.job = j.job AND r.waits = 1)`},
		{"digests of every sealed seq are there", `SELECT 'run ' || id FROM digest_runs r WHERE sealed = 1 AND (
			last - first + 1 <> (SELECT count(*) FROM digest_entries WHERE run = r.id) OR parts <> (SELECT count(*) FROM digest_filters WHERE run = r.id))`},
		{"sealed runs follow each other from the first event", `SELECT 'run ' || id FROM (
			SELECT id, first, coalesce(lag(last) OVER (ORDER BY first), 0) AS before FROM digest_runs WHERE sealed = 1) WHERE first <> before + 1`},
	}
}

// checkChunk is how many contents are read at a time.
const checkChunk = 500

// Check looks for damage: SQLite's own check of the file, the checksum of every content, and the laws of the store. It
// returns what it finds, in words; an error means that it could not look. It may run beside a server. progress, if
// not nil, is told how much of the contents was read.
func (s *Store) Check(ctx context.Context, progress func(done, total int64)) ([]string, error) {
	var problems []string
	note := func(format string, args ...any) {
		if len(problems) < 100 {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	found := func(err error) error { // what cannot be read for damage is a finding
		if code := primary(err); code != codeCorrupt && code != codeNotADB {
			return err
		}
		note("the file: %s", err)
		return nil
	}
	err := s.each(ctx, `PRAGMA integrity_check(20)`, nil, func(row scanner) error {
		var text string
		if err := row.Scan(&text); err != nil {
			return err
		}
		if text != "ok" {
			note("the file: %s", text)
		}
		return nil
	})
	if err = found(err); err != nil {
		return problems, err
	}
	if err := found(s.checkContents(ctx, note, progress)); err != nil {
		return problems, err
	}
	for _, l := range laws() {
		err := s.each(ctx, l.query+` LIMIT 5`, nil, func(row scanner) error {
			var where string
			if err := row.Scan(&where); err != nil {
				return err
			}
			note("broken law %q: %s", l.name, where)
			return nil
		})
		if err = found(err); err != nil {
			return problems, fmt.Errorf("check the law %q: %w", l.name, err)
		}
	}
	return problems, nil
}

// checkContents compares every content with its checksum.
func (s *Store) checkContents(ctx context.Context, note func(string, ...any), progress func(done, total int64)) error {
	var total, done, last int64
	if err := s.readers.QueryRowContext(ctx, `SELECT count(*) FROM contents`).Scan(&total); err != nil {
		return readError(err)
	}
	for {
		n := 0
		err := s.each(ctx, `SELECT id, coalesce(root_seq, 0), bytes, checksum FROM contents WHERE id > ? ORDER BY id LIMIT ?`, []any{last, checkChunk}, func(row scanner) error {
			var id, root, sum int64
			var bytes []byte
			if err := row.Scan(&id, &root, &bytes, &sum); err != nil {
				return err
			}
			if checksum(bytes) != sum {
				note("content %d of event %d is damaged: its bytes are not those that were written", id, root)
			}
			last = id
			n++
			return nil
		})
		if err != nil {
			return err
		}
		done += int64(n)
		if progress != nil {
			progress(done, max(total, done))
		}
		if n < checkChunk {
			return nil
		}
	}
}
