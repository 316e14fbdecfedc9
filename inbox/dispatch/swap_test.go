package dispatch_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/dispatch"
	"inbox/inbox/inboxtest"
)

// blocked returns a script in which the first run of one event reports that it began, and waits.
func blocked(seq int64) (script func(made) inbox.Result, began chan struct{}, goOn chan struct{}) {
	began, goOn = make(chan struct{}, 1), make(chan struct{})
	return func(m made) inbox.Result {
		if m.seq == seq && m.run == 0 {
			began <- struct{}{}
			<-goOn
		}
		return inbox.OK
	}, began, goOn
}

// A release gets the events that it is granted. Events that were read for the release before it are checked again.
func TestANewReleaseGetsNoEventsThatItDoesNotWant(t *testing.T) {
	t.Parallel()
	script, began, goOn := blocked(1)
	r := newFixture(t, inbox.Manifest{Concurrency: 1}, script)
	r.send(6, 3, 0)
	<-began
	inboxtest.Eventually(t, "the log was read", func() bool { return r.looked().Open == 6 })
	r.manifest.Modes = []inbox.Mode{inbox.Test}
	r.live("r2")
	r.looked()
	close(goOn)
	r.settled()
	if got := r.attempts(); len(got) != 1 {
		t.Errorf("a release for test events got live ones: %v", got[1:])
	}
}

// The same holds for a lane that lags, whose next events are read ahead.
func TestANewReleaseGetsNoUnwantedEventsThatALaggingLaneReadAhead(t *testing.T) {
	t.Parallel()
	script, began, goOn := blocked(2)
	r := newFixture(t, inbox.Manifest{Concurrency: 1, Policy: inbox.Policy{HoldAfter: 1000}}, func(m made) inbox.Result {
		if m.seq == 1 && m.attempt == 1 {
			return inbox.Trap
		}
		return script(m)
	})
	r.send(4, 1, 0) // one lane, which lags from the first failure on
	<-began
	r.manifest.Modes = []inbox.Mode{inbox.Test}
	r.live("r2")
	r.looked()
	close(goOn)
	r.settled()
	if got := r.attempts(); len(got) != 3 || got[2].seq != 2 {
		t.Errorf("made %v, want the first event twice and the second once", got)
	}
}

func TestANewReleaseEndsAHoldHoweverItComes(t *testing.T) {
	t.Parallel()
	m := inbox.Manifest{Policy: inbox.Policy{MaxAttempts: 100, HoldAfter: 3, HoldKeys: 3}, Concurrency: 1}
	for name, bring := range map[string]func(*fixture){
		"in place of the one before": func(r *fixture) { r.live("r2") },
		"after its file was away":    func(r *fixture) { r.dispatch.SetLive(plugin, nil); r.live("r2") },
		"with a start": func(r *fixture) {
			r.stop()
			if err := r.store.SetLive(ctx, plugin, "r2"); err != nil {
				r.t.Error(err)
			}
			r.start("r2")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newFixture(t, m, func(made) inbox.Result { return inbox.Trap })
			if err := r.store.SetLive(ctx, plugin, "r1"); err != nil {
				t.Fatal(err)
			}
			r.send(20, 10, 0)
			inboxtest.Eventually(t, "its next probe is five minutes away", func() bool {
				h, now := r.record().Health, time.Now().Add(time.Duration(r.skew.Load()))
				if h.Probes <= 6 && h.ProbeAt.After(now) {
					r.later(h.ProbeAt.Sub(now))
				}
				return h.Probes > 6
			})
			r.say(nil)
			bring(r)
			inboxtest.Eventually(t, "it runs, well before the next probe", func() bool {
				rec := r.record()
				return !rec.Health.OnHold && rec.Cursor == 20 && rec.Retrying+rec.Ready == 0
			})
			r.inOrder()
		})
	}
}

