package operator

import (
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
