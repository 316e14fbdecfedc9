package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// at is a time as the store keeps it.
func at(seconds int64) time.Time { return time.UnixMilli(1_700_000_000_000 + seconds*1000).UTC() }

// settle hands a settlement in and waits for its answer.
func settle(s *store.Store, st *inbox.Settlement) error {
	answer := make(chan error, 1)
	st.Term = s.Term()
	if err := s.Settle(ctx, st, func(err error) { answer <- err }); err != nil {
		return err
	}
	return <-answer
}

func mustSettle(t *testing.T, s *store.Store, st *inbox.Settlement) {
	t.Helper()
	st.Plugin = "p"
	if err := settle(s, st); err != nil {
		t.Fatal(err)
	}
}

// ready returns a store with n events of one key and a plugin p that begins with the first.
func ready(t *testing.T, n int) *store.Store {
	t.Helper()
	s := inboxtest.Store(t, store.Options{})
	for i := range n {
		inboxtest.Accept(t, s, inboxtest.Body(1, i))
	}
	if err := s.Register(ctx, "p", inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	return s
}

func attempt(seq int64, number int, result inbox.Result, fate inbox.Fate) *inbox.Attempt {
	return &inbox.Attempt{
		Plugin: "p", Seq: seq, Number: number, Result: result, Fate: fate, Counted: true, StartedAt: at(seq),
		Duration: 1234 * time.Microsecond,
	}
}

// lane is the lane of the events that ready stores.
func lane() inbox.LaneID { return inbox.LaneID{Mode: inbox.Live, Key: "qoreid/workflow/1"} }

func TestAnAttemptIsKeptWithItsReasonAndLog(t *testing.T) {
	t.Parallel()
	s := ready(t, 1)
	if err := s.SaveRelease(ctx, inbox.Release{ID: "r1", Plugin: "p", Wasm: "00", CreatedAt: at(0)}); err != nil {
		t.Fatal(err)
	}
	a := attempt(1, 1, inbox.OK, inbox.Done)
	a.Release, a.Reason, a.HostWords, a.Log, a.LogCut, a.Fuel = "r1", "it went well", 7, []byte("line\nline"), true, 1<<40
	mustSettle(t, s, &inbox.Settlement{Attempt: a, Cursor: 1})
	tr, err := s.Trace(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*a, tr.Deliveries[0].Attempts[0]); diff != "" {
		t.Error(diff)
	}
	again := attempt(1, 1, inbox.OK, inbox.Done)
	if err := settle(s, &inbox.Settlement{Plugin: "p", Attempt: again}); err == nil {
		t.Error("the same attempt was recorded twice")
	}
}

func TestALaneIsPutMovedUncountedAndRemoved(t *testing.T) {
	t.Parallel()
	s := ready(t, 3)
	want := inbox.Lane{ID: lane(), Next: 1, State: inbox.LaneRetry, DueAt: at(60), Attempt: 1, Tries: 1, Since: at(1)}
	mustSettle(t, s, &inbox.Settlement{Attempt: attempt(1, 1, inbox.Trap, inbox.Again), Cursor: 1, Lane: &want})
	check := func(what string, want *inbox.Lane) {
		t.Helper()
		got, err := s.Lane(ctx, "p", lane())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
		var lanes []inbox.LaneID
		err = s.EachLane(ctx, "p", func(id inbox.LaneID, _ inbox.LaneState) { lanes = append(lanes, id) })
		if err != nil || (want == nil) != (len(lanes) == 0) {
			t.Errorf("%s: loaded %+v, %v", what, lanes, err)
		}
	}
	check("put", &want)
	mustSettle(t, s, &inbox.Settlement{Uncount: []inbox.Failure{{Lane: lane(), Seq: 2}, {Lane: lane(), Seq: 1}, {Lane: lane(), Seq: 1}}})
	want.Tries = 0
	check("uncounted, and not below zero, nor for another event", &want)
	moved := inbox.Lane{ID: lane(), Next: 2, State: inbox.LaneReady, Since: at(99)}
	mustSettle(t, s, &inbox.Settlement{Attempt: attempt(1, 2, inbox.OK, inbox.Done), Lane: &moved})
	moved.Since = want.Since // it lags since it began to
	check("moved", &moved)
	gone := lane()
	mustSettle(t, s, &inbox.Settlement{LaneGone: &gone})
	check("gone", nil)
}

func TestTheCursorAndTheHoldArePutAndTheCursorNeverGoesBack(t *testing.T) {
	t.Parallel()
	s := ready(t, 5)
	h := inbox.Health{OnHold: true, Reason: "trap", Since: at(1), ProbeAt: at(6), Probes: 2}
	first := h
	first.Probes = 0
	mustSettle(t, s, &inbox.Settlement{Health: &first})
	mustSettle(t, s, &inbox.Settlement{Cursor: 4, Keying: "key/key", Health: &h})
	mustSettle(t, s, &inbox.Settlement{Cursor: 2})
	p, _, err := s.Load(ctx, "p")
	if err != nil || p.Cursor != 4 || p.Keying != "key/key" {
		t.Errorf("%+v, %v", p, err)
	}
	if diff := cmp.Diff(h, p.Health); diff != "" {
		t.Error(diff)
	}
	mustSettle(t, s, &inbox.Settlement{Health: &inbox.Health{}})
	if p, _, err = s.Load(ctx, "p"); err != nil || p.Health.OnHold || p.Health.Reason != "" || !p.Health.ProbeAt.IsZero() {
		t.Errorf("after the hold: %+v, %v", p.Health, err)
	}
}

// park lets event 1 die and its lane park behind it.
func park(t *testing.T, s *store.Store) {
	t.Helper()
	mustSettle(t, s, &inbox.Settlement{
		Attempt: attempt(1, 1, inbox.Reject, inbox.Dead), Cursor: 3,
		Lane: &inbox.Lane{ID: lane(), Next: 1, State: inbox.LaneParked, Attempt: 1, Tries: 1, Since: at(1)},
		Dead: &inbox.DeadLetter{Seq: 1, Attempt: 1, Lane: lane(), Parks: true, Result: inbox.Reject, DiedAt: at(2)},
	})
}

func TestADeadLetterIsFoundAndResolved(t *testing.T) {
	t.Parallel()
	s := ready(t, 3)
	park(t, s)
	want := &inbox.DeadLetter{Plugin: "p", Seq: 1, Attempt: 1, Lane: lane(), Parks: true, Result: inbox.Reject, DiedAt: at(2)}
	got, err := s.Dead(ctx, "p", 1)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%s, %v", diff, err)
	}
	if _, err := s.Dead(ctx, "p", 2); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("one that is not dead: %v", err)
	}
	mustSettle(t, s, &inbox.Settlement{
		Dead: &inbox.DeadLetter{Seq: 1, Resolution: inbox.Retried}, // whatever its attempt
		Lane: &inbox.Lane{ID: lane(), Next: 1, State: inbox.LaneReady, Attempt: 1},
	})
	if _, err := s.Dead(ctx, "p", 1); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("after it was resolved: %v", err)
	}
}

