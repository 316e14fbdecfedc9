package dispatch

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"inbox/inbox"
)

// The cursor follows a small model: it is below the oldest open event, it never goes back, and every filtered event is counted
// in exactly one settlement, the one that moves the cursor over it.
func TestTheCursorStopsBelowTheOldestOpenEventAndCountsFilteredEventsOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1000, 0)
		start := int64(rapid.IntRange(0, 5).Draw(t, "start"))
		c := newCursor(start, now)
		open, filtered, counted, sent := map[int64]bool{}, int64(0), int64(0), start
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0: // the plugin wants the next event
				c.scanned++
				c.window.open(c.scanned)
				open[c.scanned] = true
			case 1: // or does not
				c.scanned++
				c.filtered = append(c.filtered, c.scanned)
				filtered++
			case 2: // an open event settles, or is filtered by a later release
				for seq := range open {
					delete(open, seq)
					if rapid.Bool().Draw(t, "filter") {
						c.filter(seq)
						filtered++
					} else {
						c.window.settle(seq)
					}
					break
				}
			case 3:
				s := &inbox.Settlement{}
				if c.move(s, now) && s.Position.Cursor <= sent {
					t.Fatalf("the cursor went from %d to %d", sent, s.Position.Cursor)
				}
				sent, counted = max(sent, s.Position.Cursor), counted+s.Position.Filtered
			}
			want := c.scanned
			for seq := range open {
				want = min(want, seq-1)
				if !c.window.holds(seq) {
					t.Fatalf("event %d is open and the window does not hold it", seq)
				}
			}
			if c.low() != want || c.window.size() != len(open) {
				t.Fatalf("the cursor is %d with %d open events, want %d with %d", c.low(), c.window.size(), want, len(open))
			}
		}
		for seq := range open {
			c.window.settle(seq)
		}
		s := &inbox.Settlement{}
		c.move(s, now)
		if counted += s.Position.Filtered; counted != filtered || c.sent != c.scanned {
			t.Fatalf("%d of %d filtered events are counted; the cursor is %d of %d", counted, filtered, c.sent, c.scanned)
		}
	})
}

func TestACursorOverFilteredEventsIsStoredAfterASecondOrManyEvents(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	c := newCursor(10, now)
	if c.flushDue(now.Add(time.Hour)) || !c.nextFlush().IsZero() {
		t.Error("a cursor that did not move is to be stored")
	}
	c.scanned = 11
	if c.flushDue(now.Add(lazyFlush - 1)) {
		t.Error("it is stored within the second")
	}
	if !c.flushDue(now.Add(lazyFlush)) || !c.nextFlush().Equal(now.Add(lazyFlush)) {
		t.Errorf("it is not stored after a second; next %s", c.nextFlush())
	}
	if c.scanned = 10 + lazyMoves; !c.flushDue(now) {
		t.Error("it is not stored after many events")
	}
}
