package dispatch

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"inbox/inbox"
)

func TestEveryUnloadedLaneIsFoundAgain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		u, in := newUnloadedLanes(), map[inbox.LaneID]bool{}
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			id := inbox.LaneID{Mode: inbox.Live, Key: fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "key"))}
			if in[id] {
				u.remove(id)
				delete(in, id)
			} else {
				u.add(id)
				in[id] = true
			}
			for id := range in {
				if !u.may(id) {
					t.Fatalf("lane %v is unloaded, and not found", id)
				}
			}
			if u.count != len(in) || len(u.hashes) > len(in) {
				t.Fatalf("%d lanes and %d hashes of %d", u.count, len(u.hashes), len(in))
			}
		}
	})
}
