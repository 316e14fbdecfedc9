package outbox_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/outbox"
)

func TestARequestIsSentAgainUntilItSucceedsWithTheSameKeyAndBody(t *testing.T) {
	t.Parallel()
	l := begin(t, "")
	var got receiver
	l.start(t, outbox.Options{Sender: sender(func(_ context.Context, e *inbox.Effect, r *inbox.EffectRequest) inbox.Sent {
		got.note(r.URL, e.Key, r.Body)
		switch len(got.all()) {
		case 1:
			return answered(500)
		case 2:
			return inbox.Sent{Failure: inbox.Retry, Why: "the connection was reset"}
		}
		return answered(202)
	})})
	l.ask(1, crm, "/a")
	l.eventually(t, inbox.EffectDone)
	all := got.all()
	if len(all) != 3 || all[0] != all[1] || all[1] != all[2] || all[0].body != `{"path":"/a"}` || len(all[0].key) != 32 {
		t.Errorf("arrived: %+v", all)
	}
	tries, err := l.EffectTries(t.Context(), 1)
	if err != nil || len(tries) != 3 || tries[0].Status != 500 || tries[1].Why != "the connection was reset" || tries[2].Fate != inbox.Done {
		t.Errorf("tries %+v, %v", tries, err)
	}
}

func TestRequestsOfOneKeyAndOriginArriveInOrderWhileOthersGoOn(t *testing.T) {
	t.Parallel()
	l := begin(t, "")
	var got receiver
	ready := make(chan struct{})
	var failed atomic.Bool
	l.start(t, outbox.Options{Sender: sender(func(ctx context.Context, e *inbox.Effect, r *inbox.EffectRequest) inbox.Sent {
		path := strings.TrimPrefix(r.URL, e.Lane.Origin)
		if path == "/slow" {
			if sent := until(ctx, ready, answered(500)); sent.Interrupted || failed.CompareAndSwap(false, true) {
				return sent
			}
		}
		got.note(path, e.Key, r.Body)
		return answered(200)
	})})
	l.ask(1, crm, "/slow", "/2", "/3")
	l.ask(1, mail, "/other-origin")
	l.ask(2, crm, "/other-key")
	l.ask(1, crm, "/4")
	waiting, done := inbox.EffectWaiting, inbox.EffectDone
	l.eventually(t, waiting, waiting, waiting, done, done, waiting)
	close(ready)
	l.eventually(t, done, done, done, done, done, done)
	var lane []string
	for _, a := range got.all() {
		if !strings.HasPrefix(a.path, "/other") {
			lane = append(lane, a.path)
		}
	}
	if !slices.Equal(lane, []string{"/slow", "/2", "/3", "/4"}) {
		t.Errorf("the lane arrived as %v", lane)
	}
}

func TestADeadRequestParksItsLaneUntilItIsRetriedOrDiscarded(t *testing.T) {
	t.Parallel()
	l := begin(t, "")
	var accept atomic.Bool
	l.start(t, outbox.Options{Sender: sender(func(_ context.Context, _ *inbox.Effect, r *inbox.EffectRequest) inbox.Sent {
		if accept.Load() || !strings.HasSuffix(r.URL, "/bad") {
			return answered(200)
		}
		return answered(422)
	})})
	l.ask(1, crm, "/bad", "/2", "/bad", "/4")
	waiting, done, dead := inbox.EffectWaiting, inbox.EffectDone, inbox.EffectDead
	l.eventually(t, dead, waiting, waiting, waiting)
	if failed, err := l.ResolveEffects(t.Context(), inbox.Actor{Name: "operator"}, inbox.Discarded, []int64{1}); err != nil || failed[0] != nil {
		t.Fatal(failed, err)
	}
	l.eventually(t, inbox.EffectDiscarded, done, dead, waiting)
	accept.Store(true)
	if failed, err := l.ResolveEffects(t.Context(), inbox.Actor{Name: "operator"}, inbox.Retried, []int64{3}); err != nil || failed[0] != nil {
		t.Fatal(failed, err)
	}
	l.eventually(t, inbox.EffectDiscarded, done, done, done)
}

func TestTriesAtTheSameTimeAreBoundedOverallAndPerOrigin(t *testing.T) {
	t.Parallel()
	l := begin(t, "")
	for id := range 5 {
		l.ask(id, crm, "/")
		l.ask(id+10, mail, "/")
	}
	ready := make(chan struct{})
	counts := map[string]*atomic.Int64{crm: {}, mail: {}}
	l.start(t, outbox.Options{PerOrigin: 3, Total: 8, Sender: sender(func(ctx context.Context, e *inbox.Effect, _ *inbox.EffectRequest) inbox.Sent {
		if n := counts[e.Lane.Origin].Add(1); n > 3 {
			t.Errorf("%d tries to %s at the same time", n, e.Lane.Origin)
		}
		if n := counts[crm].Load() + counts[mail].Load(); n > 4 { // half of all: the other half is for other plugins
			t.Errorf("%d tries at the same time", n)
		}
		defer counts[e.Lane.Origin].Add(-1)
		return until(ctx, ready, answered(200))
	})})
	inboxtest.Eventually(t, "four tries run", func() bool { return counts[crm].Load()+counts[mail].Load() == 4 })
	close(ready)
	l.eventually(t, slices.Repeat([]inbox.EffectState{inbox.EffectDone}, 10)...)
}

