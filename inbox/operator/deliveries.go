package operator

import (
	"inbox/inbox/api"
	"net/http"

	"inbox/inbox"
)

// listDeliveries writes the deliveries that have one of the requested outcomes.
func (s *server) listDeliveries(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	f, err := s.filter(r, "outcome")
	if err != nil {
		return err
	}
	idle, err := s.idleReasons(ctx)
	if err != nil {
		return err
	}
	df := inbox.DeliveryFilter{Filter: f, Outcomes: r.URL.Query()["outcome"], Manifest: s.manifests(ctx)}
	out := rows{w: w}
	err = s.deliveries.EachDelivery(ctx, df, func(d *inbox.DeliveryStatus) error {
		line := api.DeliveryLine{
			ID: d.Event.ID, Seq: d.Event.Seq, Plugin: d.Plugin, State: d.State, Outcome: d.Result, Attempts: d.Attempts, DueAt: d.Trace.DueAt,
			Mode: d.Event.Mode, Key: d.Event.View.Key, Event: d.Event.View.Event, EventType: d.Event.View.EventType, StoredAt: d.Event.StoredAt.UTC(),
		}
		switch d.State {
		case inbox.StatePending, inbox.StateWaiting, inbox.StateRetrying:
			line.Note = idle[d.Plugin]
		}
		if d.Trace.Behind != 0 {
			head, err := s.events.Event(ctx, d.Trace.Behind)
			if err != nil {
				return err
			}
			line.Behind = head.ID
		}
		return out.add(line)
	})
	if err != nil {
		return out.fail(err)
	}
	return out.end("")
}
