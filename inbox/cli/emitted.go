package cli

import (
	"fmt"

	"inbox/inbox/api"
)

// causeText returns the attempt that emitted an event, empty for an event of a source.
func causeText(c *api.Cause) string {
	if c == nil {
		return ""
	}
	text := fmt.Sprintf("%s in %s, attempt %d", c.ID, c.Plugin, c.Attempt)
	if c.Run != 0 {
		text += fmt.Sprintf(" of replay %d", c.Run)
	}
	return text + fmt.Sprintf(" (depth %d)", c.Depth)
}

// emittedText returns an event that an attempt emitted.
func emittedText(e *api.Emitted) string {
	return fmt.Sprintf("emitted %s  %s  key %s", e.ID, eventName(e.Event, e.EventType), e.Key)
}