func TestAnOriginThatFailsForSeveralKeysIsOnHoldAndAloneInIt(t *testing.T) {
	t.Parallel()
	l := begin(t, "")
	var ahead atomic.Int64 // seconds that the outbox's clock is ahead
	var mended atomic.Bool
	var tries atomic.Int64
	policy := quick()
	policy.HoldAfter, policy.HoldKeys = 3, 3
	l.start(t, outbox.Options{
		Now:    func() time.Time { return time.Now().Add(time.Duration(ahead.Load()) * time.Second) },
		Policy: func(string) (inbox.Policy, bool) { return policy, true },
		Sender: sender(func(_ context.Context, e *inbox.Effect, _ *inbox.EffectRequest) inbox.Sent {
			if e.Lane.Origin == crm && !mended.Load() {
				tries.Add(1)
				return answered(503)
			}
			return answered(200)
		}),
	})
	for id := range 5 {
		l.ask(id, crm, "/")
	}
	onHold := func() *inbox.EffectCounts {
		counts, err := l.EffectCounts(t.Context())
		if err != nil || len(counts) == 0 {
			t.Fatal(counts, err)
		}
		return &counts[0]
	}
	inboxtest.Eventually(t, "the origin is on hold", func() bool { return onHold().Health.OnHold })
	l.ask(9, mail, "/")
	inboxtest.Eventually(t, "the other origin goes on", func() bool { return slices.Contains(l.effects(t), inbox.EffectDone) })
	if c := onHold(); c.Waiting != 5 || c.Dead != 0 {
		t.Errorf("on hold: %+v", c)
	}
	before := tries.Load()
	ahead.Store(3600) // the waits and the hold's first probe are over
	l.out.Wake()
	inboxtest.Eventually(t, "a probe is sent", func() bool { return onHold().Health.Probes == 1 })
	if n := tries.Load(); n != before+1 {
		t.Errorf("%d probes were sent", n-before)
	}
	mended.Store(true)
	ahead.Store(7200)
	l.out.Wake()
	l.eventually(t, slices.Repeat([]inbox.EffectState{inbox.EffectDone}, 6)...)
	inboxtest.Eventually(t, "the hold ends", func() bool { return !onHold().Health.OnHold })
	var counted int
	for id := range int64(5) {
		list, err := l.EffectTries(t.Context(), id+1)
		if err != nil {
			t.Error(err)
		}
		for _, y := range list {
			if y.Counted && y.Fate != inbox.Done {
				counted++
			}
		}
	}
	if counted > 2 {
		t.Errorf("%d failed tries of the streak and the hold are counted", counted)
	}
}

func TestADeniedRequestHoldsItsOriginUntilAnotherReleaseIsLive(t *testing.T) {
	t.Parallel()
	l := begin(t, "")
	var granted atomic.Bool
	l.start(t, outbox.Options{Sender: sender(func(context.Context, *inbox.Effect, *inbox.EffectRequest) inbox.Sent {
		if granted.Load() {
			return answered(200)
		}
		return inbox.Sent{Failure: inbox.Denied, Why: "the origin is not granted"}
	})})
	l.ask(1, crm, "/")
	l.eventually(t, inbox.EffectRetry)
	counts, err := l.EffectCounts(t.Context())
	if err != nil || !counts[0].Health.OnHold || counts[0].Health.Reason != "denied: the origin is not granted" {
		t.Errorf("%+v, %v", counts, err)
	}
	granted.Store(true)
	l.out.Changed("p")
	l.eventually(t, inbox.EffectDone)
}

func TestRequestsOfAPluginWithoutALiveReleaseWait(t *testing.T) {
	t.Parallel()
	l := begin(t, "")
	var live atomic.Bool
	asked := make(chan struct{}, 100)
	l.start(t, outbox.Options{
		Policy: func(string) (inbox.Policy, bool) {
			select {
			case asked <- struct{}{}:
			default:
			}
			return quick(), live.Load()
		},
		Sender: sender(func(context.Context, *inbox.Effect, *inbox.EffectRequest) inbox.Sent {
			if !live.Load() {
				t.Error("a request of a plugin that is not live was sent")
			}
			return answered(200)
		}),
	})
	l.ask(1, crm, "/")
	<-asked
	live.Store(true)
	l.out.Changed("p")
	l.eventually(t, inbox.EffectDone)
}

func TestAClockThatWasSetBackDelaysNoRequest(t *testing.T) {
	t.Parallel()
	l := begin(t, "")
	l.start(t, outbox.Options{
		Now:    func() time.Time { return time.Now().Add(-1000 * time.Hour) },
		Sender: sender(func(context.Context, *inbox.Effect, *inbox.EffectRequest) inbox.Sent { return answered(200) }),
	})
	l.ask(1, crm, "/")
	l.eventually(t, inbox.EffectDone)
}

func TestAPausedPluginSendsNothingUntilItIsResumed(t *testing.T) {
	t.Parallel()
	l := begin(t, "")
	who := inbox.Actor{Name: "operator"}
	if err := l.SetPaused(t.Context(), who, "p", true); err != nil {
		t.Fatal(err)
	}
	var resumed atomic.Bool
	looked := make(chan struct{}, 1)
	l.start(t, outbox.Options{
		Idle: func() bool {
			select {
			case looked <- struct{}{}:
			default:
			}
			return false
		},
		Sender: sender(func(context.Context, *inbox.Effect, *inbox.EffectRequest) inbox.Sent {
			if !resumed.Load() {
				t.Error("a request of a paused plugin was sent")
			}
			return answered(200)
		}),
	})
	l.ask(1, crm, "/")
	<-looked
	l.out.Wake()
	<-looked
	resumed.Store(true)
	if err := l.SetPaused(t.Context(), who, "p", false); err != nil {
		t.Fatal(err)
	}
	l.out.Wake()
	l.eventually(t, inbox.EffectDone)
}
