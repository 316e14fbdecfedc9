package operator

import (
	"context"

	"inbox/inbox"
)

// eventNamed returns the event with an id or a seq. Tables and logs show the seq.
func (s *server) eventNamed(ctx context.Context, text string) (*inbox.Event, error) {
	if seq, ok := inbox.ParseSeq(text); ok {
		return s.events.Event(ctx, seq)
	}
	return s.events.EventByID(ctx, text)
}
