package torture

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/store"
)

// The laws. They are checked after every end of the server, from the sent bodies and the answers alone:
//
//  1. Every body answered 200 is in the log once, byte for byte, under the seq of the answer. The log has no other body, except those
//     of law 9. An event that was sent after the answer to another event has the higher seq.
//  2. Per lane, first runs follow the order of arrival. No event is skipped. No event is attempted before the events ahead of it
//     have ended.
//  3. Every event is in one state per plugin: done, dead, discarded, waiting in a lane, or ahead of the cursor. Every
//     attempt has the outcome of the script, or a timeout on a slow machine. Its fate follows the policy. The number of
//     counted attempts does not exceed the policy.
//  4. The file passes SQLite's integrity_check and the store's own invariants. A replay ran, or skipped and counted, each
//     event of its set exactly once.
//  5. The server starts again without help, and stops when it is told to.
//  6. Untrusted code and input affect only themselves. Beside hostile plugins the honest plugins continue. While strangers
//     attack the handler, honest bodies are accepted, and the quarantine keeps the requests with a mistyped secret.
//  7. The state of a lane is the fold of its settled events in their order. The kv of a plugin has the sum of all its settled events.
//  8. Each settled attempt of the plugin that posts has one request. No other request arrives. A request that is done arrived and was
//     answered 200. It always has the same Idempotency-Key, which no other has, and the bytes of its event. No request of a lane arrives
//     before the one ahead of it has ended, or again after a later one.
//  9. Each event that the plugin that emits has skipped is the cause of one emitted event, with its mode and key, which laws 2, 3
//     and 8 cover like any other. No other event is emitted.

// event is one row of the log, joined with the body that was sent.
type event struct {
	seq  int64
	mode inbox.Mode
	key  string
	body *sent
}

// checker compares a store with the history.
type checker struct {
	w      *history
	r      *Report
	db     *sql.DB
	base   int64   // the highest seq that was stored before torture began
	events []event // by seq - 1 - base
}

// check compares a copy of a store with the history. Broken laws are in the report. An error means that the copy cannot be read.
func (w *history) check(ctx context.Context, dir string, r *Report) error {
	if !exists(filepath.Join(dir, datadir.Database)) {
		if len(w.acks) > 0 {
			r.broke("law 1: LOST: %d bodies were answered 200 and there is no store", len(w.acks))
		}
		return nil
	}
	s, err := store.Open(ctx, store.Options{Dir: dir, MinFree: 1})
	if err != nil {
		return err
	}
	defer s.Close()
	problems, err := s.Check(ctx, nil)
	for _, p := range problems {
		r.broke("law 4: %s", p)
	}
	if err != nil {
		return err
	}
	address := url.URL{Scheme: "file", Opaque: filepath.Join(dir, datadir.Database), RawQuery: "mode=ro&_pragma=busy_timeout(5000)"}
	db, err := sql.Open("sqlite", address.String())
	if err != nil {
		return err
	}
	defer db.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	l := &checker{w: w, r: r, db: db, base: w.base}
	for _, part := range []struct {
		of    string
		check func() error
	}{
		{"the events that were stored before", func() error { return l.old(ctx, s) }},
		{"the log", func() error { return l.log(ctx, s) }},
		{"the outcomes of the plugins", func() error { return l.plugins(ctx) }},
		{"the replays", func() error { return l.replays(ctx) }},
		{"state and kv", func() error { return l.counts(ctx) }},
		{"the requests", func() error { return l.requests(ctx) }},
		{"the causes of the emitted events", func() error { return l.emissions(ctx) }},
	} {
		if err := part.check(); err != nil {
			return fmt.Errorf("read %s: %w", part.of, err)
		}
	}
	return nil
}

// log checks law 1.
func (l *checker) log(ctx context.Context, s *store.Store) error {
	rows, err := s.EventsAfter(ctx, l.base, 1<<30)
	if err != nil {
		return err
	}
	causes, err := l.causes(ctx)
	if err != nil {
		return err
	}
	l.events = make([]event, 0, len(rows))
	stored := map[*sent]int{}
	for i := range rows {
		e := &rows[i]
		p, err := s.Payload(ctx, e.Seq)
		if err != nil {
			l.r.broke("law 1: event %d cannot be read: %v", e.Seq, err)
		}
		body := l.w.bodies[e.Source+"\x00"+string(p.Body)]
		if e.Origin == inbox.FromEmission {
			body = l.emitted(e, string(p.Body), causes[e.Seq])
		}
		l.events = append(l.events, event{e.Seq, e.Mode, e.View.Key, body})
		if due := l.base + int64(i) + 1; e.Seq != due {
			l.r.broke("law 1: the log has no event %d", due)
			return nil
		}
		l.known(e, body, stored)
	}
	l.answers(stored)
	for _, text := range l.w.badAnswers {
		l.r.broke("law 1: %s", text)
	}
	l.w.badAnswers = nil
	return nil
}

// known compares one event of the log with its sent body.
func (l *checker) known(e *inbox.Event, body *sent, stored map[*sent]int) {
	if e.Origin == inbox.FromEmission {
		return // see emitted
	}
	if body == nil {
		l.r.broke("law 1: event %d of source %s was never sent", e.Seq, e.Source)
		return
	}
	stored[body]++
	if most := map[bool]int{false: 1, true: body.sends}[body.copies]; stored[body] > most {
		l.r.broke("law 1: event %d is stored %d times, and was sent %d times to %s", e.Seq, stored[body], body.sends, e.Source)
	}
	if e.Mode != body.mode {
		l.r.broke("law 1: event %d arrived at a %s source and is %s", e.Seq, body.mode, e.Mode)
	}
}

// answers checks that the bodies answered 200 are in the log under the seq of the answer.
func (l *checker) answers(stored map[*sent]int) {
	for _, a := range l.w.acks {
		at := a.seq - 1 - l.base
		switch {
		case stored[a.body] == 0:
			l.r.broke("law 1: LOST: a body was answered 200 as event %d and is not in the log, which ends with %d", a.seq, l.base+int64(len(l.events)))
		case at < 0 || at >= int64(len(l.events)) || l.events[at].body != a.body:
			l.r.broke("law 1: a body was answered 200 as event %d and has another seq", a.seq)
		case a.first && a.stored && a.seq <= a.floor:
			l.r.broke("law 1: event %d was sent after event %d had been answered", a.seq, a.floor)
		}
	}
}

// each runs a query and calls fn for every row.
func (l *checker) each(ctx context.Context, query string, args []any, fn func(scan func(...any) error) error) error {
	rows, err := l.db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
