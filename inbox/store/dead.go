package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"inbox/inbox"
)

// deadColumns are the columns of dead that make an inbox.DeadLetter, in the order of deadInto and deadRow.
const deadColumns = `seq, run, attempt, mode, key, parks, result, died_at, resolution, resolved_at`

// deadInto returns the destinations of deadColumns.
func deadInto(d *inbox.DeadLetter) []any {
	return []any{
		&d.Seq, &d.Run, &d.Attempt, &d.Lane.Mode, &d.Lane.Key, &d.Parks, &d.Result, moment{&d.DiedAt}, &d.Resolution, moment{&d.ResolvedAt},
	}
}

// deadRow returns the values of plugin and deadColumns. A zero ResolvedAt is 0.
func deadRow(p int64, d *inbox.DeadLetter) []any {
	return []any{
		p, d.Seq, d.Run, d.Attempt, d.Lane.Mode, d.Lane.Key, d.Parks, d.Result, millis(d.DiedAt), d.Resolution, millis(d.ResolvedAt),
	}
}

// Bounds of one query for dead letters.
const (
	deadPage = 500
	deadSeqs = 1000 // seqs that a query looks up; for more, it reads all dead letters between the lowest and the highest
)

// DeadLetters returns dead letters with their events and the reasons of their last attempts, the newest first. A reason may hold
// personal data.
func (s *Store) DeadLetters(ctx context.Context, f inbox.DeadLetterFilter) ([]inbox.DeadLetterDetail, error) {
	list := []inbox.DeadLetterDetail{}
	err := s.EachDeadLetter(ctx, f, func(l *inbox.DeadLetterDetail) error {
		list = append(list, *l)
		return nil
	})
	return list, err
}

// EachDeadLetter calls fn for the dead letters of [Store.DeadLetters]. It reads them page by page.
func (s *Store) EachDeadLetter(ctx context.Context, f inbox.DeadLetterFilter, fn func(*inbox.DeadLetterDetail) error) error {
	return s.eachDead(ctx, &f, byDeath, s.newWaitCounter(f.Manifest), fn)
}

// deadOrder is the order in which dead letters are read.
type deadOrder int

const (
	byDeath deadOrder = iota // the newest deaths first
	byEvent                  // plugin by plugin in the order of the log; only open ones
)

// deadKey is the sort key of a dead letter in both orders.
type deadKey struct{ died, seq, plugin, run, attempt int64 }

func (s *Store) eachDead(ctx context.Context, f *inbox.DeadLetterFilter, order deadOrder, waits *waitCounter, fn func(*inbox.DeadLetterDetail) error) error {
	q, err := s.deadQuery(ctx, f, order)
	if err != nil {
		return err
	}
	n := 0
	for last := false; !last; {
		page, err := q.page(ctx, s)
		if err != nil {
			return err
		}
		last = len(page) < deadPage || q.whole
		page, err = s.selectDead(ctx, f, page, n)
		if err == nil {
			err = waits.count(ctx, page)
		}
		if err != nil {
			return err
		}
		for i := range page {
			if err := fn(&page[i]); err != nil {
				return err
			}
		}
		n += len(page)
		last = last || f.Limit > 0 && n == f.Limit
	}
	return ctx.Err()
}

// selectDead applies the parts of the filter that need the body or the program, and the limit after n dead letters of earlier
// pages.
func (s *Store) selectDead(ctx context.Context, f *inbox.DeadLetterFilter, page []inbox.DeadLetterDetail, n int) ([]inbox.DeadLetterDetail, error) {
	kept := page[:0]
	for i := range page {
		if len(f.Seqs) > deadSeqs {
			if _, ok := slices.BinarySearch(f.Seqs, page[i].Seq); !ok {
				continue
			}
		}
		ok, err := s.matches(ctx, &f.Filter, &page[i].Event)
		if err != nil {
			return nil, err
		}
		if ok {
			kept = append(kept, page[i])
		}
	}
	if f.Limit > 0 {
		kept = kept[:min(len(kept), f.Limit-n)]
	}
	return kept, nil
}

// deadQuery is the SQL part of a filter, and the sort key of the last dead letter that was read.
type deadQuery struct {
	text  string
	args  []any
	order deadOrder
	last  deadKey
	whole bool // the filter names a key or seqs: all dead letters are read at once
}

