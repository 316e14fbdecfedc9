package dedup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Store writes and reads the runs.
type Store interface {
	// Write applies fn in one transaction, on the goroutine that writes, and returns when the transaction is durable. fn may run
	// more than once. committed, if not nil, is called on that goroutine after the commit.
	Write(ctx context.Context, fn func(Tx) error, committed func()) error
	// Each calls fn for every row of a query, beside the writer.
	Each(ctx context.Context, query string, args []any, fn func(scan func(dest ...any) error) error) error
}

// sealer seals the digests of a set into runs of a store.
type sealer struct {
	Store
	set *Set
}

// entry is one digest in a run.
type entry struct {
	hash uint64
	seq  int64
}

// runPlan is a run to be written: from a map, or from runs. What it is made from does not change meanwhile, so it is read
// beside the writer, which only has to put down one part at a time.
type runPlan struct {
	run    digestRun // its parts are those that are written
	parts  int
	sorted []entry // of a first run
	from   []digestRun
}

// Seal writes runs while there are enough digests for one, and merges runs while there are enough of a level. Every part is
// a small change of its own. A run that an earlier process left half written is continued.
func (d *Set) Seal(ctx context.Context, store Store) error {
	s := &sealer{store, d}
	for ctx.Err() == nil {
		plan, err := s.planRun(ctx)
		if err != nil {
			return err
		}
		if err := s.dropRuns(ctx, plan); err != nil || plan == nil {
			return err
		}
		if err := s.writeRun(ctx, plan); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// planRun returns what to write next, nil for nothing.
func (s *sealer) planRun(ctx context.Context) (*runPlan, error) {
	var plan *runPlan
	var full map[uint64]int64
	err := s.Write(ctx, func(Tx) error {
		plan, full = s.set.plan()
		return nil
	}, nil)
	if err != nil || plan == nil {
		return nil, err
	}
	count := len(full)
	for hash, seq := range full {
		plan.sorted = append(plan.sorted, entry{hash, seq})
	}
	slices.SortFunc(plan.sorted, compareEntries)
	for _, r := range plan.from {
		count += int(r.last - r.first + 1)
	}
	plan.parts = max(1, (count+partRows-1)/partRows)
	return plan, s.beginRun(ctx, plan)
}

// plan chooses what to write next: the oldest full map, or else the first eight runs of one level in a row.
func (d *Set) plan() (*runPlan, map[uint64]int64) {
	if d.Full() {
		return &runPlan{run: digestRun{first: d.sealed + 1, last: d.sealed + d.size}}, d.recent[0]
	}
	for at := 0; at+mergeWidth <= len(d.runs); at++ {
		group := d.runs[at : at+mergeWidth]
		if slices.ContainsFunc(group, func(r digestRun) bool { return r.level != group[0].level }) {
			continue
		}
		run := digestRun{level: group[0].level + 1, first: group[0].first, last: group[mergeWidth-1].last}
		return &runPlan{run: run, from: slices.Clone(group)}, nil
	}
	return nil, nil
}

func compareEntries(a, b entry) int {
	return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.seq, b.seq))
}

// beginRun makes the row of a run, or finds it with the parts that are written already.
func (s *sealer) beginRun(ctx context.Context, p *runPlan) error {
	return s.Write(ctx, func(t Tx) error {
		found, err := t.Query(`SELECT id FROM digest_runs WHERE sealed = 0 AND level = ? AND first = ? AND last = ? AND parts = ?`,
			p.run.level, p.run.first, p.run.last, p.parts)
		if err != nil {
			return err
		}
		begun := found.Next()
		if begun {
			err = found.Scan(&p.run.id)
		}
		if err = errors.Join(err, found.Err(), found.Close()); err != nil {
			return err
		}
		p.run.parts = nil
		if begun {
			p.run.parts, err = loadFilters(t, p.run.id, nil)
			return err
		}
		res, err := t.Exec(`INSERT INTO digest_runs (level, first, last, parts, sealed) VALUES (?, ?, ?, ?, 0)`,
			p.run.level, p.run.first, p.run.last, p.parts)
		if err == nil {
			p.run.id, err = res.LastInsertId()
		}
		return err
	}, nil)
}

