package dispatch_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

func TestEveryEventRunsOnceAndEveryLaneInOrder(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{}, nil)
	r.send(600, 37, 0)
	r.settled()
	r.inOrder()
	if got := r.attempts(); len(got) != 600 {
		t.Errorf("%d attempts of 600 events", len(got))
	}
}

func TestFailuresRetryInPlaceWhileOtherLanesGoOn(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{Policy: inbox.Policy{MaxAttempts: 50, HoldAfter: 1000}}, func(m made) inbox.Result {
		if m.seq%5 == 0 && m.attempt < 4 {
			return []inbox.Result{inbox.Trap, inbox.Retry, inbox.Timeout}[m.attempt-1]
		}
		return inbox.OK
	})
	r.send(300, 11, 0)
	r.settledInTime()
	r.inOrder()
	if got, want := len(r.attempts()), 300+60*3; got != want {
		t.Errorf("%d attempts, want %d", got, want)
	}
}

func TestADeadHeadParksItsLaneUntilItIsRetriedOrDiscarded(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{}, func(m made) inbox.Result {
		if m.seq == 1 || m.seq == 2 {
			return inbox.Reject
		}
		return inbox.OK
	})
	r.send(40, 4, 0) // seqs 1, 5, 9 … are of one lane, 2, 6, 10 … of another
	rec := r.settled()
	if rec.Parked != 2 || rec.Dead != 2 || len(r.attempts()) != 22 {
		t.Fatalf("%+v after %d attempts", rec, len(r.attempts()))
	}
	tr, err := r.store.Trace(ctx, 9)
	if err != nil || tr.Deliveries[0].State != inbox.StateWaiting || tr.Deliveries[0].Behind != 1 {
		t.Errorf("an event behind it: %+v, %v", tr, err)
	}
	r.say(nil)
	who := inbox.Actor{Name: "test"}
	if err := r.store.Retry(ctx, who, plugin, 1, 0); err != nil {
		t.Fatal(err)
	}
	if err := r.store.Discard(ctx, who, plugin, 2, 0); err != nil {
		t.Fatal(err)
	}
	if err := r.store.Retry(ctx, who, plugin, 2, 0); inbox.KindOf(err) != inbox.Conflict {
		t.Errorf("retry of a discarded event: %v", err)
	}
	r.dispatch.Wake(plugin)
	inboxtest.Eventually(t, "both lanes are through", func() bool { return r.record().Parked == 0 && len(r.attempts()) == 41 })
	r.settled()
	r.inOrder()
	for seq, want := range map[int64]inbox.DeliveryState{1: inbox.StateSettled, 2: inbox.StateDropped, 9: inbox.StateSettled, 10: inbox.StateSettled} {
		tr, err := r.store.Trace(ctx, seq)
		if err != nil || tr.Deliveries[0].State != want {
			t.Errorf("seq %d is %s, want %s", seq, tr.Deliveries[0].State, want)
		}
	}
}

func TestContinueLetsTheLaneGoOnAndARetryJoinsItsTail(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{Policy: inbox.Policy{OnFailure: inbox.Continue, MaxAttempts: 2, HoldAfter: 1000}}, func(m made) inbox.Result {
		if m.seq == 1 {
			return inbox.Trap
		}
		return inbox.OK
	})
	r.send(10, 1, 0)
	rec := r.settled()
	if rec.Dead != 1 || rec.Parked != 0 || len(r.attempts()) != 11 {
		t.Fatalf("%+v after %d attempts", rec, len(r.attempts()))
	}
	r.say(nil)
	if err := r.store.Retry(ctx, inbox.Actor{Name: "test"}, plugin, 1, 0); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Wake(plugin)
	inboxtest.Eventually(t, "it ran again", func() bool { return len(r.attempts()) == 12 })
	if last := r.attempts()[11]; last.seq != 1 || last.run != 0 || last.attempt != 3 {
		t.Errorf("retried as %+v", last)
	}
	inboxtest.Eventually(t, "its row is gone", func() bool {
		runs, err := r.store.Runs(ctx, plugin, 0)
		return err == nil && len(runs) == 0
	})
}