func TestRunsWaitBehindALaneAndAreFreedWithIt(t *testing.T) {
	t.Parallel()
	s := ready(t, 3)
	park(t, s)
	job := &inbox.Job{Plugins: []string{"p"}, Rate: 1}
	if err := s.CreateJob(ctx, store.Actor{Name: "test"}, job); err != nil {
		t.Fatal(err)
	}
	run := func(seq int64, waits bool) *inbox.Run {
		return &inbox.Run{Plugin: "p", Seq: seq, Run: job.ID, Job: job.ID, Lane: lane(), Waits: waits, DueAt: at(seq)}
	}
	for _, seq := range []int64{3, 2} {
		mustSettle(t, s, &inbox.Settlement{
			Run: run(seq, true), Job: &inbox.JobStep{Job: job.ID, Plugin: "p", Position: seq, Add: inbox.JobCount{Waiting: 1}},
		})
	}
	if due, err := s.Runs(ctx, "p", 0); len(due) != 0 || err != nil {
		t.Errorf("due while they wait: %+v, %v", due, err)
	}
	if seqs, err := s.SettledAbove(ctx, "p", job.ID, 1); err != nil || !cmp.Equal(seqs, []int64{2, 3}) {
		t.Errorf("settled in the job: %v, %v", seqs, err)
	}
	if seqs, err := s.SettledAbove(ctx, "p", 0, 0); err != nil || !cmp.Equal(seqs, []int64{1}) {
		t.Errorf("settled by first runs: %v, %v", seqs, err)
	}
	gone := lane()
	mustSettle(t, s, &inbox.Settlement{LaneGone: &gone, Dead: &inbox.DeadLetter{Seq: 1, Resolution: inbox.Discarded}})
	due, err := s.Runs(ctx, "p", 0)
	if err != nil || len(due) != 2 || due[0].Waits || time.Since(due[0].DueAt) > time.Minute {
		t.Errorf("freed: %+v, %v", due, err)
	}
	jobs, err := s.Jobs(ctx, "p")
	if err != nil || len(jobs) != 1 || jobs[0].Parts[0].Waiting != 0 || jobs[0].Parts[0].Position != 3 {
		t.Errorf("the job: %+v, %v", jobs, err)
	}
	mustSettle(t, s, &inbox.Settlement{
		Attempt: &inbox.Attempt{Seq: 2, Run: job.ID, Number: 1, Result: inbox.OK, Fate: inbox.Done}, RunGone: run(2, false),
		Job: &inbox.JobStep{Job: job.ID, Plugin: "p", Add: inbox.JobCount{OK: 1}, Done: true},
	})
	if due, err = s.Runs(ctx, "p", 0); err != nil || len(due) != 1 || due[0].Seq != 3 {
		t.Errorf("after one went: %+v, %v", due, err)
	}
	if jobs, err = s.Jobs(ctx, "p"); err != nil || len(jobs) != 0 {
		t.Errorf("still running: %+v, %v", jobs, err)
	}
	mustSettle(t, s, &inbox.Settlement{
		Attempt: &inbox.Attempt{Seq: 3, Run: job.ID, Number: 1, Result: inbox.Trap, Fate: inbox.Dead}, RunGone: run(3, false),
		Dead: &inbox.DeadLetter{Seq: 3, Run: job.ID, Attempt: 1, Lane: lane(), Result: inbox.Trap, DiedAt: at(3)},
		Job:  &inbox.JobStep{Job: job.ID, Plugin: "p", Add: inbox.JobCount{Dead: 1}},
	})
	all, err := s.Jobs(ctx, "")
	if err != nil || len(all) != 1 || all[0].State != inbox.JobDone || all[0].Parts[0].OK != 1 || all[0].Parts[0].Dead != 1 || !all[0].Parts[0].Done {
		t.Errorf("all jobs: %+v, %v", all, err)
	}
}

