package torture

import (
	"context"

	"inbox/inbox"
)

// emitter is the plugin that emits an event for each event that it skips.
const (
	emitter      = "emits"
	emittedEvent = "torture.seen"
	emittedBody  = `{"seen":true}`
)

// causes returns the seqs of the causes of emitted events.
func (l *checker) causes(ctx context.Context) (map[int64]int64, error) {
	causes := map[int64]int64{}
	err := l.each(ctx, `SELECT seq, cause FROM emitted`, nil, func(scan func(...any) error) error {
		var seq, cause int64
		if err := scan(&seq, &cause); err != nil {
			return err
		}
		causes[seq] = cause
		return nil
	})
	return causes, err
}

// emitted checks an emitted event against its cause. It returns what the other laws need of it, nil without a cause.
func (l *checker) emitted(e *inbox.Event, body string, cause int64) *sent {
	at := cause - 1 - l.base
	if at < 0 || at >= int64(len(l.events)) || l.events[at].body == nil {
		l.r.broke("law 9: event %d was emitted, and its cause is %d", e.Seq, cause)
		return nil
	}
	of := &l.events[at]
	if body != emittedBody || e.Source != "plugin:"+emitter || e.View.Event != emittedEvent || e.Mode != of.mode || e.View.Key != of.key {
		l.r.broke("law 9: event %d, emitted for event %d, is %s of %s, %s %s, with the body %s", e.Seq, cause, e.View.Event, e.Source, e.Mode, e.View.Key, body)
	}
	return &sent{source: e.Source, mode: e.Mode, body: body, entity: of.body.entity, known: true, seen: true}
}

// emissions checks that each event that the emitter has skipped is the cause of one event, and that no other event is a cause.
func (l *checker) emissions(ctx context.Context) error {
	const events = `(SELECT count(*) FROM emitted m WHERE m.plugin = a.plugin AND m.cause = a.seq AND m.run = a.run AND m.attempt = a.attempt)`
	return l.each(ctx, `SELECT a.seq, a.attempt, a.result, `+events+` FROM attempts a
		WHERE a.plugin = (SELECT id FROM plugins WHERE name = ?) AND `+events+` <> (a.result = 'skip')`, []any{emitter}, func(scan func(...any) error) error {
		var seq, attempt, n int64
		var result inbox.Result
		if err := scan(&seq, &attempt, &result, &n); err != nil {
			return err
		}
		l.r.broke("law 9: attempt %d of event %d ended with %s, and is the cause of %d emitted events", attempt, seq, result, n)
		return nil
	})
}
