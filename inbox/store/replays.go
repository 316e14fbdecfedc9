package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"inbox/inbox"
)

// replayColumns are the columns of replays that make an inbox.Replay without its parts, in the order of scanReplay and replayRow.
const replayColumns = `id, created_at, finished_at, actor, reason, filter, only_what, upto, rate, matched, state, effects, keep_keys`

// scanReplay reads replayColumns.
func scanReplay(row scanner, j *inbox.Replay) error {
	var filter []byte
	if err := row.Scan(&j.ID, moment{&j.CreatedAt}, moment{&j.FinishedAt}, &j.Actor, &j.Reason, &filter, &j.Only, &j.Upto, &j.Rate, &j.Matched, &j.State, &j.Effects, &j.KeepKeys); err != nil {
		return err
	}
	if err := json.Unmarshal(filter, &j.Filter); err != nil {
		return fmt.Errorf("read the filter of replay %d: %w", j.ID, err)
	}
	return nil
}

// replayRow returns the values of replayColumns for a new replay, without id and finished_at.
func replayRow(j *inbox.Replay, filter string) []any {
	return []any{millis(j.CreatedAt), j.Actor, j.Reason, filter, j.Only, j.Upto, j.Rate, j.Matched, j.State, j.Effects, j.KeepKeys}
}

// replayPartColumns are the columns of replay_parts that make an inbox.ReplayPart, in the order of scanReplayPart. A new part has
// only a replay, a plugin and a position.
const replayPartColumns = `replay, position, ok, dead, pending, retried, filtered, waiting, done, dropped`

// scanReplayPart reads the name of the plugin and replayPartColumns.
func scanReplayPart(row scanner, p *inbox.ReplayPart) error {
	return row.Scan(&p.Plugin, &p.Replay, &p.Position, &p.OK, &p.Dead, &p.Pending, &p.Retried, &p.Filtered, &p.Waiting, &p.Done, &p.Dropped)
}

// CreateReplay stores a replay and fills in its number, bounds and counts. Later events are not part of it. A limit in its filter
// becomes the seq of the last event that it allows. CreateReplay returns NotFound when no event matches, and Invalid without a
// plugin, for a negative rate and for an unknown Only; then it stores nothing.
func (s *Store) CreateReplay(ctx context.Context, actor inbox.Actor, j *inbox.Replay) error {
	replay, err := checkedReplay(j)
	if err != nil {
		return err
	}
	stored := replay.Filter // the count ends at the newest event
	if head := s.newest(ctx); stored.Before == 0 || stored.Before > head {
		stored.Before = head + 1
	}
	matched, first, last, err := s.CountReplay(ctx, stored, replay.Only, replay.Plugins)
	if err != nil {
		return err
	}
	if matched == 0 {
		return inbox.Errorf(inbox.NotFound, "", "no event matches")
	}
	replay.Matched, replay.Upto, replay.State, replay.Actor, replay.Reason = matched, last.Seq, inbox.ReplayRunning, actor.Name, actor.Reason
	filter, err := json.Marshal(replay.Filter)
	if err != nil {
		return fmt.Errorf("store the filter of a replay: %w", err)
	}
	created := replay // a copy for the writer, which may still use it after this function has returned
	err = s.write(ctx, func(t *tx) error { return t.createReplay(actor, &created, string(filter), first.Seq-1) })
	if err != nil {
		return err
	}
	*j = created
	return nil
}

// checkedReplay returns a new replay with its defaults.
func checkedReplay(j *inbox.Replay) (inbox.Replay, error) {
	replay := *j
	replay.Only, replay.Effects = cmp.Or(replay.Only, inbox.OnlyAll), cmp.Or(replay.Effects, inbox.SendEffects)
	replay.Plugins = slices.Compact(slices.Sorted(slices.Values(replay.Plugins)))
	if len(replay.Filter.Seqs) > 0 { // Match needs them sorted for each chunk
		replay.Filter.Seqs = slices.Compact(slices.Sorted(slices.Values(replay.Filter.Seqs)))
	}
	switch {
	case len(replay.Plugins) == 0:
		return replay, inbox.Errorf(inbox.Invalid, "", "a replay needs a plugin").WithHint("`inbox plugin list` shows them")
	case replay.Rate < 0:
		return replay, inbox.Errorf(inbox.Invalid, "", "the rate is negative")
	case !slices.Contains([]inbox.Only{inbox.OnlyAll, inbox.OnlyFailed, inbox.OnlyMissing}, replay.Only):
		return replay, inbox.Errorf(inbox.Invalid, "", "only is %q, not failed, missing or all", replay.Only)
	case !replay.Effects.Valid():
		return replay, inbox.Errorf(inbox.Invalid, "", "effects is %q, not send, hold or drop", replay.Effects)
	}
	return replay, nil
}

