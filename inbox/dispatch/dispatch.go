// Package dispatch delivers the events of the log to plugins: one at a time and in order per lane, in parallel over lanes.
// It works between the store, which keeps events and outcomes, and the host, which runs plugins. It promises that no event is
// lost or overtaken in its lane. Retries, holds and their times it leaves to [inbox.Next] and [inbox.Hold].
//
// Every plugin has a loop, one goroutine that owns all parts below, so that they need no locks. The loop reads the log
// behind its cursor, enqueues each event in its lane, starts an attempt at the head of every lane that may run, and takes
// each outcome to one settlement (settle.go). A lane that cannot go on gets a row in the store. The cursor then passes its
// events, and the lane reads them from the log's index when it goes on. So the memory of a loop is bounded however long its
// backlog is.
//
// A loop's memory can always be made again from the store (load.go). That happens at start, and whenever a settlement fails:
// the loop waits for the running attempts, forgets everything, and loads the stored state. An attempt whose record was lost
// that way is made again. A fenced settlement ends the loop's work for good: a newer server delivers the plugin's events.
//
// The parts from high to low; a part calls those below it:
//
//	dispatch.go  the dispatcher: a loop per plugin, and the questions of other goroutines (requests.go)
//	loop.go      the loop: when to load, read, start, settle, stop. settle.go: outcome to settlement. swap.go: another release
//	load.go      memory: the parts below, made from the store
//	start.go     starter: passes the heads of lanes to the workers; probes
//	replays.go   replays: searches the log and admits events (replay.go: one replay)
//	runs.go      runs other than first ones
//	reader.go    reader: the log, read behind the cursor
//	lanes.go     lanes: rows, states (lane.go, state.go), ready queue and timers (ready.go), unloaded lanes
//	cursor.go    cursor, and the window of open events (window.go)
//	workers.go   workers: pools of goroutines that make attempts
//	release.go   the running release: its filters, lane rule and health
//	link.go      the way to the store: settlements and payloads
//
// Two kinds of arrow point upwards. Items of a lane carry their replay, and calls and results carry their lane: both are
// carried only. The link and the workers wake the loop through channels.
package dispatch

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"inbox/inbox"
)

// Runner makes one attempt. It honours the release's limits by itself; when ctx is done it gives up and returns an
// Interrupted outcome. It is safe for concurrent use.
type Runner func(ctx context.Context, w *inbox.Work) inbox.Outcome

// Live is the release of a plugin that makes its attempts.
type Live struct {
	Release  string
	Manifest inbox.Manifest // with defaults
	Run      Runner
	UsesKV   bool // its module imports functions of kv
	Fetches  bool // its module imports http_fetch
	Yields   bool // it is disabled when it puts the plugin on hold before any success: the release before it is the better one
}

// Options configure a Dispatcher.
type Options struct {
	Store    Store
	Log      *slog.Logger                       // default: discard
	Grace    time.Duration                      // how long running attempts may go on after Run's ctx is done; default 5 s
	Low      func() bool                        // reports that the disk is nearly full: nothing new is started; nil: never
	Busy     func() bool                        // reports that many events are coming in: they go first; nil: never
	Observe  func(*inbox.Event, *inbox.Attempt) // told of every attempt, after it was submitted to the store; nil: not used
	Disabled func(plugin string)                // told that the live release was disabled, once that is stored; nil: not used
	Roll     func() float64                     // jitter; default math/rand
	Paused   bool                               // start nothing until Resume
	Now      func() time.Time                   // default time.Now

	bounds bounds               // on lanes and runs in memory; tests lower them
	moved  func(from, to state) // told of every move of a lane; nil outside tests
}

// Dispatcher runs a loop for every plugin. Make it with New, then call Run. Its methods are safe for concurrent use.
type Dispatcher struct {
	opt    Options
	starts chan struct{}   // there are loops to start
	stop   context.Context // done when the grace is over
	cut    context.CancelFunc
	quit   chan struct{} // closed when Run's ctx is done
	mu     sync.Mutex
	loops  map[string]*loop
	fresh  []*loop // not started yet
	paused bool
}

