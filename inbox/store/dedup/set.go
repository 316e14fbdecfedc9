// Package dedup finds duplicates. It keeps the set of the digests of all stored bodies, in memory and in sealed runs in the
// database. It finds the event of a digest, and seals digests into runs in the background. It owns the tables digest_runs,
// digest_filters and digest_entries. Its caller runs and commits the statements.
package dedup

import (
	"cmp"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"inbox/inbox/store/commit"
)

// Tx runs statements. It is a transaction, or the connection while the store is opened.
type Tx interface {
	Exec(query string, args ...any) (driver.Result, error)
	Get(query string, args ...any) commit.Row
	Query(query string, args ...any) (*commit.Rows, error)
}

// Set finds the event of a digest, without a limit of age. It belongs to the goroutine that writes. The newest digests are in maps,
// older ones in sealed runs in the database. A run is sorted and written once. It has filters in memory, which exclude all but
// about one in a hundred of the digests that are not in the run. Eight runs are merged into one, so that there are few. An index
// over all digests would be simpler, but inserting a random key in every accept was measured to more than halve the accepts per
// second.
//
// A digest is looked up by its first 64 bits and compared as a whole with the event's row. Of two events whose first 64 bits are
// equal by chance, only the newer is found. With 2^32 events, the probability that such a pair exists is 39 %.
type Set struct {
	size   int64              // seqs per run of level 0
	sealed int64              // newest seq in a run
	recent []map[uint64]int64 // first 64 bits of a digest → seq; size seqs each, from sealed+1 on. All but the last are full and never change
	runs   []digestRun        // oldest seqs first
}

// digestRun is one sealed run.
type digestRun struct {
	id          int64
	level       int // 0: not merged; each merge adds one
	first, last int64
	parts       []filter // one for each of the equal ranges of hashes
}

const (
	mergeWidth = 8    // runs of one level that are merged into one of the next
	partRows   = 1600 // digests per part of a run. A part is written in one transaction, so that other changes do not wait long
)

// Load reads the filters of the sealed runs and the digests of events that are not sealed yet. size is the number of seqs per
// run of level 0.
func (d *Set) Load(c Tx, size int64) error {
	*d = Set{size: size}
	if err := d.loadRuns(c); err != nil {
		return fmt.Errorf("read the runs of digests: %w", err)
	}
	fresh, err := c.Query(`SELECT seq, substr(digest, 1, 8) FROM events WHERE seq > ?`, d.sealed)
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
		var whole [sha256.Size]byte
		copy(whole[:], head)
		d.Add(Prefix(whole), seq)
	}
	return fresh.Err()
}