func (s *Store) deadQuery(ctx context.Context, f *inbox.DeadLetterFilter, order deadOrder) (*deadQuery, error) {
	events := f.Filter
	events.Plugin = "" // in this filter it is the plugin of the dead letters
	if slices.Sort(f.Seqs); len(f.Seqs) > deadSeqs {
		events.Seqs, events.After, events.Before = nil, max(events.After, f.Seqs[0]-1), f.Seqs[len(f.Seqs)-1]+1
	}
	sel, err := s.newSelection(ctx, &events)
	if err != nil {
		return nil, err
	}
	sel.andSeqs()
	if f.Plugin != "" {
		p, err := s.pluginID(ctx, f.Plugin)
		if err != nil {
			return nil, err
		}
		sel.and("d.plugin = ?", p)
	}
	if !f.Resolved {
		sel.and("d.resolution = ''")
	}
	if f.Run != 0 {
		sel.and("d.run = ? AND d.run > 0", f.Run)
	}
	if !f.DiedBefore.IsZero() {
		sel.and("d.died_at < ?", millis(f.DiedBefore))
	}
	q := &deadQuery{order: order, last: deadKey{died: math.MaxInt64}, whole: sel.narrow, args: append([]any{sel.low, sel.high}, sel.args...)}
	from := "dead d INDEXED BY " + deathIndex(f) + " CROSS JOIN events e ON e.seq = d.seq"
	after := "(d.died_at, d.seq, d.plugin, d.run, d.attempt) < (?, ?, ?, ?, ?)"
	sorted := "d.died_at DESC, d.seq DESC, d.plugin DESC, d.run DESC, d.attempt DESC LIMIT ?"
	switch {
	case order == byEvent:
		from = "dead d INDEXED BY dead_open CROSS JOIN events e ON e.seq = d.seq"
		after, sorted = "(d.plugin, d.seq, d.run) > (?, ?, ?)", "d.plugin, d.seq, d.run LIMIT ?"
		q.last, q.whole = deadKey{}, false
	case sel.byKey:
		from = "events e INDEXED BY events_by_key CROSS JOIN dead d ON d.plugin IN (SELECT id FROM plugins) AND d.seq = e.seq"
	case sel.narrow:
		from = "events e CROSS JOIN dead d ON d.plugin IN (SELECT id FROM plugins) AND d.seq = e.seq"
	}
	q.text = `SELECT ` + eventColumns + `, p.name, d.plugin, coalesce(a.host_words, 0), ` + qualified("d", deadColumns) + `, ` + contentColumns("c") + `
		FROM ` + from + ` JOIN plugins p ON p.id = d.plugin
		LEFT JOIN attempts a ON a.plugin = d.plugin AND a.seq = d.seq AND a.run = d.run AND a.attempt = d.attempt
		LEFT JOIN contents c ON c.id = a.reason_id
		WHERE e.seq > ? AND e.seq <= ?` + sel.where + ` AND ` + after + ` ORDER BY ` + sorted
	return q, nil
}

// deathIndex returns the index that holds the dead letters by the time of their death.
func deathIndex(f *inbox.DeadLetterFilter) string {
	switch {
	case f.Run != 0:
		return "dead_by_run"
	case f.Resolved:
		return "dead_by_death"
	}
	return "dead_open_by_death"
}

// page reads the next dead letters.
func (q *deadQuery) page(ctx context.Context, s *Store) ([]inbox.DeadLetterDetail, error) {
	m := &q.last
	args := append(slices.Clone(q.args), m.died, m.seq, m.plugin, m.run, m.attempt)
	if q.order == byEvent {
		args = append(slices.Clone(q.args), m.plugin, m.seq, m.run)
	}
	limit := deadPage
	if q.whole {
		limit = -1
	}
	var list []inbox.DeadLetterDetail
	err := s.each(ctx, q.text, append(args, limit), func(row scanner) error {
		var l inbox.DeadLetterDetail
		var reason content
		if err := scanEvent(row, &l.Event, slices.Concat([]any{&l.Plugin, &m.plugin, &l.HostWords}, deadInto(&l.DeadLetter), reason.into())...); err != nil {
			return err
		}
		m.died, m.seq, m.run, m.attempt = millis(l.DiedAt), l.Seq, l.Run, int64(l.Attempt)
		l.Reason = string(reason.text())
		list = append(list, l)
		return nil
	})
	return list, err
}