func TestTheSameReleaseDoesNotEndAHold(t *testing.T) {
	t.Parallel()
	m := inbox.Manifest{Policy: inbox.Policy{MaxAttempts: 100, HoldAfter: 3, HoldKeys: 3}, Concurrency: 1}
	r := newFixture(t, m, func(made) inbox.Result { return inbox.Trap })
	if err := r.store.SetLive(ctx, plugin, "r1"); err != nil {
		t.Fatal(err)
	}
	r.send(20, 10, 0)
	inboxtest.Eventually(t, "it is on hold", func() bool { return r.record().Health.OnHold })
	before := len(r.attempts())
	r.dispatch.SetLive(plugin, nil)
	r.live("r1")
	if err := r.store.SetLive(ctx, plugin, "r1"); err != nil {
		t.Fatal(err)
	}
	if r.looked(); !r.record().Health.OnHold || len(r.attempts()) != before {
		t.Errorf("a file that came back as it was ended the hold: %+v", r.record())
	}
}

// A plugin changes its lane rule when nothing of the old lanes is left. Runs that a cancelled replay left behind would delay
// that for ever.
func TestAPluginChangesItsLanesAfterAReplayWasCancelled(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{Concurrency: 1}, nil)
	r.send(6, 6, 0)
	r.settled()
	began, goOn := make(chan struct{}, 10), make(chan struct{})
	r.say(func(m made) inbox.Result {
		if m.run > 0 {
			began <- struct{}{}
			<-goOn
		}
		return inbox.OK
	})
	job := &inbox.Replay{Plugins: []string{plugin}}
	who := inbox.Actor{Name: "test"}
	if err := r.store.CreateReplay(ctx, who, job); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Wake(plugin)
	<-began
	if err := r.store.CancelReplay(ctx, who, job.ID); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Wake(plugin)
	inboxtest.Eventually(t, "the replay is dropped", func() bool { return r.looked().Queued <= 1 })
	close(goOn)
	r.manifest.Order = inbox.Global
	r.live("r2")
	r.send(3, 3, 10)
	r.settled()
	if n := len(r.attempts()); n > 6+2+3 {
		t.Errorf("%d attempts: a cancelled replay went on", n)
	}
	for _, m := range r.attempts() {
		if m.seq > 6 && m.lane.Key != "@global" {
			t.Errorf("%+v is in a lane of the old rule", m)
		}
	}
}

// A plugin that does not progress delays no other.
func TestPluginsProgressIndependently(t *testing.T) {
	t.Parallel()
	script, began, goOn := blocked(1)
	r := newFixture(t, inbox.Manifest{Order: inbox.Global}, script)
	if err := r.store.Register(ctx, "q", inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	var ran atomic.Int64
	r.dispatch.SetLive("q", &dispatch.Live{Release: "q1", Manifest: inbox.Manifest{}.WithDefaults(2), Run: func(context.Context, *inbox.Work) inbox.Outcome {
		ran.Add(1)
		return inbox.Outcome{Result: inbox.OK}
	}})
	cursor := func(name string) int64 {
		rec, _, err := r.store.Load(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		return rec.Cursor
	}
	r.send(300, 9, 0)
	<-began
	inboxtest.Eventually(t, "the other plugin has settled all", func() bool { return cursor("q") == 300 })
	if at := cursor(plugin); at != 0 {
		t.Errorf("the blocked plugin is at %d", at)
	}
	close(goOn)
	inboxtest.Eventually(t, "both are", func() bool { return cursor(plugin) == 300 })
	if n := ran.Load(); n != 300 {
		t.Errorf("the other ran %d times", n)
	}
}

func TestNothingStartsUntilAPausedDispatcherIsResumed(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{}, nil)
	r.stop()
	r.send(5, 5, 0)
	r.paused = true
	r.start("r1")
	if r.looked(); len(r.attempts()) != 0 || r.record().Cursor != 0 {
		t.Errorf("ran %v while everything was paused", r.attempts())
	}
	r.dispatch.Resume()
	r.settled()
	if n := len(r.attempts()); n != 5 {
		t.Errorf("%d attempts of 5 events", n)
	}
}

// Below its bound of free disk the dispatcher leaves the rest to the webhook handler, and looks again by itself.
func TestNothingStartsWhileTheDiskIsNearlyFull(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{}, nil)
	r.stop()
	r.low.Store(true)
	r.send(5, 5, 0)
	r.start("r1")
	if s := r.looked(); s.Note != "waits for disk space" || len(r.attempts()) != 0 {
		t.Errorf("%+v after %v", s, r.attempts())
	}
	r.low.Store(false)
	r.skew.Add(int64(2 * time.Second))
	r.settled()
}

