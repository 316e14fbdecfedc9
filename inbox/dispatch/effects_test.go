package dispatch_test

import (
	"context"
	"encoding/json"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

// folding is a plugin whose state is the list of the seqs that its lane has settled.
func folding(r *fixture) func(ctx context.Context, w *inbox.Work) inbox.Outcome {
	return func(ctx context.Context, w *inbox.Work) inbox.Outcome {
		out := r.run(ctx, w)
		var seqs []int64
		if w.State.Document != nil {
			if err := json.Unmarshal(w.State.Document, &seqs); err != nil {
				r.t.Errorf("the state of event %d: %v", w.Event.Seq, err)
			}
		}
		doc, err := json.Marshal(append(seqs, w.Event.Seq))
		if err != nil {
			r.t.Error(err)
		}
		out.Effects = &inbox.Effects{State: &inbox.StateChange{State: inbox.State{Document: doc, Version: 1}}}
		return out
	}
}

// wantFolds fails the test unless the state of every lane is the list of the settled events of that lane, in the order of the
// log.
func wantFolds(t *testing.T, r *fixture) {
	t.Helper()
	events, err := r.store.EventsAfter(ctx, 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	want := map[inbox.LaneID][]int64{}
	for i := range events {
		tr, err := r.store.Trace(ctx, events[i].Seq)
		if err != nil {
			t.Fatal(err)
		}
		if tr.Deliveries[0].State == inbox.StateSettled {
			id := inbox.LaneID{Mode: events[i].Mode, Key: events[i].View.Key}
			want[id] = append(want[id], events[i].Seq)
		}
	}
	for id, seqs := range want {
		doc, err := r.store.State(ctx, plugin, id)
		var got []int64
		if err == nil {
			err = json.Unmarshal(doc.Document, &got)
		}
		if err != nil || !slices.Equal(got, seqs) {
			t.Errorf("the state of lane %v is %v, %v; want %v", id, got, err, seqs)
		}
	}
}

func TestTheStateOfALaneIsTheFoldOfItsSettledEvents(t *testing.T) {
	t.Parallel()
	m := inbox.Manifest{Concurrency: 3, Policy: inbox.Policy{MaxAttempts: 2, OnFailure: inbox.Continue, HoldAfter: 1000}}
	r := newFixture(t, m, func(m made) inbox.Result {
		switch {
		case m.seq%7 == 0 && m.attempt == 1:
			return inbox.Retry
		case m.seq%11 == 0:
			return inbox.Reject
		}
		return inbox.OK
	})
	r.stop()
	r.runner = folding(r)
	r.send(300, 6, 0)
	r.start("r1")
	r.settledInTime()
	r.send(300, 6, 300)
	r.settledInTime()
	wantFolds(t, r)
	r.inOrder()
}

func TestALostSettlementLosesItsStateAndTheEventRunsAgain(t *testing.T) {
	t.Parallel()
	r, f := newFaultyFixture(t, inbox.Manifest{Concurrency: 3}, nil)
	r.runner = folding(r)
	var n int
	f.settle = func(s *inbox.Settlement) error {
		if n++; n == 20 || n == 90 || n == 91 {
			return errDisk
		}
		return nil
	}
	r.send(200, 4, 0)
	r.start("r1")
	r.settledInTime()
	wantFolds(t, r)
}

// counting is a plugin that increments one counter of kv with every event. It gives way between its read and its end, so that
// attempts of other lanes come between.
func counting(r *fixture) func(ctx context.Context, w *inbox.Work) inbox.Outcome {
	return func(ctx context.Context, w *inbox.Work) inbox.Outcome {
		value, version, err := w.KV.Get(ctx, "n")
		if err != nil {
			return inbox.Outcome{Interrupted: true, Unavailable: err}
		}
		n, _ := strconv.Atoi(string(value)) // absent: 0
		runtime.Gosched()
		out := r.run(ctx, w)
		out.Effects = &inbox.Effects{
			KV: []inbox.KVChange{{Key: "n", Value: []byte(strconv.Itoa(n + 1))}}, KVLimit: inbox.DefaultKV,
			Reads: inbox.Reads{Keys: []inbox.KVKey{{Key: "n", Version: version}}},
		}
		return out
	}
}

func wantCount(t *testing.T, r *fixture, want int64) {
	t.Helper()
	value, _, err := r.store.KV(plugin, inbox.Live).Get(ctx, "n")
	if err != nil || string(value) != strconv.FormatInt(want, 10) {
		t.Errorf("the counter is %q, %v; want %d", value, err, want)
	}
}

func TestIncrementsOfOneCounterByManyLanesAreAllCounted(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{Concurrency: 8}, nil)
	r.stop()
	r.runner, r.usesKV = counting(r), true
	r.send(640, 64, 0)
	r.start("r1")
	r.settled()
	wantCount(t, r, 640)
	if n := len(r.attempts()); n == 640 {
		t.Error("no attempt was refused: the test shows nothing")
	}
	for seq := int64(1); seq <= 640; seq++ {
		tr, err := r.store.Trace(ctx, seq)
		if err != nil || len(tr.Deliveries[0].Attempts) != 1 || tr.Deliveries[0].Attempts[0].Number != 1 {
			t.Fatalf("event %d: a refused attempt was recorded: %+v, %v", seq, tr, err)
		}
	}
}

func TestIncrementsAreCountedOnceWhereSettlementsAreLost(t *testing.T) {
	t.Parallel()
	r, f := newFaultyFixture(t, inbox.Manifest{Concurrency: 4}, nil)
	r.runner, r.usesKV = counting(r), true
	var n int
	f.settle = func(s *inbox.Settlement) error {
		if n++; n == 20 || n == 90 || n == 91 {
			return errDisk
		}
		return nil
	}
	r.send(200, 20, 0)
	r.start("r1")
	r.settledInTime()
	wantCount(t, r, 200)
}

// The first event reads a key that all other events write. So it is refused, until it runs alone.
func TestARunThatIsRefusedThreeTimesRunsAlone(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{Concurrency: 4}, nil)
	r.stop()
	r.usesKV = true
	count := counting(r)
	var running, slow atomic.Int64
	r.runner = func(ctx context.Context, w *inbox.Work) inbox.Outcome {
		alone := running.Add(1) == 1
		defer running.Add(-1)
		out := count(ctx, w)
		if w.Event.Seq != 1 {
			out.Effects.Reads = inbox.Reads{}
			return out
		}
		if slow.Add(1) > 3 {
			if !alone {
				t.Error("it does not run alone")
			}
			return out
		}
		for version := out.Effects.Reads.Keys[0].Version; version == out.Effects.Reads.Keys[0].Version && ctx.Err() == nil; runtime.Gosched() {
			_, version, _ = w.KV.Get(ctx, "n") // until another event has written the key
		}
		return out
	}
	r.send(1, 1, 0)
	r.start("r1")
	for from := 1; slow.Load() < 4; from++ {
		r.send(1, 1<<20, from)
	}
	r.settled()
	if slow.Load() != 4 {
		t.Errorf("the event that reads was attempted %d times, not 4", slow.Load())
	}
}

