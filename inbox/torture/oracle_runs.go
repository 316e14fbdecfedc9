package torture

import (
	"context"

	"inbox/inbox"
)

// attempt is one row, with its place in the order of commits.
type attempt struct {
	number  int
	result  inbox.Result
	fate    inbox.Fate
	counted bool
	order   int64 // id of what it logged: later commits have higher ones; 0: it logged nothing
}

// lane is a row of a lane that lags.
type lane struct {
	next  int64
	state inbox.LaneState
}

type laneName struct {
	mode inbox.Mode
	key  string
}

// standing is all that is stored of one plugin.
type state struct {
	actor
	id, started, cursor int64
	first               map[int64][]attempt    // first runs, by seq
	deadLetters         map[int64][]deadLetter // of first runs
	lanes               map[laneName]lane
	runs                map[int64]bool // first runs that go on outside their lane
}

type deadLetter struct {
	attempt    int
	resolution inbox.Resolution
}

// plugins checks laws 2 and 3.
func (l *looker) plugins(ctx context.Context) error {
	for _, a := range actors() {
		p := &state{actor: a, first: map[int64][]attempt{}, deadLetters: map[int64][]deadLetter{}, lanes: map[laneName]lane{}, runs: map[int64]bool{}}
		err := l.db.QueryRowContext(ctx, `SELECT coalesce(max(id), 0), coalesce(max(started_at), 0), coalesce(max(cursor), 0) FROM plugins WHERE name = ?`, a.name).
			Scan(&p.id, &p.started, &p.cursor)
		if err != nil {
			return err
		}
		if p.id == 0 {
			continue // it was never live; the plugins after it may have been
		}
		if err := l.read(ctx, p); err != nil {
			return err
		}
		l.order(p)
		for i := range l.events {
			l.state(p, &l.events[i])
		}
	}
	return nil
}

// read reads what is stored of a plugin.
func (l *looker) read(ctx context.Context, p *state) error {
	err := l.each(ctx, `SELECT seq, attempt, result, fate, counted, coalesce(log_id, reason_id, 0) FROM attempts
		WHERE plugin = ? AND run = 0 ORDER BY seq, attempt`, []any{p.id}, func(scan func(...any) error) error {
		var seq int64
		var a attempt
		if err := scan(&seq, &a.number, &a.result, &a.fate, &a.counted, &a.order); err != nil {
			return err
		}
		p.first[seq] = append(p.first[seq], a)
		return nil
	})
	if err != nil {
		return err
	}
	err = l.each(ctx, `SELECT seq, attempt, resolution FROM dead WHERE plugin = ? AND run = 0 ORDER BY seq, attempt`, []any{p.id}, func(scan func(...any) error) error {
		var seq int64
		var d deadLetter
		if err := scan(&seq, &d.attempt, &d.resolution); err != nil {
			return err
		}
		p.deadLetters[seq] = append(p.deadLetters[seq], d)
		return nil
	})
	if err != nil {
		return err
	}
	err = l.each(ctx, `SELECT mode, key, next, state FROM lanes WHERE plugin = ?`, []any{p.id}, func(scan func(...any) error) error {
		var name laneName
		var row lane
		if err := scan(&name.mode, &name.key, &row.next, &row.state); err != nil {
			return err
		}
		p.lanes[name] = row
		return nil
	})
	if err != nil {
		return err
	}
	return l.each(ctx, `SELECT seq FROM runs WHERE plugin = ? AND run = 0`, []any{p.id}, func(scan func(...any) error) error {
		var seq int64
		if err := scan(&seq); err != nil {
			return err
		}
		p.runs[seq] = true
		return nil
	})
}

// end returns the attempt that ended an event's first run, so that its lane goes on. It returns nil before that.
func (p *state) end(seq int64) *attempt {
	attempts := p.first[seq]
	for i := range attempts {
		if attempts[i].fate == inbox.Done || attempts[i].fate == inbox.Dead && (!p.parks || p.resolution(seq, attempts[i].number) == inbox.Discarded) {
			return &attempts[i]
		}
	}
	return nil
}

// resolution returns what was done about the dead letter of an attempt.
func (p *state) resolution(seq int64, number int) inbox.Resolution {
	for _, d := range p.deadLetters[seq] {
		if d.attempt == number {
			return d.resolution
		}
	}
	return inbox.Unresolved
}

// head is how far the oracle has come with what is about one entity.
type head struct {
	open int64 // the first event that has not ended; 0: none
	last attempt
	seq  int64 // of the last one that has
}

