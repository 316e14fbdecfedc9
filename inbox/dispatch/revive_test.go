package dispatch_test

import (
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// Found by `inbox torture`: a replay that was interrupted after it had let a dead event go on met that event again, settled
// by then, and ran and counted it a second time.
func TestAReplayThatBeginsAgainDoesNotRunWhatItRevived(t *testing.T) {
	t.Parallel()
	m := inbox.Manifest{Policy: inbox.Policy{OnFailure: inbox.Continue, MaxAttempts: 1, HoldAfter: 1000}, Concurrency: 4}
	r := newRoom(t, m, func(m made) inbox.Result {
		if m.seq%2 == 0 {
			return inbox.Reject
		}
		return inbox.OK
	})
	r.send(6, 6, 0)
	r.settled()
	stopped := make(chan struct{})
	r.say(func(m made) inbox.Result {
		if m.run > 0 && m.seq == 1 {
			<-stopped // the replay's first run is under way until the dispatcher stops
		}
		return inbox.OK
	})
	job := &inbox.Job{Plugins: []string{plugin}}
	if err := r.store.CreateJob(ctx, store.Actor{Name: "test"}, job); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Wake(plugin)
	inboxtest.Eventually(t, "the replay has begun", func() bool { return len(r.attempts()) > 6 })
	some := time.NewTimer(100 * time.Millisecond) // in which what is dead would be revived and run
	<-some.C
	cut := time.AfterFunc(100*time.Millisecond, func() { close(stopped) }) // after the grace: it is interrupted
	defer cut.Stop()
	r.stop()
	r.start("r1")
	inboxtest.Eventually(t, "the replay has ended", func() bool {
		j, err := r.store.Job(ctx, job.ID)
		return err == nil && j.State == inbox.JobDone
	})
	r.settled()
	j, err := r.store.Job(ctx, job.ID)
	if c := j.Parts[0].JobCount; err != nil || c.OK != 3 || c.Revived != 3 || c.Pending+c.Dead+c.Filtered+c.Waiting != 0 {
		t.Errorf("a replay of 6 events, 3 of them dead: %+v, %v", c, err)
	}
	for _, m := range r.attempts() {
		if m.seq%2 == 0 && m.run > 0 {
			t.Errorf("event %d was revived and also ran as %+v", m.seq, m)
		}
	}
}
