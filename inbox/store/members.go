package store

import (
	"context"
	"strings"

	"inbox/inbox"
)

// members returns the condition on events e that finds the events of a lane, whatever the plugin wants of them; false
// when the columns cannot tell, because the lane is made by a value of the body.
func members(id inbox.LaneID) (where string, args []any, ok bool) {
	switch {
	case id.Key == "@global":
		return ofMode, []any{id.Mode}, true
	case strings.HasPrefix(id.Key, "@ref/"):
		return ofMode + " AND e.customer_reference = ?", []any{id.Mode, strings.TrimPrefix(id.Key, "@ref/")}, true
	case strings.HasPrefix(id.Key, "@ptr/"):
		return "", nil, false
	}
	return "e.mode = ? AND e.key = ?", []any{id.Mode, id.Key}, true
}

// memberReach is how far the log is read for the members of a lane that no index finds.
const memberReach = 20 * scanChunk

// waitingBehind counts the events of a lane after the one it is parked behind. No index finds those of a customer
// reference, so only the next 100,000 events are looked at for them; those of a lane made by a value of the body are not
// counted.
func (s *Store) waitingBehind(ctx context.Context, id inbox.LaneID, seq int64) (int64, error) {
	where, args, ok := members(id)
	if !ok {
		return 0, nil
	}
	upto := s.newest(ctx)
	if strings.HasPrefix(id.Key, "@ref/") {
		upto = min(upto, seq+memberReach)
	}
	var n int64
	err := s.readers.QueryRowContext(ctx, `SELECT count(*) FROM events e WHERE e.seq > ? AND e.seq <= ? AND `+where,
		append([]any{seq, upto}, args...)...).Scan(&n)
	return n, readError(err)
}

// firstMember returns the first event of a lane with from <= seq < before, 0 when there is none or it cannot be told.
func (s *Store) firstMember(ctx context.Context, id inbox.LaneID, from, before int64) (int64, error) {
	where, args, ok := members(id)
	if !ok {
		return 0, nil
	}
	var seq int64
	err := s.readers.QueryRowContext(ctx, `SELECT coalesce(min(e.seq), 0) FROM events e WHERE e.seq >= ? AND e.seq < ? AND `+where,
		append([]any{from, before}, args...)...).Scan(&seq)
	return seq, readError(err)
}
