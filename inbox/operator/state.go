package operator

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"inbox/inbox"
	"inbox/inbox/api"
)

// showState writes a state document as it was at a moment. Without a document then it is NotFound.
func (s *server) showState(w http.ResponseWriter, r *http.Request) error {
	q, err := api.ParseStateQuery(r.URL.Query(), "at", "change")
	if err != nil {
		return err
	}
	id, err := s.stateID(r, &q)
	if err != nil {
		return err
	}
	at, err := s.moment(r.Context(), &q)
	if err != nil {
		return err
	}
	e, err := s.states.StateAt(r.Context(), id, at)
	if err != nil {
		return err
	}
	if e.Deleted {
		return inbox.Errorf(inbox.NotFound, "", "plugin %s deleted its %s state for %s with event %s", id.Plugin, id.Lane.Mode, id.Lane.Key, e.EventID).
			WithHint("`inbox state history " + id.Plugin + " KEY` lists the changes")
	}
	full := inbox.StateInFull(callerOf(r.Context()).scopes, id.Plugin)
	if !full { // the audit log has the creation of a token that reads state in full, and not each use
		if err := s.revealState(r, &id, &q); err != nil {
			return err
		}
	}
	return reply(w, stateOf(e, full || q.Reveal.On))
}

// moment returns the moment that a request names. An event that it names must exist.
func (s *server) moment(ctx context.Context, q *api.StateQuery) (at inbox.StateMoment, err error) {
	_, isSeq := inbox.ParseSeq(q.At)
	_, isID := inbox.EventSeq(q.At)
	switch {
	case q.At == "":
		at.Change = q.Change
	case isSeq || isID:
		e, err := s.eventNamed(ctx, q.At)
		if err != nil {
			return at, err
		}
		at.Seq = e.Seq
	default:
		if at.Time, err = time.Parse(time.RFC3339Nano, q.At); err != nil {
			return at, inbox.Errorf(inbox.Invalid, "", "at is %q, neither the seq or the id of an event nor a time as in RFC 3339", q.At)
		}
	}
	return at, nil
}

// listState writes the state documents that a filter selects, without their contents.
func (s *server) listState(w http.ResponseWriter, r *http.Request) error {
	f, err := api.ParseStateFilter(r.URL.Query())
	if err != nil {
		return err
	}
	out := rows{w: w}
	if err := s.states.EachState(r.Context(), f, func(e *inbox.StateEntry) error { return out.add(stateOf(e, false)) }); err != nil {
		return out.fail(s.nearPlugin(r.Context(), f.Plugin, err))
	}
	return out.end("")
}

// stateHistory writes the changes of a state document, newest first. Only a request that reveals documents gets them.
func (s *server) stateHistory(w http.ResponseWriter, r *http.Request) error {
	q, err := api.ParseStateQuery(r.URL.Query(), "before", "limit")
	if err != nil {
		return err
	}
	id, err := s.stateID(r, &q)
	if err != nil {
		return err
	}
	if err := s.revealState(r, &id, &q); err != nil {
		return err
	}
	f := inbox.StateHistory{Before: q.Before, Limit: q.Limit, Documents: q.Reveal.On}
	out := rows{w: w}
	if err := s.states.EachStateChange(r.Context(), id, f, func(e *inbox.StateEntry) error { return out.add(stateOf(e, q.Reveal.On)) }); err != nil {
		return out.fail(err)
	}
	return out.end("")
}

// stateDiff writes the differences between two changes of a state document: by default between the newest change and the one
// before it.
func (s *server) stateDiff(w http.ResponseWriter, r *http.Request) error {
	q, err := api.ParseStateQuery(r.URL.Query(), "from", "to")
	if err != nil {
		return err
	}
	id, err := s.stateID(r, &q)
	if err != nil {
		return err
	}
	to, err := s.states.StateAt(r.Context(), id, inbox.StateMoment{Change: q.To})
	if err != nil {
		return err
	}
	var from *inbox.StateEntry
	if q.From == 0 {
		q.From = to.Change - 1
	}
	before := []byte(nil)
	if q.From > 0 {
		if from, err = s.states.StateAt(r.Context(), id, inbox.StateMoment{Change: q.From}); err != nil {
			return err
		}
		before = from.Document
	}
	changes, err := inbox.DiffJSON(before, to.Document)
	if err != nil {
		return err
	}
	if err := s.revealState(r, &id, &q); err != nil {
		return err
	}
	out := api.StateDiff{To: stateOf(to, q.Reveal.On), Changes: []api.StateValue{}}
	out.To.Document = nil
	if from != nil {
		f := stateOf(from, q.Reveal.On)
		f.Document, out.From = nil, &f
	}
	for i := range changes {
		v, err := stateValueOf(&changes[i], q.Reveal.On)
		if err != nil {
			return err
		}
		out.Changes = append(out.Changes, v)
	}
	return reply(w, out)
}