func TestAnAttemptThatCannotReadTheStoreIsNotRecorded(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{Concurrency: 1}, nil)
	r.stop()
	var failed atomic.Bool
	count := counting(r)
	r.usesKV = true
	r.runner = func(ctx context.Context, w *inbox.Work) inbox.Outcome {
		if w.Event.Seq == 2 && !failed.Swap(true) {
			return inbox.Outcome{Interrupted: true, Unavailable: errDisk}
		}
		return count(ctx, w)
	}
	r.send(3, 3, 0)
	r.start("r1")
	inboxtest.Eventually(t, "all are settled", func() bool { r.later(time.Second); return r.record().Cursor == 3 })
	wantCount(t, r, 3)
	if tr, err := r.store.Trace(ctx, 2); err != nil || len(tr.Deliveries[0].Attempts) != 1 {
		t.Errorf("%+v, %v", tr, err)
	}
}

// The plugin may have failed only because it saw values that never were in force together.
func TestAFailureOnValuesThatHaveChangedSinceIsNoAttempt(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{Concurrency: 2, Policy: inbox.Policy{MaxAttempts: 1}}, nil)
	r.stop()
	r.usesKV = true
	count := counting(r)
	var failed atomic.Bool
	read := make(chan struct{})
	r.runner = func(ctx context.Context, w *inbox.Work) inbox.Outcome {
		if w.Event.Seq == 2 {
			<-read
		}
		out := count(ctx, w)
		if w.Event.Seq != 1 || failed.Swap(true) {
			return out
		}
		close(read)
		out.Result, out.Effects.KV = inbox.Trap, nil
		for version := int64(0); version == 0 && ctx.Err() == nil; runtime.Gosched() {
			_, version, _ = w.KV.Get(ctx, "n") // until the other event has written the key
		}
		return out
	}
	r.send(2, 2, 0)
	r.start("r1")
	r.settled()
	wantCount(t, r, 2)
	if tr, err := r.store.Trace(ctx, 1); err != nil || len(tr.Deliveries[0].Attempts) != 1 || tr.Deliveries[0].State != inbox.StateSettled {
		t.Errorf("%+v, %v", tr, err)
	}
}
