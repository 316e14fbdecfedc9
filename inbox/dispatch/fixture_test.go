package dispatch_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/dispatch"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

var ctx = context.Background()

// made is one attempt as the runner saw it.
type made struct {
	seq     int64
	run     int64
	attempt int
	lane    inbox.LaneID
}

// fixture is a store, a dispatcher on it, and a plugin whose attempts end as script says.
type fixture struct {
	t        *testing.T
	store    *store.Store
	dispatch *dispatch.Dispatcher
	stop     func()
	manifest inbox.Manifest
	skew     atomic.Int64    // of the dispatcher's clock
	queue    dispatch.Store  // between the dispatcher and the store, from the next start
	paused   bool            // from the next start
	runner   dispatch.Runner // in place of run, from the next release that goes live
	usesKV   bool            // from the next release that goes live
	fetches  bool            // from the next release that goes live
	low      atomic.Bool     // the disk is nearly full
	parked   int             // parked lanes that stay in memory, from the next start; 0: the default
	runPage  int             // runs that are loaded at a time, from the next start; 0: the default

	mu     sync.Mutex
	made   []made
	active map[inbox.LaneID]bool
	script func(made) inbox.Result

	noteResets bool // among the attempts

	moves map[[2]string]int // of lanes, by the states before and after
}

const plugin = "p"

// newFixture starts a fixture. A nil script means ok.
func newFixture(t *testing.T, m inbox.Manifest, script func(made) inbox.Result) *fixture {
	t.Helper()
	m.StartFrom.Start = true
	m = m.WithDefaults(4)
	if m.Policy.Base == time.Minute {
		m.Policy.Base, m.Policy.Max = time.Millisecond, 20*time.Millisecond
	}
	r := &fixture{t: t, store: inboxtest.Store(t, store.Options{}), manifest: m, script: script, active: map[inbox.LaneID]bool{}}
	if err := r.store.Register(ctx, plugin, m.StartFrom); err != nil {
		t.Fatal(err)
	}
	r.start("r1")
	t.Cleanup(func() { r.stop() })
	return r
}

// start starts a dispatcher on the store of the fixture; stop ends it.
func (r *fixture) start(release string) {
	queue := dispatch.Store(r.store)
	if r.queue != nil {
		queue = r.queue
	}
	o := dispatch.Options{
		Store: queue, Log: slog.New(resets{slog.DiscardHandler, r}), Grace: 50 * time.Millisecond, Paused: r.paused, Low: r.low.Load,
		Now: func() time.Time { return time.Now().Add(time.Duration(r.skew.Load())) },
	}
	o.Bound(r.parked, r.runPage)
	o.WatchMoves(r.sawMove)
	r.dispatch = dispatch.New(o)
	run, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := r.dispatch.Run(run); err != nil {
			r.t.Error(err)
		}
	}()
	r.stop = sync.OnceFunc(func() { cancel(); <-ended })
	r.live(release)
}

// again marks, among the attempts, that the loop began again from the store.
var again = made{seq: -1}

// resets is a log that notes when a loop begins again: settlements in flight may be lost, and their attempts are made again.
type resets struct {
	slog.Handler
	r *fixture
}

func (h resets) Enabled(context.Context, slog.Level) bool { return true }

func (h resets) Handle(_ context.Context, rec slog.Record) error {
	h.r.mu.Lock()
	defer h.r.mu.Unlock()
	if strings.Contains(rec.Message, "beginning again from the stored state") && h.r.noteResets {
		h.r.made = append(h.r.made, again)
	}
	return nil
}

func (r *fixture) live(release string) {
	run := r.run
	if r.runner != nil {
		run = r.runner
	}
	r.dispatch.SetLive(plugin, &dispatch.Live{Release: release, Manifest: r.manifest, Run: run, UsesKV: r.usesKV, Fetches: r.fetches})
}

// run is the plugin. It fails the test when two attempts of a lane run at once.
func (r *fixture) run(ctx context.Context, w *inbox.Work) inbox.Outcome {
	e, d := w.Event, w.Delivery
	m := made{e.Seq, d.Run, d.Attempt, d.Lane}
	r.mu.Lock()
	if r.active[d.Lane] {
		r.t.Errorf("two attempts of lane %v at once", d.Lane)
	}
	r.active[d.Lane] = true
	r.made = append(r.made, m)
	script := r.script
	r.mu.Unlock()
	out := inbox.Outcome{Result: inbox.OK}
	if script != nil {
		out.Result = script(m)
	}
	r.mu.Lock()
	r.active[d.Lane] = false
	r.mu.Unlock()
	if ctx.Err() != nil {
		return inbox.Outcome{Interrupted: true}
	}
	return out
}

func (r *fixture) say(script func(made) inbox.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.script = script
}

func (r *fixture) attempts() []made {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.made)
}

// send stores n events over keys of verifications.
func (r *fixture) send(n, keys, from int) {
	r.t.Helper()
	for i := range n {
		inboxtest.Accept(r.t, r.store, inboxtest.Body((from+i)%keys, from+i))
	}
}

// record returns where the plugin stands.
func (r *fixture) record() inbox.PluginRecord {
	r.t.Helper()
	all, err := r.store.Plugins(ctx)
	if err != nil || len(all) != 1 {
		r.t.Fatalf("plugins %+v, %v", all, err)
	}
	return all[0]
}

// settled waits until nothing is behind the cursor and no lane lags but parked ones.
func (r *fixture) settled() inbox.PluginRecord {
	r.t.Helper()
	inboxtest.Eventually(r.t, "everything is settled", func() bool {
		rec := r.record()
		return rec.Cursor == r.store.Head() && rec.Retrying == 0 && rec.Ready == 0
	})
	return r.record()
}

// settledInTime is settled for plugins that retry: it advances the clock, so that no retry is waited for.
func (r *fixture) settledInTime() {
	r.t.Helper()
	inboxtest.Eventually(r.t, "everything is settled", func() bool {
		r.later(time.Second)
		rec := r.record()
		return rec.Cursor == r.store.Head() && rec.Retrying == 0 && rec.Ready == 0
	})
}

// inOrder fails the test unless the first runs of every lane were first attempted in the order of their seqs, and none
// before its predecessor's last attempt.
func (r *fixture) inOrder() {
	r.t.Helper()
	newest := map[inbox.LaneID]int64{}
	for _, m := range r.attempts() {
		if m == again {
			clear(newest)
		}
		if m.run != 0 || m == again {
			continue
		}
		if m.seq < newest[m.lane] {
			r.t.Errorf("lane %v: %d after %d", m.lane, m.seq, newest[m.lane])
		}
		newest[m.lane] = m.seq
	}
}

// release retries dead letters until nothing waits any more.
func release(t *testing.T, r *fixture) {
	t.Helper()
	inboxtest.Eventually(t, "nothing waits and nothing is dead", func() bool {
		letters, err := r.store.DeadLetters(ctx, inbox.DeadLetterFilter{})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range letters {
			if err := r.store.Retry(ctx, inbox.Actor{Name: "test"}, plugin, l.Seq, l.Run); err != nil && inbox.KindOf(err) != inbox.Conflict {
				t.Fatal(err)
			}
		}
		if len(letters) > 0 {
			r.dispatch.Wake(plugin)
			return false
		}
		rec := r.record()
		jobs, err := r.store.Replays(ctx, plugin)
		runs, rerr := r.store.Runs(ctx, plugin, 0)
		return err == nil && rerr == nil && len(runs) == 0 && rec.Cursor == r.store.Head() && rec.Parked+rec.Retrying+rec.Ready == 0 && len(jobs) == 0
	})
}
