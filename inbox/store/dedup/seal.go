package dedup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Store stores the runs.
type Store interface {
	// Write applies fn in one transaction, on the goroutine that writes, and returns when the transaction is durable. fn may run
	// more than once. committed, if not nil, is called on that goroutine after the commit.
	Write(ctx context.Context, fn func(Tx) error, committed func()) error
	// Each calls fn for every row of a query. It does not use the goroutine that writes.
	Each(ctx context.Context, query string, args []any, fn func(scan func(dest ...any) error) error) error
}

// sealer seals the digests of a set into runs in a store.
type sealer struct {
	Store
	set *Set
}

// entry is one digest in a run.
type entry struct {
	hash uint64
	seq  int64
}

// runPlan describes a run to be written. Its source is a full map, or runs to merge. The source does not change meanwhile, so it
// is read outside the goroutine that writes, which only inserts one part at a time.
type runPlan struct {
	run    digestRun   // run.parts has the parts that are written
	parts  int         // of the whole run
	sorted []entry     // the digests of a map
	from   []digestRun // the runs to merge
}

// Seal writes runs while there are enough digests for one, and merges runs while a level has enough of them. It writes each part
// in a small transaction of its own. It continues a run that an earlier process has not finished.
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

// planRun returns the next run to write, nil without one.
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

// plan chooses the source of the next run: the oldest full map, otherwise the first eight adjacent runs of one level.
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

// beginRun inserts the row of a run. When an earlier process has begun the run, beginRun finds its row and loads the parts that
// are written.
func (s *sealer) beginRun(ctx context.Context, p *runPlan) error {
	return s.Write(ctx, func(t Tx) error {
		rows, err := t.Query(`SELECT id FROM digest_runs WHERE sealed = 0 AND level = ? AND first = ? AND last = ? AND parts = ?`,
			p.run.level, p.run.first, p.run.last, p.parts)
		if err != nil {
			return err
		}
		begun := rows.Next()
		if begun {
			err = rows.Scan(&p.run.id)
		}
		if err = errors.Join(err, rows.Err(), rows.Close()); err != nil {
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

// writeRun writes a run part by part and seals it. Until it is sealed, its source is used.
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
		if err := s.Write(ctx, func(t Tx) error { return insertPart(t, p.run.id, part, entries, f) }, nil); err != nil {
			return err
		}
		p.run.parts = append(p.run.parts, f)
	}
	return s.Write(ctx, func(t Tx) error {
		if _, err := t.Exec(`UPDATE digest_runs SET sealed = 1 WHERE id = ?`, p.run.id); err != nil {
			return err
		}
		for _, old := range p.from { // a run that is not sealed is not used; dropRuns deletes its parts one by one
			if _, err := t.Exec(`UPDATE digest_runs SET sealed = 0 WHERE id = ?`, old.id); err != nil {
				return err
			}
		}
		return nil
	}, func() { s.set.install(p.run) })
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

// insertRows is the number of digests that one statement inserts. Inserting many rows by one statement takes half the time.
const insertRows = 100

// insertPart inserts a part of a run and its filter.
func insertPart(t Tx, run int64, part int, entries []entry, f filter) error {
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
		for values := range slices.Chunk(args, 3) {
			if _, err := t.Exec(insertEntries+row, values...); err != nil {
				return err
			}
		}
	}
	_, err := t.Exec(`INSERT INTO digest_filters (run, part, bits) VALUES (?, ?, ?)`, run, part, []byte(f))
	return err
}

const insertEntries = `INSERT INTO digest_entries (run, hash, seq) VALUES `

// dropRuns deletes the runs that are not used, part by part: runs that were merged, and unfinished runs other than the planned
// one.
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

// dropPart deletes one part of a run that is not used, or the run itself when it has no parts left. It reports whether there was
// such a run. keep is the id of the planned run.
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
