package operator

import (
	"context"
	"fmt"
	"inbox/inbox/api"
	"time"

	"inbox/inbox"
)

func eventOf(e *inbox.Event) api.Event {
	v := &e.View
	return api.Event{
		Seq: e.Seq, ID: e.ID, Source: e.Source, Mode: e.Mode, Origin: e.Origin, Event: v.Event, EventType: v.EventType, Key: v.Key,
		ExternalID: v.ExternalID, CustomerReference: v.CustomerReference, Verdict: v.Verdict, Status: v.Status, State: v.State,
		SubStatus: v.SubStatus, Late: e.Late, DuplicateHint: e.DuplicateHint, Secret: e.SecretName, Size: e.Size,
		ReceivedAt: e.ReceivedAt.UTC(), FirstSeenAt: e.FirstSeenAt.UTC(), StoredAt: e.StoredAt.UTC(), NormVersion: v.NormVersion,
		Purged: e.Purged,
	}
}

// idleReasons returns the plugins that start no attempt at the moment, each with the reason.
func (s *server) idleReasons(ctx context.Context) (map[string]string, error) {
	plugins, err := s.plugins(ctx)
	if err != nil {
		return nil, err
	}
	why := map[string]string{}
	for i := range plugins {
		switch p := &plugins[i]; {
		case p.Paused:
			why[p.Name] = "the plugin is paused"
		case p.OnHold:
			why[p.Name] = "the plugin is on hold"
		case p.State == inbox.FileAbsent:
			why[p.Name] = "the plugin's file is gone"
		}
	}
	return why, nil
}

// detailOf returns an event with its deliveries, without its payload. A delivery that has yet to run gets the reason why its
// plugin is idle, if it is.
func (s *server) detailOf(ctx context.Context, tr *inbox.EventTrace, idle map[string]string, reveal bool) (api.EventDetail, error) {
	d := api.EventDetail{
		Event: eventOf(&tr.Event), CausedBy: causeOf(tr.Cause), Copies: api.Copies(tr.Copies), Deliveries: []api.Delivery{}, Revealed: reveal,
	}
	for _, one := range tr.Deliveries {
		out := api.Delivery{Plugin: one.Plugin, State: one.State, DueAt: one.DueAt, Attempts: []api.Attempt{}}
		if one.Behind != 0 {
			head, err := s.events.Event(ctx, one.Behind)
			if err != nil {
				return d, err
			}
			out.Behind = head.ID
		}
		switch filtered, err := s.willBeFiltered(ctx, &one, &tr.Event); {
		case err != nil:
			return d, err
		case filtered:
			out.State, out.Behind = inbox.StateFiltered, ""
		}
		switch out.State {
		case inbox.StateFiltered:
			note, err := s.filteredNote(ctx, one.Plugin, &tr.Event)
			if err != nil {
				return d, err
			}
			out.Note = note
		case inbox.StatePending, inbox.StateWaiting, inbox.StateRetrying:
			out.Note = idle[one.Plugin]
		}
		for i := range one.Attempts {
			a := attemptOf(&one.Attempts[i], reveal)
			a.Emitted = emittedBy(&one.Attempts[i], &one)
			a.Requests = requestsOf(&one.Attempts[i], &one)
			a.Fetches = fetchesOf(&one.Attempts[i], &one)
			out.Attempts = append(out.Attempts, a)
		}
		if err := s.addChanges(ctx, &out, one.Changes, reveal); err != nil {
			return d, err
		}
		d.Deliveries = append(d.Deliveries, out)
	}
	return d, nil
}

// willBeFiltered reports whether the plugin's filters will exclude an event that has not run yet.
func (s *server) willBeFiltered(ctx context.Context, d *inbox.DeliveryTrace, e *inbox.Event) (bool, error) {
	if d.State != inbox.StatePending && d.State != inbox.StateWaiting || len(d.Attempts) > 0 {
		return false, nil
	}
	by, err := s.filteredBy(ctx, d.Plugin, e)
	return by != "", err
}

// filteredNote returns why a plugin did not get an event, as far as it can be known: the store keeps no row for it. The filters
// of the live release may differ from those that excluded it.
func (s *server) filteredNote(ctx context.Context, plugin string, e *inbox.Event) (string, error) {
	m, err := s.manifests(ctx)(plugin)
	if m == nil || err != nil {
		return "", err
	}
	switch by, err := s.filteredBy(ctx, plugin, e); {
	case err != nil:
		return "", err
	case by != "":
		return "by its filter " + by, nil
	}
	return "by the release that was live then; the live release wants it", nil
}