// revealState records that documents are revealed, if the request asks for it.
func (s *server) revealState(r *http.Request, id *inbox.StateID, q *api.StateQuery) error {
	if !q.Reveal.On {
		return nil
	}
	return s.audits.Audit(r.Context(), actor(r, q.Reveal.Reason), "reveal", "state of plugin "+id.Plugin+" for "+id.Lane.Key)
}

// stateID returns the id of the document that a request names. The key in its path is the key of a lane, an entity's, or a customer's
// reference. For a plugin whose lanes are made by reference, an entity's key means the reference of its newest event that has one.
func (s *server) stateID(r *http.Request, q *api.StateQuery) (inbox.StateID, error) {
	ctx, key := r.Context(), r.PathValue("key")
	id := inbox.StateID{Plugin: r.PathValue("plugin"), Lane: inbox.LaneID{Mode: q.Mode, Key: key}}
	found, err := s.hasState(ctx, id)
	if found || err != nil {
		return id, s.nearPlugin(ctx, id.Plugin, err)
	}
	by := id
	by.Lane.Key = inbox.ReferenceKey(key)
	if found, err = s.hasState(ctx, by); found || err != nil {
		return by, err
	}
	entities, err := s.entities.Entities(ctx, inbox.EntityFilter{Filter: inbox.Filter{Mode: q.Mode, Key: key, Limit: 1}})
	if err != nil || len(entities) == 0 || entities[0].CustomerReference == "" {
		return id, err
	}
	by.Lane.Key = inbox.ReferenceKey(entities[0].CustomerReference)
	if found, err = s.hasState(ctx, by); found || err != nil {
		return by, err
	}
	return id, nil
}

// nearPlugin returns err, or, when the error is that there is no such plugin, one that names the most similar plugin.
func (s *server) nearPlugin(ctx context.Context, name string, err error) error {
	if inbox.KindOf(err) != inbox.NotFound {
		return err
	}
	if !inbox.Granted(callerOf(ctx).scopes, []inbox.Scope{inbox.ScopeRead}) {
		return err // its token must not list plugins
	}
	all, perr := s.plugins(ctx)
	if perr != nil || slices.ContainsFunc(all, func(p api.Plugin) bool { return p.Name == name }) {
		return err
	}
	return unknownPlugin(name, all)
}

// hasState reports whether a document was ever changed.
func (s *server) hasState(ctx context.Context, id inbox.StateID) (found bool, err error) {
	err = s.states.EachStateChange(ctx, id, inbox.StateHistory{Limit: 1}, func(*inbox.StateEntry) error {
		found = true
		return nil
	})
	return found, err
}

// inlineDocument is the size in bytes of the largest document in the trace of an event, because a timeline is made in memory.
const inlineDocument = 64 << 10

// addChanges adds the changes of state to the attempts that made them, with their documents if they are revealed.
func (s *server) addChanges(ctx context.Context, out *api.Delivery, changes []inbox.StateEntry, reveal bool) error {
	for i := range changes {
		e := &changes[i]
		at := slices.IndexFunc(out.Attempts, func(a api.Attempt) bool { return a.Run == e.Run && a.Attempt == e.Attempt })
		if at < 0 {
			continue
		}
		c := &api.StateChange{Mode: e.Lane.Mode, Key: e.Lane.Key, Change: e.Change, StateVersion: e.Version, Size: e.Size, Deleted: e.Deleted}
		out.Attempts[at].State = c
		if !reveal || e.Size > inlineDocument {
			continue
		}
		full, err := s.states.StateAt(ctx, e.StateID, inbox.StateMoment{Change: e.Change})
		switch {
		case err == nil:
			c.Document = full.Document
		case inbox.KindOf(err) != inbox.NotFound && !errors.Is(err, inbox.ErrDamaged): // it was trimmed meanwhile, or can no longer be read
			return err
		}
	}
	return nil
}

func stateOf(e *inbox.StateEntry, reveal bool) api.State {
	out := api.State{
		Plugin: e.Plugin, Mode: e.Lane.Mode, Key: e.Lane.Key, Change: e.Change, StateVersion: e.Version, At: e.At.UTC(), Size: e.Size, Deleted: e.Deleted,
		ID: e.EventID, Seq: e.Seq, Run: e.Run, Attempt: e.Attempt, Revealed: reveal,
	}
	switch {
	case e.Document == nil:
	case reveal:
		out.Document = e.Document
	default:
		out.Document = maskDocument(e.Document)
	}
	return out
}

func stateValueOf(c *inbox.ValueChange, reveal bool) (out api.StateValue, err error) {
	out.Op = "changed"
	switch {
	case c.Added:
		out.Op = "added"
	case c.Removed:
		out.Op = "removed"
	}
	steps := c.Pointer
	if !reveal {
		steps = maskPointer(steps)
	}
	out.Pointer = inbox.PointerOf(steps)
	value := func(v any, absent bool) json.RawMessage {
		if absent || err != nil {
			return nil
		}
		var text []byte
		if text, err = json.Marshal(v); err == nil && !reveal {
			text = maskDocument(text)
		}
		return text
	}
	out.Old, out.New = value(c.Old, c.Added), value(c.New, c.Removed)
	return out, err
}
