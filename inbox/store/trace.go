package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
	list, err := s.traces(ctx, []inbox.Event{*e})
	if err != nil {
		return nil, err
	}
	return &list[0], nil
}

// EntityTrace returns the timeline of a key in a mode: the traces of its newest 500 events, in the order of the log.
func (s *Store) EntityTrace(ctx context.Context, mode inbox.Mode, key string) ([]inbox.EventTrace, error) {
	events, err := s.events(ctx, `SELECT * FROM (SELECT `+eventColumns+` FROM events e WHERE e.mode = ? AND e.key = ? ORDER BY e.seq DESC LIMIT ?) ORDER BY 1`,
		mode, key, traceLimit)
	if err != nil {
		return nil, err
	}
	return s.traces(ctx, events)
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

// traces returns the traces of events, which are in the order of the log. It reads each kind of row of all events at once, per plugin,
// so that a timeline takes a few queries and not some for each event.
func (s *Store) traces(ctx context.Context, events []inbox.Event) ([]inbox.EventTrace, error) {
	plugins, err := s.pluginRules(ctx)
	if err != nil {
		return nil, err
	}
	list, at := make([]inbox.EventTrace, len(events)), make(map[int64]*inbox.EventTrace, len(events))
	seqs := make([]int64, len(events))
	for i := range events {
		list[i] = inbox.EventTrace{Event: events[i], Deliveries: make([]inbox.DeliveryTrace, len(plugins))}
		seqs[i], at[events[i].Seq] = events[i].Seq, &list[i]
	}
	if err := s.traceCopies(ctx, seqs, at); err != nil {
		return nil, err
	}
	if err := s.traceCauses(ctx, list); err != nil {
		return nil, err
	}
	for i := range plugins {
		deliveries := make([]*inbox.DeliveryTrace, len(events))
		for n := range list {
			deliveries[n] = &list[n].Deliveries[i]
			*deliveries[n] = inbox.DeliveryTrace{Plugin: plugins[i].name, Attempts: []inbox.Attempt{}}
		}
		err := s.traceDeliveries(ctx, &plugins[i], events, deliveries)
		if err == nil {
			err = s.traceAttempts(ctx, &plugins[i], seqs, func(seq int64) *inbox.DeliveryTrace { return &at[seq].Deliveries[i] })
		}
		if err != nil {
			return nil, fmt.Errorf("trace events in plugin %s: %w", plugins[i].name, err)
		}
	}
	return list, s.traceChanges(ctx, seqs, at)
}

// traceAttempts adds the attempts of events in a plugin, what they fetched, the events that they emitted and the requests that they
// asked for.
func (s *Store) traceAttempts(ctx context.Context, p *pluginRule, seqs []int64, of func(seq int64) *inbox.DeliveryTrace) error {
	err := s.attempts(ctx, p, seqs, func(a *inbox.Attempt) {
		d := of(a.Seq)
		d.Attempts = append(d.Attempts, *a)
	})
	if err != nil {
		return err
	}
	err = s.traceFetches(ctx, p, seqs, func(seq int64, f *inbox.AttemptFetch) {
		d := of(seq)
		d.Fetches = append(d.Fetches, *f)
	})
	if err != nil {
		return err
	}
	err = s.traceEmitted(ctx, p.id, seqs, func(seq int64, e *inbox.Emitted) {
		d := of(seq)
		d.Emitted = append(d.Emitted, *e)
	})
	if err != nil {
		return err
	}
	return s.each(ctx, `SELECT `+effectColumns+` FROM effects f INDEXED BY effects_by_cause`+newestTry+`
		WHERE f.plugin = ? AND f.seq IN (SELECT value FROM json_each(?)) ORDER BY f.id`, []any{p.id, listOf(seqs)}, func(row scanner) error {
		var e inbox.Effect
		if err := row.Scan(effectInto(&e)...); err != nil {
			return err
		}
		e.Lane.Plugin = p.name
		d := of(e.Cause.Seq)
		d.Requests = append(d.Requests, e)
		return nil
	})
}

// traceCopies adds the numbers of copies.
func (s *Store) traceCopies(ctx context.Context, seqs []int64, at map[int64]*inbox.EventTrace) error {
	return s.each(ctx, `SELECT seq, count, first_at, last_at FROM copies WHERE seq IN (SELECT value FROM json_each(?))`, []any{listOf(seqs)}, func(row scanner) error {
		var seq int64
		var c inbox.Copies
		if err := row.Scan(&seq, &c.Count, moment{&c.FirstAt}, moment{&c.LastAt}); err != nil {
			return err
		}
		at[seq].Copies = c
		return nil
	})
}

// traceChanges adds the changes of state. It reads them after the attempts, so that each attempt has its change.
func (s *Store) traceChanges(ctx context.Context, seqs []int64, at map[int64]*inbox.EventTrace) error {
	changes, err := s.StateChanges(ctx, seqs)
	for _, c := range changes {
		deliveries := at[c.Seq].Deliveries
		i := slices.IndexFunc(deliveries, func(d inbox.DeliveryTrace) bool { return d.Plugin == c.Plugin })
		if i >= 0 { // otherwise the plugin is new
			deliveries[i].Changes = append(deliveries[i].Changes, c)
		}
	}
	return err
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

// traceDeliveries fills in the states of events in a plugin. It reads everything in one statement, which sees one snapshot. With
// several statements, an event that is settled between two of them would look filtered out.
func (s *Store) traceDeliveries(ctx context.Context, p *pluginRule, events []inbox.Event, to []*inbox.DeliveryTrace) error {
	lanes, places := make([]inbox.LaneID, len(events)), make([][3]any, len(events))
	for i := range events {
		var err error
		if lanes[i], err = s.laneOf(ctx, p, &events[i]); err != nil {
			return err
		}
		places[i] = [3]any{events[i].Seq, lanes[i].Mode, lanes[i].Key}
	}
	positions, found := make([]position, len(events)), make([]bool, len(events))
	err := s.each(ctx, `SELECT j.key, p.started_at, p.cursor,
			EXISTS (SELECT 1 FROM dead d WHERE d.plugin = p.id AND d.seq = j.value->>0 AND d.resolution = ''),
			coalesce((SELECT CASE a.fate WHEN 'done' THEN 'done' ELSE (SELECT d.resolution FROM dead d
					WHERE d.plugin = a.plugin AND d.seq = a.seq AND d.run = a.run AND d.attempt = a.attempt) END
				FROM attempts a WHERE a.plugin = p.id AND a.seq = j.value->>0 AND a.fate <> 'again'`+newestFirst+`), ''),
			coalesce(l.next, 0), coalesce(l.state, ''), coalesce(l.due_at, 0),
			r.seq IS NOT NULL, coalesce(r.waits, 0), coalesce(r.due_at, 0), coalesce(r.attempt, 0), coalesce(b.next, 0)
		FROM plugins p CROSS JOIN json_each(?2) j
		LEFT JOIN lanes l ON l.plugin = p.id AND l.mode = j.value->>1 AND l.key = j.value->>2 AND l.next <= j.value->>0
		LEFT JOIN runs r ON r.plugin = p.id AND r.seq = j.value->>0
		LEFT JOIN lanes b ON b.plugin = p.id AND b.mode = r.mode AND b.key = r.key
		WHERE p.id = ?1 ORDER BY j.key, r.waits, r.due_at`, []any{p.id, listOf(places)}, func(row scanner) error {
		var i int
		var at position
		err := row.Scan(&i, &at.started, &at.cursor, &at.dead, &at.last, &at.next, &at.lane, &at.laneDue, &at.run, &at.waits, &at.runDue, &at.attempted, &at.blocker)
		if err == nil && !found[i] { // of several runs, the first decides
			positions[i], found[i] = at, true
		}
		return err
	})
	for i := range events {
		if err == nil {
			err = s.traceState(ctx, lanes[i], &positions[i], events[i].Seq, to[i])
		}
	}
	return err
}

// traceState fills in the state of an event at a position.
func (s *Store) traceState(ctx context.Context, lane inbox.LaneID, at *position, seq int64, d *inbox.DeliveryTrace) error {
	switch {
	case at.dead:
		d.State = inbox.StateDead
	case at.next != 0:
		return s.traceInLane(ctx, lane, at, seq, d)
	case at.run:
		at.traceRun(d)
	default:
		d.State = at.settled(seq)
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
