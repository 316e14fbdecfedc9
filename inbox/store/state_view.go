package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"

	"inbox/inbox"
)

// The queries of this file return committed changes only. [Store.State] also returns what is submitted and not durable yet.

// stateColumns are the columns of a change s and its event e that make an inbox.StateEntry, in the order of scanState.
const stateColumns = `s.mode, s.key, s.change, s.seq, substr(e.digest, 1, 5), s.run, s.attempt, s.version, s.size, s.content_id IS NULL, s.at`

// scanState reads stateColumns and then the columns of more.
func scanState(row scanner, e *inbox.StateEntry, more ...any) error {
	var id []byte
	dest := []any{&e.Lane.Mode, &e.Lane.Key, &e.Change, &e.Seq, &id, &e.Run, &e.Attempt, &e.Version, &e.Size, &e.Deleted, moment{&e.At}}
	if err := row.Scan(append(dest, more...)...); err != nil {
		return err
	}
	e.EventID = inbox.EventID(e.Seq, id)
	return nil
}

// document adds the document of a change whose content is c.
func (c *content) document(e *inbox.StateEntry) (err error) {
	if e.Deleted {
		return nil
	}
	if e.Document, err = c.open(encodingRaw); err != nil {
		return damagedState(fmt.Sprintf("read change %d of the state document of plugin %s for %s", e.Change, e.Plugin, e.Lane.Key), e.StateID, err)
	}
	return nil
}

// StateAt returns the change of a state document that was in force at a moment, with its document. It is NotFound without such a
// change. A moment by seq ends with the first change that a later event made, because a replay repeats an earlier event later.
func (s *Store) StateAt(ctx context.Context, id inbox.StateID, at inbox.StateMoment) (*inbox.StateEntry, error) {
	p, err := s.pluginID(ctx, id.Plugin)
	if err != nil {
		return nil, err
	}
	const ofLane = `s.plugin = ?1 AND s.mode = ?2 AND s.key = ?3`
	var which string
	var bound any
	switch {
	case at.Change > 0:
		which, bound = ` AND s.change = ?4`, at.Change
	case at.Seq > 0:
		which = ` AND s.change < coalesce((SELECT n.change FROM states n WHERE n.plugin = ?1 AND n.mode = ?2 AND n.key = ?3 AND n.seq > ?4
			ORDER BY n.change LIMIT 1), 9223372036854775807)`
		bound = at.Seq
	case !at.Time.IsZero():
		which, bound = ` AND s.at <= ?4`, millis(at.Time)
	}
	e := inbox.StateEntry{StateID: inbox.StateID{Plugin: id.Plugin}}
	var c content
	err = scanState(s.readers.QueryRowContext(ctx, `SELECT `+stateColumns+`, `+contentColumns("c")+` FROM states s JOIN events e ON e.seq = s.seq
		LEFT JOIN contents c ON c.id = s.content_id WHERE `+ofLane+which+` ORDER BY s.change DESC LIMIT 1`, p, id.Lane.Mode, id.Lane.Key, bound), &e, c.into()...)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, s.noState(ctx, p, id)
	case err != nil:
		return nil, readError(err)
	}
	return &e, c.document(&e)
}

// noState returns the NotFound error for a moment at which a document had no change.
func (s *Store) noState(ctx context.Context, p int64, id inbox.StateID) error {
	var first int64
	err := s.readers.QueryRowContext(ctx, `SELECT coalesce((SELECT change FROM states WHERE plugin = ? AND mode = ? AND key = ? ORDER BY change LIMIT 1), 0)`,
		p, id.Lane.Mode, id.Lane.Key).Scan(&first)
	switch {
	case err != nil:
		return readError(err)
	case first == 0:
		return inbox.Errorf(inbox.NotFound, "", "plugin %s keeps no %s state for %s", id.Plugin, id.Lane.Mode, id.Lane.Key).
			WithHint("`inbox state list " + id.Plugin + "` shows the keys that it keeps state for")
	}
	if first > 1 {
		return inbox.Errorf(inbox.NotFound, "", "plugin %s kept no %s state for %s at that moment, or it was deleted since: its first %d changes are older than retention.state",
			id.Plugin, id.Lane.Mode, id.Lane.Key, first-1).WithHint("`inbox state history " + id.Plugin + " KEY` lists the changes that are kept")
	}
	return inbox.Errorf(inbox.NotFound, "", "plugin %s kept no %s state for %s at that moment", id.Plugin, id.Lane.Mode, id.Lane.Key).
		WithHint("`inbox state history " + id.Plugin + " KEY` lists the changes")
}

// stateChunk is the number of changes, or of documents, that one query reads. Changes with documents are read stateDocuments at a
// time, because a document may have 1 MiB.
const (
	stateChunk     = 500
	stateDocuments = 8
)

// EachStateChange calls fn for the changes of a state document, newest first, until fn returns an error. It holds no transaction
// open while fn runs.
func (s *Store) EachStateChange(ctx context.Context, id inbox.StateID, f inbox.StateHistory, fn func(*inbox.StateEntry) error) error {
	p, err := s.pluginID(ctx, id.Plugin)
	if err != nil {
		return err
	}
	chunk := stateChunk
	if f.Documents {
		chunk = stateDocuments
	}
	if f.Before <= 0 {
		f.Before = math.MaxInt64
	}
	for left := f.Limit; ; {
		size := chunk
		if f.Limit > 0 {
			size = min(size, left)
		}
		list, err := s.stateChanges(ctx, p, id, &f, size)
		if err != nil {
			return err
		}
		for i := range list {
			if err := fn(&list[i]); err != nil {
				return err
			}
		}
		if left -= len(list); len(list) < size || left == 0 {
			return nil
		}
		f.Before = list[len(list)-1].Change
	}
}

