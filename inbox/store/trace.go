package store

import (
	"context"
	"errors"
	"fmt"

	"inbox/inbox"
)

// traceLimit bounds a timeline to the newest events of the key.
const traceLimit = 500

// Trace returns an event with its copies, and with its state and its attempts in every plugin.
func (s *Store) Trace(ctx context.Context, seq int64) (*inbox.EventTrace, error) {
	e, err := s.Event(ctx, seq)
	if err != nil {
		return nil, err
	}
	plugins, err := s.pluginRules(ctx)
	if err != nil {
		return nil, err
	}
	return s.trace(ctx, plugins, e)
}

// EntityTrace returns the timeline of a key in a mode: the traces of its newest 500 events, in the order of the log.
func (s *Store) EntityTrace(ctx context.Context, mode inbox.Mode, key string) ([]inbox.EventTrace, error) {
	events, err := s.events(ctx, `SELECT * FROM (SELECT `+eventColumns+` FROM events e WHERE e.mode = ? AND e.key = ? ORDER BY e.seq DESC LIMIT ?) ORDER BY 1`,
		mode, key, traceLimit)
	if err != nil {
		return nil, err
	}
	plugins, err := s.pluginRules(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]inbox.EventTrace, 0, len(events))
	for i := range events {
		tr, err := s.trace(ctx, plugins, &events[i])
		if err != nil {
			return nil, err
		}
		list = append(list, *tr)
	}
	return list, nil
}

// pluginRule is a plugin and its lane rule.
type pluginRule struct {
	id   int64
	name string
	rule inbox.LaneRule
}

func (s *Store) pluginRules(ctx context.Context) ([]pluginRule, error) {
	var list []pluginRule
	err := s.each(ctx, `SELECT id, name, lane_rule FROM plugins ORDER BY name`, nil, func(row scanner) error {
		var p pluginRule
		var rule string
		if err := row.Scan(&p.id, &p.name, &rule); err != nil {
			return err
		}
		p.rule = inbox.ParseLaneRule(rule)
		list = append(list, p)
		return nil
	})
	return list, err
}

func (s *Store) trace(ctx context.Context, plugins []pluginRule, e *inbox.Event) (*inbox.EventTrace, error) {
	tr := &inbox.EventTrace{Event: *e, Deliveries: make([]inbox.DeliveryTrace, 0, len(plugins))}
	var first, last int64
	err := s.readers.QueryRowContext(ctx, `SELECT coalesce(sum(count), 0), coalesce(min(first_at), 0), coalesce(max(last_at), 0) FROM copies WHERE seq = ?`, e.Seq).
		Scan(&tr.Copies.Count, &first, &last)
	if err != nil {
		return nil, readError(err)
	}
	tr.Copies.FirstAt, tr.Copies.LastAt = fromMillis(first), fromMillis(last)
	if tr.Cause, err = s.traceCause(ctx, e); err != nil {
		return nil, err
	}
	for i := range plugins {
		d := inbox.DeliveryTrace{Plugin: plugins[i].name}
		err := s.traceDelivery(ctx, &plugins[i], e, &d)
		if err == nil {
			err = s.attempts(ctx, plugins[i].id, e.Seq, &d)
		}
		if err == nil {
			err = s.traceEmitted(ctx, plugins[i].id, e.Seq, &d)
		}
		if err != nil {
			return nil, fmt.Errorf("trace event %d in plugin %s: %w", e.Seq, d.Plugin, err)
		}
		tr.Deliveries = append(tr.Deliveries, d)
	}
	return tr, nil
}

// position is the stored state of an event in a plugin, read by one statement.
type position struct {
	started, cursor int64
	dead            bool   // has an unresolved dead letter
	last            string // of the newest attempt that ended a run: "done", or the resolution of its dead letter

	next    int64 // of the lane row that the event waits in; 0 without a row
	lane    inbox.LaneState
	laneDue int64

	run       bool // has a run row
	waits     bool
	runDue    int64
	attempted int
	blocker   int64 // next event of the lane that the run waits behind
}