func TestNoneOfAChainCommitsAfterOneThatFailed(t *testing.T) {
	t.Parallel()
	s := ready(t, 12)
	release := store.Hold(s)
	chain := &inbox.Chain{}
	var mu sync.Mutex
	answers := map[int64]error{}
	var wg sync.WaitGroup
	for seq := int64(1); seq <= 10; seq++ {
		st := inboxtest.Settled("p", seq)
		st.Term, st.Chain = s.Term(), chain
		if seq == 6 {
			st.Attempt.Result = inbox.Trap // which is never done: the schema refuses it
		}
		wg.Add(1)
		if err := s.Settle(ctx, st, func(err error) {
			mu.Lock()
			defer mu.Unlock()
			answers[seq] = err
			wg.Done()
		}); err != nil {
			t.Fatal(err)
		}
	}
	neighbour := inboxtest.Settled("p", 12) // of no chain
	neighbour.Term, neighbour.Cursor = s.Term(), 0
	wg.Add(1)
	if err := s.Settle(ctx, neighbour, func(err error) {
		if err != nil {
			t.Errorf("the neighbour: %v", err)
		}
		wg.Done()
	}); err != nil {
		t.Fatal(err)
	}
	release()
	wg.Wait()
	for seq, err := range answers {
		switch {
		case seq < 6 && err != nil:
			t.Errorf("settlement %d, before the failure: %v", seq, err)
		case seq == 6 && err == nil:
			t.Error("the illegal one was settled")
		case seq > 6 && inbox.KindOf(err) != inbox.Unavailable:
			t.Errorf("settlement %d, after the failure: %v", seq, err)
		}
	}
	if !chain.Broken() {
		t.Error("the chain is whole")
	}
	if seqs, err := s.SettledAbove(ctx, "p", 0, 0); err != nil || !cmp.Equal(seqs, []int64{1, 2, 3, 4, 5, 12}) {
		t.Errorf("settled %v, %v", seqs, err)
	}
	st := inboxtest.Settled("p", 11)
	st.Term, st.Chain = s.Term(), chain
	if err := settle(s, st); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("a later one of the broken chain: %v", err)
	}
}