// stateChanges returns up to limit changes of a document below f.Before, newest first.
func (s *Store) stateChanges(ctx context.Context, p int64, id inbox.StateID, f *inbox.StateHistory, limit int) ([]inbox.StateEntry, error) {
	columns, contents := "", ""
	if f.Documents {
		columns, contents = `, `+contentColumns("c"), ` LEFT JOIN contents c ON c.id = s.content_id`
	}
	var list []inbox.StateEntry
	err := s.each(ctx, `SELECT `+stateColumns+columns+` FROM states s JOIN events e ON e.seq = s.seq`+contents+`
		WHERE s.plugin = ? AND s.mode = ? AND s.key = ? AND s.change < ? ORDER BY s.change DESC LIMIT ?`,
		[]any{p, id.Lane.Mode, id.Lane.Key, f.Before, limit}, func(row scanner) error {
			e := inbox.StateEntry{StateID: inbox.StateID{Plugin: id.Plugin}}
			var c content
			var more []any
			if f.Documents {
				more = c.into()
			}
			err := scanState(row, &e, more...)
			if err == nil && f.Documents {
				err = c.document(&e)
			}
			list = append(list, e)
			return err
		})
	return list, err
}

// StateChanges returns the changes of state that the attempts of some events made in all plugins, without documents, in the order
// of plugins, lanes and changes. It is one query by seq.
func (s *Store) StateChanges(ctx context.Context, seqs []int64) ([]inbox.StateEntry, error) {
	var list []inbox.StateEntry
	err := s.each(ctx, `SELECT `+stateColumns+`, p.name FROM json_each(?) j CROSS JOIN states s INDEXED BY states_by_seq ON s.seq = j.value
		JOIN events e ON e.seq = s.seq JOIN plugins p ON p.id = s.plugin ORDER BY p.name, s.mode, s.key, s.change`, []any{listOf(seqs)}, func(row scanner) error {
		var e inbox.StateEntry
		err := scanState(row, &e, &e.Plugin)
		list = append(list, e)
		return err
	})
	return list, err
}

// EachState calls fn for the state documents that a filter selects, without their contents, until fn returns an error. They are in
// the order of plugins, modes (live first) and keys. The cost depends on the number of lanes, not on the number of changes. It holds no
// transaction open while fn runs.
func (s *Store) EachState(ctx context.Context, f inbox.StateFilter, fn func(*inbox.StateEntry) error) error {
	plugins, err := s.pluginRules(ctx)
	if err != nil {
		return err
	}
	if f.Plugin != "" {
		p, err := s.pluginID(ctx, f.Plugin)
		if err != nil {
			return err
		}
		plugins = []pluginRule{{id: p, name: f.Plugin}}
	}
	left := f.Limit
	for _, p := range plugins {
		for _, mode := range []inbox.Mode{inbox.Live, inbox.Test} {
			if f.Mode != "" && f.Mode != mode {
				continue
			}
			more, err := s.eachStateOf(ctx, &p, mode, &f, &left, fn)
			if err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// eachStateOf is EachState for one plugin and mode. It reports whether the limit, of which left documents are left, allows more.
func (s *Store) eachStateOf(ctx context.Context, p *pluginRule, mode inbox.Mode, f *inbox.StateFilter, left *int, fn func(*inbox.StateEntry) error) (bool, error) {
	for from := f.Prefix; ; {
		list, err := s.newestStates(ctx, p, mode, from)
		if err != nil {
			return false, err
		}
		for i := range list {
			e := &list[i]
			if !strings.HasPrefix(e.Lane.Key, f.Prefix) {
				return true, nil
			}
			if e.Deleted || !f.Since.IsZero() && e.At.Before(f.Since) || !f.Until.IsZero() && !e.At.Before(f.Until) {
				continue
			}
			if err := fn(e); err != nil {
				return false, err
			}
			if *left--; *left == 0 {
				return false, nil
			}
		}
		if len(list) < stateChunk {
			return true, nil
		}
		from = list[len(list)-1].Lane.Key + "\x00" // the smallest text after the key
	}
}

// newestStates returns the newest changes of up to stateChunk lanes, from a key on. It steps from key to key through the index, so
// that it does not read the earlier changes (a loose index scan).
func (s *Store) newestStates(ctx context.Context, p *pluginRule, mode inbox.Mode, from string) ([]inbox.StateEntry, error) {
	var list []inbox.StateEntry
	err := s.each(ctx, `WITH RECURSIVE j(key, n) AS (
			SELECT (SELECT key FROM states WHERE plugin = ?1 AND mode = ?2 AND key >= ?3 ORDER BY key LIMIT 1), 1
			UNION ALL
			SELECT (SELECT key FROM states WHERE plugin = ?1 AND mode = ?2 AND key > j.key ORDER BY key LIMIT 1), n + 1 FROM j WHERE key IS NOT NULL AND n < ?4)
		SELECT `+stateColumns+` FROM j CROSS JOIN states s ON s.plugin = ?1 AND s.mode = ?2 AND s.key = j.key AND s.change = (
			SELECT change FROM states n WHERE n.plugin = ?1 AND n.mode = ?2 AND n.key = j.key ORDER BY change DESC LIMIT 1)
		JOIN events e ON e.seq = s.seq ORDER BY j.n`, []any{p.id, mode, from, stateChunk}, func(row scanner) error {
		e := inbox.StateEntry{StateID: inbox.StateID{Plugin: p.name}}
		err := scanState(row, &e)
		list = append(list, e)
		return err
	})
	return list, err
}
