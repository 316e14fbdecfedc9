package serve

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"inbox/inbox"
	"inbox/inbox/dispatch"
)

// watch has the functions that are told of a server's work. A nil function is not called.
type watch struct {
	attempt func(*inbox.Event, *inbox.Attempt)
	send    func(*inbox.Effect, *inbox.Sent, inbox.Decision)
}

// story prints the work of the demo's server in an order that a reader can follow: the receipt of an event, its delivery, and then
// the tries of the request that the delivery asked for.
type story struct {
	print func(format string, args ...any)

	mu       sync.Mutex
	effects  map[int64]*inbox.Effects // of the newest attempt of an event
	told     map[int64]bool           // events whose delivery was printed
	early    map[int64][]string       // lines about requests of events whose delivery was not printed yet
	answered chan struct{}            // is closed when a receiver has taken a request
	once     sync.Once
}

func newStory(print func(format string, args ...any)) *story {
	return &story{
		print: print, effects: map[int64]*inbox.Effects{}, told: map[int64]bool{}, early: map[int64][]string{}, answered: make(chan struct{}),
	}
}

// runner notes the effects of every attempt. Only the runner knows them before they are stored.
func (s *story) runner(next dispatch.Runner) dispatch.Runner {
	return func(ctx context.Context, w *inbox.Work) inbox.Outcome {
		out := next(ctx, w)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.effects[w.Event.Seq] = out.Effects
		return out
	}
}

// watch returns the functions that print attempts and tries. They hold order meanwhile.
func (s *story) watch(order *sync.Mutex) watch {
	return watch{
		attempt: func(e *inbox.Event, a *inbox.Attempt) {
			order.Lock()
			defer order.Unlock()
			s.attempt(e, a)
		},
		send: func(e *inbox.Effect, sent *inbox.Sent, d inbox.Decision) {
			order.Lock()
			defer order.Unlock()
			s.send(e, sent, d)
		},
	}
}

// end waits until a receiver has taken a request, and then calls last, unless ctx is done before.
func (s *story) end(ctx context.Context, order *sync.Mutex, last func()) {
	select {
	case <-s.answered:
	case <-ctx.Done():
	}
	order.Lock()
	defer order.Unlock()
	if ctx.Err() == nil {
		last()
	}
}

// attempt prints the outcome of an attempt and what it changed.
func (s *story) attempt(e *inbox.Event, a *inbox.Attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.print("%s", outcomeLine(e, a))
	if a.Result.Settled() {
		if line := effectsLine(e, s.effects[e.Seq]); line != "" {
			s.print("%s", line)
		}
	}
	delete(s.effects, e.Seq)
	s.told[e.Seq] = true
	for _, line := range s.early[e.Seq] {
		s.print("%s", line)
	}
	delete(s.early, e.Seq)
}

// send prints a try of a request.
func (s *story) send(e *inbox.Effect, sent *inbox.Sent, d inbox.Decision) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := sendLine(e, sent, d)
	if s.told[e.Cause.Seq] {
		s.print("%s", line)
	} else {
		s.early[e.Cause.Seq] = append(s.early[e.Cause.Seq], line)
	}
	if d.Fate != inbox.Again {
		s.once.Do(func() { close(s.answered) })
	}
}

// effectsLine returns a line about what commits with an attempt; empty for nothing.
func effectsLine(e *inbox.Event, of *inbox.Effects) string {
	if of == nil || of.State == nil && len(of.Requests) == 0 {
		return ""
	}
	line := "      "
	if of.State != nil {
		line += fmt.Sprintf("state of %s is now %s", e.View.Key, of.State.Document)
	}
	for i := range of.Requests {
		r := &of.Requests[i]
		line += fmt.Sprintf("; it asks for %s %s", r.Method, r.URL)
	}
	return line
}

// sendLine returns a line about a try of a request.
func sendLine(e *inbox.Effect, sent *inbox.Sent, d inbox.Decision) string {
	line := fmt.Sprintf("  request of #%d sent to %s: ", e.Cause.Seq, e.Lane.Origin)
	if sent.Response == nil {
		line += sent.Why
	} else {
		line += fmt.Sprintf("answer %d %s", sent.Response.Status, http.StatusText(sent.Response.Status))
	}
	switch {
	case d.Fate == inbox.Again:
		return line + fmt.Sprintf(". It will be retried after %s with the same Idempotency-Key", max(d.DueAt.Sub(sent.StartedAt), 0).Round(time.Second/10))
	case d.Fate == inbox.Dead:
		return line + ". It is now a dead letter: see `inbox dead list --kind effect`"
	case e.Tries > 0:
		return line + fmt.Sprintf(" at try %d", e.Tries+1)
	}
	return line
}

// outcomeLine returns a line about the outcome of an attempt.
func outcomeLine(e *inbox.Event, a *inbox.Attempt) string {
	name := e.View.Event
	if e.View.EventType != "" {
		name += " " + e.View.EventType
	}
	line := fmt.Sprintf("  delivered #%d %s to the plugin %s: ", e.Seq, name, a.Plugin)
	switch {
	case a.Fate == inbox.Again:
		return line + fmt.Sprintf("its outcome is %q: %s. It will be retried; later events of %s wait, others continue", a.Result, a.Reason, e.View.Key)
	case a.Fate == inbox.Dead:
		return line + "it was rejected and is now a dead letter: see `inbox dead list`"
	case a.Number > 1:
		return line + fmt.Sprintf("%s at attempt %d, after %s. Its log: %s", a.Result, a.Number, a.Duration.Round(10*time.Microsecond), bytes.TrimSpace(a.Log))
	}
	return line + fmt.Sprintf("%s after %s. Its log: %s", a.Result, a.Duration.Round(10*time.Microsecond), bytes.TrimSpace(a.Log))
}