func TestWhatIsNotStoredCannotBeSettled(t *testing.T) {
	t.Parallel()
	s := ready(t, 3)
	for what, st := range map[string]*inbox.Settlement{
		"a cursor":   {Cursor: 4},
		"an attempt": {Attempt: attempt(4, 1, inbox.OK, inbox.Done)},
		"a run":      {Run: &inbox.Run{Seq: 4, Run: 1, Lane: lane(), DueAt: at(1)}},
	} {
		st.Plugin = "p"
		if err := settle(s, st); inbox.KindOf(err) != inbox.Internal {
			t.Errorf("%s beyond the log: %v", what, err)
		}
	}
}

func TestAPluginThatIsNotKnownIsRefusedByName(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	for what, fn := range map[string]func() error{
		"settle":  func() error { return settle(s, &inbox.Settlement{Plugin: "nobody", Cursor: 1}) },
		"load":    func() error { _, _, err := s.Load(ctx, "nobody"); return err },
		"runs":    func() error { _, err := s.Runs(ctx, "nobody", 0); return err },
		"lane":    func() error { _, err := s.Lane(ctx, "nobody", lane()); return err },
		"dead":    func() error { _, err := s.Dead(ctx, "nobody", 1); return err },
		"settled": func() error { _, err := s.SettledAbove(ctx, "nobody", 0, 0); return err },
		"jobs":    func() error { _, err := s.Jobs(ctx, "nobody"); return err },
	} {
		if err := fn(); inbox.KindOf(err) != inbox.NotFound || inbox.HintOf(err) == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAPluginBeginsWhereItsFirstRegistrationSays(t *testing.T) {
	t.Parallel()
	s := ready(t, 5)
	for i, c := range []struct {
		from inbox.StartFrom
		want int64
	}{{inbox.StartFrom{}, 5}, {inbox.StartFrom{Start: true}, 0}, {inbox.StartFrom{Seq: 3}, 2}, {inbox.StartFrom{Seq: 99}, 5}, {inbox.StartFrom{Seq: 1}, 0}} {
		name := fmt.Sprint("plugin ", i)
		for _, from := range []inbox.StartFrom{c.from, {Start: true}} { // the second call changes nothing
			if err := s.Register(ctx, name, from); err != nil {
				t.Fatal(err)
			}
		}
		if p, err := s.Record(ctx, name); err != nil || p.Cursor != c.want || p.StartedAt != c.want {
			t.Errorf("from %+v: %+v, %v", c.from, p, err)
		}
	}
}
