package dispatch_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/dispatch"
	"inbox/inbox/inboxtest"
)

// gate is a store that holds the settlements of attempts until they are released.
type gate struct {
	dispatch.Store
	mu   sync.Mutex
	open bool
	held []func()
}

func (g *gate) Settle(ctx context.Context, st *inbox.Settlement, done func(error)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open || st.Attempt == nil && len(g.held) == 0 {
		return g.Store.Settle(ctx, st, done)
	}
	g.held = append(g.held, func() {
		if err := g.Store.Settle(ctx, st, done); err != nil {
			done(err)
		}
	})
	return nil
}

// release lets the first n held settlements go on; a negative n means all, and those that follow.
func (g *gate) release(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n < 0 {
		g.open, n = true, len(g.held)
	}
	for _, fn := range g.held[:n] {
		fn()
	}
	g.held = g.held[n:]
}

func (g *gate) waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.held)
}

// newGated starts a fixture whose plugin fetches, or only uses kv, over a gate.
func newGated(t *testing.T, fetches bool) (*fixture, *gate) {
	t.Helper()
	r := newFixture(t, inbox.Manifest{Concurrency: 4}, nil)
	r.stop()
	g := &gate{Store: r.store}
	t.Cleanup(func() { g.release(-1) }) // or a dispatcher that stops would wait for them
	r.queue, r.fetches, r.usesKV = g, fetches, !fetches
	return r, g
}

// seqs returns the seqs of the attempts, sorted.
func (r *fixture) seqs() (list []int64) {
	for _, m := range r.attempts() {
		list = append(list, m.seq)
	}
	slices.Sort(list)
	return list
}

// startsNothing fails the test when the loop, which answers after it has done all that it can do, starts more than the attempts of some
// seqs.
func (r *fixture) startsNothing(but ...int64) {
	r.t.Helper()
	for range 20 {
		if s, ok := r.dispatch.Status(ctx, plugin); !ok || s.Running+s.Queued > 0 {
			r.t.Fatalf("an attempt is under way: %+v, %t", s, ok)
		}
	}
	if got := r.seqs(); !slices.Equal(got, but) {
		r.t.Fatalf("before the settlements are durable, it attempted %v, want %v", got, but)
	}
}

func TestAPluginThatFetchesStartsAnEventOnlyAfterItsPredecessorIsDurable(t *testing.T) {
	t.Parallel()
	r, g := newGated(t, true)
	r.send(6, 2, 0) // 1, 3, 5 of one lane and 2, 4, 6 of another
	r.start("r1")
	inboxtest.Eventually(t, "the heads of both lanes are settled", func() bool { return g.waiting() == 2 })
	r.startsNothing(1, 2)
	g.release(1)
	inboxtest.Eventually(t, "the lane whose settlement is durable goes on alone", func() bool { return g.waiting() == 2 })
	if got := r.seqs(); len(got) != 3 {
		t.Fatalf("after one settlement is durable, it attempted %v", got)
	}
	g.release(-1)
	r.settled()
	r.inOrder()
}

// With kv alone, a settlement that is submitted is enough.
func TestAPluginWithKVDoesNotWaitForTheDisk(t *testing.T) {
	t.Parallel()
	r, g := newGated(t, false)
	r.send(6, 2, 0)
	r.start("r1")
	inboxtest.Eventually(t, "every event is settled", func() bool { return g.waiting() >= 6 })
	g.release(-1)
	r.settled()
}

// The loop forgets a lane when nothing of it is left to run, also while its last settlement is not durable.
func TestALaneThatWasForgottenStillWaitsForItsLastSettlement(t *testing.T) {
	t.Parallel()
	r, g := newGated(t, true)
	r.send(1, 1, 0)
	r.start("r1")
	inboxtest.Eventually(t, "the event is settled", func() bool { return g.waiting() == 1 })
	r.send(1, 1, 1)
	inboxtest.Eventually(t, "the next event is in memory", func() bool {
		s, ok := r.dispatch.Status(ctx, plugin)
		return ok && s.Open == 1
	})
	r.startsNothing(1)
	g.release(-1)
	r.settled()
	if got := r.seqs(); !slices.Equal(got, []int64{1, 2}) {
		t.Errorf("it attempted %v", got)
	}
}

// witness is a store that knows which events are settled durably.
type witness struct {
	dispatch.Store
	mu      sync.Mutex
	durable map[int64]bool
}

func (w *witness) Settle(ctx context.Context, st *inbox.Settlement, done func(error)) error {
	return w.Store.Settle(ctx, st, func(err error) {
		if st.Attempt != nil && err == nil {
			w.mu.Lock()
			w.durable[st.Attempt.Seq] = true
			w.mu.Unlock()
		}
		done(err)
	})
}

