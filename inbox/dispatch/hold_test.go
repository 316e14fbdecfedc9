package dispatch_test

import (
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/dispatch"
	"inbox/inbox/inboxtest"
)

// A lane whose retry became due during the hold is in the ready queue when it is probed. Found by `inbox torture`: its next
// retry was due with nothing read ahead, and the lane did not go on until a restart.
func TestALaneThatWasProbedInVainGoesOnAfterTheHold(t *testing.T) {
	t.Parallel()
	m := inbox.Manifest{Policy: inbox.Policy{MaxAttempts: 100, HoldAfter: 3, HoldKeys: 3}, Concurrency: 1}
	r := newFixture(t, m, func(made) inbox.Result { return inbox.Trap })
	r.send(20, 10, 0)
	inboxtest.Eventually(t, "it is on hold", func() bool { return r.record().Health.OnHold })
	n := len(r.attempts())
	later := func(d time.Duration) {
		r.skew.Add(int64(d))
		r.dispatch.Wake(plugin)
	}
	later(6 * time.Second)
	inboxtest.Eventually(t, "a probe failed", func() bool { return len(r.attempts()) > n && r.record().Health.Probes == 1 })
	r.say(nil)
	later(11 * time.Second)
	r.settled()
	r.inOrder()
}

// Seen in a run of `inbox torture`: the time of the next probe was stored while the clock was wrong.
func TestAHoldIsNotStretchedByAClockThatWasSetBack(t *testing.T) {
	t.Parallel()
	m := inbox.Manifest{Policy: inbox.Policy{MaxAttempts: 100, HoldAfter: 3, HoldKeys: 3}, Concurrency: 1}
	r := newFixture(t, m, func(made) inbox.Result { return inbox.Trap })
	r.skew.Store(int64(720 * time.Hour))
	r.send(20, 10, 0)
	inboxtest.Eventually(t, "it is on hold", func() bool { return r.record().Health.OnHold })
	r.stop()
	r.say(nil)
	r.skew.Store(int64(6 * time.Second))
	r.start("r1")
	r.looked()
	r.later(6 * time.Second)
	r.settledInTime()
}

// Also found there: after a restart only the lanes with a row are in memory, and those failed. If only they were probed,
// three bad events could hold a plugin for ever.
func TestProbesReachLanesThatWereNotReadYet(t *testing.T) {
	t.Parallel()
	m := inbox.Manifest{Policy: inbox.Policy{MaxAttempts: 100, HoldAfter: 3, HoldKeys: 3}, Concurrency: 1}
	r := newFixture(t, m, func(m made) inbox.Result {
		if m.seq <= 3 {
			return inbox.Trap
		}
		return inbox.OK
	})
	r.send(3, 3, 0)
	inboxtest.Eventually(t, "it is on hold", func() bool { return r.record().Health.OnHold })
	r.stop()
	r.send(20, 20, 103)
	r.start("r1")
	inboxtest.Eventually(t, "the healthy lanes have run", func() bool {
		r.skew.Add(int64(5 * time.Minute))
		r.dispatch.Wake(plugin)
		return r.record().Cursor == 23
	})
}

func TestOnlyAReleaseWithoutASuccessIsDisabled(t *testing.T) {
	t.Parallel()
	m := inbox.Manifest{Policy: inbox.Policy{MaxAttempts: 100, HoldAfter: 3, HoldKeys: 3}, Concurrency: 1}
	for name, c := range map[string]struct {
		yields, first bool // first: its first event goes well
		before        string
		aside         int
	}{
		"at once, with a release before it":    {true, false, "r0", 1},
		"at once, without a release before it": {true, false, "", 0},
		"after a success":                      {true, true, "r0", 0},
		"a release that a rollback chose":      {false, false, "r0", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newFixture(t, m, func(m made) inbox.Result {
				if c.first && m.seq == 1 {
					return inbox.OK
				}
				return inbox.Trap
			})
			for _, id := range []string{c.before, "r2"} {
				if id == "" {
					continue
				}
				if err := r.store.SetLive(ctx, plugin, id); err != nil {
					t.Fatal(err)
				}
			}
			r.dispatch.SetLive(plugin, &dispatch.Live{Release: "r2", Manifest: r.manifest, Run: r.run, Yields: c.yields})
			r.send(9, 9, 0)
			inboxtest.Eventually(t, "it is on hold", func() bool { return r.record().Health.OnHold })
			aside := 0
			list, err := r.store.CrashRecords(ctx)
			for _, one := range list {
				if !one.DisabledAt.IsZero() && one.Release == "r2" {
					aside++
				}
			}
			if err != nil || aside != c.aside || r.record().Proven != c.first {
				t.Errorf("%+v, %v; proven %t", list, err, r.record().Proven)
			}
		})
	}
}

func TestOutcomesOfAnEarlierReleaseDoNotPutTheNextOnHold(t *testing.T) {
	t.Parallel()
	m := inbox.Manifest{Policy: inbox.Policy{MaxAttempts: 100, HoldAfter: 1, HoldKeys: 1}, Concurrency: 1}
	began, goOn := make(chan struct{}, 1), make(chan struct{})
	r := newFixture(t, m, func(m made) inbox.Result {
		if m.attempt > 1 {
			return inbox.OK
		}
		began <- struct{}{}
		<-goOn
		return inbox.Trap
	})
	r.send(1, 1, 0)
	<-began
	r.live("r2")
	r.looked()
	close(goOn)
	r.settled()
	if got := r.attempts(); len(got) != 2 || r.record().Health.OnHold {
		t.Errorf("%v, %+v", got, r.record())
	}
}

func TestAttemptsOfTheStreakThatLedToAHoldAreShownAsNotCounted(t *testing.T) {
	t.Parallel()
	m := inbox.Manifest{Policy: inbox.Policy{MaxAttempts: 100, HoldAfter: 6, HoldKeys: 3}, Concurrency: 1}
	r := newFixture(t, m, func(made) inbox.Result { return inbox.Trap })
	r.send(3, 3, 0)
	inboxtest.Eventually(t, "it is on hold", func() bool { return r.record().Health.OnHold })
	r.stop()
	tried := 0 // also of lanes whose next attempt was due or under way when the hold began
	for seq := int64(1); seq <= 3; seq++ {
		tr, err := r.store.Trace(ctx, seq)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range tr.Deliveries[0].Attempts {
			if tried++; a.Counted {
				t.Errorf("counted: event %d, attempt %d", seq, a.Number)
			}
		}
	}
	if tried < 6 {
		t.Errorf("%d attempts", tried)
	}
}
