package store

import (
	"context"
	"database/sql"

	"inbox/inbox"
)

// traceLimit bounds a timeline: the newest events of the key are shown.
const traceLimit = 500

// Trace returns an event with everything that became of it.
func (s *Store) Trace(ctx context.Context, seq int64) (*inbox.EventTrace, error) {
	e, err := s.Event(ctx, seq)
	if err != nil {
		return nil, err
	}
	return s.trace(ctx, e)
}

// EntityTrace returns the timeline of a key in a mode: its events, each with what became of it. Only the newest 500
// are returned.
func (s *Store) EntityTrace(ctx context.Context, mode inbox.Mode, key string) ([]inbox.EventTrace, error) {
	events, err := s.events(ctx, `SELECT * FROM (SELECT `+eventColumns+` FROM events e WHERE e.mode = ? AND e.key = ? ORDER BY e.seq DESC LIMIT ?) ORDER BY 1`,
		mode, key, traceLimit)
	if err != nil {
		return nil, err
	}
	list := []inbox.EventTrace{}
	for i := range events {
		tr, err := s.trace(ctx, &events[i])
		if err != nil {
			return nil, err
		}
		list = append(list, *tr)
	}
	return list, nil
}

func (s *Store) trace(ctx context.Context, e *inbox.Event) (*inbox.EventTrace, error) {
	tr := &inbox.EventTrace{Event: *e, Deliveries: []inbox.DeliveryTrace{}}
	var first, last int64
	err := s.readers.QueryRowContext(ctx, `SELECT coalesce(sum(count), 0), coalesce(min(first_at), 0), coalesce(max(last_at), 0) FROM copies WHERE seq = ?`, e.Seq).
		Scan(&tr.Copies.Count, &first, &last)
	if err != nil {
		return nil, readError(err)
	}
	tr.Copies.FirstAt, tr.Copies.LastAt = fromMillis(first), fromMillis(last)
	type place struct {
		id, started, cursor int64
		name                string
	}
	var places []place // read first: holding one connection while asking for another could wait for ever
	err = s.each(ctx, `SELECT id, name, started_at, cursor FROM plugins ORDER BY name`, nil, func(row scanner) error {
		places = append(places, place{})
		at := &places[len(places)-1]
		return row.Scan(&at.id, &at.name, &at.started, &at.cursor)
	})
	for _, at := range places {
		d := inbox.DeliveryTrace{Plugin: at.name}
		if err == nil {
			err = s.traceDelivery(ctx, at.id, e, &d, at.started, at.cursor)
		}
		tr.Deliveries = append(tr.Deliveries, d)
	}
	return tr, err
}

// traceDelivery finds where an event stands in a plugin.
func (s *Store) traceDelivery(ctx context.Context, p int64, e *inbox.Event, d *inbox.DeliveryTrace, started, cursor int64) error {
	if err := s.attempts(ctx, p, e.Seq, d); err != nil {
		return err
	}
	lane, err := s.covering(ctx, p, e)
	if err != nil {
		return err
	}
	var dead, dropped bool
	var due sql.NullInt64
	err = s.readers.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM dead WHERE plugin = ?1 AND seq = ?2 AND resolution = ''),
			EXISTS (SELECT 1 FROM dead WHERE plugin = ?1 AND seq = ?2 AND resolution = 'discarded'),
			(SELECT min(due_at) FROM runs WHERE plugin = ?1 AND seq = ?2)`, p, e.Seq).Scan(&dead, &dropped, &due)
	if err != nil {
		return readError(err)
	}
	last := inbox.Fate("")
	if n := len(d.Attempts); n > 0 {
		last = d.Attempts[n-1].Fate
	}
	switch {
	case dead:
		d.State = inbox.StateDead
	case lane != nil && lane.Next == e.Seq && lane.State == inbox.LaneRetry:
		d.State, d.DueAt = inbox.StateRetrying, lane.DueAt
	case lane != nil && lane.Next < e.Seq:
		d.State, d.Behind = inbox.StateWaiting, lane.Next
	case due.Valid:
		d.State, d.DueAt = inbox.StateRetrying, fromMillis(due.Int64)
	case last == inbox.Done:
		d.State = inbox.StateSettled
	case last == inbox.Dead && dropped:
		d.State = inbox.StateDropped
	case e.Seq <= started && last == "":
		d.State = inbox.StateBefore
	case e.Seq <= cursor && lane == nil:
		d.State = inbox.StateFiltered
	default:
		d.State = inbox.StatePending
	}
	return nil
}

// covering returns the lane row that the event is still to run in, nil when there is none. An event stands in one lane
// only; which one depends on what the plugin's lanes are made by, so all it could stand in are asked for.
func (s *Store) covering(ctx context.Context, p int64, e *inbox.Event) (*inbox.Lane, error) {
	var found *inbox.Lane
	ref := inbox.LaneOf(e, inbox.ByKey, inbox.KeyByReference, nil)
	all := inbox.LaneOf(e, inbox.Global, inbox.KeyByKey, nil)
	solo := inbox.LaneOf(e, inbox.Unsorted, inbox.KeyByKey, nil)
	err := s.each(ctx, `SELECT `+laneColumns+` FROM lanes WHERE plugin = ? AND mode = ? AND key IN (?, ?, ?, ?) AND next <= ?`,
		[]any{p, e.Mode, e.View.Key, ref.Key, all.Key, solo.Key, e.Seq}, func(row scanner) error {
			found = &inbox.Lane{}
			return scanLane(row, found)
		})
	return found, err
}

// attempts reads all attempts of an event in a plugin, run by run.
func (s *Store) attempts(ctx context.Context, p, seq int64, d *inbox.DeliveryTrace) error {
	d.Attempts = []inbox.Attempt{}
	return s.each(ctx, `SELECT a.run, a.attempt, a.result, a.fate, a.counted, a.started_at, a.duration, coalesce(r.id, ''), a.log_cut,
			coalesce((SELECT bytes FROM contents WHERE id = a.reason_id), x''), coalesce((SELECT bytes FROM contents WHERE id = a.log_id), x'')
		FROM attempts a LEFT JOIN releases r ON r.num = a.release WHERE a.plugin = ? AND a.seq = ? ORDER BY a.run, a.attempt`,
		[]any{p, seq}, func(row scanner) error {
			a := inbox.Attempt{Plugin: d.Plugin, Seq: seq}
			var started, micros int64
			var reason []byte
			if err := row.Scan(&a.Run, &a.Number, &a.Result, &a.Fate, &a.Counted, &started, &micros, &a.Release, &a.LogCut, &reason, &a.Log); err != nil {
				return err
			}
			a.StartedAt, a.Duration, a.Reason = fromMillis(started), microseconds(micros), string(reason)
			d.Attempts = append(d.Attempts, a)
			return nil
		})
}