// createReplay stores a replay that begins after a position.
func (t *tx) createReplay(actor inbox.Actor, j *inbox.Replay, filter string, position int64) error {
	j.CreatedAt = fromMillis(t.now)
	res, err := t.exec(`INSERT INTO replays (`+replayColumns+`) VALUES (NULL, ?, NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, replayRow(j, filter)...)
	if err != nil {
		return err
	}
	if j.ID, err = res.LastInsertId(); err != nil {
		return err
	}
	j.Parts = nil
	for _, name := range j.Plugins {
		p, err := t.plugin(name)
		if err != nil {
			return err
		}
		if _, err := t.exec(`INSERT INTO replay_parts (replay, plugin, position) VALUES (?, ?, ?)`, j.ID, p, position); err != nil {
			return err
		}
		j.Parts = append(j.Parts, inbox.ReplayPart{Replay: j.ID, Plugin: name, Position: position})
	}
	return t.audit(actor, "replay", fmt.Sprintf("replay %d, events %d, through %s", j.ID, j.Matched, strings.Join(j.Plugins, ", ")))
}

// CancelReplay ends a replay. It deletes the waiting runs and keeps the attempts; runs in progress are still recorded. It returns a
// Conflict when the replay is not running, and NotFound for an unknown replay.
func (s *Store) CancelReplay(ctx context.Context, actor inbox.Actor, id int64) error {
	if _, err := s.Replay(ctx, id); err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		res, err := t.exec(`UPDATE replays SET state = 'cancelled', finished_at = ? WHERE id = ? AND state = 'running'`, t.now, id)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		if n == 0 {
			return inbox.Errorf(inbox.Conflict, "", "replay %d is not running", id)
		}
		for _, statement := range []string{
			`DELETE FROM runs WHERE replay = ?1 AND run = ?1 AND plugin IN (SELECT plugin FROM replay_parts WHERE replay = ?1)`,
			`UPDATE replay_parts SET waiting = 0 WHERE replay = ?1`,
		} {
			if _, err := t.exec(statement, id); err != nil {
				return err
			}
		}
		return t.audit(actor, "cancel", fmt.Sprintf("replay %d", id))
	})
}

// Replays returns the running replays of a plugin, oldest first. For an empty name it returns all replays, newest first.
func (s *Store) Replays(ctx context.Context, plugin string) ([]inbox.Replay, error) {
	if plugin == "" {
		return s.replays(ctx, `ORDER BY id DESC`)
	}
	p, err := s.pluginID(ctx, plugin)
	if err != nil {
		return nil, err
	}
	return s.replays(ctx, `WHERE state = 'running' AND id IN (SELECT replay FROM replay_parts WHERE plugin = ?) ORDER BY id`, p)
}

// RunningReplays returns the running replays, newest first.
func (s *Store) RunningReplays(ctx context.Context) ([]inbox.Replay, error) {
	return s.replays(ctx, `WHERE state = 'running' ORDER BY id DESC`)
}

// Replay returns one replay, or NotFound.
func (s *Store) Replay(ctx context.Context, id int64) (*inbox.Replay, error) {
	list, err := s.replays(ctx, `WHERE id = ?`, id)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, inbox.Errorf(inbox.NotFound, "", "no replay %d", id).WithHint("`inbox replay --list` shows them")
	}
	return &list[0], nil
}

func (s *Store) replays(ctx context.Context, where string, args ...any) ([]inbox.Replay, error) {
	var list []inbox.Replay
	err := s.each(ctx, `SELECT `+replayColumns+` FROM replays `+where, args, func(row scanner) error {
		var j inbox.Replay
		if err := scanReplay(row, &j); err != nil {
			return err
		}
		list = append(list, j)
		return nil
	})
	for i := range list {
		if err == nil {
			err = s.replayParts(ctx, &list[i])
		}
	}
	return list, err
}

func (s *Store) replayParts(ctx context.Context, j *inbox.Replay) error {
	query := `SELECT p.name, ` + qualified("j", replayPartColumns) + ` FROM replay_parts j JOIN plugins p ON p.id = j.plugin WHERE j.replay = ? ORDER BY p.name`
	return s.each(ctx, query, []any{j.ID}, func(row scanner) error {
		var part inbox.ReplayPart
		if err := scanReplayPart(row, &part); err != nil {
			return err
		}
		j.Parts = append(j.Parts, part)
		j.Plugins = append(j.Plugins, part.Plugin)
		return nil
	})
}

// settleReplay stores the progress of a part of a replay. It ends the replay when its last part is done.
func (t *tx) settleReplay(p int64, j *inbox.ReplayStep) error {
	if j == nil {
		return nil
	}
	a := j.Add
	if _, err := t.exec(`UPDATE replay_parts SET position = max(position, ?), ok = ok + ?, dead = dead + ?, pending = pending + ?,
			retried = retried + ?, filtered = filtered + ?, waiting = waiting + ?, done = max(done, ?) WHERE replay = ? AND plugin = ?`,
		j.Position, a.OK, a.Dead, a.Pending, a.Retried, a.Filtered, a.Waiting, j.Done, j.Replay, p); err != nil || !j.Done {
		return err
	}
	_, err := t.exec(`UPDATE replays SET state = 'done', finished_at = ?1 WHERE id = ?2 AND state = 'running'
		AND NOT EXISTS (SELECT 1 FROM replay_parts WHERE replay = ?2 AND done = 0)`, t.now, j.Replay)
	return err
}
