package cli

import (
	"cmp"
	"fmt"
	"time"

	"inbox/inbox/api"
	"inbox/inbox/cli/console"
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

// fetchText returns what an attempt asked a server.
func fetchText(f *api.AttemptFetch) string {
	text := fmt.Sprintf("fetch %d  %s %s", f.Index+1, f.Method, cmp.Or(f.URL, f.Origin))
	if f.Status != 0 {
		text += fmt.Sprintf("  status %d", f.Status)
	}
	text += "  " + console.Duration(time.Duration(f.Millis*float64(time.Millisecond)))
	if f.FromJournal {
		text += "  (from the journal of an earlier attempt)"
	}
	if f.Why != "" {
		text += "  " + f.Why
	}
	return text
}

// emittedText returns an event that an attempt emitted.
func emittedText(e *api.Emitted) string {
	if e.Effect != 0 {
		return fmt.Sprintf("response of effect %d: %s  %s  key %s", e.Effect, e.ID, eventName(e.Event, e.EventType), e.Key)
	}
	return fmt.Sprintf("emitted %s  %s  key %s", e.ID, eventName(e.Event, e.EventType), e.Key)
}