// order checks law 2. What an event is about is known from the body that was sent.
func (l *looker) order(p *state) {
	heads := map[string]*head{}
	for i := range l.events {
		e := &l.events[i]
		if !p.gets(e) || e.what.entity == "" {
			continue
		}
		h := heads[e.what.entity]
		if h == nil {
			h = &head{}
			heads[e.what.entity] = h
		}
		if attempts := p.first[e.seq]; len(attempts) > 0 {
			l.attempted(p, h, e, attempts[0])
		}
		switch end := p.end(e.seq); {
		case end == nil && h.open == 0:
			h.open = e.seq
		case end != nil && end.order != 0:
			h.last, h.seq = *end, e.seq
		}
	}
}

// attempted checks that an event was not attempted, or settled, before the events ahead of it had ended.
func (l *looker) attempted(p *state, h *head, e *event, first attempt) {
	if h.open != 0 {
		l.r.broke("law 2: plugin %s attempted event %d of %s before event %d had ended", p.name, e.seq, e.what.entity, h.open)
	}
	if first.order != 0 && first.order < h.last.order {
		l.r.broke("law 2: plugin %s settled event %d of %s before event %d", p.name, e.seq, e.what.entity, h.seq)
	}
}

// gets reports whether the plugin is to get an event that was sent.
func (p *state) gets(e *event) bool { return e.what != nil && p.wants(e.what) && e.seq > p.started }

// state checks law 3 for one event.
func (l *looker) state(p *state, e *event) {
	attempts := p.first[e.seq]
	if !p.gets(e) {
		if len(attempts) > 0 && e.what != nil {
			l.r.broke("law 3: plugin %s attempted event %d, which it does not want", p.name, e.seq)
		}
		return
	}
	l.attempts(p, e, attempts)
	l.ended(p, e, len(attempts))
}

// ended checks that an event has ended, or waits in one place.
func (l *looker) ended(p *state, e *event, attempts int) {
	row, lags := p.lanes[laneName{e.mode, e.key}]
	waits := lags && row.next <= e.seq || p.runs[e.seq]
	stuck := lags && row.next == e.seq && row.state != inbox.LaneReady
	switch ended := p.end(e.seq) != nil; {
	case ended && stuck:
		l.r.broke("law 3: plugin %s has ended event %d and its lane still waits for it", p.name, e.seq)
	case !ended && !waits && e.seq <= p.cursor:
		l.r.broke("law 3: plugin %s passed event %d over: it has %d attempts and waits nowhere", p.name, e.seq, attempts)
	}
}

// attempts checks that the attempts of a first run are those of its script and the policy.
func (l *looker) attempts(p *state, e *event, attempts []attempt) {
	counted := 0
	for i, a := range attempts {
		want := p.result(e.what.script, a.number)
		if a.result != want && a.result != inbox.Timeout {
			l.r.broke("law 3: plugin %s: attempt %d of event %d ended with %s, and its script %q says %s", p.name, a.number, e.seq, a.result, e.what.script, want)
		}
		if a.number != i+1 {
			l.r.broke("law 3: plugin %s: event %d has no attempt %d", p.name, e.seq, i+1)
		}
		if a.counted {
			counted++
		}
		if counted > p.actor.attempts+uncounted*l.w.holds[p.name] {
			l.r.broke("law 3: plugin %s: %d attempts of event %d count, and %d are allowed", p.name, counted, e.seq, p.actor.attempts)
		}
		if fate := p.fate(a, counted); fate != "" && a.fate != fate {
			l.r.broke("law 3: plugin %s: attempt %d of event %d (%s, %d counted) is %s, not %s", p.name, a.number, e.seq, a.result, counted, a.fate, fate)
		}
		if a.fate == inbox.Dead {
			counted = 0 // an operator may retry it
		}
		if a.fate == inbox.Done && i+1 < len(attempts) {
			l.r.broke("law 3: plugin %s: event %d was attempted again after it was done", p.name, e.seq)
		}
	}
}

// uncounted is how many attempts of one event a hold takes back at most: all of its streak but the last, which never counts.
const uncounted = 4

// fate returns what must become of a run after an attempt, empty when a hold may have changed it.
func (p *state) fate(a attempt, counted int) inbox.Fate {
	switch {
	case a.result.Settled():
		return inbox.Done
	case a.result == inbox.Reject:
		return inbox.Dead
	case counted < p.actor.attempts || !a.counted:
		return inbox.Again
	}
	return "" // a hold takes back what it was itself to blame for
}
