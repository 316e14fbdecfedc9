package dispatch_test

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/dispatch"
	"inbox/inbox/inboxtest"
)

// legal returns the table of moves as a set.
func legal() map[[2]string]bool {
	set := map[[2]string]bool{}
	for _, m := range dispatch.Moves() {
		set[[2]string{m.From, m.To}] = true
	}
	return set
}

// sawMove counts a move of a lane. It fails the test when the move is not in the table. Every fixture of the package's tests
// watches its lanes this way.
func (r *fixture) sawMove(from, to string) {
	m := [2]string{from, to}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.moves == nil {
		r.moves = map[[2]string]int{}
	}
	if r.moves[m]++; r.moves[m] == 1 && !legal()[m] {
		r.t.Errorf("a lane moved from %s to %s, which is not in the table", from, to)
	}
}

// has reports whether a lane of the fixture has made a move.
func (r *fixture) has(from, to string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.moves[[2]string{from, to}] > 0
}

func TestLanesMakeEveryMoveOfTheTable(t *testing.T) {
	t.Parallel()
	seen := map[[2]string]int{}
	for _, walk := range []func(*testing.T) *fixture{walkParkedLanes, walkARestart, walkAHold} {
		r := walk(t)
		r.stop()
		maps.Copy(seen, r.moves)
	}
	states := map[string]bool{}
	for m := range legal() {
		if states[m[0]], states[m[1]] = true, true; seen[m] == 0 {
			t.Errorf("no lane moved from %s to %s", m[0], m[1])
		}
	}
	if len(states) != dispatch.States {
		t.Errorf("the table has %d of %d states", len(states), dispatch.States)
	}
}

// walkParkedLanes parks lanes with room for one in memory, and retries all.
func walkParkedLanes(t *testing.T) *fixture {
	t.Helper()
	r := newFixture(t, inbox.Manifest{}, func(made) inbox.Result { return inbox.Reject })
	r.stop()
	r.parked = 1
	r.start("r1")
	keys := 0
	inboxtest.Eventually(t, "a parked lane was unloaded", func() bool {
		inboxtest.Accept(t, r.store, inboxtest.Body(keys, 0))
		keys++
		r.settled()
		return r.has("parked", "unloaded")
	})
	inboxtest.Accept(t, r.store, inboxtest.Body(0, 1))
	inboxtest.Eventually(t, "an event of the lane loaded it", func() bool { return r.has("unloaded", "parked") })
	r.say(nil)
	release(t, r)
	return r
}

// walkARestart stops while one lane holds the cursor, one lags beyond the cursor, one waits for a retry, and one is parked.
func walkARestart(t *testing.T) *fixture {
	t.Helper()
	r := newFixture(t, inbox.Manifest{Concurrency: 4, Policy: inbox.Policy{HoldAfter: 1000, MaxAttempts: 1000}}, func(m made) inbox.Result {
		switch {
		case m.seq == 2 && m.attempt == 1, m.seq == 3:
			return inbox.Trap
		case m.seq == 5:
			return inbox.Reject
		}
		return inbox.OK
	})
	r.stop()
	r.runner = func(ctx context.Context, w *inbox.Work) inbox.Outcome {
		e := w.Event
		if e.Seq == 1 || e.Seq == 4 {
			<-ctx.Done() // until the dispatcher stops
		}
		return r.run(ctx, w)
	}
	for n, key := range []int{0, 1, 2, 1, 3} {
		inboxtest.Accept(t, r.store, inboxtest.Body(key, n))
	}
	r.start("r1")
	inboxtest.Eventually(t, "the lanes have rows", func() bool {
		rec := r.record()
		return rec.Cursor == 0 && rec.Ready == 1 && rec.Retrying == 1 && rec.Parked == 1
	})
	r.stop()
	r.runner = nil
	r.say(nil)
	r.start("r1")
	r.settled()
	return r
}

// walkAHold lets a plugin fail until it is on hold, and probes it.
func walkAHold(t *testing.T) *fixture {
	t.Helper()
	m := inbox.Manifest{Policy: inbox.Policy{MaxAttempts: 100, HoldAfter: 3, HoldKeys: 3}, Concurrency: 1}
	r := newFixture(t, m, func(made) inbox.Result { return inbox.Trap })
	r.send(20, 10, 0)
	inboxtest.Eventually(t, "a lane was taken out of the ready queue and probed", func() bool {
		r.later(5 * time.Minute)
		return r.has("ready", "idle") && r.has("idle", "running") && r.record().Health.OnHold
	})
	r.say(nil)
	r.later(5 * time.Minute)
	r.settled()
	return r
}

func TestTheDrawingOfALanesStatesShowsTheTable(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/HOW-IT-WORKS.md")
	if err != nil {
		t.Fatal(err)
	}
	var drawn, table []string
	for line := range strings.Lines(string(doc)) {
		from, rest, found := strings.Cut(strings.TrimSpace(line), " --> ")
		to, when, labelled := strings.Cut(rest, ": ")
		if found && labelled {
			drawn = append(drawn, from+" → "+to+": "+when)
		}
	}
	for _, m := range dispatch.Moves() {
		table = append(table, m.From+" → "+m.To+": "+m.When)
	}
	slices.Sort(drawn)
	slices.Sort(table)
	if diff := cmp.Diff(table, drawn); diff != "" {
		t.Errorf("moves of the table (-) and of the drawing (+):\n%s", diff)
	}
}
