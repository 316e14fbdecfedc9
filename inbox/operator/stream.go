package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"inbox/inbox"
)

// Intervals at which a stream looks for events that another process stored, and sends a sign of life.
const (
	lookEvery  = time.Second
	aliveEvery = 15 * time.Second
)

// streamEvents sends the events of a filter as they are stored, as server-sent events (https://html.spec.whatwg.org
// /multipage/server-sent-events.html) whose id is the seq. It begins after Last-Event-ID, else where after, since or seq say,
// else after the newest event. At once, and then every fifteen seconds, it sends an id without data: its position. A client
// that got no event begins there again. The stream ends with the context of the request.
func (s *server) streamEvents(w http.ResponseWriter, r *http.Request) error {
	f, err := s.streamFilter(r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	wake, end := s.events.Subscribe()
	defer end()
	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Time{}) // a stream has no end; a writer without deadlines returns an error here
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	look, alive := time.NewTicker(lookEvery), time.NewTicker(aliveEvery)
	defer look.Stop()
	defer alive.Stop()
	sendPosition(w, f.After)
	for {
		if f.After, err = s.sendNew(ctx, w, f); err != nil || out.Flush() != nil {
			return nil // the status is sent already; the client begins again after its last id
		}
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-look.C:
		case <-alive.C:
			sendPosition(w, f.After)
		}
	}
}

// sendPosition sends the seq up to which a stream has read. To a client an id without data is no event: it only keeps the id.
func sendPosition(w http.ResponseWriter, seq int64) {
	_, _ = fmt.Fprintf(w, ": alive\nid: %d\n\n", seq) // the flush returns an error when the client is gone
}

// streamFilter returns the filter of a stream, with the seq after which it begins.
func (s *server) streamFilter(r *http.Request) (f inbox.Filter, err error) {
	if f, err = s.filter(r); err != nil {
		return f, err
	}
	if f.Newest || f.Limit > 0 || f.Plugin != "" { // when an event is stored, no plugin has attempted it yet
		return f, inbox.Errorf(inbox.Invalid, "", "a stream takes neither limit nor newest nor plugin")
	}
	switch last := r.Header.Get("Last-Event-ID"); {
	case last != "":
		if f.After, err = strconv.ParseInt(last, 10, 64); err != nil {
			return f, inbox.Errorf(inbox.Invalid, "", "Last-Event-ID is %q, not a seq", last)
		}
	case f.Since.IsZero() && !r.URL.Query().Has("after"):
		f.After, err = s.newest(r.Context())
	}
	return f, err
}

// sendNew sends the stored events that the filter selects, and returns the seq up to which it read.
func (s *server) sendNew(ctx context.Context, w http.ResponseWriter, f inbox.Filter) (int64, error) {
	head, err := s.newest(ctx)
	if err != nil || head <= f.After {
		return f.After, err
	}
	f.Limit, f.Before = pageSize, head+1
	for {
		events, err := s.events.Find(ctx, f)
		if err != nil {
			return f.After, err
		}
		for i := range events {
			text, err := json.Marshal(eventOf(&events[i]))
			if err == nil {
				_, err = fmt.Fprintf(w, "id: %d\nevent: event\ndata: %s\n\n", events[i].Seq, text)
			}
			if err != nil {
				return f.After, err
			}
		}
		if len(events) < pageSize {
			return head, nil
		}
		f.After = events[len(events)-1].Seq
	}
}

// newest returns the newest seq, including events that another process stored.
func (s *server) newest(ctx context.Context) (int64, error) {
	events, err := s.events.Find(ctx, inbox.Filter{Newest: true, Limit: 1})
	if err != nil || len(events) == 0 {
		return 0, err
	}
	return events[0].Seq, nil
}
