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
