package store

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"

	"inbox/inbox"
)

// Bounds of one query for effects.
const (
	effectPage  = 500    // effects
	effectChunk = 20_000 // ids
)

// EachEffect calls fn for the effects that a filter selects, the newest first.
func (s *Store) EachEffect(ctx context.Context, f inbox.EffectFilter, fn func(*inbox.EffectDetail) error) error {
	q, err := s.effectQuery(ctx, &f)
	if err != nil {
		return err
	}
	n := 0
	for q.high > q.low {
		page, err := q.page(ctx, s)
		if err != nil {
			return err
		}
		for i := range page {
			ok, err := s.matches(ctx, &f.Filter, &page[i].Event)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			if err := fn(&page[i]); err != nil {
				return err
			}
			if n++; n == f.Limit {
				return nil
			}
		}
	}
	return ctx.Err()
}

// effectQuery is the SQL part of a filter, and the ids that are left to read.
type effectQuery struct {
	text      string
	args      []any
	low, high int64 // low <= id < high
	whole     bool  // an index finds the effects: ids are not read in chunks
}

func (s *Store) effectQuery(ctx context.Context, f *inbox.EffectFilter) (*effectQuery, error) {
	events := f.Filter
	events.Plugin = "" // in this filter it is the plugin of the effects
	sel, err := s.newSelection(ctx, &events)
	if err != nil {
		return nil, err
	}
	sel.andSeqs()
	if err := s.effectConditions(ctx, sel, f); err != nil {
		return nil, err
	}
	q := &effectQuery{}
	if err := s.readers.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) + 1 FROM effects`).Scan(&q.high); err != nil {
		return nil, readError(err)
	}
	if f.Upto > 0 {
		q.high = min(q.high, f.Upto+1)
	}
	from := "effects f CROSS JOIN events e ON e.seq = f.seq"
	switch {
	case len(f.IDs) > 0:
		sel.and("f.id IN (SELECT value FROM json_each(?))", listOf(f.IDs))
		q.low, q.high = max(q.low, slices.Min(f.IDs)), min(q.high, addOne(slices.Max(f.IDs)))
		q.whole = true
	case onlyDead(f):
		from, q.whole = "effects f INDEXED BY effects_dead CROSS JOIN events e ON e.seq = f.seq", true
	case sel.byKey:
		from, q.whole = "events e INDEXED BY events_by_key CROSS JOIN effects f INDEXED BY effects_by_cause ON f.plugin IN (SELECT id FROM plugins) AND f.seq = e.seq", true
	case sel.narrow:
		from, q.whole = "events e CROSS JOIN effects f INDEXED BY effects_by_cause ON f.plugin IN (SELECT id FROM plugins) AND f.seq = e.seq", true
	}
	q.args = append([]any{sel.low, sel.high}, sel.args...)
	q.text = `SELECT ` + eventColumns + `, p.name, ` + effectColumns + ` FROM ` + from + ` JOIN plugins p ON p.id = f.plugin` + newestTry + `
		WHERE e.seq > ? AND e.seq <= ?` + sel.where + ` AND f.id >= ? AND f.id < ? ORDER BY f.id DESC LIMIT ?`
	return q, nil
}

// onlyDead reports whether a filter selects dead effects only.
func onlyDead(f *inbox.EffectFilter) bool {
	return len(f.States) == 1 && f.States[0] == inbox.EffectDead
}

// effectConditions adds the conditions on the columns of effects f.
func (s *Store) effectConditions(ctx context.Context, sel *selection, f *inbox.EffectFilter) error {
	if f.Plugin != "" {
		p, err := s.pluginID(ctx, f.Plugin)
		if err != nil {
			return err
		}
		sel.and("f.plugin = ?", p)
	}
	if f.Origin != "" {
		sel.and("f.origin = ?", f.Origin)
	}
	if onlyDead(f) {
		sel.and("f.state = 'dead'") // a constant, so that the planner may use the index of dead effects
		return nil
	}
	if len(f.States) > 0 {
		states := make([]string, len(f.States))
		for i, state := range f.States {
			states[i] = string(state)
		}
		sel.and("f.state IN (SELECT value FROM json_each(?))", listOf(states))
	}
	return nil
}

func addOne(id int64) int64 {
	if id == math.MaxInt64 {
		return id
	}
	return id + 1
}

// page reads the next effects.
func (q *effectQuery) page(ctx context.Context, s *Store) ([]inbox.EffectDetail, error) {
	low := q.low
	if !q.whole {
		low = max(low, q.high-effectChunk)
	}
	var list []inbox.EffectDetail
	err := s.each(ctx, q.text, append(slices.Clone(q.args), low, q.high, effectPage), func(row scanner) error {
		var d inbox.EffectDetail
		if err := scanEvent(row, &d.Event, append([]any{&d.Lane.Plugin}, effectInto(&d.Effect)...)...); err != nil {
			return err
		}
		list = append(list, d)
		return nil
	})
	if q.high = low; len(list) == effectPage {
		q.high = list[effectPage-1].ID
	}
	return list, err
}

// Effect returns one effect with its event, or NotFound.
func (s *Store) Effect(ctx context.Context, id int64) (*inbox.EffectDetail, error) {
	var found *inbox.EffectDetail
	err := s.EachEffect(ctx, inbox.EffectFilter{IDs: []int64{id}}, func(d *inbox.EffectDetail) error {
		found = d
		return nil
	})
	if err == nil && found == nil {
		err = noEffect(id)
	}
	return found, err
}

// EffectTries returns the recorded tries of an effect with their responses, the first and the newest ones. A response whose bytes
// are damaged has no headers and no body.
func (s *Store) EffectTries(ctx context.Context, id int64) ([]inbox.Try, error) {
	var list []inbox.Try
	err := s.each(ctx, `SELECT t.try, t.started_at, t.duration, t.result, t.fate, t.counted, coalesce(t.status, 0), t.why, `+contentColumns("c")+`
		FROM effect_tries t LEFT JOIN contents c ON c.id = t.content_id WHERE t.effect = ? ORDER BY t.try`, []any{id}, func(row scanner) error {
		var y inbox.Try
		var c content
		if err := row.Scan(append([]any{
			&y.Number, moment{&y.StartedAt}, microseconds{&y.Duration}, &y.Result, &y.Fate, &y.Counted, &y.Status, &y.Why,
		}, c.into()...)...); err != nil {
			return err
		}
		if c.sum.Valid {
			r, err := c.response()
			if err != nil && !errors.Is(err, inbox.ErrDamaged) {
				return err
			}
			r.Status, r.Duration = y.Status, y.Duration
			y.Response = r
		}
		list = append(list, y)
		return nil
	})
	return list, err
}

// EffectCounts returns the numbers of effects of every plugin and origin.
func (s *Store) EffectCounts(ctx context.Context) ([]inbox.EffectCounts, error) {
	var list []inbox.EffectCounts
	const open = ` FROM effects INDEXED BY effects_open WHERE open = 1 AND plugin = o.plugin AND origin = o.origin`
	err := s.each(ctx, `SELECT p.name, o.origin, (SELECT count(*)`+open+`) - coalesce(d.parking, 0), coalesce(d.dead, 0),
			coalesce((SELECT created_at FROM effects WHERE id = (SELECT min(id)`+open+`)), 0), `+qualified("o", healthColumns)+`
		FROM plugins p CROSS JOIN effect_origins o ON o.plugin = p.id
		LEFT JOIN (SELECT plugin, origin, count(*) AS dead, sum(open) AS parking FROM effects INDEXED BY effects_dead
			WHERE state = 'dead' GROUP BY plugin, origin) d ON d.plugin = o.plugin AND d.origin = o.origin
		ORDER BY p.name, o.origin`, nil, func(row scanner) error {
		var c inbox.EffectCounts
		var h heldHealth
		if err := row.Scan(append([]any{&c.Plugin, &c.Origin, &c.Waiting, &c.Dead, moment{&c.OldestAt}}, h.into()...)...); err != nil {
			return err
		}
		c.Health = h.health()
		list = append(list, c)
		return nil
	})
	return list, err
}

// NewestEffect returns the id of the newest effect, 0 without one.
func (s *Store) NewestEffect(ctx context.Context) (id int64, err error) {
	return id, readError(s.readers.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM effects`).Scan(&id))
}

// laneOfEffect returns the lane and the state of an effect.
func (t *tx) laneOfEffect(id int64) (p int64, lane inbox.EffectLane, state inbox.EffectState, err error) {
	err = t.get(`SELECT f.plugin, p.name, f.mode, f.key, f.origin, f.state FROM effects f JOIN plugins p ON p.id = f.plugin WHERE f.id = ?`, id).
		Scan(&p, &lane.Plugin, &lane.Mode, &lane.Key, &lane.Origin, &state)
	if errors.Is(err, sql.ErrNoRows) {
		err = noEffect(id)
	}
	return p, lane, state, err
}
