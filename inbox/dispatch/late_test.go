package dispatch_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"inbox/inbox"
	"inbox/inbox/dispatch"
	"inbox/inbox/inboxtest"
)

// Late is a fact of the log: it is the same in the first run, in a replay, and in a run that is retried after its lane went on.
func TestLateIsTheSameInEveryRun(t *testing.T) {
	t.Parallel()
	m := inbox.Manifest{Policy: inbox.Policy{OnFailure: inbox.Continue, MaxAttempts: 1, HoldAfter: 1000}}
	r := newFixture(t, m, nil)
	r.stop()
	var mu sync.Mutex
	seen := map[bool]map[int64][]bool{false: {}, true: {}} // by replay and seq
	died := false
	run := func(_ context.Context, w *inbox.Work) inbox.Outcome {
		e, d := w.Event, w.Delivery
		mu.Lock()
		defer mu.Unlock()
		seen[d.Replay()][e.Seq] = append(seen[d.Replay()][e.Seq], e.Late)
		if e.Seq == 1 && !died {
			died = true
			return inbox.Outcome{Result: inbox.Reject}
		}
		return inbox.Outcome{Result: inbox.OK}
	}
	r.start("r1")
	r.dispatch.SetLive(plugin, &dispatch.Live{Release: "r1", Manifest: r.manifest, Run: run})
	for n, typ := range []string{"verification_started", "verification_completed", "step_verification_completed", "verification_started"} {
		inboxtest.Accept(t, r.store, fmt.Sprintf(`{"event":"workflow","event_type":%q,"data":{"id":7,"n":%d}}`, typ, n))
	}
	r.settled()
	who := inbox.Actor{Name: "test"}
	if err := r.store.Retry(ctx, who, plugin, 1, 0); err != nil {
		t.Fatal(err)
	}
	job := &inbox.Replay{Plugins: []string{plugin}, Filter: inbox.Filter{After: 1}}
	if err := r.store.CreateReplay(ctx, who, job); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Wake(plugin)
	r.ended(job.ID)
	inboxtest.Eventually(t, "the dead one ran again", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(seen[false][1]) == 2
	})
	mu.Lock()
	defer mu.Unlock()
	for seq, want := range map[int64]bool{1: false, 2: false, 3: true, 4: true} {
		for _, got := range append(seen[false][seq], seen[true][seq]...) {
			if got != want {
				t.Errorf("event %d: late is %t in one of its runs", seq, got)
			}
		}
		if seq > 1 && len(seen[true][seq]) != 1 {
			t.Errorf("event %d was replayed %d times", seq, len(seen[true][seq]))
		}
	}
}
