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
	if c.Effect != 0 {
		text = fmt.Sprintf("the response of effect %d of %s", c.Effect, text)
	}
	return text + fmt.Sprintf(" (depth %d)", c.Depth)
}

// emittedText returns an event that an attempt emitted.
func emittedText(e *api.Emitted) string {
	if e.Effect != 0 {
		return fmt.Sprintf("response of effect %d: %s  %s  key %s", e.Effect, e.ID, eventName(e.Event, e.EventType), e.Key)
	}
	return fmt.Sprintf("emitted %s  %s  key %s", e.ID, eventName(e.Event, e.EventType), e.Key)
}
