package outbox_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/outbox"
	"inbox/inbox/store"
	"inbox/inbox/storetest"
)

// steps counts the steps of an outbox.
type steps struct{ n atomic.Int64 }

// idle is Options.Idle.
func (s *steps) idle() bool {
	s.n.Add(1)
	return false
}

// more waits until an outbox has made some more steps.
func (s *steps) more(t *testing.T, l *line) {
	t.Helper()
	for before := s.n.Load(); s.n.Load() < before+5; {
		l.out.Wake()
		inboxtest.Eventually(t, "another step", func() bool { return s.n.Load() > before })
	}
}

// crowd counts the tries that run.
type crowd struct{ now, most atomic.Int64 }

// hang is a try that runs until its outbox stops.
func (c *crowd) hang(ctx context.Context) inbox.Sent {
	n := c.now.Add(1)
	defer c.now.Add(-1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	return until(ctx, nil, inbox.Sent{})
}

func TestProbesOfOneHangingPluginLeaveHalfOfTheTriesToOthers(t *testing.T) {
	t.Parallel()
	l := begin(t, "")
	const origins = 12
	for id := range origins {
		l.ask(id, fmt.Sprintf("https://h%d.example.com", id), "/")
	}
	var later, denied atomic.Int64
	var hanging crowd
	var seen steps
	l.start(t, outbox.Options{Total: 8, PerOrigin: 2, Idle: seen.idle,
		Now: func() time.Time { return time.Now().Add(time.Duration(later.Load())) },
		Sender: sender(func(ctx context.Context, _ *inbox.Effect, _ *inbox.EffectRequest) inbox.Sent {
			if later.Load() > 0 {
				return hanging.hang(ctx)
			}
			denied.Add(1)
			return inbox.Sent{Failure: inbox.Denied, Why: "the origin is not granted"}
		})})
	inboxtest.Eventually(t, "every origin is on hold", func() bool {
		counts, err := l.EffectCounts(t.Context())
		return err == nil && denied.Load() == origins && !slices.ContainsFunc(counts, func(c inbox.EffectCounts) bool { return !c.Health.OnHold })
	})
	later.Store(int64(time.Hour))
	l.out.Wake()
	inboxtest.Eventually(t, "probes hang", func() bool { return hanging.now.Load() >= 4 })
	seen.more(t, l)
	if n := hanging.most.Load(); n != 4 {
		t.Errorf("the plugin had %d of 8 tries", n)
	}
}

func TestTheBytesOfRequestsAtTheSameTimeAreBoundedAndShared(t *testing.T) {
	t.Parallel()
	l := begin(t, "")
	const size = 8 << 10
	for id := range 10 {
		l.Arrive(id)
		ask := storetest.Ask(crm, "/large")
		ask.Body = []byte(strings.Repeat("x", size))
		l.Asks = append(l.Asks, ask)
		l.World.Run(id, inbox.Done, false)
	}
	var hanging crowd
	var seen steps
	small := make(chan struct{})
	l.start(t, outbox.Options{Bytes: 5 * size, Idle: seen.idle, Sender: sender(func(ctx context.Context, e *inbox.Effect, _ *inbox.EffectRequest) inbox.Sent {
		if e.Lane.Origin == mail {
			close(small)
			return answered(200)
		}
		return hanging.hang(ctx)
	})})
	inboxtest.Eventually(t, "large requests hang", func() bool { return hanging.now.Load() >= 2 })
	l.ask(20, mail, "/small")
	<-small
	seen.more(t, l)
	if n := hanging.most.Load(); n != 2 {
		t.Errorf("one plugin sent %d requests of a fifth of the bytes at the same time, where it may use half", n)
	}
}

func TestARequestOfMoreBytesThanMayBeSentIsSentAlone(t *testing.T) {
	t.Parallel()
	l := begin(t, "")
	for id := range 3 {
		l.Arrive(id)
		ask := storetest.Ask(crm, "/large")
		ask.Body = []byte(strings.Repeat("x", 8<<10))
		l.Asks = append(l.Asks, ask)
		l.World.Run(id, inbox.Done, false)
	}
	var running crowd
	l.start(t, outbox.Options{Bytes: 10, Sender: sender(func(context.Context, *inbox.Effect, *inbox.EffectRequest) inbox.Sent {
		if n := running.now.Add(1); n > 1 {
			t.Errorf("%d requests are sent at the same time", n)
		}
		defer running.now.Add(-1)
		return answered(200)
	})})
	l.eventually(t, inbox.EffectDone, inbox.EffectDone, inbox.EffectDone)
}

func TestARequestThatIsDroppedWhileItIsSentIsNotOvertakenInItsLane(t *testing.T) {
	t.Parallel()
	l := begin(t, "")
	l.ask(1, crm, "/1", "/2")
	began := make(chan int64, 4)
	ready := make(chan struct{})
	var seen steps
	l.start(t, outbox.Options{Idle: seen.idle, Sender: sender(func(ctx context.Context, e *inbox.Effect, _ *inbox.EffectRequest) inbox.Sent {
		began <- e.ID
		return until(ctx, ready, answered(200))
	})})
	<-began
	if failed, err := l.ResolveEffects(t.Context(), inbox.Actor{Name: "operator"}, inbox.Dropped, []int64{1}); err != nil || failed[0] != nil {
		t.Fatal(failed, err)
	}
	seen.more(t, l)
	select {
	case id := <-began:
		t.Errorf("effect %d is sent while the try of effect 1 of the same lane runs", id)
	default:
	}
	close(ready)
	l.eventually(t, inbox.EffectDiscarded, inbox.EffectDone)
}

func TestARequestWithoutItsSecretWaitsAlone(t *testing.T) {
	t.Parallel()
	l := begin(t, "")
	l.ask(1, crm, "/secret", "/behind")
	l.start(t, outbox.Options{Sender: sender(func(_ context.Context, _ *inbox.Effect, r *inbox.EffectRequest) inbox.Sent {
		if strings.HasSuffix(r.URL, "/secret") {
			return inbox.Sent{Failure: inbox.Denied, Alone: true, Why: "the secret may not be used"}
		}
		return answered(200)
	})})
	l.eventually(t, inbox.EffectRetry, inbox.EffectWaiting)
	l.ask(2, crm, "/ok")
	l.eventually(t, inbox.EffectRetry, inbox.EffectWaiting, inbox.EffectDone)
	tries, err := l.EffectTries(t.Context(), 1)
	if err != nil || len(tries) == 0 || tries[0].Counted {
		t.Errorf("%+v, %v", tries, err)
	}
}

// farStore is a store in which the clock was far ahead when effect 2 got its time.
type farStore struct{ *store.Store }

// DueEffects sets the times.
func (s farStore) DueEffects(ctx context.Context, plugin, origin string, limit int) ([]inbox.Effect, error) {
	list, err := s.Store.DueEffects(ctx, plugin, origin, limit)
	for i := range list {
		list[i].DueAt = time.Now().Add(30 * time.Second)
		if list[i].ID == 2 {
			list[i].DueAt = time.Now().Add(365 * 24 * time.Hour)
		}
	}
	return list, err
}

func TestARequestOfTheTimeBeforeTheClockWasSetBackIsSentBeforeThoseThatWait(t *testing.T) {
	t.Parallel()
	l := begin(t, "")
	l.ask(1, crm, "/1")
	l.ask(2, crm, "/2")
	l.start(t, outbox.Options{Store: farStore{l.Store}, Sender: sender(func(_ context.Context, e *inbox.Effect, _ *inbox.EffectRequest) inbox.Sent {
		if e.ID != 2 {
			t.Errorf("effect %d was sent before its time", e.ID)
		}
		return answered(200)
	})})
	l.eventually(t, inbox.EffectWaiting, inbox.EffectDone)
}
