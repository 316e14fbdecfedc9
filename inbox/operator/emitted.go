package operator

import (
	"context"

	"inbox/inbox"
	"inbox/inbox/api"
)

// causeOf returns the cause of an emitted event, nil for an event of a source.
func causeOf(c *inbox.Cause) *api.Cause {
	if c == nil {
		return nil
	}
	return &api.Cause{ID: c.ID, Seq: c.Seq, Plugin: c.Plugin, Run: c.Run, Attempt: c.Attempt, Index: c.Index, Effect: c.Effect, Depth: c.Depth}
}

// emittedBy returns the events that one attempt of a delivery emitted.
func emittedBy(a *inbox.Attempt, d *inbox.DeliveryTrace) (list []api.Emitted) {
	for i := range d.Emitted {
		e := &d.Emitted[i]
		if e.Run == a.Run && e.Attempt == a.Number {
			v := &e.Event.View
			list = append(list, api.Emitted{ID: e.Event.ID, Seq: e.Event.Seq, Event: v.Event, EventType: v.EventType, Key: v.Key, Effect: e.Effect})
		}
	}
	return list
}

// fetchesOf returns what one attempt of a delivery fetched.
func fetchesOf(a *inbox.Attempt, d *inbox.DeliveryTrace) (list []api.AttemptFetch) {
	for i := range d.Fetches {
		f := &d.Fetches[i]
		if f.Run == a.Run && f.Attempt == a.Number {
			list = append(list, api.AttemptFetch{
				Index: f.Index, Method: f.Method, Origin: f.Origin, Status: f.Status, Why: f.Why, Ended: f.Ended, FromJournal: f.Again,
				StartedAt: f.StartedAt.UTC(), Millis: float64(f.Duration.Microseconds()) / 1000,
			})
		}
	}
	return list
}

// revealFetches adds the urls and answers to the fetches of an event.
func (s *server) revealFetches(ctx context.Context, d *api.EventDetail) error {
	for i := range d.Deliveries {
		for n := range d.Deliveries[i].Attempts {
			a := &d.Deliveries[i].Attempts[n]
			if len(a.Fetches) == 0 {
				continue
			}
			journal, err := s.deliveries.Journal(ctx, d.Deliveries[i].Plugin, d.Seq, a.Run, a.Attempt)
			switch {
			case err != nil && inbox.KindOf(err) == inbox.Unavailable:
				return err
			case err != nil: // the rest of the event can be shown
				d.Note = err.Error()
				continue
			}
			for k := range min(len(journal), len(a.Fetches)) {
				a.Fetches[k].URL, a.Fetches[k].Answer = journal[k].URL, journal[k].Document
			}
		}
	}
	return nil
}

// requestsOf returns the requests that one attempt of a delivery asked for.
func requestsOf(a *inbox.Attempt, d *inbox.DeliveryTrace) (list []api.AttemptRequest) {
	for i := range d.Requests {
		e := &d.Requests[i]
		if e.Cause.Run == a.Run && e.Cause.Attempt == a.Number {
			list = append(list, api.AttemptRequest{
				ID: e.ID, Index: e.Cause.Index, Method: e.Method, Origin: e.Lane.Origin, State: e.State, Parks: e.Parks, Tries: e.Tries,
				Status: e.Status, Why: e.Why, DueAt: e.DueAt, Then: e.Then,
			})
		}
	}
	return list
}
