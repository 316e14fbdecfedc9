package store

import (
	"context"
	"math"
	"slices"
)

// entry is one digest in a run.
type entry struct{ hash, seq int64 }

// sealDigests writes runs while there is enough for one, and merges runs while there are enough of a level. Every step
// is a small op of its own.
func (s *Store) sealDigests(ctx context.Context) error {
	for ctx.Err() == nil {
		var plan *mergePlan
		err := s.write(ctx, func(t *tx) error {
			plan = t.w.known.plan(s.opt.runSize)
			return nil
		})
		if err != nil || plan == nil {
			return err
		}
		if err := s.writeRun(ctx, plan); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// mergePlan is a run to be written: from the map, or from runs.
type mergePlan struct {
	run     digestRun
	entries []entry // of a first run, sorted
	from    []digestRun
}

// plan returns what to write next, nil for nothing. It runs in the writing goroutine.
func (d *digests) plan(size int) *mergePlan {
	if len(d.recent) >= 2*size {
		first, last := d.sealed+1, d.sealed+int64(size)
		p := &mergePlan{run: digestRun{first: first, last: last}}
		for hash, seq := range d.recent {
			if seq <= last {
				p.entries = append(p.entries, entry{int64(hash), seq})
			}
		}
		slices.SortFunc(p.entries, compareEntries)
		return p
	}
	for at := 0; at+mergeWidth <= len(d.runs); at++ {
		group := d.runs[at : at+mergeWidth]
		if slices.ContainsFunc(group, func(r digestRun) bool { return r.level != group[0].level }) {
			continue
		}
		last := group[mergeWidth-1]
		return &mergePlan{
			run:  digestRun{level: last.level + 1, first: group[0].first, last: last.last},
			from: slices.Clone(group),
		}
	}
	return nil
}

func compareEntries(a, b entry) int {
	switch {
	case a.hash < b.hash:
		return -1
	case a.hash > b.hash:
		return 1
	}
	return int(a.seq - b.seq)
}

// writeRun writes a run step by step. It counts only once its filter is there; until then what it is made from is used.
func (s *Store) writeRun(ctx context.Context, p *mergePlan) error {
	size := len(p.entries)
	for _, r := range p.from {
		size += int(r.count)
	}
	p.run.filter = newFilter(size)
	err := s.write(ctx, func(t *tx) error {
		res, err := t.exec(`INSERT INTO digest_runs (level, first, last, count) VALUES (?, ?, ?, 0)`, p.run.level, p.run.first, p.run.last)
		if err == nil {
			p.run.id, err = res.LastInsertId()
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, part := range hashRanges(size) {
		if err := s.writePart(ctx, p, part[0], part[1]); err != nil {
			return err
		}
	}
	err = s.write(ctx, func(t *tx) error {
		if _, err := t.exec(`UPDATE digest_runs SET filter = ?, count = ? WHERE id = ?`, []byte(p.run.filter), p.run.count, p.run.id); err != nil {
			return err
		}
		for _, old := range p.from { // their entries go in steps of their own; a run without filter is not used
			if _, err := t.exec(`UPDATE digest_runs SET filter = NULL WHERE id = ?`, old.id); err != nil {
				return err
			}
		}
		t.after = append(t.after, func() {
			t.w.known.put(p.run)
			t.w.known.forget(t.w.known.sealed)
		})
		return nil
	})
	if err != nil {
		return err
	}
	return s.dropHalfRuns(ctx)
}

// writePart writes the entries of a run with low <= hash <= high.
func (s *Store) writePart(ctx context.Context, p *mergePlan, low, high int64) error {
	var part []entry
	err := s.write(ctx, func(t *tx) error {
		part = part[:0]
		for _, e := range p.entries {
			if e.hash >= low && e.hash <= high {
				part = append(part, e)
			}
		}
		for _, old := range p.from {
			more, err := t.entriesBetween(old.id, low, high)
			if err != nil {
				return err
			}
			part = append(part, more...)
		}
		slices.SortFunc(part, compareEntries)
		for _, e := range part {
			if _, err := t.exec(`INSERT INTO digest_entries (run, hash, seq) VALUES (?, ?, ?)`, p.run.id, e.hash, e.seq); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, e := range part {
		p.run.filter.add(uint64(e.hash))
	}
	p.run.count += int64(len(part))
	return nil
}

func (t *tx) entriesBetween(run, low, high int64) ([]entry, error) {
	rows, err := t.query(`SELECT hash, seq FROM digest_entries WHERE run = ? AND hash BETWEEN ? AND ?`, run, low, high)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []entry
	for rows.Next() {
		var e entry
		if err := rows.Scan(&e.hash, &e.seq); err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, rows.Err()
}

// hashRanges cuts the space of hashes into ranges of about stepRows of n entries each: digests are evenly spread.
func hashRanges(n int) [][2]int64 {
	parts := max(1, (n+stepRows-1)/stepRows)
	width := math.MaxUint64/uint64(parts) + 1
	if parts == 1 {
		return [][2]int64{{math.MinInt64, math.MaxInt64}}
	}
	list := make([][2]int64, 0, parts)
	low := int64(math.MinInt64)
	for range parts - 1 {
		high := low + int64(width-1)
		list = append(list, [2]int64{low, high})
		low = high + 1
	}
	return append(list, [2]int64{low, math.MaxInt64})
}

// dropHalfRuns removes runs that have no filter: half written when the program ended, or merged into another.
func (s *Store) dropHalfRuns(ctx context.Context) error {
	for ctx.Err() == nil {
		more := false
		err := s.write(ctx, func(t *tx) error {
			res, err := t.exec(`DELETE FROM digest_entries WHERE (run, hash, seq) IN (
				SELECT run, hash, seq FROM digest_entries WHERE run IN (SELECT id FROM digest_runs WHERE filter IS NULL) LIMIT ?)`, stepRows)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if more = n > 0; more || err != nil {
				return err
			}
			_, err = t.exec(`DELETE FROM digest_runs WHERE filter IS NULL`)
			return err
		})
		if err != nil || !more {
			return err
		}
	}
	return ctx.Err()
}
