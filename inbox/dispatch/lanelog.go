package dispatch

import "inbox/inbox"

// laneLog reads the events of one lane from the log, by the rule that makes the lanes.
type laneLog struct {
	link    *link
	release *release
	cursor  *cursor
}

// read returns the next events of a lane that the plugin wants, from a seq up to the newest seq read.
func (g laneLog) read(id inbox.LaneID, from int64) ([]inbox.Event, error) {
	for from <= g.cursor.scanned {
		events, err := g.candidates(id, from)
		if err != nil || len(events) == 0 {
			return nil, err
		}
		from = events[len(events)-1].Seq + 1
		g.release.expect(events, nil)
		kept := events[:0]
		for i := range events {
			wanted, lane, err := g.release.route(&events[i])
			if err != nil {
				return nil, err
			}
			if wanted && lane == id && events[i].Seq <= g.cursor.scanned {
				kept = append(kept, events[i])
			}
		}
		if len(kept) > 0 {
			return kept, nil
		}
	}
	return nil, nil
}

// candidates returns events that may belong to a lane. It uses the index of keys or references where the lane is one of
// these, and else reads the log: that is the price of ordering by a pointer when a lane lags.
func (g laneLog) candidates(id inbox.LaneID, from int64) ([]inbox.Event, error) {
	store, stop := g.link.store, g.link.stop
	switch ref, isRef := id.Reference(); {
	case g.release.rule.Order == inbox.Unsorted:
		seq, ok := id.Solo()
		if !ok {
			return nil, inbox.Errorf(inbox.Internal, "", "lane %s is not of one event", id.Key)
		}
		if seq < from {
			return nil, nil
		}
		return store.EventsAfter(stop, seq-1, 1)
	case id.ByKey():
		return store.LaneEvents(stop, id.Mode, id.Key, from, g.cursor.scanned, readAhead)
	case isRef:
		return store.ReferenceEvents(stop, id.Mode, ref, from, g.cursor.scanned, readAhead)
	}
	return store.EventsAfter(stop, from-1, readAhead)
}
