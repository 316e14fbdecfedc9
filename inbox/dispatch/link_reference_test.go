package dispatch_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

// TestALinkDecidesTheLaneOfLaterEventsAndOfReplays links a verification to a customer between its second and its third event. Each first
// run stays in the lane of its stored row, each event runs once, and a replay runs all of them in the customer's lane, in order.
func TestALinkDecidesTheLaneOfLaterEventsAndOfReplays(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{KeyBy: inbox.KeyByReference}, nil)
	seen := references{of: map[[2]int64]string{}}
	r.stop()
	r.runner = seen.runner(r)
	r.start("r1")
	const key = "qoreid/workflow/7"
	send := func(n int) {
		inboxtest.Accept(t, r.store, fmt.Sprintf(`{"event":"workflow","event_type":"verification_completed","data":{"id":7,"n":%d}}`, n))
	}
	send(1)
	send(2)
	r.settled()
	link := inbox.LinkRequest{Mode: inbox.Live, Key: key, Reference: "cust-1"}
	if _, err := r.store.LinkEntity(ctx, inbox.Actor{Name: "test"}, &link); err != nil {
		t.Fatal(err)
	}
	send(3)
	r.settled()
	replayAll(t, r)
	link.Reference, link.Replace = "cust-2", true
	if _, err := r.store.LinkEntity(ctx, inbox.Actor{Name: "test"}, &link); err != nil {
		t.Fatal(err)
	}
	send(4)
	r.settled()
	replayAll(t, r)

	byKey, first, second := inbox.LaneID{Mode: inbox.Live, Key: key}, inbox.LaneID{Mode: inbox.Live, Key: "@ref/cust-1"}, inbox.LaneID{Mode: inbox.Live, Key: "@ref/cust-2"}
	want := map[int64][]made{
		0: {{seq: 1, lane: byKey}, {seq: 2, lane: byKey}, {seq: 3, lane: first}, {seq: 4, lane: second}},
		1: {{seq: 1, lane: first}, {seq: 2, lane: first}, {seq: 3, lane: first}},
		2: {{seq: 1, lane: second}, {seq: 2, lane: second}, {seq: 3, lane: first}, {seq: 4, lane: second}},
	}
	got := map[int64][]made{}
	for _, m := range r.attempts() {
		got[m.run] = append(got[m.run], made{seq: m.seq, lane: m.lane})
	}
	slices.SortStableFunc(got[2], func(a, b made) int { return int(a.seq - b.seq) }) // its two lanes run in parallel
	for run, list := range want {
		if !slices.Equal(got[run], list) {
			t.Errorf("run %d: %+v, want %+v", run, got[run], list)
		}
		for _, m := range list {
			ref, _ := m.lane.Reference()
			if seen.of[[2]int64{m.seq, run}] != ref {
				t.Errorf("run %d of event %d sees the reference %q in %s", run, m.seq, seen.of[[2]int64{m.seq, run}], m.lane.Key)
			}
		}
	}
}

// TestARetriedReplayKeepsTheLaneOfItsLink fails the replayed runs once, and links the key to another customer before they are retried
// by a new start.
func TestARetriedReplayKeepsTheLaneOfItsLink(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{KeyBy: inbox.KeyByReference}, nil)
	const key = "qoreid/workflow/7"
	inboxtest.Accept(t, r.store, `{"event":"workflow","event_type":"verification_completed","data":{"id":7}}`)
	r.settled()
	link := inbox.LinkRequest{Mode: inbox.Live, Key: key, Reference: "cust-1"}
	if _, err := r.store.LinkEntity(ctx, inbox.Actor{Name: "test"}, &link); err != nil {
		t.Fatal(err)
	}
	r.say(func(made) inbox.Result { return inbox.Retry })
	job := &inbox.Replay{Plugins: []string{plugin}}
	if err := r.store.CreateReplay(ctx, inbox.Actor{Name: "test"}, job); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Wake(plugin)
	inboxtest.Eventually(t, "the run has a row", func() bool {
		rows, err := r.store.Runs(ctx, plugin, 0)
		return err == nil && len(rows) == 1
	})
	r.stop()
	link.Reference, link.Replace = "cust-2", true
	if _, err := r.store.LinkEntity(ctx, inbox.Actor{Name: "test"}, &link); err != nil {
		t.Fatal(err)
	}
	r.say(nil)
	seen := references{of: map[[2]int64]string{}}
	r.runner = seen.runner(r)
	r.start("r1")
	ended(t, r, job.ID)
	if got := seen.of[[2]int64{1, job.ID}]; got != "cust-1" {
		t.Errorf("the retried run sees %q", got)
	}
	for _, m := range r.attempts() {
		if m.run == job.ID && m.lane.Key != "@ref/cust-1" {
			t.Errorf("an attempt of the replay ran in %s", m.lane.Key)
		}
	}
}

// references notes the customer reference that each run sees.
type references struct {
	mu sync.Mutex
	of map[[2]int64]string // by seq and run
}

func (s *references) runner(r *fixture) func(context.Context, *inbox.Work) inbox.Outcome {
	return func(ctx context.Context, w *inbox.Work) inbox.Outcome {
		s.mu.Lock()
		s.of[[2]int64{w.Event.Seq, w.Delivery.Run}] = w.Event.View.CustomerReference
		s.mu.Unlock()
		return r.run(ctx, w)
	}
}

// replayAll replays all events and waits for the end.
func replayAll(t *testing.T, r *fixture) {
	t.Helper()
	job := &inbox.Replay{Plugins: []string{plugin}}
	if err := r.store.CreateReplay(ctx, inbox.Actor{Name: "test"}, job); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Wake(plugin)
	ended(t, r, job.ID)
}

func ended(t *testing.T, r *fixture, id int64) {
	t.Helper()
	inboxtest.Eventually(t, "the replay has ended", func() bool {
		j, err := r.store.Replay(ctx, id)
		return err == nil && j.State == inbox.ReplayDone
	})
}
