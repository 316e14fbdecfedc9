package dispatch_test

import (
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

// A lane whose wait ended during the hold stands in line already when it is probed. Found by `inbox torture`: its next
// wait then ended with nothing read ahead, and it stood still until a restart.
func TestALaneThatWasProbedInVainGoesOnAfterTheHold(t *testing.T) {
	t.Parallel()
	m := inbox.Manifest{Policy: inbox.Policy{MaxAttempts: 100, HoldAfter: 3, HoldKeys: 3}, Concurrency: 1}
	r := newRoom(t, m, func(made) inbox.Result { return inbox.Trap })
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
	r := newRoom(t, m, func(made) inbox.Result { return inbox.Trap })
	r.skew.Store(int64(720 * time.Hour))
	r.send(20, 10, 0)
	inboxtest.Eventually(t, "it is on hold", func() bool { return r.record().Health.OnHold })
	r.stop()
	r.say(nil)
	r.skew.Store(int64(6 * time.Second))
	r.start("r1")
	r.skew.Add(int64(6 * time.Second))
	r.dispatch.Wake(plugin)
	r.settled()
}

// And this: after a restart only the lanes with a row are in memory, which are those that failed. If probes went to
// them alone, three bad events could hold a plugin for ever.
func TestProbesReachLanesThatWereNotReadYet(t *testing.T) {
	t.Parallel()
	m := inbox.Manifest{Policy: inbox.Policy{MaxAttempts: 100, HoldAfter: 3, HoldKeys: 3}, Concurrency: 1}
	r := newRoom(t, m, func(m made) inbox.Result {
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
	inboxtest.Eventually(t, "the lanes that are well have run", func() bool {
		r.skew.Add(int64(5 * time.Minute))
		r.dispatch.Wake(plugin)
		return r.record().Cursor == 23
	})
}