// A filtered event has no row. Its count is stored with the cursor, in one transaction. So the count is the number of events
// that are shown as filtered, whatever fails and however often the plugin begins again.
func TestFilteredEventsAreCountedOnce(t *testing.T) {
	t.Parallel()
	m := inbox.Manifest{
		Where:  []inbox.Condition{{Pointer: "/data/customerReference", Values: []string{"ref-0", "ref-3"}}},
		Policy: inbox.Policy{HoldAfter: 1000},
	}
	var calls atomic.Int64
	r, f := newFaultyFixture(t, m, func(made) inbox.Result {
		if calls.Add(1)%5 == 0 {
			return inbox.Trap
		}
		return inbox.OK
	})
	var settled atomic.Int64
	f.settle = func(s *inbox.Settlement) error {
		if s.Attempt != nil && settled.Add(1)%40 == 0 {
			return errDisk
		}
		return nil
	}
	for round := range 4 {
		r.start("r1")
		r.send(60, 20, round*60)
		inboxtest.Eventually(t, "it has begun", func() bool { r.later(time.Second); return r.record().Cursor > int64(round*60) })
		r.stop()
	}
	r.start("r1")
	inboxtest.Eventually(t, "everything is settled", func() bool {
		r.later(time.Second)
		rec := r.record()
		return rec.Cursor == r.store.Head() && rec.Retrying+rec.Ready == 0
	})
	var left int64
	for seq := range r.store.Head() {
		tr, err := r.store.Trace(ctx, seq+1)
		if err != nil {
			t.Fatal(err)
		}
		if tr.Deliveries[0].State == inbox.StateFiltered {
			left++
		}
	}
	if got := r.record().Filtered; got != left || left < 100 || f.lost == 0 {
		t.Errorf("%d events are counted as filtered, and %d are; %d settlements failed", got, left, f.lost)
	}
}

// A start finds events settled above the cursor, in lanes of the old rule. If the lanes change before the events between are
// settled, the next start takes these for overtaken, and they never run.
func TestLanesDoNotChangeWhileEventsBeforeASettledOneAreOpen(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{Concurrency: 4}, nil)
	r.stop()
	began := make(chan struct{}, 1)
	// The first event's attempt lasts until the server stops, which interrupts it.
	r.runner = func(ctx context.Context, w *inbox.Work) inbox.Outcome {
		e := w.Event
		if e.Seq == 1 {
			began <- struct{}{}
			<-ctx.Done()
		}
		return r.run(ctx, w)
	}
	r.start("r1")
	r.send(3, 3, 0) // each in a lane of its own
	<-began
	inboxtest.Eventually(t, "the events behind the first are settled", func() bool {
		seqs, err := r.store.SettledAbove(ctx, plugin, 0, 0)
		return err == nil && len(seqs) == 2
	})
	r.stop()
	r.manifest.Order = inbox.Global
	r.start("r1")
	<-began
	r.stop()
	r.runner = nil
	r.start("r1")
	r.settled()
	if tr, err := r.store.Trace(ctx, 1); err != nil || len(tr.Deliveries[0].Attempts) != 1 {
		t.Errorf("event 1 was interrupted twice and never ran: %+v, %v", tr, err)
	}
	inboxtest.Eventually(t, "the lanes have changed", func() bool { return r.record().LaneRule == "global key" })
}
