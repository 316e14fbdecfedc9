package store

import (
	"context"
	"database/sql"
	"sync"

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
	type known struct {
		id, started, cursor int64
		name, keying        string
	}
	var places []known // read first: holding one connection while asking for another could wait for ever
	err = s.each(ctx, `SELECT id, name, started_at, cursor, keying FROM plugins ORDER BY name`, nil, func(row scanner) error {
		places = append(places, known{})
		at := &places[len(places)-1]
		return row.Scan(&at.id, &at.name, &at.started, &at.cursor, &at.keying)
	})
	scalars := s.scalarsOf(ctx, e)
	for _, at := range places {
		d := inbox.DeliveryTrace{Plugin: at.name}
		if err == nil {
			lane := inbox.ParseKeying(at.keying).Lane(e, scalars)
			err = s.traceDelivery(ctx, at.id, e, &d, lane, at.started, at.cursor)
		}
		tr.Deliveries = append(tr.Deliveries, d)
	}
	return tr, err
}

// scalarsOf looks into the body of an event, which is read only if a plugin's lanes are made by a pointer. A body that
// cannot be read has no values, as for the dispatcher.
func (s *Store) scalarsOf(ctx context.Context, e *inbox.Event) func(string) (string, bool) {
	load := sync.OnceValue(func() func(string) (string, bool) {
		p, err := s.Payload(ctx, e.Seq)
		if err != nil {
			return func(string) (string, bool) { return "", false }
		}
		return inbox.Scalars(p.Body)
	})
	return func(pointer string) (string, bool) { return load()(pointer) }
}

// place is what the state of a delivery follows from.
type place struct {
	seq, started, cursor int64
	last                 inbox.Fate  // of its newest attempt; empty for none
	lane                 *inbox.Lane // that it is still to run in; nil for none
	dead, dropped        bool
	due                  sql.NullInt64 // of a run of its own
}

// traceDelivery finds where an event stands in a plugin whose lane of it is id.
func (s *Store) traceDelivery(ctx context.Context, p int64, e *inbox.Event, d *inbox.DeliveryTrace, id inbox.LaneID, started, cursor int64) error {
	if err := s.attempts(ctx, p, e.Seq, d); err != nil {
		return err
	}
	at := place{seq: e.Seq, started: started, cursor: cursor}
	if n := len(d.Attempts); n > 0 {
		at.last = d.Attempts[n-1].Fate
	}
	lane, err := s.Lane(ctx, d.Plugin, id)
	if err != nil {
		return err
	}
	if lane != nil && lane.Next <= e.Seq {
		at.lane = lane
	}
	err = s.readers.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM dead WHERE plugin = ?1 AND seq = ?2 AND resolution = ''),
			EXISTS (SELECT 1 FROM dead WHERE plugin = ?1 AND seq = ?2 AND resolution = 'discarded'),
			(SELECT min(due_at) FROM runs WHERE plugin = ?1 AND seq = ?2)`, p, e.Seq).Scan(&at.dead, &at.dropped, &at.due)
	if err != nil {
		return readError(err)
	}
	at.tell(d)
	return nil
}

// tell says where the delivery stands: in a lane that lags, in a run of its own, or at an end.
func (at *place) tell(d *inbox.DeliveryTrace) {
	switch {
	case at.dead:
		d.State = inbox.StateDead
	case at.lane != nil && at.lane.Next < at.seq:
		d.State, d.Behind = inbox.StateWaiting, at.lane.Next
	case at.lane != nil && at.lane.State == inbox.LaneRetry:
		d.State, d.DueAt = inbox.StateRetrying, at.lane.DueAt
	case at.due.Valid:
		d.State, d.DueAt = inbox.StateRetrying, fromMillis(at.due.Int64)
	default:
		d.State = at.end()
	}
}

// end is the state of a delivery that no lane and no run holds back.
func (at *place) end() inbox.DeliveryState {
	switch {
	case at.last == inbox.Done:
		return inbox.StateSettled
	case at.last == inbox.Dead && at.dropped:
		return inbox.StateDropped
	case at.seq <= at.started && at.last == "":
		return inbox.StateBefore
	case at.seq <= at.cursor && at.lane == nil:
		return inbox.StateFiltered
	}
	return inbox.StatePending
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
