package dispatch_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

// runsInOrder fails the test unless the runs of every replay were first attempted, lane by lane, in the order of their seqs.
func (r *fixture) runsInOrder() {
	r.t.Helper()
	type part struct {
		lane inbox.LaneID
		run  int64
	}
	newest := map[part]int64{}
	for _, m := range r.attempts() {
		p := part{m.lane, m.run}
		if m == again {
			clear(newest)
		}
		if m.run == 0 || m.attempt > 1 {
			continue
		}
		if m.seq < newest[p] {
			r.t.Errorf("replay %d, lane %v: %d after %d", m.run, m.lane, m.seq, newest[p])
		}
		newest[p] = m.seq
	}
}

// heads returns the dead events behind which lanes are parked.
func (r *fixture) heads() []int64 {
	r.t.Helper()
	lanes, err := r.store.Lanes(ctx, plugin, inbox.LaneParked, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	var seqs []int64
	for i := range lanes {
		seqs = append(seqs, lanes[i].Next)
	}
	return seqs
}

func TestRunsThatWaitedBehindAParkedLaneGoInTheOrderOfTheLog(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{}, func(m made) inbox.Result {
		if m.seq == 40 && m.run == 0 {
			return inbox.Reject
		}
		return inbox.OK
	})
	r.send(40, 1, 0)
	r.settled()
	job := &inbox.Replay{Plugins: []string{plugin}, Filter: inbox.Filter{Before: 40}}
	if err := r.store.CreateReplay(ctx, inbox.Actor{Name: "test"}, job); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Wake(plugin)
	r.ended(job.ID)
	if err := r.store.Discard(ctx, inbox.Actor{Name: "test"}, plugin, 40, 0); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Wake(plugin)
	inboxtest.Eventually(t, "all ran", func() bool { return len(r.attempts()) == 79 })
	r.runsInOrder()
}

// ended waits until a replay has ended.
func (r *fixture) ended(job int64) {
	r.t.Helper()
	inboxtest.Eventually(r.t, "the replay has ended", func() bool {
		j, err := r.store.Replay(ctx, job)
		return err == nil && j.State == inbox.ReplayDone
	})
}

// A retry, a discard, a restart or a resume frees runs that wait. They start in the order of the log within their lane and
// replay, also beside runs that the replay admits only then.
func TestFreedRunsStartInTheOrderOfTheLog(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			freely(t, rand.New(rand.NewPCG(seed, 1)))
		})
	}
}

func freely(t *testing.T, dice *rand.Rand) {
	t.Helper()
	m := inbox.Manifest{Policy: inbox.Policy{HoldAfter: 1000, MaxAttempts: 3}}
	if dice.IntN(2) == 0 {
		m.Order = inbox.Global
	}
	r := newFixture(t, m, func(m made) inbox.Result {
		switch {
		case m.run == 0 && m.seq%17 == 0 && m.attempt == 1:
			return inbox.Reject
		case m.run > 0 && m.seq%11 == 0 && m.attempt == 1:
			return inbox.Trap
		}
		return inbox.OK
	})
	r.mu.Lock()
	r.noteResets = true // an operator and a replay may retry the same event
	r.mu.Unlock()
	who, jobs := inbox.Actor{Name: "test"}, []int64{}
	step := func() {
		heads := r.heads()
		switch at := dice.IntN(6); {
		case at == 0:
			r.send(20+dice.IntN(60), 3, dice.IntN(1<<30))
		case at == 1 && len(jobs) < 4:
			job := &inbox.Replay{Plugins: []string{plugin}, Filter: inbox.Filter{After: int64(dice.IntN(20))}}
			if r.store.CreateReplay(ctx, who, job) == nil {
				jobs = append(jobs, job.ID)
			}
		case at == 2:
			r.stop()
			r.start("r1")
		case at == 3:
			if err := r.store.SetPaused(ctx, who, plugin, dice.IntN(2) == 0); err != nil {
				t.Error(err)
			}
		case len(heads) > 0:
			r.release(heads[dice.IntN(len(heads))], dice.IntN(2) == 0)
		}
		r.dispatch.Wake(plugin)
	}
	r.send(60, 3, 0)
	for range 25 {
		step()
		n := len(r.attempts())
		for tries := 0; tries < 50 && len(r.attempts()) < n+dice.IntN(20); tries++ {
			r.looked() // the loop has gone a step further
		}
	}
	if err := r.store.SetPaused(ctx, who, plugin, false); err != nil {
		t.Error(err)
	}
	r.dispatch.Wake(plugin)
	inboxtest.Eventually(t, "nothing waits", func() bool {
		for _, seq := range r.heads() {
			r.release(seq, false)
		}
		r.dispatch.Wake(plugin)
		for _, id := range jobs {
			if j, err := r.store.Replay(ctx, id); err != nil || j.State != inbox.ReplayDone || j.Parts[0].Waiting > 0 {
				return false
			}
		}
		rec := r.record()
		runs, err := r.store.Runs(ctx, plugin, 1)
		return err == nil && len(runs) == 0 && rec.Cursor == r.store.Head() && rec.Parked+rec.Ready+rec.Retrying == 0
	})
	r.inOrder()
	r.runsInOrder()
}

// release retries or discards the dead event of a parked lane. A replay may have retried it before.
func (r *fixture) release(seq int64, retry bool) {
	r.t.Helper()
	do := r.store.Discard
	if retry {
		do = r.store.Retry
	}
	if err := do(ctx, inbox.Actor{Name: "test"}, plugin, seq, 0); err != nil && inbox.KindOf(err) != inbox.Conflict {
		r.t.Error(err)
	}
}