// OpenDeadLetters calls fn for pages of unresolved dead letters, plugin by plugin in the order of the log. fn may resolve them. The
// events that wait behind them are counted only if the filter has a manifest.
func (s *Store) OpenDeadLetters(ctx context.Context, f inbox.DeadLetterFilter, fn func([]inbox.DeadLetterDetail) error) error {
	f.Resolved = false
	var waits *waitCounter
	if f.Manifest != nil {
		waits = s.newWaitCounter(f.Manifest)
	}
	var page []inbox.DeadLetterDetail
	err := s.eachDead(ctx, &f, byEvent, waits, func(l *inbox.DeadLetterDetail) error {
		if page = append(page, *l); len(page) < deadPage {
			return nil
		}
		full := page
		page = nil
		return fn(full)
	})
	if err != nil || len(page) == 0 {
		return err
	}
	return fn(page)
}

// NewestDeath returns the first time after the newest unresolved dead letter, zero without one.
func (s *Store) NewestDeath(ctx context.Context) (time.Time, error) {
	var died int64
	err := s.readers.QueryRowContext(ctx, `SELECT coalesce(max(died_at), -1) FROM dead INDEXED BY dead_open_by_death WHERE resolution = ''`).Scan(&died)
	if err != nil || died < 0 {
		return time.Time{}, readError(err)
	}
	return fromMillis(died + 1), nil
}

// DeadLettersOf returns the unresolved dead letters of runs, in the order of the log. It leaves out runs that are not dead.
func (s *Store) DeadLettersOf(ctx context.Context, refs []inbox.DeadLetter) ([]inbox.DeadLetterDetail, error) {
	type run struct {
		plugin string
		seq    int64
		run    int64
	}
	asked := map[run]bool{}
	seqs := make([]int64, 0, len(refs))
	for i := range refs {
		asked[run{refs[i].Plugin, refs[i].Seq, refs[i].Run}] = true
		seqs = append(seqs, refs[i].Seq)
	}
	var list []inbox.DeadLetterDetail
	for part := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(seqs))), deadSeqs) {
		f := inbox.DeadLetterFilter{Filter: inbox.Filter{Seqs: part}}
		err := s.eachDead(ctx, &f, byDeath, nil, func(l *inbox.DeadLetterDetail) error {
			if asked[run{l.Plugin, l.Seq, l.Run}] {
				list = append(list, *l)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, func(a, b inbox.DeadLetterDetail) int {
		if c := strings.Compare(a.Plugin, b.Plugin); c != 0 {
			return c
		}
		return int(a.Seq - b.Seq)
	})
	return list, nil
}

// DeadLetter returns the unresolved dead letter of an event in a plugin, that of the newest run when several runs are dead. It is
// NotFound when the event is not dead.
func (s *Store) DeadLetter(ctx context.Context, plugin string, seq int64) (*inbox.DeadLetter, error) {
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return nil, err
	}
	d := inbox.DeadLetter{Plugin: plugin}
	err = s.readers.QueryRowContext(ctx, `SELECT `+deadColumns+` FROM dead WHERE plugin = ? AND seq = ? AND resolution = '' ORDER BY run DESC LIMIT 1`, p, seq).
		Scan(deadInto(&d)...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, inbox.Errorf(inbox.NotFound, "", "event %d is not dead in plugin %s", seq, plugin)
	}
	return &d, readError(err)
}

// settleDead stores a dead letter, or resolves the open one of its run.
func (t *tx) settleDead(p int64, d *inbox.DeadLetter) error {
	if d == nil {
		return nil
	}
	if d.Resolution != inbox.Unresolved {
		return t.resolve(p, d.Seq, d.Run, d.Resolution)
	}
	row := *d
	row.Result, row.ResolvedAt = cmp.Or(d.Result, inbox.HostError), time.Time{}
	_, err := t.exec(`INSERT INTO dead (plugin, `+deadColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0))`, deadRow(p, &row)...)
	return err
}
