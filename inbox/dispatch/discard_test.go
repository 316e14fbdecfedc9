package dispatch_test

import (
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// A lane whose head was discarded and that has no later event is not left behind: what waits behind it, such as a
// replay, would wait until the next event of anybody.
func TestAfterItsNewestEventWasDiscardedALaneDoesNotLag(t *testing.T) {
	t.Parallel()
	r := newRoom(t, inbox.Manifest{}, func(m made) inbox.Result {
		if m.run == 0 {
			return inbox.Reject
		}
		return inbox.OK
	})
	r.send(2, 2, 0)
	if rec := r.settled(); rec.Parked != 2 {
		t.Fatalf("%+v", rec)
	}
	who := store.Actor{Name: "test"}
	for _, seq := range []int64{1, 2} {
		if err := r.store.Discard(ctx, who, plugin, seq, 0); err != nil {
			t.Fatal(err)
		}
	}
	r.dispatch.Wake(plugin)
	r.settled()
	job := inbox.Job{Plugins: []string{plugin}}
	if err := r.store.CreateJob(ctx, who, &job); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Wake("")
	inboxtest.Eventually(t, "the replay ends", func() bool {
		j, err := r.store.Job(ctx, job.ID)
		return err == nil && j.State == inbox.JobDone
	})
	if n := len(r.attempts()); n != 4 {
		t.Errorf("%d attempts, want two first ones and two of the replay", n)
	}
}
