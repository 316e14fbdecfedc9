package operator

import (
	"context"

	"inbox/inbox"
)

// eventNamed returns the event that a text names: by its id, or by its seq, which tables and logs show.
func (s *server) eventNamed(ctx context.Context, text string) (*inbox.Event, error) {
	if seq, ok := inbox.ParseSeq(text); ok {
		return s.events.Event(ctx, seq)
	}
	return s.events.EventByID(ctx, text)
}
