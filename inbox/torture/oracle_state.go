package torture

import (
	"context"
	"encoding/binary"
	"strconv"

	"inbox/inbox"
)

// counter is the plugin that folds its events into state and kv.
const counter = "counts"

// fold returns the state of a lane after one more event, as guests/counts.wat makes it.
func fold(state, seq int64) int64 { return (state*31 + seq) & 0x7fffffff }

// counts checks law 7 for the plugin that folds: each state document is the fold of the events that settled in its lane, in their
// order, and the key of kv is the sum of those that settled in its mode.
func (l *checker) counts(ctx context.Context) error {
	lanes, modes := map[laneName]int64{}, map[inbox.Mode]int64{}
	err := l.each(ctx, `SELECT e.mode, e.key, e.seq FROM attempts a JOIN events e ON e.seq = a.seq
		WHERE a.plugin = (SELECT id FROM plugins WHERE name = ?) AND a.fate = 'done' ORDER BY e.seq`, []any{counter}, func(scan func(...any) error) error {
		var name laneName
		var seq int64
		if err := scan(&name.mode, &name.key, &seq); err != nil {
			return err
		}
		lanes[name] = fold(lanes[name], seq)
		modes[name.mode] += seq
		return nil
	})
	if err != nil {
		return err
	}
	if err := l.states(ctx, lanes); err != nil {
		return err
	}
	return l.keys(ctx, modes)
}

// states checks the newest state document of every lane.
func (l *checker) states(ctx context.Context, lanes map[laneName]int64) error {
	err := l.each(ctx, `SELECT s.mode, s.key, c.bytes FROM states s JOIN contents c ON c.id = s.content_id
		WHERE s.plugin = (SELECT id FROM plugins WHERE name = ?)
		AND s.change = (SELECT max(change) FROM states n WHERE n.plugin = s.plugin AND n.mode = s.mode AND n.key = s.key)`, []any{counter}, func(scan func(...any) error) error {
		var name laneName
		var doc []byte
		if err := scan(&name.mode, &name.key, &doc); err != nil {
			return err
		}
		if got, err := strconv.ParseInt(string(doc), 10, 64); err != nil || got != lanes[name] {
			l.r.broke("law 7: the state of lane %s %s is %q, and the fold of its settled events is %d", name.mode, name.key, doc, lanes[name])
		}
		delete(lanes, name)
		return nil
	})
	for name, n := range lanes {
		l.r.broke("law 7: lane %s %s has no state, and the fold of its settled events is %d", name.mode, name.key, n)
	}
	return err
}

// keys checks the sum of every mode.
func (l *checker) keys(ctx context.Context, modes map[inbox.Mode]int64) error {
	err := l.each(ctx, `SELECT kv.mode, c.bytes FROM kv JOIN contents c ON c.id = kv.content_id
		WHERE kv.plugin = (SELECT id FROM plugins WHERE name = ?)`, []any{counter}, func(scan func(...any) error) error {
		var mode inbox.Mode
		var value []byte
		if err := scan(&mode, &value); err != nil {
			return err
		}
		if len(value) != 8 || int64(binary.LittleEndian.Uint64(value)) != modes[mode] {
			l.r.broke("law 7: the sum of mode %s is %x, and the sum of the settled events is %d", mode, value, modes[mode])
		}
		delete(modes, mode)
		return nil
	})
	for mode, n := range modes {
		l.r.broke("law 7: mode %s has no counter, and the sum of the settled events is %d", mode, n)
	}
	return err
}
