package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"slices"
)

// digests finds the event of a digest, however old. The newest digests are in a map, older ones in sealed runs inside
// the database: each is written once, sorted, and has a filter in memory that answers "not here" for all but
// about one in a hundred of those it does not hold. Runs are merged by eights, so that there are few. An index over
// all digests would be simpler, but a random key in every accept was measured to more than halve the accepts per second.
//
// Digests are found by their first 64 bits and confirmed on the whole in the event's row. Of two events whose first 64
// bits are equal by chance only the newer is found: with 2^32 events there is an even chance that one such pair exists.
type digests struct {
	recent map[uint64]int64 // 64 bits of the digest → seq, for seqs above sealed
	sealed int64            // newest seq in a run
	runs   []digestRun      // oldest seqs first
}

// digestRun is one sealed run.
type digestRun struct {
	id          int64
	level       int // 0: as sealed; each merge adds one
	first, last int64
	count       int64
	filter      filter
}

const (
	mergeWidth = 8    // runs of one level that become one of the next
	stepRows   = 2000 // rows written per step, so that nobody waits long behind it
)

// load reads the filters of the sealed runs and the digests of what is not sealed yet.
func (d *digests) load(ctx context.Context, conn *sql.Conn, head int64) error {
	*d = digests{recent: map[uint64]int64{}}
	rows, err := conn.QueryContext(ctx, `SELECT id, level, first, last, count, filter FROM digest_runs WHERE filter IS NOT NULL ORDER BY first`)
	if err != nil {
		return fmt.Errorf("read the runs of digests: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var r digestRun
		if err := rows.Scan(&r.id, &r.level, &r.first, &r.last, &r.count, &r.filter); err != nil {
			return fmt.Errorf("read the runs of digests: %w", err)
		}
		d.put(r)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the runs of digests: %w", err)
	}
	fresh, err := conn.QueryContext(ctx, `SELECT seq, substr(digest, 1, 8) FROM events WHERE seq > ?`, d.sealed)
	if err != nil {
		return fmt.Errorf("read the newest digests: %w", err)
	}
	defer fresh.Close()
	for fresh.Next() {
		var seq int64
		var head []byte
		if err := fresh.Scan(&seq, &head); err != nil {
			return fmt.Errorf("read the newest digests: %w", err)
		}
		d.recent[prefix([sha256.Size]byte(append(head, make([]byte, sha256.Size-8)...)))] = seq
	}
	return fresh.Err()
}

// put takes over a sealed run, and drops those whose seqs it covers: they are what it was merged from.
func (d *digests) put(r digestRun) {
	d.runs = slices.DeleteFunc(d.runs, func(old digestRun) bool { return old.first >= r.first && old.last <= r.last })
	if slices.ContainsFunc(d.runs, func(old digestRun) bool { return old.first <= r.first && old.last >= r.last }) {
		return
	}
	d.runs = append(d.runs, r)
	slices.SortFunc(d.runs, func(a, b digestRun) int { return int(a.first - b.first) })
	d.sealed = max(d.sealed, r.last)
}

func (d *digests) add(hash uint64, seq int64) { d.recent[hash] = seq }

// forget drops what a run has taken over.
func (d *digests) forget(upto int64) {
	kept := make(map[uint64]int64, len(d.recent)/2)
	for hash, seq := range d.recent {
		if seq > upto {
			kept[hash] = seq
		}
	}
	d.recent = kept
}

// find returns the seq of the event with the digest, 0 when there is none.
func (d *digests) find(t *tx, hash uint64, digest [sha256.Size]byte) (int64, error) {
	if seq, ok := d.recent[hash]; ok {
		if same, err := t.same(seq, digest); same || err != nil {
			return seq, err
		}
	}
	for i := range d.runs {
		if !d.runs[i].filter.has(hash) {
			continue
		}
		seqs, err := t.entries(d.runs[i].id, hash)
		if err != nil {
			return 0, err
		}
		for _, seq := range seqs {
			if same, err := t.same(seq, digest); same || err != nil {
				return seq, err
			}
		}
	}
	return 0, nil
}

// entries returns the seqs of one run's digests that begin with hash.
func (t *tx) entries(run int64, hash uint64) ([]int64, error) {
	rows, err := t.query(`SELECT seq FROM digest_entries WHERE run = ? AND hash = ?`, run, int64(hash))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var seqs []int64
	for rows.Next() {
		var seq int64
		if err := rows.Scan(&seq); err != nil {
			return nil, err
		}
		seqs = append(seqs, seq)
	}
	return seqs, rows.Err()
}

// filter is a Bloom filter (Bloom 1970) with ten bits and seven probes per key: one in about 120 foreign keys passes.
// The probes are made from two halves of a mixed hash (Kirsch and Mitzenmacher 2006).
type filter []byte

const (
	filterBits   = 10
	filterProbes = 7
)

func newFilter(keys int) filter { return make(filter, (keys*filterBits+7)/8+8) }

func (f filter) add(hash uint64) {
	f.probe(hash, func(i, bit uint64) bool { f[i] |= 1 << bit; return true })
}

func (f filter) has(hash uint64) bool {
	return f.probe(hash, func(i, bit uint64) bool { return f[i]&(1<<bit) != 0 })
}

func (f filter) probe(hash uint64, at func(i, bit uint64) bool) bool {
	bits := uint64(len(f)) * 8
	a := hash ^ hash>>32
	b := (hash*0x9e3779b97f4a7c15)>>17 | 1
	for range filterProbes {
		if p := a % bits; !at(p/8, p%8) {
			return false
		}
		a += b
	}
	return true
}