// traceDelivery fills in the state of an event in a plugin. It reads everything in one statement, which sees one snapshot. With
// several statements, an event that is settled between two of them would look filtered out.
func (s *Store) traceDelivery(ctx context.Context, p *pluginRule, e *inbox.Event, d *inbox.DeliveryTrace) error {
	id, err := s.laneOf(ctx, p, e)
	if err != nil {
		return err
	}
	var at position
	err = s.readers.QueryRowContext(ctx, `SELECT p.started_at, p.cursor,
			EXISTS (SELECT 1 FROM dead d WHERE d.plugin = p.id AND d.seq = ?2 AND d.resolution = ''),
			coalesce((SELECT CASE a.fate WHEN 'done' THEN 'done' ELSE (SELECT d.resolution FROM dead d
					WHERE d.plugin = a.plugin AND d.seq = a.seq AND d.run = a.run AND d.attempt = a.attempt) END
				FROM attempts a WHERE a.plugin = p.id AND a.seq = ?2 AND a.fate <> 'again'`+newestFirst+`), ''),
			coalesce(l.next, 0), coalesce(l.state, ''), coalesce(l.due_at, 0),
			r.seq IS NOT NULL, coalesce(r.waits, 0), coalesce(r.due_at, 0), coalesce(r.attempt, 0), coalesce(b.next, 0)
		FROM plugins p
		LEFT JOIN lanes l ON l.plugin = p.id AND l.mode = ?3 AND l.key = ?4 AND l.next <= ?2
		LEFT JOIN runs r ON r.plugin = p.id AND r.seq = ?2
		LEFT JOIN lanes b ON b.plugin = p.id AND b.mode = r.mode AND b.key = r.key
		WHERE p.id = ?1 ORDER BY r.waits, r.due_at LIMIT 1`, p.id, e.Seq, id.Mode, id.Key).
		Scan(&at.started, &at.cursor, &at.dead, &at.last, &at.next, &at.lane, &at.laneDue, &at.run, &at.waits, &at.runDue, &at.attempted, &at.blocker)
	if err != nil {
		return readError(err)
	}
	switch {
	case at.dead:
		d.State = inbox.StateDead
	case at.next != 0:
		return s.traceInLane(ctx, id, &at, e.Seq, d)
	case at.run:
		at.traceRun(d)
	default:
		d.State = at.settled(e.Seq)
	}
	return nil
}

// laneValues returns a lookup of the digests of body values, from which lane keys are made.
func (s *Store) laneValues(at inbox.Lookup) func(pointer string) (string, bool) {
	return inbox.Digested(at.Text, s.LaneDigest)
}

// laneOf returns the lane of an event in a plugin.
func (s *Store) laneOf(ctx context.Context, p *pluginRule, e *inbox.Event) (inbox.LaneID, error) {
	var failed error
	at := func(pointer string) (string, bool) {
		payload, err := s.Payload(ctx, e.Seq)
		if err != nil && inbox.KindOf(err) != inbox.NotFound && !errors.Is(err, inbox.ErrDamaged) {
			failed = err
		}
		return inbox.Scalars(payload.Body).Text(pointer)
	}
	lane := p.rule.Lane(e, inbox.Digested(at, s.LaneDigest)) // sets failed
	return lane, failed
}

// traceInLane fills in the state of an event that waits in a lane that lags.
func (s *Store) traceInLane(ctx context.Context, id inbox.LaneID, at *position, seq int64, d *inbox.DeliveryTrace) error {
	head := at.next
	if at.lane == inbox.LaneReady && head < seq { // at.next is only a lower bound of the next event's seq
		var err error
		if head, err = s.firstInLane(ctx, id, at.next, seq); err != nil {
			return err
		}
	}
	switch {
	case head != 0 && head < seq:
		d.State, d.Behind = inbox.StateWaiting, head
	case at.lane == inbox.LaneRetry:
		d.State, d.DueAt = inbox.StateRetrying, fromMillis(at.laneDue)
	default:
		d.State = inbox.StatePending
	}
	return nil
}

// traceRun fills in the state of a replay, or of a retried run, that has a row.
func (at *position) traceRun(d *inbox.DeliveryTrace) {
	switch {
	case at.waits:
		d.State, d.Behind = inbox.StateWaiting, at.blocker
	case at.attempted > 0:
		d.State, d.DueAt = inbox.StateRetrying, fromMillis(at.runDue)
	default:
		d.State = inbox.StatePending
	}
}

// settled returns the state of an event that has neither a lane row nor a run row.
func (at *position) settled(seq int64) inbox.DeliveryState {
	switch {
	case at.last == string(inbox.Done):
		return inbox.StateSettled
	case at.last == string(inbox.Discarded):
		return inbox.StateDropped
	case at.last != "":
		return inbox.StatePending
	case seq <= at.started:
		return inbox.StateBefore
	case seq <= at.cursor:
		return inbox.StateFiltered
	}
	return inbox.StatePending
}
