package dispatch_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/dispatch"
	"inbox/inbox/inboxtest"
)

// A lane whose head was discarded and that has no later event loses its row. Else a replay that waits behind it would wait
// until the next event of any lane.
func TestAfterItsNewestEventWasDiscardedALaneDoesNotLag(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{}, func(m made) inbox.Result {
		if m.run == 0 {
			return inbox.Reject
		}
		return inbox.OK
	})
	r.send(2, 2, 0)
	if rec := r.settled(); rec.Parked != 2 {
		t.Fatalf("%+v", rec)
	}
	who := inbox.Actor{Name: "test"}
	for _, seq := range []int64{1, 2} {
		if err := r.store.Discard(ctx, who, plugin, seq, 0); err != nil {
			t.Fatal(err)
		}
	}
	r.dispatch.Wake(plugin)
	r.settled()
	job := inbox.Replay{Plugins: []string{plugin}}
	if err := r.store.CreateReplay(ctx, who, &job); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Wake("")
	inboxtest.Eventually(t, "the replay ends", func() bool {
		j, err := r.store.Replay(ctx, job.ID)
		return err == nil && j.State == inbox.ReplayDone
	})
	if n := len(r.attempts()); n != 4 {
		t.Errorf("%d attempts, want two first ones and two of the replay", n)
	}
}

// meddler is a store that calls meddle right after replays are read.
type meddler struct {
	dispatch.Store
	once   sync.Once
	meddle func()
}

func (m *meddler) Replays(ctx context.Context, plugin string) ([]inbox.Replay, error) {
	jobs, err := m.Store.Replays(ctx, plugin)
	if len(jobs) > 0 {
		m.once.Do(m.meddle)
	}
	return jobs, err
}

// An event that a replay would retry, and that an operator discards at the same moment, stays discarded.
func TestAReplayDoesNotRunAnEventThatWasDiscardedMeanwhile(t *testing.T) {
	t.Parallel()
	for _, onFailure := range []inbox.OnFailure{inbox.Park, inbox.Continue} {
		t.Run(string(onFailure), func(t *testing.T) {
			t.Parallel()
			m := inbox.Manifest{Policy: inbox.Policy{OnFailure: onFailure}}
			r := newFixture(t, m, func(m made) inbox.Result {
				if m.seq == 1 {
					return inbox.Reject
				}
				return inbox.OK
			})
			r.send(3, 1, 0)
			r.settled()
			r.stop()
			who := inbox.Actor{Name: "test"}
			discarded := make(chan struct{})
			r.queue = &meddler{Store: r.store, meddle: func() {
				if err := r.store.Discard(ctx, who, plugin, 1, 0); err != nil {
					t.Error(err)
				}
				close(discarded)
			}}
			r.start("r1")
			job := &inbox.Replay{Plugins: []string{plugin}, Filter: inbox.Filter{Before: 2}}
			if err := r.store.CreateReplay(ctx, who, job); err != nil {
				t.Fatal(err)
			}
			r.dispatch.Wake(plugin)
			<-discarded
			inboxtest.Eventually(t, "the replay ends", func() bool {
				r.later(time.Second)
				j, err := r.store.Replay(ctx, job.ID)
				return err == nil && j.State == inbox.ReplayDone
			})
			r.settled()
			tr, err := r.store.Trace(ctx, 1)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range tr.Deliveries[0].Attempts {
				if a.Run == 0 && a.Number > 1 {
					t.Errorf("the first run went on: %+v", a)
				}
			}
		})
	}
}
