package dispatch_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/dispatch"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// stale is a store that gains events right after what follows a seq was read from it.
type stale struct {
	*store.Store
	after int64
	gain  func()
	once  sync.Once
}

func (s *stale) EventsAfter(ctx context.Context, after int64, limit int) ([]inbox.Event, error) {
	events, err := s.Store.EventsAfter(ctx, after, limit)
	if after == s.after {
		s.once.Do(s.gain)
	}
	return events, err
}

func TestEventsThatComeRightAfterTheLogWasReadOnAreNotMissed(t *testing.T) {
	t.Parallel()
	const ahead = 256 // events read at a time
	s := inboxtest.Store(t, store.Options{})
	inboxtest.Fill(t, s, ahead+10)
	if err := s.Register(ctx, plugin, inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	var ran atomic.Int64
	d := dispatch.New(dispatch.Options{Store: &stale{Store: s, after: ahead, gain: func() { inboxtest.Fill(t, s, ahead+50) }}})
	run, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- d.Run(run) }()
	d.SetLive(plugin, &dispatch.Live{Release: "r", Manifest: inbox.Manifest{}.WithDefaults(2), Run: func(context.Context, *inbox.Event, inbox.Payload, inbox.Delivery, time.Time) inbox.Outcome {
		ran.Add(1)
		return inbox.Outcome{Result: inbox.OK}
	}})
	inboxtest.Eventually(t, "all ran", func() bool { return ran.Load() == s.Head() && s.Head() > ahead+10 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestWhatWasHandedOutAndHasNotBegunIsTakenBackByAPause(t *testing.T) {
	t.Parallel()
	began, goOn := make(chan int64, 10), make(chan struct{})
	r := newRoom(t, inbox.Manifest{Concurrency: 1}, func(m made) inbox.Result {
		began <- m.seq
		<-goOn
		return inbox.OK
	})
	r.send(3, 3, 0)
	if seq := <-began; seq != 1 {
		t.Fatalf("event %d began first", seq)
	}
	inboxtest.Eventually(t, "the second is handed out", func() bool {
		st, ok := r.dispatch.Status(ctx, plugin)
		return ok && st.Handed == 1
	})
	if err := r.store.SetPaused(ctx, inbox.Actor{Name: "test"}, plugin, true); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Wake(plugin)
	inboxtest.Eventually(t, "the second is taken back", func() bool {
		st, ok := r.dispatch.Status(ctx, plugin)
		return ok && st.Running == 1 && st.Handed == 0
	})
	goOn <- struct{}{}
	inboxtest.Eventually(t, "the first is settled", func() bool { return r.record().Cursor == 1 })
	if got := r.attempts(); len(got) != 1 {
		t.Errorf("ran while paused: %v", got)
	}
	if err := r.store.SetPaused(ctx, inbox.Actor{Name: "test"}, plugin, false); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Wake(plugin)
	close(goOn)
	r.settled()
	if got := r.attempts(); len(got) != 3 {
		t.Errorf("after the pause: %v", got)
	}
	r.inOrder()
}

func TestABusyDoorSlowsPluginsAndDoesNotStopThem(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	inboxtest.Fill(t, s, 20)
	if err := s.Register(ctx, plugin, inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var seqs []int64
	d := dispatch.New(dispatch.Options{Store: s, Busy: func() bool { return true }})
	run, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- d.Run(run) }()
	d.SetLive(plugin, &dispatch.Live{Release: "r", Manifest: inbox.Manifest{Order: inbox.Global}.WithDefaults(1), Run: func(_ context.Context, e *inbox.Event, _ inbox.Payload, _ inbox.Delivery, _ time.Time) inbox.Outcome {
		mu.Lock()
		defer mu.Unlock()
		seqs = append(seqs, e.Seq)
		return inbox.Outcome{Result: inbox.OK}
	}})
	inboxtest.Eventually(t, "all ran", func() bool { mu.Lock(); defer mu.Unlock(); return len(seqs) == 20 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if !slices.IsSorted(seqs) {
		t.Errorf("ran %v", seqs)
	}
}