func (d *Set) loadRuns(c Tx) error {
	rows, err := c.Query(`SELECT id, level, first, last, parts FROM digest_runs WHERE sealed = 1 ORDER BY first`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r digestRun
		var parts int
		if err := rows.Scan(&r.id, &r.level, &r.first, &r.last, &parts); err != nil {
			return err
		}
		r.parts = make([]filter, 0, parts)
		d.runs = append(d.runs, r)
		d.sealed = r.last
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for i := range d.runs {
		r := &d.runs[i]
		want := cap(r.parts)
		if r.parts, err = loadFilters(c, r.id, r.parts); err != nil {
			return err
		}
		if len(r.parts) != want {
			return fmt.Errorf("run %d has %d of %d filters", r.id, len(r.parts), want)
		}
	}
	return nil
}

// loadFilters appends the stored filters of a run to list.
func loadFilters(c Tx, run int64, list []filter) ([]filter, error) {
	rows, err := c.Query(`SELECT bits FROM digest_filters WHERE run = ? ORDER BY part`, run)
	if err != nil {
		return list, err
	}
	defer rows.Close()
	for rows.Next() {
		var f filter
		if err := rows.Scan(&f); err != nil {
			return list, err
		}
		list = append(list, f)
	}
	return list, rows.Err()
}

// Add adds the digest of a new event, by its [Prefix].
func (d *Set) Add(hash uint64, seq int64) {
	at := (seq - d.sealed - 1) / d.size
	for int64(len(d.recent)) <= at {
		d.recent = append(d.recent, make(map[uint64]int64, min(d.size, 1024)))
	}
	d.recent[at][hash] = seq
}

// install replaces the source of a run by the run, after it was sealed.
func (d *Set) install(r digestRun) {
	if r.level == 0 {
		d.recent = d.recent[1:]
		d.sealed = r.last
	} else {
		d.runs = slices.DeleteFunc(d.runs, func(old digestRun) bool { return old.first >= r.first && old.last <= r.last })
	}
	d.runs = append(d.runs, r)
	slices.SortFunc(d.runs, func(a, b digestRun) int { return cmp.Compare(a.first, b.first) })
}

// Full reports whether memory has enough digests to seal a run.
func (d *Set) Full() bool { return len(d.recent) > 1 }

// Current reports whether the set has all sealed runs of the file. runs is their number in the file, sealed the newest seq in them.
func (d *Set) Current(runs int, sealed int64) bool {
	return d.size > 0 && sealed == d.sealed && runs == len(d.runs)
}

// Counts returns the number of digests in memory, and of sealed runs.
func (d *Set) Counts() (recent, runs int) {
	for _, m := range d.recent {
		recent += len(m)
	}
	return recent, len(d.runs)
}

// Prefix returns the first 64 bits of a digest, by which it is looked up.
func Prefix(digest [sha256.Size]byte) uint64 { return binary.BigEndian.Uint64(digest[:8]) }

// Find returns the seq of the event with a digest, 0 without such an event. It calls same for each candidate; same reports whether
// the event at seq has the whole digest.
func (d *Set) Find(c Tx, digest [sha256.Size]byte, same func(seq int64) (bool, error)) (int64, error) {
	hash := Prefix(digest)
	for _, m := range slices.Backward(d.recent) {
		if seq, ok := m[hash]; ok {
			if same, err := same(seq); same || err != nil {
				return seq, err
			}
		}
	}
	for i := range d.runs {
		if !d.runs[i].has(hash) {
			continue
		}
		seqs, err := entries(c, d.runs[i].id, hash)
		if err != nil {
			return 0, err
		}
		for _, seq := range seqs {
			if same, err := same(seq); same || err != nil {
				return seq, err
			}
		}
	}
	return 0, nil
}

// entries returns the seqs of a run's digests that begin with hash.
func entries(c Tx, run int64, hash uint64) ([]int64, error) {
	rows, err := c.Query(`SELECT seq FROM digest_entries WHERE run = ? AND hash = ?`, run, stored(hash))
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

func (r *digestRun) has(hash uint64) bool { return r.parts[partOf(hash, len(r.parts))].has(hash) }

// stored returns a hash as the signed integer that the database stores. It keeps the order of hashes.
func stored(hash uint64) int64 { return int64(hash ^ 1<<63) }

// unstored is the reverse of stored.
func unstored(hash int64) uint64 { return uint64(hash) ^ 1<<63 }

// partOf returns the number of the range that contains a hash. Digests are uniformly distributed, so the parts have about the same
// size.
func partOf(hash uint64, parts int) int {
	at, _ := bits.Mul64(hash, uint64(parts))
	return int(at)
}

// partRange returns the lowest and the highest hash of a part.
func partRange(part, parts int) (low, high uint64) {
	return partLow(part, parts), partLow(part+1, parts) - 1
}

func partLow(part, parts int) uint64 {
	if part == parts {
		return 0 // the highest hash plus one, which overflows to 0
	}
	low, rest := bits.Div64(uint64(part), 0, uint64(parts))
	if rest > 0 {
		low++
	}
	return low
}

// filter is a Bloom filter (Bloom 1970) with ten bits and seven probes per key: about one in 120 other keys passes. The probes
// are computed from two halves of a mixed hash (Kirsch and Mitzenmacher 2006), from bits that do not select the part.
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
	n := uint64(len(f)) * 8
	a := hash & math.MaxUint32
	b := (hash*0x9e3779b97f4a7c15)>>32 | 1
	for range filterProbes {
		if p := a % n; !at(p/8, p%8) {
			return false
		}
		a += b
	}
	return true
}
