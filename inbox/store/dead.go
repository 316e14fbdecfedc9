package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"inbox/inbox"
)

// LetterFilter selects dead letters by their events. Its Plugin is the one in which they died.
type LetterFilter struct {
	inbox.Filter
	Resolved bool // also those that were dealt with
}

// Letters returns dead letters with their events, the newest deaths first. The reason of the attempt they died of is
// among them and may hold personal data.
func (s *Store) Letters(ctx context.Context, f LetterFilter) ([]inbox.Letter, error) {
	found, err := s.findLetters(ctx, &f)
	if err != nil {
		return nil, err
	}
	list := []inbox.Letter{}
	for i := range found {
		l := &found[i]
		ok, err := s.selected(ctx, &f.Filter, &l.Event)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if l.Parks && l.Resolution == inbox.Unresolved {
			if l.Waiting, err = s.waitingBehind(ctx, l.Lane, l.Seq); err != nil {
				return nil, err
			}
		}
		if list = append(list, *l); len(list) == f.Limit {
			break
		}
	}
	return list, nil
}

// findLetters returns the letters that the columns select.
func (s *Store) findLetters(ctx context.Context, f *LetterFilter) ([]inbox.Letter, error) {
	events := f.Filter
	events.Plugin = "" // here it names whose letters, not who attempted the event
	sel, err := s.choose(ctx, &events)
	if err != nil {
		return nil, err
	}
	if f.Plugin != "" {
		p, err := s.pluginID(ctx, f.Plugin)
		if err != nil {
			return nil, err
		}
		sel.and("d.plugin = ?", p)
	}
	if !f.Resolved {
		sel.and("d.resolution = ''")
	}
	limit := -1
	if sel.plain() && f.Limit > 0 {
		limit = f.Limit
	}
	var list []inbox.Letter
	err = s.each(ctx, `SELECT `+eventColumns+`, p.name, d.run, d.attempt, d.mode, d.key, d.parks, d.result, d.died_at, d.resolution,
			coalesce(d.resolved_at, 0), coalesce(a.host_words, 0), `+contentColumns("c")+`
		FROM dead d JOIN events e ON e.seq = d.seq JOIN plugins p ON p.id = d.plugin
		LEFT JOIN attempts a ON a.plugin = d.plugin AND a.seq = d.seq AND a.run = d.run AND a.attempt = d.attempt
		LEFT JOIN contents c ON c.id = a.reason_id
		WHERE d.seq > ? AND d.seq <= ?`+sel.where+` ORDER BY d.died_at DESC, d.seq DESC, d.plugin, d.run DESC, d.attempt DESC LIMIT ?`,
		append(append([]any{sel.low, sel.high}, sel.args...), limit), func(row scanner) error {
			var l inbox.Letter
			var died, resolved int64
			var reason content
			if err := scanEvent(row, &l.Event, append([]any{&l.Plugin, &l.Run, &l.Attempt, &l.Lane.Mode, &l.Lane.Key, &l.Parks, &l.Result, &died,
				&l.Resolution, &resolved, &l.HostWords}, reason.into()...)...); err != nil {
				return err
			}
			l.Seq, l.Reason, l.DiedAt, l.ResolvedAt = l.Event.Seq, string(reason.text()), fromMillis(died), fromMillis(resolved)
			list = append(list, l)
			return nil
		})
	return list, err
}

// Retry lets a dead delivery go on. When its lane is parked behind it, the lane's whole sequence goes on in order. When
// the lane has gone on without it, it joins the lane's tail. It is a Conflict when the delivery is not dead.
func (s *Store) Retry(ctx context.Context, who Actor, plugin string, seq, run int64) error {
	return s.resolveDead(ctx, who, plugin, seq, run, inbox.Retried)
}

// Discard gives a dead delivery up. When its lane is parked behind it, the lane goes on with the next event. It is a
// Conflict when the delivery is not dead.
func (s *Store) Discard(ctx context.Context, who Actor, plugin string, seq, run int64) error {
	return s.resolveDead(ctx, who, plugin, seq, run, inbox.Discarded)
}

func (s *Store) resolveDead(ctx context.Context, who Actor, plugin string, seq, run int64, how inbox.Resolution) error {
	return s.write(ctx, func(t *tx) error {
		p, err := t.plugin(plugin)
		if err != nil {
			return err
		}
		var d inbox.DeadLetter
		var digest []byte
		err = t.get(`SELECT d.attempt, d.mode, d.key, d.parks, substr(e.digest, 1, 5) FROM dead d JOIN events e ON e.seq = d.seq
			WHERE d.plugin = ? AND d.seq = ? AND d.run = ? AND d.resolution = ''`, p, seq, run).
			Scan(&d.Attempt, &d.Lane.Mode, &d.Lane.Key, &d.Parks, &digest)
		if errors.Is(err, sql.ErrNoRows) {
			return inbox.Errorf(inbox.Conflict, "", "event %d is not dead in plugin %s", seq, plugin).WithHint("`inbox dead list` shows what is")
		}
		if err != nil {
			return fmt.Errorf("read the dead letter of event %d: %w", seq, err)
		}
		if err := t.resolve(p, seq, run, how); err != nil {
			return err
		}
		switch {
		case d.Parks:
			err = t.unpark(p, d.Lane, seq, how)
		case how == inbox.Retried:
			err = t.putRun(p, &inbox.Run{Seq: seq, Run: run, Lane: d.Lane, DueAt: fromMillis(t.now), Attempt: d.Attempt})
		}
		if err != nil {
			return err
		}
		action := "retry"
		if how == inbox.Discarded {
			action = "discard"
		}
		return t.audit(who, action, fmt.Sprintf("event %s in plugin %s", inbox.EventID(seq, digest), plugin))
	})
}

// unpark lets a parked lane go on: with its dead event, or after it.
func (t *tx) unpark(p int64, id inbox.LaneID, seq int64, how inbox.Resolution) error {
	set := `state = 'ready', tries = 0`
	if how == inbox.Discarded {
		set = `state = 'ready', next = next + 1, attempt = 0, tries = 0`
	}
	res, err := t.exec(`UPDATE lanes SET `+set+` WHERE plugin = ? AND mode = ? AND key = ? AND state = 'parked' AND next = ?`,
		p, id.Mode, id.Key, seq)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return err
	}
	if n != 1 {
		return inbox.Errorf(inbox.Internal, "", "lane %s of a parking dead letter is not parked", id.Key).WithHint("run `inbox db check`")
	}
	return nil
}
