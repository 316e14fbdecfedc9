package dispatch_test

import (
	"fmt"
	"runtime"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

// heap returns the bytes that are in use after a collection.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// sizes runs a test with few lanes or runs, and with many if INBOX_LONG is set. The race detector makes thousands of commits
// too slow for many.
func sizes(t *testing.T, few, many int, test func(t *testing.T, n int)) {
	t.Run(fmt.Sprint(few), func(t *testing.T) { test(t, few) })
	t.Run(fmt.Sprint(many), func(t *testing.T) {
		inboxtest.Long(t)
		if inboxtest.Race {
			t.Skip("the race detector makes thousands of commits too slow; it is run without")
		}
		test(t, many)
	})
}

// A parked lane once took some 700 bytes of a loop's memory, by the sizes of the structs. It takes some 25 bytes of a hash
// table now.
func TestParkedLanesTakeNoMemoryThatCounts(t *testing.T) { sizes(t, 2000, 40_000, parkedLanes) }

func parkedLanes(t *testing.T, n int) {
	t.Helper()
	r := newFixture(t, inbox.Manifest{}, nil)
	r.stop()
	inboxtest.Dead(t, r.store, plugin, n, true)
	before := heap()
	r.start("r1")
	r.looked()
	inboxtest.Accept(t, r.store, inboxtest.Body(n+1, 1))
	r.settled()
	if grown := heap() - before; grown > 6<<20 {
		t.Errorf("%d parked lanes took %d KiB", n, grown>>10)
	} else {
		t.Logf("%d parked lanes took %d KiB", n, grown>>10)
	}
	events := n / 20
	for i := range events { // each of a parked lane: all wait
		inboxtest.Accept(t, r.store, inboxtest.Body(i*n/events, 1))
	}
	rec := r.settled()
	if made := len(r.attempts()); made != 1 || rec.Parked != int64(n) {
		t.Errorf("%d attempts, %d lanes parked", made, rec.Parked)
	}
	if grown := heap() - before; grown > 8<<20 {
		t.Errorf("after events of %d of them: %d KiB", events, grown>>10)
	}
	for seq := int64(1); seq <= 91; seq += 30 { // later events wait behind some of them
		if err := r.store.Retry(ctx, inbox.Actor{Name: "test"}, plugin, seq, 0); err != nil {
			t.Fatal(err)
		}
	}
	r.dispatch.Wake(plugin)
	inboxtest.Eventually(t, "the retried events ran", func() bool { return r.record().Parked == int64(n)-4 })
	r.settled()
	r.inOrder()
	if made := len(r.attempts()); made < 5 {
		t.Errorf("%d attempts", made)
	}
}

// retryAll retries the dead letters of the first n events.
func (r *fixture) retryAll(n int) {
	r.t.Helper()
	for seq := range int64(n) {
		if err := r.store.Retry(ctx, inbox.Actor{Name: "test"}, plugin, seq+1, 0); err != nil {
			r.t.Fatal(err)
		}
	}
}

func TestManyLanesThatAreRetriedAtOnceGoOnAFewAtATime(t *testing.T) {
	sizes(t, 500, 3000, retriedLanes)
}

func retriedLanes(t *testing.T, n int) {
	t.Helper()
	begin, peak := make(chan struct{}), make(chan int64, 1)
	r := newFixture(t, inbox.Manifest{}, func(made) inbox.Result {
		<-begin
		return inbox.OK
	})
	r.stop()
	inboxtest.Dead(t, r.store, plugin, n, true)
	for i := range 100 {
		inboxtest.Accept(t, r.store, inboxtest.Body(i, 1)) // later events of some of them
	}
	r.retryAll(n)
	before := heap()
	r.start("r1")
	r.looked()
	peak <- heap() - before
	close(begin)
	if grown := <-peak; grown > 3<<20 {
		t.Errorf("%d retried lanes took %d KiB", n, grown>>10)
	}
	inboxtest.Eventually(t, "all ran", func() bool { return len(r.attempts()) == n+100 })
	if rec := r.settled(); rec.Parked+rec.Ready != 0 {
		t.Errorf("%+v", rec)
	}
	r.inOrder()
}

func TestManyRunsThatAreRetriedAtOnceAreLoadedAFewAtATime(t *testing.T) {
	sizes(t, 400, 6000, retriedRuns)
}

func retriedRuns(t *testing.T, n int) {
	t.Helper()
	r := newFixture(t, inbox.Manifest{Policy: inbox.Policy{OnFailure: inbox.Continue, HoldAfter: 1 << 30}}, func(m made) inbox.Result {
		if m.attempt == 2 && m.seq%10 == 0 {
			return inbox.Trap // and is due again, after others that are not in memory yet
		}
		return inbox.OK
	})
	r.stop()
	inboxtest.Dead(t, r.store, plugin, n, false)
	r.retryAll(n)
	job := &inbox.Replay{Plugins: []string{plugin}, Filter: inbox.Filter{Before: 101}}
	if err := r.store.CreateReplay(ctx, inbox.Actor{Name: "test"}, job); err != nil {
		t.Fatal(err)
	}
	if n < 4096 {
		r.runPage = n / 4 // a part of them is in memory, whatever their number
	}
	r.start("r1")
	for some := 0; some < n; some += 500 { // each may take its time
		inboxtest.Eventually(t, "more ran", func() bool { return len(r.attempts()) >= some })
	}
	inboxtest.Eventually(t, "all ran", func() bool {
		runs, err := r.store.Runs(ctx, plugin, 1)
		return err == nil && len(runs) == 0
	})
	r.ended(job.ID)
	seen := map[int64]int{}
	for _, m := range r.attempts() {
		if m.run == 0 {
			seen[m.seq]++
		}
	}
	for seq := range int64(n) {
		want := 1
		if (seq+1)%10 == 0 {
			want = 2
		}
		if seen[seq+1] != want {
			t.Fatalf("event %d was attempted %d times, want %d", seq+1, seen[seq+1], want)
		}
	}
}