// New returns a Dispatcher without plugins.
func New(o Options) *Dispatcher {
	if o.Grace == 0 {
		o.Grace = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Low == nil {
		o.Low = func() bool { return false }
	}
	if o.Busy == nil {
		o.Busy = func() bool { return false }
	}
	if o.Observe == nil {
		o.Observe = func(*inbox.Event, *inbox.Attempt) {}
	}
	if o.Disabled == nil {
		o.Disabled = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.bounds == (bounds{}) {
		o.bounds = bounds{parked: maxParked, runs: runPage}
	}
	if o.Roll == nil {
		o.Roll = rand.Float64
	}
	stop, cut := context.WithCancel(context.Background())
	return &Dispatcher{
		opt: o, starts: make(chan struct{}, 1), stop: stop, cut: cut, quit: make(chan struct{}),
		loops: map[string]*loop{}, paused: o.Paused,
	}
}

// Run delivers events until ctx is done. Then it starts nothing more, waits for the running attempts up to the grace,
// interrupts the rest, and returns when the last settlements are stored. An interrupted attempt does not count and is made
// again.
func (d *Dispatcher) Run(ctx context.Context) error {
	defer d.cut()
	var loops sync.WaitGroup
	for {
		select {
		case <-d.starts:
			for _, p := range d.takeFresh() {
				loops.Go(p.run)
			}
		case <-ctx.Done():
			close(d.quit)
			grace := time.AfterFunc(d.opt.Grace, d.cut)
			defer grace.Stop()
			loops.Wait()
			return nil
		}
	}
}

// SetLive makes live the release that makes the plugin's attempts from now on. With nil the plugin starts nothing more and
// keeps its place in the log. The plugin must be registered in the store. SetLive returns at once, also while the plugin's
// loop waits for the disk. The loop then uses the newest release.
func (d *Dispatcher) SetLive(plugin string, live *Live) {
	d.mu.Lock()
	p, ok := d.loops[plugin]
	if !ok && live != nil {
		p = newLoop(d, plugin)
		d.loops[plugin] = p
		d.fresh = append(d.fresh, p)
	}
	d.mu.Unlock()
	if p == nil {
		return
	}
	p.requests.setLive(live)
	p.link.again()
	select {
	case d.starts <- struct{}{}:
	default: // Run was told, and starts all that are fresh
	}
}

func (d *Dispatcher) takeFresh() []*loop {
	d.mu.Lock()
	defer d.mu.Unlock()
	fresh := d.fresh
	d.fresh = nil
	return fresh
}

// Wake makes the plugin's loop read the store again, after an operator changed something there: paused or resumed the
// plugin, retried or discarded a dead letter, made or cancelled a replay. An empty name wakes all loops. Wake returns at once.
func (d *Dispatcher) Wake(plugin string) {
	for _, p := range d.each() {
		if plugin == "" || p.name == plugin {
			p.requests.lookAgain()
			p.link.again()
		}
	}
}

// Pause makes the loop obey a pause that the store holds. When it returns, no attempt begins until an operator resumes the
// plugin. It waits until the attempts under way have ended or ctx is done; then [Dispatcher.Status] says how many still run.
func (d *Dispatcher) Pause(ctx context.Context, plugin string) {
	p := d.loop(plugin)
	if p == nil {
		return
	}
	quiet := make(chan struct{})
	if !p.requests.ask(ctx, func() { p.pause(quiet) }) {
		return
	}
	select {
	case <-quiet:
	case <-ctx.Done():
	case <-p.requests.gone:
	}
}

// Suspend waits until no attempt of the plugin runs and all its settlements are durable. None begins until resume is called, also by
// another release. It returns false when ctx is done before.
func (d *Dispatcher) Suspend(ctx context.Context, plugin string) (resume func(), ok bool) {
	p := d.loop(plugin)
	if p == nil {
		return func() {}, true // it never had a release
	}
	settled := make(chan struct{})
	if !p.requests.ask(ctx, func() { p.suspend(settled) }) {
		return nil, false
	}
	resume = sync.OnceFunc(func() { p.requests.ask(context.Background(), p.unsuspend) })
	select {
	case <-settled:
		return resume, true
	case <-ctx.Done():
	case <-p.requests.gone:
	}
	resume()
	return nil, false
}

// Resume ends the pause of Options.Paused.
func (d *Dispatcher) Resume() {
	d.mu.Lock()
	d.paused = false
	d.mu.Unlock()
	d.Wake("")
}

// Paused reports whether everything is paused.
func (d *Dispatcher) Paused() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.paused
}

// Status describes a plugin's loop.
type Status struct {
	Running int    // attempts under way
	Queued  int    // attempts that begin as soon as one of those ends
	Open    int    // events in memory that are not settled
	Note    string // the reason why the plugin does not run as expected; empty when all is well
}

// Status returns the plugin's status. It returns false when the plugin has no loop, or when the loop is stopping or does not
// answer before ctx is done.
func (d *Dispatcher) Status(ctx context.Context, plugin string) (Status, bool) {
	p := d.loop(plugin)
	if p == nil {
		return Status{}, false
	}
	return answer(ctx, &p.requests, p.status)
}

// Forget drops the memory of a plugin without a live release, so that the store may forget the plugin too. It returns false
// while an attempt or a settlement of the plugin is under way.
func (d *Dispatcher) Forget(ctx context.Context, plugin string) bool {
	p := d.loop(plugin)
	if p == nil {
		return true
	}
	forgotten, _ := answer(ctx, &p.requests, p.forget)
	return forgotten
}

// loop returns the loop of a plugin, nil if it has no loop.
func (d *Dispatcher) loop(plugin string) *loop {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.loops[plugin]
}

func (d *Dispatcher) each() []*loop {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Values(d.loops))
}