func TestASickPluginIsHeldAndResumesByItselfWithoutCounting(t *testing.T) {
	t.Parallel()
	m := inbox.Manifest{Policy: inbox.Policy{MaxAttempts: 100, HoldAfter: 3, HoldKeys: 3}, Concurrency: 1}
	r := newFixture(t, m, func(made) inbox.Result { return inbox.Trap })
	r.send(20, 10, 0)
	inboxtest.Eventually(t, "it is on hold", func() bool { return r.record().Health.OnHold })
	if rec := r.record(); rec.Dead != 0 || rec.Cursor == r.store.Head() {
		t.Errorf("on hold: %+v", rec)
	}
	n := len(r.attempts())
	r.say(nil)
	if err := r.store.ResumeHold(ctx, inbox.Actor{Name: "test"}, plugin); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Wake(plugin)
	r.settled()
	r.inOrder()
	if got := len(r.attempts()) - n; got != 20 {
		t.Errorf("%d attempts after the hold, of 20 events", got)
	}
}

func TestPauseHoldsEverythingAndLosesNothing(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{}, nil)
	r.send(5, 5, 0)
	r.settled()
	if err := r.store.SetPaused(ctx, inbox.Actor{Name: "test"}, plugin, true); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Wake(plugin)
	inboxtest.Eventually(t, "the pause is taken over", func() bool {
		s, ok := r.dispatch.Status(ctx, plugin)
		return ok && s.Running == 0
	})
	r.send(5, 5, 5)
	if err := r.store.SetPaused(ctx, inbox.Actor{Name: "test"}, plugin, false); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Wake(plugin)
	r.settled()
	if got := len(r.attempts()); got != 10 {
		t.Errorf("%d attempts", got)
	}
}

func TestEveryOrderKeepsItsPromise(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]inbox.Manifest{
		"global":       {Order: inbox.Global},
		"none":         {Order: inbox.Unsorted},
		"by reference": {KeyBy: inbox.KeyByReference},
		"by pointer":   {KeyBy: "/data/step"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m.Policy.HoldAfter = 1000
			r := newFixture(t, m, func(m made) inbox.Result {
				if m.seq%7 == 3 && m.attempt < 3 {
					return inbox.Trap
				}
				return inbox.OK
			})
			r.send(120, 9, 0)
			r.settledInTime()
			r.inOrder()
			if got, want := len(r.attempts()), 120+2*17; got != want {
				t.Errorf("%d attempts, want %d", got, want)
			}
		})
	}
}

func TestAHotLaneDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	block := make(chan struct{})
	r := newFixture(t, inbox.Manifest{Concurrency: 2}, func(m made) inbox.Result {
		if m.seq == 1 {
			<-block
		}
		return inbox.OK
	})
	inboxtest.Accept(t, r.store, inboxtest.Body(0, 0))
	var wg sync.WaitGroup
	for w := range 15 { // more than a loop holds in memory, all after the first
		wg.Go(func() {
			for i := range 100 {
				inboxtest.Accept(t, r.store, inboxtest.Body(0, 1+w*100+i))
			}
		})
	}
	wg.Wait()
	inboxtest.Accept(t, r.store, inboxtest.Body(1, 0))
	inboxtest.Eventually(t, "the last event, of another lane, ran", func() bool {
		a := r.attempts()
		return a[len(a)-1].seq == 1502
	})
	close(block)
	r.settled()
	r.inOrder()
	if got := len(r.attempts()); got != 1502 {
		t.Errorf("%d attempts", got)
	}
}

