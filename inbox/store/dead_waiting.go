package store

import (
	"context"

	"inbox/inbox"
)

// Bounds of the count of waiting events in one query for dead letters.
const (
	waitRows   = 200_000 // events that are read
	waitBodies = 20_000  // payloads that are read
)

// waitCounter counts the events that wait behind dead letters: later events of the parked lane that the plugin does not filter
// out. It reads up to waitRows events and waitBodies payloads for all its dead letters. A count that ends there is marked with
// AtLeast.
type waitCounter struct {
	s         *Store
	manifest  func(plugin string) (*inbox.Manifest, error)
	manifests map[string]*inbox.Manifest
	rules     map[string]inbox.LaneRule
	rows      int // events that may still be read
	bodies    int // payloads that may still be read
}

func (s *Store) newWaitCounter(manifest func(plugin string) (*inbox.Manifest, error)) *waitCounter {
	return &waitCounter{
		s: s, manifest: manifest, manifests: map[string]*inbox.Manifest{}, rules: map[string]inbox.LaneRule{}, rows: waitRows, bodies: waitBodies,
	}
}

// count fills in the numbers of waiting events. It finds the events of a lane that is a key by the index of keys. For the other
// lanes of a plugin it reads the log once.
func (c *waitCounter) count(ctx context.Context, deadLetters []inbox.DeadLetterDetail) error {
	if c == nil {
		return nil // the caller needs no counts
	}
	var byKey []*inbox.DeadLetterDetail
	others := map[string]map[inbox.LaneID]*inbox.DeadLetterDetail{}
	for i := range deadLetters {
		l := &deadLetters[i]
		switch _, solo := l.Lane.Solo(); {
		case !l.Parks || l.Resolution != inbox.Unresolved || solo:
			continue // no event waits behind it
		case l.Lane.ByKey():
			byKey = append(byKey, l)
		case others[l.Plugin] == nil:
			others[l.Plugin] = map[inbox.LaneID]*inbox.DeadLetterDetail{l.Lane: l}
		default:
			others[l.Plugin][l.Lane] = l
		}
		if err := c.load(ctx, l.Plugin); err != nil {
			return err
		}
	}
	if err := c.countKeys(ctx, byKey); err != nil {
		return err
	}
	for _, lanes := range others {
		if err := c.countLanes(ctx, lanes); err != nil {
			return err
		}
	}
	return nil
}

// load reads the manifest and the lane rule of a plugin, once.
func (c *waitCounter) load(ctx context.Context, plugin string) (err error) {
	if _, loaded := c.rules[plugin]; loaded {
		return nil
	}
	if c.manifest != nil {
		if c.manifests[plugin], err = c.manifest(plugin); err != nil {
			return err
		}
	}
	var rule string
	err = c.s.readers.QueryRowContext(ctx, `SELECT lane_rule FROM plugins WHERE name = ?`, plugin).Scan(&rule)
	c.rules[plugin] = inbox.ParseLaneRule(rule)
	return readError(err)
}

// countKeys counts the waiting events of lanes that are keys.
func (c *waitCounter) countKeys(ctx context.Context, deadLetters []*inbox.DeadLetterDetail) error {
	if len(deadLetters) == 0 {
		return nil
	}
	lanes := make([][3]any, len(deadLetters))
	for i, l := range deadLetters {
		lanes[i] = [3]any{l.Lane.Mode, l.Lane.Key, l.Seq}
	}
	var later []inbox.Event // all are read before the first payload, because each open query holds a connection
	var of []int
	limit := max(c.rows, 1)
	err := c.s.each(ctx, `SELECT `+eventColumns+`, j.key FROM json_each(?) j CROSS JOIN events e INDEXED BY events_by_key
		ON e.mode = json_extract(j.value, '$[0]') AND e.key = json_extract(j.value, '$[1]') AND e.seq > json_extract(j.value, '$[2]') LIMIT ?`,
		[]any{listOf(lanes), min(limit, 20_000)}, func(row scanner) error {
			var e inbox.Event
			var at int
			if err := scanEvent(row, &e, &at); err != nil {
				return err
			}
			later, of = append(later, e), append(of, at)
			return nil
		})
	if err != nil {
		return err
	}
	c.rows -= len(later)
	for i := range later {
		if err := c.add(ctx, deadLetters[of[i]], &later[i]); err != nil {
			return err
		}
	}
	if len(later) == min(limit, 20_000) {
		for _, l := range deadLetters[of[len(of)-1]:] {
			l.AtLeast = true
		}
	}
	return nil
}

// countLanes counts the waiting events of lanes of one plugin. It reads the log from the first of their dead letters on.
func (c *waitCounter) countLanes(ctx context.Context, lanes map[inbox.LaneID]*inbox.DeadLetterDetail) error {
	var plugin string
	after := int64(1) << 62
	for _, l := range lanes {
		plugin, after = l.Plugin, min(after, l.Seq)
	}
	for c.rows > 0 && c.bodies > 0 {
		events, err := c.s.EventsAfter(ctx, after, min(scanRows, c.rows))
		if err != nil || len(events) == 0 {
			return err
		}
		c.rows -= len(events)
		for i := range events {
			after = events[i].Seq
			id, wanted, err := c.lane(ctx, plugin, &events[i])
			if err != nil {
				return err
			}
			if l := lanes[id]; wanted && l != nil && after > l.Seq {
				l.Waiting++
			}
		}
	}
	for _, l := range lanes {
		l.AtLeast = true
	}
	return nil
}

// lane returns the lane of an event in a plugin, and whether the plugin wants the event.
func (c *waitCounter) lane(ctx context.Context, plugin string, e *inbox.Event) (id inbox.LaneID, wanted bool, err error) {
	m, rule := c.manifests[plugin], c.rules[plugin]
	if m != nil && !m.Wants(e) {
		return id, false, nil
	}
	at, err := c.scalars(ctx, e, rule, m)
	if err != nil {
		return id, false, err
	}
	return rule.Lane(e, c.s.laneValues(at)), m == nil || m.Holds(at), nil
}

// add counts one later event of a dead letter's lane, if the plugin wants it.
func (c *waitCounter) add(ctx context.Context, l *inbox.DeadLetterDetail, e *inbox.Event) error {
	if c.bodies <= 0 && needsBody(c.rules[l.Plugin], c.manifests[l.Plugin]) {
		l.AtLeast = true
		return nil
	}
	id, wanted, err := c.lane(ctx, l.Plugin, e)
	if wanted && id == l.Lane {
		l.Waiting++
	}
	return err
}

func needsBody(rule inbox.LaneRule, m *inbox.Manifest) bool {
	_, ptr := rule.By.Pointer()
	return ptr && rule.Order == inbox.ByKey || m != nil && len(m.Where) > 0
}

// scalars returns a lookup of the values in an event's body. A purged body has no values.
func (c *waitCounter) scalars(ctx context.Context, e *inbox.Event, rule inbox.LaneRule, m *inbox.Manifest) (inbox.Lookup, error) {
	if !needsBody(rule, m) {
		return inbox.Scalars(nil), nil
	}
	c.bodies--
	p, err := c.s.Payload(ctx, e.Seq)
	if err != nil && inbox.KindOf(err) == inbox.Unavailable {
		return nil, err
	}
	return inbox.Scalars(p.Body), nil
}
