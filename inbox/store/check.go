package store

import (
	"context"
	"fmt"

	"inbox/inbox/store/commit"
)

// checkChunk is the number of contents that a query reads.
const checkChunk = 500

// Check checks the file by SQLite's integrity check, the checksum of every content, and the invariants. It returns up to 100
// problems as sentences, and an error when it cannot read the store. It may run while a server runs. progress may be nil; it is
// called with the number of contents that were read and their total.
func (s *Store) Check(ctx context.Context, progress func(done, total int64)) ([]string, error) {
	var problems []string
	report := func(format string, args ...any) {
		if len(problems) < 100 {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	reportDamage := func(err error) error { // reports damage as a problem, and returns any other error
		if !commit.IsDamaged(err) {
			return err
		}
		report("the file: %s", err)
		return nil
	}
	err := s.each(ctx, `PRAGMA integrity_check(20)`, nil, func(row scanner) error {
		var text string
		if err := row.Scan(&text); err != nil {
			return err
		}
		if text != "ok" {
			report("the file: %s", text)
		}
		return nil
	})
	if err = reportDamage(err); err != nil {
		return problems, err
	}
	if err := reportDamage(s.checkContents(ctx, report, progress)); err != nil {
		return problems, err
	}
	for _, v := range invariants() {
		err := s.each(ctx, v.query+` LIMIT 5`, nil, func(row scanner) error {
			var where string
			if err := row.Scan(&where); err != nil {
				return err
			}
			report("broken invariant %q: %s", v.name, where)
			return nil
		})
		if err = reportDamage(err); err != nil {
			return problems, fmt.Errorf("check the invariant %q: %w", v.name, err)
		}
	}
	return problems, nil
}

// checkContents compares every content with its checksum.
func (s *Store) checkContents(ctx context.Context, report func(string, ...any), progress func(done, total int64)) error {
	var total, done, last int64
	if err := s.readers.QueryRowContext(ctx, `SELECT count(*) FROM contents`).Scan(&total); err != nil {
		return readError(err)
	}
	for {
		n := 0
		query := `SELECT c.id, coalesce(c.root_seq, 0), ` + contentColumns("c") + ` FROM contents c WHERE c.id > ? ORDER BY c.id LIMIT ?`
		err := s.each(ctx, query, []any{last, checkChunk}, func(row scanner) error {
			var id, root int64
			var c content
			if err := row.Scan(append([]any{&id, &root}, c.into()...)...); err != nil {
				return err
			}
			if checksum(c.bytes) != c.sum.Int64 {
				report("content %d of event %d is damaged: its bytes differ from those that were written", id, root)
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
