package dispatch_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/dispatch"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

func TestNoAttemptBeginsAfterThePauseReturned(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{Concurrency: 8}, nil)
	who := inbox.Actor{Name: "test"}
	stop := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				inboxtest.Accept(t, r.store, inboxtest.Body(i%40, i))
			}
		}
	})
	for round := range 15 {
		want := len(r.attempts()) + 30
		inboxtest.Eventually(t, "some ran", func() bool { return len(r.attempts()) > want })
		if err := r.store.SetPaused(ctx, who, plugin, true); err != nil {
			t.Fatal(err)
		}
		r.dispatch.Pause(ctx, plugin)
		before := len(r.attempts())
		s, ok := r.dispatch.Status(ctx, plugin)
		if !ok || s.Running+s.Queued != 0 {
			t.Errorf("after the pause: %+v, %v", s, ok)
		}
		inboxtest.Accept(t, r.store, inboxtest.Body(round, -1-round))
		r.dispatch.Wake(plugin)
		r.looked()
		if after := len(r.attempts()); after != before {
			t.Errorf("%d attempts began after the pause", after-before)
		}
		if err := r.store.SetPaused(ctx, who, plugin, false); err != nil {
			t.Fatal(err)
		}
		r.dispatch.Wake(plugin)
	}
	close(stop)
	sending.Wait()
	r.settled()
	r.inOrder()
}

func TestAPauseDoesNotWaitForeverForAnAttempt(t *testing.T) {
	t.Parallel()
	begun, end := make(chan struct{}), make(chan struct{})
	r := newFixture(t, inbox.Manifest{}, func(made) inbox.Result {
		close(begun)
		<-end
		return inbox.OK
	})
	r.send(1, 1, 0)
	<-begun
	if err := r.store.SetPaused(ctx, inbox.Actor{Name: "test"}, plugin, true); err != nil {
		t.Fatal(err)
	}
	bounded, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	r.dispatch.Pause(bounded, plugin)
	if s, ok := r.dispatch.Status(ctx, plugin); !ok || s.Running != 1 {
		t.Errorf("%+v, %v", s, ok)
	}
	close(end)
	r.dispatch.Pause(ctx, plugin)
	if s, ok := r.dispatch.Status(ctx, plugin); !ok || s.Running != 0 {
		t.Errorf("%+v, %v", s, ok)
	}
	if err := r.store.SetPaused(ctx, inbox.Actor{Name: "test"}, plugin, false); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Pause(ctx, plugin) // an operator resumed it meanwhile: the store's word counts
	r.send(0, 1, 0)
	inboxtest.Eventually(t, "it is settled", func() bool { return r.record().Cursor == 1 })
}

// stuck is a store whose settlements wait until the test frees it, as when the disk hangs.
type stuck struct {
	dispatch.Store
	once sync.Once
	in   chan struct{}
	free chan struct{}
}

func (s *stuck) Settle(ctx context.Context, st *inbox.Settlement, done func(error)) error {
	if st.Attempt != nil {
		s.once.Do(func() { close(s.in) })
		<-s.free
	}
	return s.Store.Settle(ctx, st, done)
}

func TestNoCallWaitsForALoopThatWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{}, nil)
	r.stop()
	s := &stuck{Store: r.store, in: make(chan struct{}), free: make(chan struct{})}
	free := sync.OnceFunc(func() { close(s.free) })
	t.Cleanup(free)
	r.queue = s
	r.start("r1")
	r.send(1, 1, 0)
	<-s.in
	bounded, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	for range 100 { // more than any queue holds
		r.dispatch.Wake(plugin)
		r.live("r2")
		if st, ok := r.dispatch.Status(bounded, plugin); ok {
			t.Errorf("a loop that waits answered %+v", st)
		}
		r.dispatch.Pause(bounded, plugin)
	}
	free()
	r.send(1, 1, 1)
	r.settled()
	if n := len(r.attempts()); n != 2 {
		t.Errorf("%d attempts of 2 events", n)
	}
}

func TestSetLiveDoesNotWaitForADispatcherThatDoesNotRun(t *testing.T) {
	t.Parallel()
	d := dispatch.New(dispatch.Options{Store: inboxtest.Store(t, store.Options{})})
	for _, name := range []string{"a", "b", "c"} {
		d.SetLive(name, &dispatch.Live{Release: "r1", Manifest: inbox.Manifest{}.WithDefaults(1)})
		d.Wake(name)
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if err := d.Run(done); err != nil {
		t.Error(err)
	}
}

func TestASuspendedPluginBeginsNothingWhateverIsAskedMeanwhile(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{Concurrency: 8}, nil)
	stop := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				inboxtest.Accept(t, r.store, inboxtest.Body(i%40, i))
			}
		}
	})
	for round := range 10 {
		want := len(r.attempts()) + 30
		inboxtest.Eventually(t, "some ran", func() bool { return len(r.attempts()) > want })
		resume, ok := r.dispatch.Suspend(ctx, plugin)
		again, ok2 := r.dispatch.Suspend(ctx, plugin)
		if !ok || !ok2 {
			t.Fatal("not suspended")
		}
		before := len(r.attempts())
		list, err := r.store.Settled(ctx, &inbox.SettledQuery{Plugin: plugin, Limit: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		r.dispatch.Wake(plugin)
		r.dispatch.Resume()
		inboxtest.Accept(t, r.store, inboxtest.Body(round, -1-round))
		r.looked()
		resume()
		resume()
		r.looked()
		if after := len(r.attempts()); after != before || len(list) != before {
			t.Errorf("%d attempts began while the plugin was suspended; %d of %d were settled at its begin", after-before, len(list), before)
		}
		again()
	}
	close(stop)
	sending.Wait()
	r.settled()
	r.inOrder()
}

func TestASuspensionThatWasNotWaitedForEnds(t *testing.T) {
	t.Parallel()
	begun, end := make(chan struct{}), make(chan struct{})
	first := true
	r := newFixture(t, inbox.Manifest{}, func(made) inbox.Result {
		if first {
			first = false
			close(begun)
			<-end
		}
		return inbox.OK
	})
	r.send(1, 1, 0)
	<-begun
	bounded, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, ok := r.dispatch.Suspend(bounded, plugin); ok {
		t.Error("it was suspended while an attempt ran")
	}
	close(end)
	r.send(1, 2, 1)
	r.settled()
	if resume, ok := r.dispatch.Suspend(ctx, "nobody"); !ok {
		t.Error("a plugin without a release cannot be suspended")
	} else {
		resume()
	}
}