// writeRun writes a run part by part. It counts only once it is sealed; until then what it is made from is used.
func (s *sealer) writeRun(ctx context.Context, p *runPlan) error {
	for part := len(p.run.parts); part < p.parts; part++ {
		entries, err := s.partEntries(ctx, p, part)
		if err != nil {
			return fmt.Errorf("read part %d of a run of digests: %w", part, err)
		}
		f := newFilter(len(entries))
		for _, e := range entries {
			f.add(e.hash)
		}
		if err := s.Write(ctx, func(t Tx) error { return putPart(t, p.run.id, part, entries, f) }, nil); err != nil {
			return err
		}
		p.run.parts = append(p.run.parts, f)
	}
	return s.Write(ctx, func(t Tx) error {
		if _, err := t.Exec(`UPDATE digest_runs SET sealed = 1 WHERE id = ?`, p.run.id); err != nil {
			return err
		}
		for _, old := range p.from { // their parts go one by one; a run that is not sealed is not used
			if _, err := t.Exec(`UPDATE digest_runs SET sealed = 0 WHERE id = ?`, old.id); err != nil {
				return err
			}
		}
		return nil
	}, func() { s.set.take(p.run) })
}

// partEntries returns the digests of one part, sorted.
func (s *sealer) partEntries(ctx context.Context, p *runPlan, part int) ([]entry, error) {
	low, high := partRange(part, p.parts)
	at := func(hash uint64) int {
		i, _ := slices.BinarySearchFunc(p.sorted, hash, func(e entry, hash uint64) int { return cmp.Compare(e.hash, hash) })
		return i
	}
	list := slices.Clone(p.sorted[at(low):at(high)])
	if i := at(high); i < len(p.sorted) && p.sorted[i].hash == high {
		list = append(list, p.sorted[i])
	}
	for _, old := range p.from {
		err := s.Each(ctx, `SELECT hash, seq FROM digest_entries WHERE run = ? AND hash BETWEEN ? AND ?`,
			[]any{old.id, stored(low), stored(high)}, func(scan func(...any) error) error {
				var hash, seq int64
				err := scan(&hash, &seq)
				list = append(list, entry{unstored(hash), seq})
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, compareEntries)
	return list, nil
}

// insertRows is how many digests one statement inserts: many rows at a time cost half.
const insertRows = 100

// putPart writes a part of a run with its filter.
func putPart(t Tx, run int64, part int, entries []entry, f filter) error {
	const row = `(?, ?, ?)`
	for chunk := range slices.Chunk(entries, insertRows) {
		args := make([]any, 0, 3*insertRows)
		for _, e := range chunk {
			args = append(args, run, stored(e.hash), e.seq)
		}
		if len(chunk) == insertRows {
			if _, err := t.Exec(insertEntries+row+strings.Repeat(`, `+row, insertRows-1), args...); err != nil {
				return err
			}
			continue
		}
		for one := range slices.Chunk(args, 3) {
			if _, err := t.Exec(insertEntries+row, one...); err != nil {
				return err
			}
		}
	}
	_, err := t.Exec(`INSERT INTO digest_filters (run, part, bits) VALUES (?, ?, ?)`, run, part, []byte(f))
	return err
}

const insertEntries = `INSERT INTO digest_entries (run, hash, seq) VALUES `

// dropRuns removes, part by part, the runs that are not used: those merged into others, and those half written that are
// not the planned one.
func (s *sealer) dropRuns(ctx context.Context, plan *runPlan) error {
	keep := int64(0)
	if plan != nil {
		keep = plan.run.id
	}
	for more := true; more; {
		err := s.Write(ctx, func(t Tx) (err error) {
			more, err = dropPart(t, keep)
			return err
		}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// dropPart removes one part of a run that is not used, or the run when no part is left, and reports whether there was one.
func dropPart(t Tx, keep int64) (bool, error) {
	var run int64
	var parts, part int
	err := t.Get(`SELECT coalesce(max(id), 0), coalesce(max(parts), 0) FROM digest_runs
		WHERE id = (SELECT id FROM digest_runs WHERE sealed = 0 AND id <> ? LIMIT 1)`, keep).Scan(&run, &parts)
	if err != nil || run == 0 {
		return false, err
	}
	if err := t.Get(`SELECT coalesce(max(part), -1) FROM digest_filters WHERE run = ?`, run).Scan(&part); err != nil {
		return false, err
	}
	if part < 0 {
		_, err := t.Exec(`DELETE FROM digest_runs WHERE id = ?`, run)
		return true, err
	}
	low, high := partRange(part, parts)
	if _, err := t.Exec(`DELETE FROM digest_entries WHERE run = ? AND hash BETWEEN ? AND ?`, run, stored(low), stored(high)); err != nil {
		return false, err
	}
	_, err = t.Exec(`DELETE FROM digest_filters WHERE run = ? AND part = ?`, run, part)
	return true, err
}
