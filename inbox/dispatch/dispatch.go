// Package dispatch delivers the events of the log to plugins: one at a time and in order per lane, in parallel over lanes.
// It stands between the store, which keeps events and outcomes, and the host, which runs plugins. It promises that no event is
// lost or overtaken in its lane. Retries, holds and their times it leaves to [inbox.Next] and [inbox.Hold].
//
// Every plugin has a loop, one goroutine that owns all parts below, so that they need no locks. The loop reads the log
// behind its cursor, enqueues each event in its lane, starts an attempt at the head of every lane that may run, and takes
// each outcome to one settlement (settle.go). A lane that cannot go on gets a row in the store. The cursor then passes its
// events, and the lane reads them from the log's index when it goes on. So the memory of a loop is bounded however long its
// backlog is.
//
// What is in memory can always be made again from the store (load.go). That happens at start, and whenever a settlement
// fails: the loop waits for the running attempts, forgets everything, and loads what is stored. An attempt whose record was
// lost that way is made again.
//
// The parts from high to low; a part calls those below it:
//
//	dispatch.go  the dispatcher: a loop per plugin, and the questions of other goroutines (requests.go)
//	loop.go      the loop: when to load, read, start, settle, stop. settle.go: outcome to settlement
//	load.go      memory: the parts below, made from the store
//	start.go     starter: passes the heads of lanes to the workers; probes
//	replays.go   replays: searches the log and admits events (replay.go: one replay)
//	runs.go      runs other than first ones
//	reader.go    reader: the log, read behind the cursor
//	lanes.go     lanes: rows, states (lane.go, state.go), ready queue and timers (ready.go), unloaded lanes
//	cursor.go    cursor, and the window of open events (window.go)
//	workers.go   workers: pools of goroutines that make attempts
//	release.go   the running release: what it wants, its health
//	link.go      the way to the store: settlements and payloads
//
// Two kinds of arrow point upwards. Items of a lane carry their replay, and calls and results carry their lane: both are
// carried only. The link and the workers wake the loop through channels.
package dispatch

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"inbox/inbox"
)

// Runner makes one attempt. It honours the release's limits by itself; when ctx is done it gives up and returns an
// Interrupted outcome. It is safe for concurrent use.
type Runner func(ctx context.Context, e *inbox.Event, p inbox.Payload, d inbox.Delivery, now time.Time) inbox.Outcome

// Live is the release of a plugin that runs.
type Live struct {
	Release  string
	Manifest inbox.Manifest // with defaults
	Run      Runner
	Yields   bool // it is set aside when it puts the plugin on hold at once: the release before it is the better one
}

// Options configure a Dispatcher.
type Options struct {
	Store   Store
	Log     *slog.Logger                       // default: discard
	Grace   time.Duration                      // how long running attempts may go on after Run's ctx is done; default 5 s
	Low     func() bool                        // reports that the disk is nearly full: nothing new is started; nil: never
	Busy    func() bool                        // reports that many events are coming in: they go first; nil: never
	Observe func(*inbox.Event, *inbox.Attempt) // told of every attempt, after it was handed to the store; nil: nobody
	Aside   func(plugin string)                // told that the live release was set aside, once that is stored; nil: nobody
	Roll    func() float64                     // jitter; default math/rand
	Paused  bool                               // start nothing until Resume
	Now     func() time.Time                   // default time.Now

	parked int                  // parked lanes in memory; default maxParked; tests lower it
	moved  func(from, to state) // told of every move of a lane; nil outside tests
}

// Dispatcher leads all plugins. Make it with New, then call Run.
type Dispatcher struct {
	opt    Options
	starts chan struct{}   // some of fresh are to be started
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
	if o.Aside == nil {
		o.Aside = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.parked == 0 {
		o.parked = maxParked
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

// Run leads until ctx is done, then starts nothing more, gives the running attempts the grace to end, interrupts the
// rest, and returns when the last settlements are stored. An attempt that was interrupted does not count and is made again.
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

// SetLive makes live the release of the plugin: its attempts from now on are made by it. nil takes the plugin out:
// it starts nothing more and keeps its place. The plugin must be registered in the store. It returns at once, also when
// the plugin's pump waits for the disk: the newest release counts once the pump goes on.
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
	default: // Run was told, and looks at all that are fresh
	}
}

func (d *Dispatcher) takeFresh() []*loop {
	d.mu.Lock()
	defer d.mu.Unlock()
	fresh := d.fresh
	d.fresh = nil
	return fresh
}

// Wake makes the plugin's pump look at the store again, after an operator changed something there: paused or
// resumed it, released a parked lane, made or cancelled a job. Empty wakes all. It returns at once.
func (d *Dispatcher) Wake(plugin string) {
	for _, p := range d.each() {
		if plugin == "" || p.name == plugin {
			p.requests.lookAgain()
			p.link.again()
		}
	}
}

// Pause makes the pause of a plugin that the store holds take effect: when it returns, no attempt begins until somebody
// resumes the plugin. It waits until the attempts under way have ended, or ctx is done; then [Dispatcher.Status] says how
// many go on.
func (d *Dispatcher) Pause(ctx context.Context, plugin string) {
	d.mu.Lock()
	p := d.loops[plugin]
	d.mu.Unlock()
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

// Status is what a pump can tell of itself.
type Status struct {
	Running int    // attempts under way
	Handed  int    // attempts that begin as soon as one of those ends
	Open    int    // events in memory that are not settled
	Note    string // why it does not run as one would expect; empty when all is well
}

// Status returns the plugin's status, and false when it has no pump, is stopping, or does not answer before ctx is done.
func (d *Dispatcher) Status(ctx context.Context, plugin string) (Status, bool) {
	d.mu.Lock()
	p := d.loops[plugin]
	d.mu.Unlock()
	if p == nil {
		return Status{}, false
	}
	answer := make(chan Status, 1)
	if !p.requests.ask(ctx, func() { answer <- p.status() }) {
		return Status{}, false
	}
	select {
	case s := <-answer:
		return s, true
	case <-ctx.Done():
	case <-p.requests.gone:
	}
	return Status{}, false
}

// Forget drops what is in memory of a plugin that has no release that runs, so that the store may forget it too. It is false
// while an attempt or a settlement of the plugin is still under way.
func (d *Dispatcher) Forget(ctx context.Context, plugin string) bool {
	d.mu.Lock()
	p := d.loops[plugin]
	d.mu.Unlock()
	if p == nil {
		return true
	}
	answer := make(chan bool, 1)
	if !p.requests.ask(ctx, func() { answer <- p.forget() }) {
		return false
	}
	select {
	case ok := <-answer:
		return ok
	case <-ctx.Done():
	case <-p.requests.gone:
	}
	return false
}

func (d *Dispatcher) each() []*loop {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]*loop, 0, len(d.loops))
	for _, p := range d.loops {
		all = append(all, p)
	}
	return all
}
