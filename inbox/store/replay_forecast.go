package store

import (
	"context"

	"inbox/inbox"
)

// Bounds of a forecast, which costs as much as the search of the replay itself.
const (
	forecastRows   = 100_000 // events that are read
	forecastBodies = 20_000  // payloads that are read
	forecastLanes  = 10_000  // lanes that are cached
)

// Forecast counts what a replay would do with its events in a plugin now, by the rules of the dispatcher. OK counts the events
// that would run. m is the manifest in force; without a manifest the plugin wants every event. known is false, and the counts are
// invalid, when the replay has more events or bodies than Forecast reads.
func (s *Store) Forecast(ctx context.Context, replay *inbox.Replay, plugin string, m *inbox.Manifest) (c inbox.ReplayCount, known bool, err error) {
	f := forecast{s: s, plugin: plugin, m: m, bodies: forecastBodies, lanes: map[inbox.LaneID]*inbox.Lane{}}
	if f.record, err = s.Record(ctx, plugin); err != nil {
		return c, false, err
	}
	if f.p, err = s.pluginID(ctx, plugin); err != nil {
		return c, false, err
	}
	f.rule = inbox.ParseLaneRule(f.record.LaneRule)
	if f.record.LaneRule == "" && m != nil {
		f.rule = inbox.LaneRule{Order: m.Order, By: m.KeyBy}
	}
	rows := 0
	for after := int64(0); after < replay.Upto; {
		events, upto, err := s.Match(ctx, replay, plugin, after, scanRows)
		if err != nil {
			return c, false, err
		}
		if rows += len(events); rows > forecastRows {
			return c, false, nil
		}
		if err := f.countPage(ctx, events); err != nil {
			return c, false, err
		}
		after = max(upto, after+1)
	}
	return f.count, f.bodies >= 0, nil
}

// forecast is the state of one call of [Store.Forecast].
type forecast struct {
	s      *Store
	plugin string
	p      int64
	m      *inbox.Manifest
	record *inbox.PluginRecord
	rule   inbox.LaneRule
	count  inbox.ReplayCount
	bodies int // payloads that may still be read
	lanes  map[inbox.LaneID]*inbox.Lane

	dead, final, again map[int64]bool // events of a page with an unresolved dead letter, a final attempt, or a row of their first run
}

// countPage counts a page of events.
func (f *forecast) countPage(ctx context.Context, events []inbox.Event) error {
	if len(events) == 0 {
		return nil
	}
	if err := f.loadPage(ctx, events[0].Seq, events[len(events)-1].Seq); err != nil {
		return err
	}
	for i := range events {
		if err := f.countEvent(ctx, &events[i]); err != nil {
			return err
		}
	}
	return nil
}

// loadPage reads the dead letters, final attempts and run rows of a chunk of the log.
func (f *forecast) loadPage(ctx context.Context, from, upto int64) error {
	for query, to := range map[string]*map[int64]bool{
		`SELECT seq FROM dead INDEXED BY dead_open WHERE plugin = ? AND seq BETWEEN ? AND ? AND resolution = ''`: &f.dead,
		`SELECT seq FROM attempts WHERE plugin = ? AND seq BETWEEN ? AND ? AND run = 0 AND fate <> 'again'`:      &f.final,
		`SELECT seq FROM runs WHERE plugin = ? AND seq BETWEEN ? AND ? AND run = 0`:                              &f.again,
	} {
		seqs := map[int64]bool{}
		err := f.s.each(ctx, query, []any{f.p, from, upto}, func(row scanner) error {
			var seq int64
			err := row.Scan(&seq)
			seqs[seq] = true
			return err
		})
		if err != nil {
			return err
		}
		*to = seqs
	}
	return nil
}

func (f *forecast) countEvent(ctx context.Context, e *inbox.Event) error {
	wanted, id, err := f.route(ctx, e)
	if err != nil {
		return err
	}
	lane, err := f.lane(ctx, id)
	if err != nil {
		return err
	}
	parked := lane != nil && lane.State == inbox.LaneParked
	unsettled := e.Seq > f.record.Cursor && !f.final[e.Seq]
	switch {
	case !wanted:
		f.count.Filtered++
	case parked && lane.Next == e.Seq:
		f.count.Retried++
	case unsettled, f.again[e.Seq], lane != nil && lane.Next <= e.Seq:
		f.count.Pending++
	case f.dead[e.Seq]:
		f.count.Retried++
	case parked:
		f.count.Waiting++
	default:
		f.count.OK++
	}
	return nil
}

// route returns whether the plugin wants an event, and its lane.
func (f *forecast) route(ctx context.Context, e *inbox.Event) (bool, inbox.LaneID, error) {
	at := inbox.Scalars(nil)
	if f.m != nil && !f.m.Wants(e) {
		return false, inbox.LaneID{}, nil
	}
	if !needsBody(f.rule, f.m) {
		return true, f.rule.Lane(e, f.s.laneValues(at)), nil
	}
	if f.bodies--; f.bodies < 0 {
		return true, inbox.LaneID{}, nil // Forecast returns known = false
	}
	p, err := f.s.Payload(ctx, e.Seq)
	switch {
	case err != nil && inbox.KindOf(err) == inbox.Unavailable:
		return false, inbox.LaneID{}, err
	case err != nil:
		return true, f.rule.Lane(e, f.s.laneValues(at)), nil // its attempt will report the missing payload
	}
	at = inbox.Scalars(p.Body)
	return f.m == nil || f.m.Holds(at), f.rule.Lane(e, f.s.laneValues(at)), nil
}

// lane returns the row of a lane, nil for a lane that does not lag.
func (f *forecast) lane(ctx context.Context, id inbox.LaneID) (*inbox.Lane, error) {
	if l, ok := f.lanes[id]; ok {
		return l, nil
	}
	l, err := f.s.Lane(ctx, f.plugin, id)
	if err != nil {
		return nil, err
	}
	if len(f.lanes) >= forecastLanes {
		clear(f.lanes)
	}
	f.lanes[id] = l
	return l, nil
}
