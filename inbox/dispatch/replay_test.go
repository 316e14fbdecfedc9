package dispatch_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/dispatch"
	"inbox/inbox/inboxtest"
)

// Found by `inbox torture`: a replay was interrupted after it had retried a dead event. It found the event again, settled by
// then, and ran and counted it a second time.
func TestAReplayThatBeginsAgainDoesNotRunTheEventsItRetried(t *testing.T) {
	t.Parallel()
	m := inbox.Manifest{Policy: inbox.Policy{OnFailure: inbox.Continue, MaxAttempts: 1, HoldAfter: 1000}, Concurrency: 4}
	r := newFixture(t, m, func(m made) inbox.Result {
		if m.seq%2 == 0 {
			return inbox.Reject
		}
		return inbox.OK
	})
	r.send(6, 6, 0)
	r.settled()
	r.stop()
	r.say(nil)
	began := make(chan struct{}, 1)
	r.runner = func(ctx context.Context, w *inbox.Work) inbox.Outcome {
		e, d := w.Event, w.Delivery
		if d.Run > 0 && e.Seq == 1 { // the replay's first run is under way until the dispatcher stops
			began <- struct{}{}
			<-ctx.Done()
		}
		return r.run(ctx, w)
	}
	r.start("r1")
	job := &inbox.Replay{Plugins: []string{plugin}}
	if err := r.store.CreateReplay(ctx, inbox.Actor{Name: "test"}, job); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Wake(plugin)
	<-began
	some := time.NewTimer(100 * time.Millisecond) // in which the dead events would be retried and run
	<-some.C
	r.stop()
	r.runner = nil
	r.start("r1")
	inboxtest.Eventually(t, "the replay has ended", func() bool {
		j, err := r.store.Replay(ctx, job.ID)
		return err == nil && j.State == inbox.ReplayDone
	})
	r.settled()
	j, err := r.store.Replay(ctx, job.ID)
	if c := j.Parts[0].ReplayCount; err != nil || c.OK != 3 || c.Retried != 3 || c.Pending+c.Dead+c.Filtered+c.Waiting != 0 {
		t.Errorf("a replay of 6 events, 3 of them dead: %+v, %v", c, err)
	}
	for _, m := range r.attempts() {
		if m.seq%2 == 0 && m.run > 0 {
			t.Errorf("event %d was retried and also ran as %+v", m.seq, m)
		}
	}
}

// slow is a store that delays settlements from the first that retries a dead event.
type slow struct {
	dispatch.Store
	mu      sync.Mutex
	holding bool
	over    bool
	held    []func()
}

func (s *slow) Settle(ctx context.Context, st *inbox.Settlement, done func(error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding = s.holding || !s.over && st.Dead != nil && st.Dead.Resolution != inbox.Unresolved
	if !s.holding {
		return s.Store.Settle(ctx, st, done)
	}
	s.held = append(s.held, func() {
		if err := s.Store.Settle(ctx, st, done); err != nil {
			done(err)
		}
	})
	return nil
}

func (s *slow) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, fn := range s.held {
		fn()
	}
	s.held, s.holding, s.over = nil, false, true
}

// Found by `inbox torture` on a slow disk: the second of two replays read that an event was still dead while the settlement
// of its retry by the first was in flight. It retried the event again, as an attempt that was made already, and the plugin
// began again from the store for ever.
func TestTwoReplaysDoNotBothRetryADeadEvent(t *testing.T) {
	t.Parallel()
	m := inbox.Manifest{Policy: inbox.Policy{OnFailure: inbox.Continue, MaxAttempts: 1, HoldAfter: 1000}, Concurrency: 4}
	r := newFixture(t, m, func(m made) inbox.Result {
		if m.seq == 2 {
			return inbox.Reject
		}
		return inbox.OK
	})
	r.send(2, 2, 0)
	r.settled()
	r.stop()
	r.say(nil)
	fast := &inbox.Replay{Plugins: []string{plugin}}
	paced := &inbox.Replay{Plugins: []string{plugin}, Rate: 1} // reaches the second event a second after the first
	for _, j := range []*inbox.Replay{fast, paced} {
		if err := r.store.CreateReplay(ctx, inbox.Actor{Name: "test"}, j); err != nil {
			t.Fatal(err)
		}
	}
	s := &slow{Store: r.store}
	r.queue = s
	t.Cleanup(s.release) // or a dispatcher that stops would wait for the delayed settlements
	r.start("r1")
	began := time.Now() // on a slow machine the event may still be under way, and is pending
	inboxtest.Eventually(t, "the paced replay has reached the event too", func() bool {
		return len(r.attempts()) >= 6 || time.Since(began) > 5*time.Second
	})
	s.release()
	inboxtest.Eventually(t, "both replays have ended", func() bool {
		a, err := r.store.Replay(ctx, fast.ID)
		b, berr := r.store.Replay(ctx, paced.ID)
		return err == nil && berr == nil && a.State == inbox.ReplayDone && b.State == inbox.ReplayDone
	})
	first := 0
	for _, m := range r.attempts() {
		if m.seq == 2 && m.run == 0 {
			first++
		}
	}
	if first != 2 {
		t.Errorf("the first run of the dead event was attempted %d times, want 2", first)
	}
}
