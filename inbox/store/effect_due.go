package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"inbox/inbox"
)

// healthColumns are the columns of an origin's health, in the order of healthInto.
const healthColumns = `held_at, hold_reason, probe_at, probes`

// heldHealth reads healthColumns.
type heldHealth struct {
	inbox.Health
	held sql.NullInt64
}

func (h *heldHealth) into() []any { return []any{&h.held, &h.Reason, moment{&h.ProbeAt}, &h.Probes} }

func (h *heldHealth) health() inbox.Health {
	h.OnHold, h.Since = h.held.Valid, fromMillis(h.held.Int64)
	return h.Health
}

// EffectOrigins returns the origins of all plugins' effects, and when their first effects are due. Its cost does not depend on the
// number of effects. It returns [inbox.ErrFenced] when a newer term than the given one has begun.
func (s *Store) EffectOrigins(ctx context.Context, term inbox.Term) ([]inbox.EffectOrigin, error) {
	var newest inbox.Term
	if err := s.readers.QueryRowContext(ctx, newestTerm).Scan(&newest); err != nil {
		return nil, readError(err)
	}
	if newest > term {
		return nil, inbox.ErrFenced
	}
	var list []inbox.EffectOrigin
	err := s.each(ctx, `SELECT p.name, o.origin, p.paused,
			(SELECT due_at FROM effects INDEXED BY effects_due WHERE plugin = o.plugin AND origin = o.origin AND due_at IS NOT NULL ORDER BY due_at LIMIT 1),
			`+qualified("o", healthColumns)+`
		FROM plugins p CROSS JOIN effect_origins o ON o.plugin = p.id ORDER BY p.name, o.origin`, nil, func(row scanner) error {
		var o inbox.EffectOrigin
		var h heldHealth
		if err := row.Scan(append([]any{&o.Plugin, &o.Origin, &o.Paused, moment{&o.DueAt}}, h.into()...)...); err != nil {
			return err
		}
		o.Health = h.health()
		list = append(list, o)
		return nil
	})
	return list, err
}

// effectColumns are the columns of effects f and of their newest try t that make an inbox.Effect, in the order of effectInto.
const effectColumns = `f.id, f.seq, f.run, f.attempt, f.idx, f.mode, f.key, f.origin, f.method, f.idempotency, f.then_event, f.created_at, f.state, f.due_at,
	f.tries, f.counted, f.state = 'dead' AND f.open, f.finished_at, coalesce(t.status, 0), coalesce(t.why, '')`

// newestTry joins the newest try of effects f.
const newestTry = ` LEFT JOIN effect_tries t ON t.effect = f.id AND t.try = f.tries`

// effectInto returns the destinations of effectColumns.
func effectInto(e *inbox.Effect) []any {
	return []any{
		&e.ID, &e.Cause.Seq, &e.Cause.Run, &e.Cause.Attempt, &e.Cause.Index, &e.Lane.Mode, &e.Lane.Key, &e.Lane.Origin, &e.Method, &e.Key, &e.Then,
		moment{&e.CreatedAt}, &e.State, moment{&e.DueAt}, &e.Tries, &e.Counted, &e.Parks, moment{&e.FinishedAt}, &e.Status, &e.Why,
	}
}

// DueEffects returns the first effect of each lane of a plugin to an origin, up to limit of them, those that are due earliest first. A
// parked lane has none.
func (s *Store) DueEffects(ctx context.Context, plugin, origin string, limit int) ([]inbox.Effect, error) {
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return nil, err
	}
	var list []inbox.Effect
	const size = `, coalesce((SELECT length(bytes) FROM contents WHERE id = f.content_id), 0) + (SELECT size FROM events WHERE seq = f.seq)`
	err = s.each(ctx, `SELECT `+effectColumns+size+` FROM effects f INDEXED BY effects_due`+newestTry+`
		WHERE f.plugin = ? AND f.origin = ? AND f.due_at IS NOT NULL ORDER BY f.due_at, f.id LIMIT ?`,
		[]any{p, origin, limit}, func(row scanner) error {
			var e inbox.Effect
			if err := row.Scan(append(effectInto(&e), &e.Size)...); err != nil {
				return err
			}
			e.Lane.Plugin = plugin
			list = append(list, e)
			return nil
		})
	return list, err
}

// EffectRequest returns the request of an effect. The body and the headers of a raw request are those of the stored event. It
// returns NotFound when the effect or the event's payload is gone, and an error that wraps inbox.ErrDamaged for damaged bytes.
func (s *Store) EffectRequest(ctx context.Context, id int64) (*inbox.EffectRequest, error) {
	var c content
	var r inbox.EffectRequest
	var seq int64
	if ctx.Err() != nil {
		return nil, readError(ctx.Err())
	}
	err := s.readers.QueryRowContext(point(ctx), `SELECT f.seq, e.source, `+contentColumns("c")+` FROM effects f JOIN events e ON e.seq = f.seq
		LEFT JOIN contents c ON c.id = f.content_id WHERE f.id = ?`, id).Scan(append([]any{&seq, &r.Source}, c.into()...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, noEffect(id)
	}
	if err != nil {
		return nil, readError(err)
	}
	if r.Request, err = c.request(); err != nil {
		return nil, fmt.Errorf("read the request of effect %d: %w", id, err)
	}
	if !r.Raw {
		return &r, nil
	}
	p, err := s.Payload(ctx, seq)
	r.Body, r.Original = p.Body, p.Headers
	return &r, err
}

// bulkRequest is the largest request, in bytes, that EffectRequests reads.
const bulkRequest = 4 << 10

// EffectRequests returns the requests of many effects at once. It leaves out those that are read alone, by EffectRequest: raw ones, those of
// more than bulkRequest bytes, missing and damaged ones.
func (s *Store) EffectRequests(ctx context.Context, ids []int64) (map[int64]*inbox.EffectRequest, error) {
	found := make(map[int64]*inbox.EffectRequest, len(ids))
	err := s.each(ctx, `SELECT f.id, e.source, `+contentColumns("c")+` FROM json_each(?) j CROSS JOIN effects f ON f.id = j.value
		CROSS JOIN events e ON e.seq = f.seq CROSS JOIN contents c ON c.id = f.content_id WHERE length(c.bytes) <= ?`,
		[]any{listOf(ids), bulkRequest}, func(row scanner) error {
			var id int64
			var c content
			var r inbox.EffectRequest
			if err := row.Scan(append([]any{&id, &r.Source}, c.into()...)...); err != nil {
				return err
			}
			var err error
			if r.Request, err = c.request(); err == nil && !r.Raw {
				found[id] = &r
			}
			return nil
		})
	return found, err
}

func noEffect(id int64) error {
	return inbox.Errorf(inbox.NotFound, "", "no effect %d in this store", id).WithHint("`inbox effect list` shows the effects")
}
