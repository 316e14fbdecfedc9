package operator

import (
	"bytes"
	"encoding/json"
	"errors"
	"inbox/inbox/api"
	"net/http"
	"time"
	"unicode/utf8"

	"inbox/inbox"
)

// pageSize bounds the events that are read at a time.
const pageSize = 1000

// listEvents writes every event of the filter, page by page, so that a list may be as long as the log.
func (s *server) listEvents(w http.ResponseWriter, r *http.Request) error {
	f, err := s.filter(r)
	if err != nil {
		return err
	}
	left := f.Limit
	out := eventWriter{w: w}
	for {
		page := f
		page.Limit = pageSize
		if f.Limit > 0 {
			page.Limit = min(left, pageSize)
		}
		events, err := s.events.Find(r.Context(), page)
		if err != nil {
			return out.fail(err)
		}
		if !out.write(events) {
			return nil // the client is gone
		}
		left -= len(events)
		if len(events) < page.Limit || f.Limit > 0 && left == 0 {
			out.end()
			return nil
		}
		if last := events[len(events)-1].Seq; f.Newest {
			f.Before = last
		} else {
			f.After = last
		}
	}
}

// eventWriter writes a list of events in pages.
type eventWriter struct {
	w     http.ResponseWriter
	begun bool
	n     int
}

// write writes the next events and reports whether the client still reads.
func (o *eventWriter) write(events []inbox.Event) bool {
	if !o.begun {
		o.begun = true
		o.w.Header().Set("Content-Type", "application/json")
		_, _ = o.w.Write([]byte("["))
	}
	enc := json.NewEncoder(o.w)
	for i := range events {
		if o.n++; o.n > 1 {
			_, _ = o.w.Write([]byte(","))
		}
		if enc.Encode(eventOf(&events[i])) != nil {
			return false
		}
	}
	return true
}

func (o *eventWriter) end() { _, _ = o.w.Write([]byte("]\n")) }

// fail returns the error, or closes the connection when a part of the list is written: half of a list must not look complete.
func (o *eventWriter) fail(err error) error {
	if o.begun {
		abort()
	}
	return err
}

func (s *server) showEvent(w http.ResponseWriter, r *http.Request) error {
	ctx, reveal := r.Context(), isTrue(r, "reveal")
	e, err := s.eventNamed(ctx, r.PathValue("id"))
	if err != nil {
		return err
	}
	if reveal {
		if err := s.revealed(r, e); err != nil {
			return err
		}
	}
	tr, err := s.deliveries.Trace(ctx, e.Seq)
	if err != nil {
		return err
	}
	idle, err := s.idleReasons(ctx)
	if err != nil {
		return err
	}
	d, err := s.detailOf(ctx, tr, idle, reveal)
	if err == nil && reveal {
		err = s.revealFetches(ctx, &d)
	}
	if err != nil {
		return err
	}
	p, err := s.events.Payload(ctx, e.Seq)
	switch {
	case err == nil:
		show(&d, p, reveal)
	case inbox.KindOf(err) == inbox.NotFound, errors.Is(err, inbox.ErrDamaged):
		d.Note = err.Error()
	default:
		return err
	}
	return reply(w, d)
}

// show adds a payload to the detail, masked unless revealed.
func show(d *api.EventDetail, p inbox.Payload, reveal bool) {
	if !reveal {
		d.Headers, d.Body = maskHeaders(p.Headers), maskBody(p.Body)
		return
	}
	d.Headers = p.Headers
	if body := bytes.TrimPrefix(p.Body, []byte("\xef\xbb\xbf")); json.Valid(body) && utf8.Valid(body) {
		d.Body = body
		return
	}
	d.BodyBase64 = p.Body
}

// revealed records that an event's payload is revealed. Call it before the payload is written.
func (s *server) revealed(r *http.Request, e *inbox.Event) error {
	return s.audits.Audit(r.Context(), actor(r, r.URL.Query().Get("reason")), "reveal", "event "+e.ID)
}

// rawEvent writes the body as received. This reveals it, so it is recorded.
func (s *server) rawEvent(w http.ResponseWriter, r *http.Request) error {
	e, err := s.eventNamed(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	p, err := s.events.Payload(r.Context(), e.Seq)
	if err != nil {
		return err
	}
	if err := s.revealed(r, e); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(p.Body)
	return nil
}

func (s *server) listEntities(w http.ResponseWriter, r *http.Request) error {
	f, err := s.filter(r, "open", "older_than")
	if err != nil {
		return err
	}
	ef := inbox.EntityFilter{Filter: f, Open: isTrue(r, "open")}
	if text := r.URL.Query().Get("older_than"); text != "" {
		if ef.OlderThan, err = time.ParseDuration(text); err != nil {
			return inbox.Errorf(inbox.Invalid, "", "older_than is %q, not a duration such as 72h", text)
		}
	}
	entities, err := s.entities.Entities(r.Context(), ef)
	if err != nil {
		return err
	}
	list := make([]api.Entity, 0, len(entities))
	for i := range entities {
		list = append(list, entityOf(&entities[i]))
	}
	return reply(w, list)
}

func (s *server) showTimeline(w http.ResponseWriter, r *http.Request) error {
	ctx, q, reveal := r.Context(), r.URL.Query(), isTrue(r, "reveal")
	mode, key := inbox.Mode(q.Get("mode")), q.Get("key")
	if !mode.Valid() || key == "" {
		return inbox.Errorf(inbox.Invalid, "", "a timeline needs a key and a mode, live or test")
	}
	traces, err := s.entities.EntityTrace(ctx, mode, key)
	if err != nil {
		return err
	}
	if len(traces) == 0 {
		return inbox.Errorf(inbox.NotFound, "", "there is no %s event of %q", mode, key).WithHint("`inbox entity list` shows the keys there are")
	}
	if reveal {
		if err := s.audits.Audit(ctx, actor(r, q.Get("reason")), "reveal", "attempts of "+key); err != nil {
			return err
		}
	}
	idle, err := s.idleReasons(ctx)
	if err != nil {
		return err
	}
	t := api.Timeline{Mode: mode, Key: key, Revealed: reveal}
	for i := range traces {
		d, err := s.detailOf(ctx, &traces[i], idle, reveal)
		if err != nil {
			return err
		}
		t.Events = append(t.Events, d)
	}
	return reply(w, t)
}

// abort closes the connection of a response that was begun and cannot be completed: the client then sees that it is cut off.
// This panic is net/http's way to abort a handler (https://pkg.go.dev/net/http#ErrAbortHandler).
func abort() { panic(http.ErrAbortHandler) }