func TestAReplayRunsExactlyItsSetInOrder(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{}, func(m made) inbox.Result {
		if m.seq == 2 {
			return inbox.Reject
		}
		return inbox.OK
	})
	r.send(500, 5, 0)
	r.settled() // the lane of seqs 2, 7, 12 … is parked
	job := &inbox.Replay{Plugins: []string{plugin}, Filter: inbox.Filter{Where: []inbox.Condition{{Pointer: "/data/id", Values: []string{"0", "1"}}}}}
	r.say(nil)
	if err := r.store.CreateReplay(ctx, inbox.Actor{Name: "test", Reason: "why not"}, job); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Wake(plugin)
	inboxtest.Eventually(t, "the replay has ended", func() bool {
		j, err := r.store.Replay(ctx, job.ID)
		return err == nil && j.State == inbox.ReplayDone
	})
	j, err := r.store.Replay(ctx, job.ID)
	if err != nil || j.Matched != 200 {
		t.Fatalf("%+v, %v", j, err)
	}
	// the parked head is retried; the events behind it are pending and so not replayed
	if c := j.Parts[0].ReplayCount; c.OK != 100 || c.Retried != 1 || c.Pending != 99 || c.Dead+c.Waiting+c.Filtered != 0 {
		t.Errorf("counts %+v", c)
	}
	r.settled()
	var replayed []int64
	for _, m := range r.attempts() {
		if m.run == job.ID {
			replayed = append(replayed, m.seq)
		}
	}
	if len(replayed) != 100 || !slices.IsSorted(replayed) {
		t.Errorf("%d replayed, in order: %v", len(replayed), slices.IsSorted(replayed))
	}
	missing := &inbox.Replay{Plugins: []string{plugin}, Only: inbox.OnlyMissing}
	if err := r.store.CreateReplay(ctx, inbox.Actor{}, missing); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("a replay of missing events, when no event is missing: %v", err)
	}
}

// The laws of a restart, whatever the plugin does and whenever the dispatcher is stopped:
//  1. every event reaches exactly one end, or waits in a lane that says why;
//  2. the first runs of a lane follow the order of arrival;
//  3. a replay ends with exactly its set;
//  4. the store keeps its own laws (checked when the test ends).
func TestRestartsAtAnyMomentKeepTheLaws(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 1))
			var mu sync.Mutex
			roll := func(n int) int { mu.Lock(); defer mu.Unlock(); return rnd.IntN(n) }
			onFailure := []inbox.OnFailure{inbox.Park, inbox.Continue}[seed%2]
			r := newFixture(t, inbox.Manifest{Policy: inbox.Policy{MaxAttempts: 4, OnFailure: onFailure, HoldAfter: 1000}}, func(m made) inbox.Result {
				switch n := roll(100); {
				case n < 3:
					return inbox.Reject
				case n < 25:
					return inbox.Trap
				}
				return inbox.OK
			})
			var job *inbox.Replay
			for round := range 8 {
				r.send(30, 8, round*30)
				if round == 4 {
					job = &inbox.Replay{Plugins: []string{plugin}, Filter: inbox.Filter{EventTypes: []string{"step_*"}}}
					if err := r.store.CreateReplay(ctx, inbox.Actor{Name: "test"}, job); err != nil {
						t.Fatal(err)
					}
					r.dispatch.Wake(plugin)
				}
				wait := time.NewTimer(time.Duration(roll(30)) * time.Millisecond)
				<-wait.C
				r.stop()
				inboxtest.Check(t, r.store)
				r.start("r1")
			}
			r.say(nil)
			release(t, r)
			j, err := r.store.Replay(ctx, job.ID)
			if err != nil || j.State != inbox.ReplayDone {
				t.Fatalf("the replay: %+v, %v", j, err)
			}
			for seq := range r.store.Head() {
				tr, err := r.store.Trace(ctx, seq+1)
				if err != nil || tr.Deliveries[0].State != inbox.StateSettled {
					t.Errorf("seq %d is %s: %+v", seq+1, tr.Deliveries[0].State, err)
				}
			}
		})
	}
}

func TestWaitingEventsAreShownAsWaitingUnderEveryLaneRule(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]inbox.Manifest{
		"by key": {}, "global": {Order: inbox.Global}, "by reference": {KeyBy: inbox.KeyByReference}, "by pointer": {KeyBy: "/data/customerReference"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newFixture(t, m, func(m made) inbox.Result {
				if m.seq == 1 {
					return inbox.Reject
				}
				return inbox.OK
			})
			r.send(3, 1, 0) // three events of one verification
			r.settled()
			for seq, want := range map[int64]inbox.DeliveryState{1: inbox.StateDead, 2: inbox.StateWaiting, 3: inbox.StateWaiting} {
				tr, err := r.store.Trace(ctx, seq)
				if err != nil || tr.Deliveries[0].State != want || (want == inbox.StateWaiting && tr.Deliveries[0].Behind != 1) {
					t.Errorf("seq %d: %+v, %v; want %s", seq, tr.Deliveries, err, want)
				}
			}
		})
	}
}
