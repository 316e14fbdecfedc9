package dispatch_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"inbox/inbox"
	"inbox/inbox/dispatch"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// stale is a store that gains events right after the events behind one seq were read.
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
	d.SetLive(plugin, &dispatch.Live{Release: "r", Manifest: inbox.Manifest{}.WithDefaults(2), Run: func(context.Context, *inbox.Work) inbox.Outcome {
		ran.Add(1)
		return inbox.Outcome{Result: inbox.OK}
	}})
	inboxtest.Eventually(t, "all ran", func() bool { return ran.Load() == s.Head() && s.Head() > ahead+10 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAPauseRecallsAttemptsThatHaveNotBegun(t *testing.T) {
	t.Parallel()
	began, goOn := make(chan int64, 10), make(chan struct{})
	r := newFixture(t, inbox.Manifest{Concurrency: 1}, func(m made) inbox.Result {
		began <- m.seq
		<-goOn
		return inbox.OK
	})
	r.send(3, 3, 0)
	if seq := <-began; seq != 1 {
		t.Fatalf("event %d began first", seq)
	}
	inboxtest.Eventually(t, "the second is with the workers", func() bool {
		st, ok := r.dispatch.Status(ctx, plugin)
		return ok && st.Queued == 1
	})
	if err := r.store.SetPaused(ctx, inbox.Actor{Name: "test"}, plugin, true); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Wake(plugin)
	inboxtest.Eventually(t, "the second is taken back", func() bool {
		st, ok := r.dispatch.Status(ctx, plugin)
		return ok && st.Running == 1 && st.Queued == 0
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

func TestManyIncomingEventsSlowPluginsAndDoNotStopThem(t *testing.T) {
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
	d.SetLive(plugin, &dispatch.Live{Release: "r", Manifest: inbox.Manifest{Order: inbox.Global}.WithDefaults(1), Run: func(_ context.Context, w *inbox.Work) inbox.Outcome {
		e := w.Event
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

// While the loop waits for the disk, workers fill its queue of results and wait with more. It settles a bounded number of them
// at a time, and must not lose the next one.
func TestNoResultIsLostWhenManyArriveAtOnce(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{Concurrency: 32}, nil)
	r.stop()
	s := &stuck{Store: r.store, in: make(chan struct{}), free: make(chan struct{})}
	free := sync.OnceFunc(func() { close(s.free) })
	t.Cleanup(free)
	r.queue = s
	r.send(512, 64, 0)
	r.start("r1")
	<-s.in
	inboxtest.Eventually(t, "the queue of 64 results is full, and all 32 workers wait", func() bool { return len(r.attempts()) >= 97 })
	free()
	r.settled()
	r.inOrder()
	if got := r.looked(); got.Running+got.Queued != 0 || len(r.attempts()) != 512 {
		t.Errorf("%+v after %d attempts of 512 events", got, len(r.attempts()))
	}
}
