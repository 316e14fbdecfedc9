package dispatch

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"inbox/inbox"
)

func TestLanesWithFirstRunsLeaveTheReadyQueueFirstAndEachKindInOrder(t *testing.T) {
	t.Parallel()
	live := func(seq int64) *lane { return &lane{queue: []item{{event: &inbox.Event{Seq: seq}}}} }
	replayed := func(seq int64) *lane { return &lane{tail: []item{{event: &inbox.Event{Seq: seq}, run: 1}}} }
	a, b, c, d, gone := replayed(1), live(2), replayed(3), live(4), live(5)
	var q readyQueue
	for _, l := range []*lane{a, b, gone, c, d} {
		q.push(l)
	}
	q.remove(gone)
	if q.size() != 4 {
		t.Errorf("size %d", q.size())
	}
	for i, want := range []*lane{b, d, a, c, nil} {
		if got := q.pop(); got != want {
			t.Errorf("lane %d: %+v, want %+v", i, got, want)
		}
	}
}

func TestTimersAreDueByTimeThenByRunThenInTheOrderOfTheLog(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var ts timers
		start := time.Unix(1000, 0)
		n := rapid.IntRange(0, 30).Draw(t, "timers")
		for range n {
			at := start.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "seconds")) * time.Second)
			var run *item
			if rapid.Bool().Draw(t, "of a run") {
				run = &item{event: &inbox.Event{Seq: rapid.Int64Range(1, 9).Draw(t, "seq")}, run: rapid.Int64Range(0, 2).Draw(t, "run"), stored: true}
			}
			ts.wait(at, &lane{}, run)
		}
		dropped := 0
		ts.drop(func(x timer) bool {
			gone := x.run != nil && x.run.event.Seq == 5
			if gone {
				dropped++
			}
			return gone
		})
		if _, ok := ts.due(start.Add(-1)); ok {
			t.Fatal("a timer is due before its time")
		}
		var order []timer
		for {
			next := ts.next()
			x, ok := ts.due(start.Add(time.Hour))
			if !ok {
				break
			}
			if !x.at.Equal(next) {
				t.Fatalf("due at %s, next said %s", x.at, next)
			}
			order = append(order, x)
		}
		if len(order) != n-dropped || !ts.next().IsZero() {
			t.Fatalf("%d of %d timers were due", len(order), n-dropped)
		}
		sorted := slices.IsSortedFunc(order, func(a, b timer) int {
			switch pair := (timers{a, b}); {
			case pair.Less(0, 1):
				return -1
			case pair.Less(1, 0):
				return 1
			}
			return 0
		})
		if !sorted {
			t.Fatalf("order %+v", order)
		}
	})
}
