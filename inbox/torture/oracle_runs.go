package torture

import (
	"context"

	"inbox/inbox"
)

// attempt is one row of the table attempts.
type attempt struct {
	number  int
	result  inbox.Result
	fate    inbox.Fate
	counted bool
	order   int64 // id of its log text, which is higher for later commits; 0: it has no log text
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

// state is the stored state of one plugin.
type state struct {
	honestPlugin
	id, started, cursor int64
	first               map[int64][]attempt    // first runs, by seq
	deadLetters         map[int64][]deadLetter // of first runs
	lanes               map[laneName]lane
	runs                map[int64]bool // first runs that continue outside their lane
}

type deadLetter struct {
	attempt    int
	resolution inbox.Resolution
}

// plugins checks laws 2 and 3.
func (l *checker) plugins(ctx context.Context) error {
	for _, a := range honestPlugins() {
		p := &state{honestPlugin: a, first: map[int64][]attempt{}, deadLetters: map[int64][]deadLetter{}, lanes: map[laneName]lane{}, runs: map[int64]bool{}}
		err := l.db.QueryRowContext(ctx, `SELECT coalesce(max(id), 0), coalesce(max(started_at), 0), coalesce(max(cursor), 0) FROM plugins WHERE name = ?`, a.name).
			Scan(&p.id, &p.started, &p.cursor)
		if err != nil {
			return err
		}
		if p.id == 0 {
			continue // it was never live
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

// read reads the stored state of a plugin.
func (l *checker) read(ctx context.Context, p *state) error {
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

// end returns the attempt that ended an event's first run, so that its lane continues. It returns nil for a run that has not ended.
func (p *state) end(seq int64) *attempt {
	attempts := p.first[seq]
	for i := range attempts {
		if attempts[i].fate == inbox.Done || attempts[i].fate == inbox.Dead && (!p.parks || p.resolution(seq, attempts[i].number) == inbox.Discarded) {
			return &attempts[i]
		}
	}
	return nil
}

// resolution returns the resolution of an attempt's dead letter.
func (p *state) resolution(seq int64, number int) inbox.Resolution {
	for _, d := range p.deadLetters[seq] {
		if d.attempt == number {
			return d.resolution
		}
	}
	return inbox.Unresolved
}

// head is the position of the oracle in the events of one entity.
type head struct {
	open int64   // seq of the first event that has not ended; 0: none
	last attempt // the end of the last event that has ended
	seq  int64   // seq of that event
}

// order checks law 2. It takes the entity of an event from the sent body.
func (l *checker) order(p *state) {
	heads := map[string]*head{}
	for i := range l.events {
		e := &l.events[i]
		if !p.gets(e) || e.body.entity == "" {
			continue
		}
		h := heads[e.body.entity]
		if h == nil {
			h = &head{}
			heads[e.body.entity] = h
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

// attempted checks that an event was neither attempted nor settled before the events ahead of it had ended.
func (l *checker) attempted(p *state, h *head, e *event, first attempt) {
	if h.open != 0 {
		l.r.broke("law 2: plugin %s attempted event %d of %s before event %d had ended", p.name, e.seq, e.body.entity, h.open)
	}
	if first.order != 0 && first.order < h.last.order {
		l.r.broke("law 2: plugin %s settled event %d of %s before event %d", p.name, e.seq, e.body.entity, h.seq)
	}
}

// gets reports whether the plugin must get an event.
func (p *state) gets(e *event) bool { return e.body != nil && p.wants(e.body) && e.seq > p.started }

// state checks law 3 for one event.
func (l *checker) state(p *state, e *event) {
	attempts := p.first[e.seq]
	if !p.gets(e) {
		if len(attempts) > 0 && e.body != nil {
			l.r.broke("law 3: plugin %s attempted event %d, which it does not want", p.name, e.seq)
		}
		return
	}
	l.attempts(p, e, attempts)
	l.ended(p, e, len(attempts))
}

// ended checks that an event has ended, or waits in exactly one place.
func (l *checker) ended(p *state, e *event, attempts int) {
	row, lags := p.lanes[laneName{e.mode, e.key}]
	waits := lags && row.next <= e.seq || p.runs[e.seq]
	stuck := lags && row.next == e.seq && row.state != inbox.LaneReady
	switch ended := p.end(e.seq) != nil; {
	case ended && stuck:
		l.r.broke("law 3: plugin %s: event %d has ended, and its lane still waits for it", p.name, e.seq)
	case !ended && !waits && e.seq <= p.cursor:
		l.r.broke("law 3: plugin %s skipped event %d: it has %d attempts and waits nowhere", p.name, e.seq, attempts)
	}
}

// attempts checks that the attempts of a first run are those of its script and the policy.
func (l *checker) attempts(p *state, e *event, attempts []attempt) {
	counted := 0
	for i, a := range attempts {
		want := p.result(e.body.script, a.number)
		if a.result != want && a.result != inbox.Timeout {
			l.r.broke("law 3: plugin %s: attempt %d of event %d ended with %s; its script %q requires %s", p.name, a.number, e.seq, a.result, e.body.script, want)
		}
		if a.number != i+1 {
			l.r.broke("law 3: plugin %s: event %d has no attempt %d", p.name, e.seq, i+1)
		}
		if a.counted {
			counted++
		}
		if counted > p.honestPlugin.attempts+uncounted*l.w.holds[p.name] {
			l.r.broke("law 3: plugin %s: %d attempts of event %d are counted; the policy allows %d", p.name, counted, e.seq, p.honestPlugin.attempts)
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

// uncounted is the largest number of counted attempts of one event that a hold can undo: all attempts of its streak except the
// last, which never counts.
const uncounted = 4

// fate returns the required fate of a run after an attempt. It is empty when a hold may have changed the fate.
func (p *state) fate(a attempt, counted int) inbox.Fate {
	switch {
	case a.result.Settled():
		return inbox.Done
	case a.result == inbox.Reject:
		return inbox.Dead
	case counted < p.honestPlugin.attempts || !a.counted:
		return inbox.Again
	}
	return "" // a hold undoes the counted attempts of its streak
}