// filteredBy returns the filter in force that excludes an event from a plugin. It is empty when the plugin wants the event or
// its manifest is unknown.
func (s *server) filteredBy(ctx context.Context, plugin string, e *inbox.Event) (string, error) {
	m, err := s.manifests(ctx)(plugin)
	if m == nil || err != nil {
		return "", err
	}
	var body []byte
	if len(m.Where) > 0 {
		p, err := s.events.Payload(ctx, e.Seq)
		if err != nil && inbox.KindOf(err) == inbox.Unavailable {
			return "", err
		}
		body = p.Body // a purged or damaged body has no values
	}
	return m.FilteredBy(e, inbox.Scalars(body)), nil
}

func attemptOf(a *inbox.Attempt, reveal bool) api.Attempt {
	out := api.Attempt{
		Run: a.Run, Attempt: a.Number, Outcome: a.Result, Fate: a.Fate, Counted: a.Counted, Replay: a.Run != 0, StartedAt: a.StartedAt.UTC(),
		Millis: float64(a.Duration) / float64(time.Millisecond), Fuel: a.Fuel, Release: a.Release, Reason: a.Reason, Log: string(a.Log), LogCut: a.LogCut,
	}
	if !reveal {
		out.Reason, out.Log = maskReason(a.Reason, a.HostWords), maskText(out.Log)
	}
	return out
}

func deadLetterOf(l *inbox.DeadLetterDetail, reveal bool) api.DeadLetter {
	reason := l.Reason
	if !reveal {
		reason = maskReason(reason, l.HostWords)
	}
	return api.DeadLetter{
		Plugin: l.Plugin, ID: l.Event.ID, Seq: l.Seq, Run: l.Run, Attempt: l.Attempt, Outcome: l.Result, Reason: reason, Parks: l.Parks,
		Waiting: l.Waiting, Mode: l.Event.Mode, Key: l.Event.View.Key, Event: l.Event.View.Event, EventType: l.Event.View.EventType,
		DiedAt: l.DiedAt, Resolution: l.Resolution, ResolvedAt: l.ResolvedAt, AtLeast: l.AtLeast,
	}
}

func entityOf(e *inbox.Entity) api.Entity {
	return api.Entity{
		Mode: e.Mode, Key: e.Key, CustomerReference: e.CustomerReference, Linked: e.Linked, Event: e.Event, Verdict: e.Verdict, Status: e.Status, Open: e.Open,
		Events: e.Events, Late: e.Late, Copies: e.Copies, FirstAt: e.FirstAt, LastAt: e.LastAt,
	}
}

// maxNamed bounds the named events that an answer lists of a replay's filter, because a client polls a replay many times.
const maxNamed = 100

func replayOf(j *inbox.Replay) api.Replay {
	out := api.Replay{
		ID: j.ID, State: j.State, Matched: j.Matched, Plugins: j.Plugins, Only: j.Only, Filter: j.Filter, Rate: j.Rate, Upto: j.Upto,
		Actor: j.Actor, Reason: j.Reason, CreatedAt: j.CreatedAt, FinishedAt: j.FinishedAt, Effects: j.Effects, KeepKeys: j.KeepKeys,
	}
	if n := len(j.Filter.Seqs); n > maxNamed {
		out.Filter.Seqs = out.Filter.Seqs[:maxNamed]
		out.Note = fmt.Sprintf("its filter names %d events; the answer lists the first %d", n, maxNamed)
	}
	named := len(out.Plugins) > 0
	for _, p := range j.Parts {
		if !named {
			out.Plugins = append(out.Plugins, p.Plugin)
		}
		out.Parts = append(out.Parts, api.ReplayPart{
			Plugin: p.Plugin, Position: p.Position, OK: p.OK, Dead: p.Dead, Pending: p.Pending, Retried: p.Retried, Filtered: p.Filtered,
			Waiting: p.Waiting, Done: p.Done, Dropped: p.Dropped,
		})
	}
	return out
}

func refusedOf(r *inbox.Refused, explained string) api.Refused {
	return api.Refused{
		ID: r.ID, Source: r.Source, Address: r.Address, Why: r.Why, Explained: explained, Count: r.Count, Size: r.Size,
		ReceivedAt: r.ReceivedAt, LastAt: r.LastAt, BodySize: r.BodySize,
	}
}
