package dispatch_test

import (
	"fmt"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

// A dry run counts what the replay then does: events filtered, pending, retried, waiting and run.
func TestAForecastMatchesTheReplay(t *testing.T) {
	t.Parallel()
	for _, by := range []inbox.KeyBy{inbox.KeyByKey, "/data/id"} {
		for _, only := range []inbox.Only{inbox.OnlyAll, inbox.OnlyFailed, inbox.OnlyMissing} {
			t.Run(fmt.Sprint(by, " ", only), func(t *testing.T) {
				t.Parallel()
				forecasted(t, by, only)
			})
		}
	}
}

func forecasted(t *testing.T, by inbox.KeyBy, only inbox.Only) {
	t.Helper()
	m := inbox.Manifest{
		KeyBy: by, Where: []inbox.Condition{{Pointer: "/data/wanted", Values: []string{"true"}}},
		Policy: inbox.Policy{Base: time.Hour, Max: time.Hour, HoldAfter: 1000},
	}
	fails := map[int64]inbox.Result{4: inbox.Reject, 8: inbox.Trap, 17: inbox.Reject, 25: inbox.Reject}
	r := newFixture(t, m, func(m made) inbox.Result {
		if result := fails[m.seq]; result != "" && m.run == 0 {
			return result
		}
		return inbox.OK
	})
	for i := range 40 {
		inboxtest.Accept(t, r.store, fmt.Sprintf(`{"event":"workflow","event_type":"x","data":{"id":%d,"n":%d,"wanted":%t}}`, i%5, i, i%3 != 2))
	}
	who := inbox.Actor{Name: "test"}
	inboxtest.Eventually(t, "all that can is settled", func() bool {
		rec := r.record()
		return rec.Cursor == 40 && rec.Ready == 0 && rec.Retrying == 1
	})
	if err := r.store.Discard(ctx, who, plugin, 17, 0); err != nil {
		t.Fatal(err)
	}
	r.dispatch.Wake(plugin)
	inboxtest.Eventually(t, "the lane went on", func() bool { return r.record().Ready == 0 })
	job := &inbox.Replay{Plugins: []string{plugin}, Only: only}
	if err := r.store.CreateReplay(ctx, who, job); err != nil {
		t.Fatal(err)
	}
	would, known, err := r.store.Forecast(ctx, job, plugin, &r.manifest)
	if err != nil || !known {
		t.Fatal(known, err)
	}
	r.dispatch.Wake(plugin)
	r.ended(job.ID)
	j, err := r.store.Replay(ctx, job.ID)
	if err != nil {
		t.Fatal(err)
	}
	did := j.Parts[0].ReplayCount
	did.OK += did.Dead
	did.Dead = 0
	if did != would {
		t.Errorf("forecast %+v, and the replay did %+v", would, did)
	}
	if only == inbox.OnlyAll && (would.Filtered == 0 || would.Pending == 0 || would.Retried == 0 || would.Waiting == 0 || would.OK == 0) {
		t.Errorf("a case is missing: %+v", would)
	}
}