func TestEveryPredecessorIsDurableAlsoAfterFailuresAndOfReplays(t *testing.T) {
	t.Parallel()
	m := inbox.Manifest{Concurrency: 4, Policy: inbox.Policy{MaxAttempts: 3, OnFailure: inbox.Continue, HoldAfter: 1000}}
	r := newFixture(t, m, func(m made) inbox.Result {
		if m.seq%5 == 0 && m.attempt == 1 {
			return inbox.Retry
		}
		return inbox.OK
	})
	r.stop()
	w := &witness{Store: r.store, durable: map[int64]bool{}}
	newest := map[inbox.LaneID]int64{}
	r.queue, r.fetches = w, true
	r.runner = func(ctx context.Context, work *inbox.Work) inbox.Outcome {
		w.mu.Lock()
		lane := work.Delivery.Lane
		if before := newest[lane]; before != 0 && !w.durable[before] {
			t.Errorf("event %d began before %d of its lane was durable", work.Event.Seq, before)
		}
		newest[lane] = work.Event.Seq
		delete(w.durable, work.Event.Seq)
		w.mu.Unlock()
		return r.run(ctx, work)
	}
	r.send(200, 7, 0)
	r.start("r1")
	r.settledInTime()
	j := &inbox.Replay{Plugins: []string{plugin}}
	if err := r.store.CreateReplay(ctx, inbox.Actor{Name: "test"}, j); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Wake(plugin)
	r.send(100, 7, 200)
	r.settledInTime()
	release(t, r)
	if n := len(r.attempts()); n < 500 {
		t.Errorf("%d attempts", n)
	}
}

func TestTheJournalOfEachAttemptIsStoredAndAnswersReplaysThatDoNotSend(t *testing.T) {
	t.Parallel()
	fetched := func(w *inbox.Work) []inbox.Fetched {
		req := &inbox.Request{Method: "GET", URL: "https://a.test/" + w.Event.ID}
		return []inbox.Fetched{{
			Method: req.Method, URL: req.URL, Origin: "https://a.test", Digest: inbox.DigestFetch(req), Document: []byte(`{}`), Status: 200 + w.Delivery.Attempt,
			StartedAt: w.Now.Truncate(time.Millisecond).UTC(), Duration: time.Millisecond,
		}}
	}
	var mu sync.Mutex
	given := map[made]*inbox.Journal{}
	r := newFixture(t, inbox.Manifest{}, func(m made) inbox.Result {
		if m.attempt == 1 && m.run == 0 {
			return inbox.Trap
		}
		return inbox.OK
	})
	r.stop()
	r.fetches = true
	var settled []inbox.Fetched
	r.runner = func(ctx context.Context, w *inbox.Work) inbox.Outcome {
		out := r.run(ctx, w)
		out.Effects = &inbox.Effects{Journal: fetched(w)}
		mu.Lock()
		defer mu.Unlock()
		if w.Delivery.Run == 0 {
			settled = out.Effects.Journal
		}
		given[made{w.Event.Seq, w.Delivery.Run, w.Delivery.Attempt, w.Delivery.Lane}] = w.Journal
		return out
	}
	r.send(1, 1, 0)
	r.start("r1")
	r.settledInTime()
	for attempt, status := range map[int]int{1: 201, 2: 202} {
		if list, err := r.store.Journal(ctx, plugin, 1, 0, attempt); err != nil || len(list) != 1 || list[0].Status != status {
			t.Errorf("the journal of attempt %d is %+v, %v", attempt, list, err)
		}
	}
	for _, how := range []inbox.ReplayEffects{inbox.SendEffects, inbox.HoldEffects} {
		j := &inbox.Replay{Plugins: []string{plugin}, Effects: how}
		if err := r.store.CreateReplay(ctx, inbox.Actor{Name: "test"}, j); err != nil {
			t.Fatal(err)
		}
		r.dispatch.Wake(plugin)
		release(t, r)
		mu.Lock()
		for m, journal := range given {
			want := (*inbox.Journal)(nil)
			if m.run == 2 {
				list, err := r.store.Journal(ctx, plugin, 1, 1, 1) // of the replay before, which settled the event
				if err != nil {
					t.Error(err)
				}
				want = &inbox.Journal{Fetches: list}
			}
			if diff := cmp.Diff(want, journal); diff != "" {
				t.Errorf("run %d, attempt %d: %s", m.run, m.attempt, diff)
			}
		}
		mu.Unlock()
	}
	if len(given) != 4 || settled[0].Status != 202 {
		t.Errorf("%d attempts, the last of the first run fetched %+v", len(given), settled)
	}
}
