package store

import (
	"context"
	"fmt"

	"inbox/inbox"
)

// LetterFilter selects dead letters.
type LetterFilter struct {
	inbox.Filter
	Resolved bool // also those that were dealt with
}

// Letters returns dead letters with their events, the newest deaths first. The reason of the attempt they died of is
// among them and may hold personal data.
func (s *Store) Letters(ctx context.Context, f LetterFilter) ([]inbox.Letter, error) {
	plugin := f.Plugin
	f.Plugin = "" // here it names whose letters, not who attempted the event
	where, args, err := s.where(ctx, &f.Filter)
	if err != nil {
		return nil, err
	}
	limit := f.Limit
	if limit == 0 {
		limit = -1
	}
	query := `SELECT ` + eventColumns + `, p.name, d.run, d.attempt, d.mode, d.key, d.parks, d.result, d.died_at, d.resolution,
			coalesce(d.resolved_at, 0), coalesce((SELECT c.bytes FROM attempts a JOIN contents c ON c.id = a.reason_id
				WHERE a.plugin = d.plugin AND a.seq = d.seq AND a.run = d.run AND a.attempt = d.attempt), x''),
			CASE WHEN d.parks AND d.resolution = '' THEN (SELECT count(*) FROM events w WHERE w.mode = d.mode AND w.key = d.key AND w.seq > d.seq) ELSE 0 END
		FROM dead d JOIN events e ON e.seq = d.seq JOIN plugins p ON p.id = d.plugin
		WHERE ` + where + ` AND ? IN ('', p.name) AND (d.resolution = '' OR ?) ORDER BY d.died_at DESC, d.seq DESC LIMIT ?`
	list := []inbox.Letter{}
	err = s.each(ctx, query, append(args, plugin, f.Resolved, limit), func(row scanner) error {
		var l inbox.Letter
		var died, resolved int64
		var reason []byte
		err := scanEvent(row, &l.Event, &l.Plugin, &l.Run, &l.Attempt, &l.Lane.Mode, &l.Lane.Key, &l.Parks, &l.Result, &died,
			&l.Resolution, &resolved, &reason, &l.Waiting)
		if err != nil {
			return err
		}
		l.Seq, l.Reason, l.DiedAt, l.ResolvedAt = l.Event.Seq, string(reason), fromMillis(died), fromMillis(resolved)
		list = append(list, l)
		return nil
	})
	kept := list[:0]
	for i := range list {
		ok, serr := s.selected(ctx, &f.Filter, &list[i].Event)
		if err == nil {
			err = serr
		}
		if ok {
			kept = append(kept, list[i])
		}
	}
	return kept, err
}

// Retry lets a dead delivery go on. When its lane is parked behind it, the lane's whole sequence goes on in order. When
// the lane has gone on without it, it joins the lane's tail. It is a Conflict when the delivery is not dead.
func (s *Store) Retry(ctx context.Context, who Actor, plugin string, seq, run int64) error {
	return s.resolveDead(ctx, who, plugin, seq, run, inbox.Retried)
}

// Discard gives a dead delivery up. When its lane is parked behind it, the lane goes on with the next event.
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
		err = t.get(`SELECT attempt, mode, key, parks FROM dead WHERE plugin = ? AND seq = ? AND run = ? AND resolution = ''`, p, seq, run).
			Scan(&d.Attempt, &d.Lane.Mode, &d.Lane.Key, &d.Parks)
		if err != nil {
			return inbox.Errorf(inbox.Conflict, "", "event %d is not dead in plugin %s", seq, plugin).WithHint("`inbox dead list` shows what is")
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
		action := map[inbox.Resolution]string{inbox.Retried: "retry", inbox.Discarded: "discard"}[how]
		return t.audit(who, action, fmt.Sprintf("event %d in plugin %s", seq, plugin))
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
	if n, err := res.RowsAffected(); n != 1 || err != nil {
		return inbox.Errorf(inbox.Internal, "", "lane %s of a parking dead letter is not parked", id.Key).WithHint("run `inbox db check`")
	}
	return nil
}
