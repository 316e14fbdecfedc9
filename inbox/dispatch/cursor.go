package dispatch

import (
	"slices"
	"time"

	"inbox/inbox"
)

// Bounds of a loop's memory and of the events that a start reads again.
const (
	readAhead = 256     // events read from the log, or of a lane, at a time
	maxOpen   = 1024    // events in memory that are not settled
	maxSpan   = 1 << 16 // seqs between the cursor and the newest seq read
	lazyMoves = 4096    // seqs the cursor may move over filtered events without being stored …
	lazyFlush = time.Second
)

// cursor is a plugin's place in the log: all events at or below it are settled, or their lanes have a row.
type cursor struct {
	scanned  int64 // newest seq read
	sent     int64 // the cursor as submitted
	moved    time.Time
	filtered []int64 // seqs above the submitted cursor that the plugin filters out
	window   *window // events above the cursor that are not settled
}

func newCursor(at int64, now time.Time) *cursor {
	return &cursor{scanned: at, sent: at, moved: now, window: newWindow()}
}

// low returns the cursor: the newest seq at or below which nothing is open.
func (c *cursor) low() int64 { return c.window.low(c.scanned) }

// hasRoom reports whether more of the log may be held in memory.
func (c *cursor) hasRoom() bool {
	return c.window.size() < maxOpen && c.scanned-c.low() < maxSpan
}

// filter notes that the plugin filters out an event that was open until now.
func (c *cursor) filter(seq int64) {
	c.window.settle(seq)
	at, _ := slices.BinarySearch(c.filtered, seq)
	c.filtered = slices.Insert(c.filtered, at, seq)
}

// move adds the cursor to s if it moved since it was last submitted. Filtered events are counted in the settlement that
// moves the cursor over them, so that they are counted once.
func (c *cursor) move(s *inbox.Settlement, now time.Time) bool {
	low := c.low()
	if low <= c.sent {
		return false
	}
	c.sent, s.Position.Cursor, c.moved = low, low, now
	for len(c.filtered) > 0 && c.filtered[0] <= low {
		c.filtered, s.Position.Filtered = c.filtered[1:], s.Position.Filtered+1
	}
	return true
}

// flushDue reports whether a cursor that moved over filtered events is to be stored: reading them again after a crash is
// cheap, but the number of such events must be bounded.
func (c *cursor) flushDue(now time.Time) bool {
	low := c.low()
	return low-c.sent >= lazyMoves || (low > c.sent && now.Sub(c.moved) >= lazyFlush)
}

// nextFlush returns the time of the next flush; zero: the cursor has not moved.
func (c *cursor) nextFlush() time.Time {
	if c.low() > c.sent {
		return c.moved.Add(lazyFlush)
	}
	return time.Time{}
}
