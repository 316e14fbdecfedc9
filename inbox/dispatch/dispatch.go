// Package dispatch leads events to plugins: per plugin and lane one at a time and in order, other lanes in parallel.
//
// Every plugin has a pump, one goroutine that owns all that is in memory of the plugin's lanes. It reads the log
// behind its cursor, queues each event in its lane, starts an attempt at the head of every lane that may run, asks
// [inbox.Next] and [inbox.Hold] what the outcome means, and hands the answer to the store as one settlement. A lane
// that cannot go on gets a row; the cursor then passes its events, and the lane's own events come from the
// log's index when it goes on. So the memory of a pump is bounded however long its backlog is.
//
// What is in memory can always be made anew from the store. That is what happens at start, and whenever a
// settlement fails: the pump lets the running attempts end, forgets everything, and begins from what is stored. An
// attempt whose record was lost that way is made again. When a settlement is fenced, a newer server has taken the plugin
// over: the pump stops for good.
package dispatch

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"inbox/inbox"
)

// Log is what dispatch reads of the events.
type Log interface {
	// EventsAfter returns up to limit events with seqs above after, in order.
	EventsAfter(ctx context.Context, after int64, limit int) ([]inbox.Event, error)
	// LaneEvents returns up to limit events of an event key with from <= seq <= upto, in order.
	LaneEvents(ctx context.Context, mode inbox.Mode, key string, from, upto int64, limit int) ([]inbox.Event, error)
	// ReferenceEvents is LaneEvents for a customer reference.
	ReferenceEvents(ctx context.Context, mode inbox.Mode, ref string, from, upto int64, limit int) ([]inbox.Event, error)
	// Subscribe returns a channel that wakes after events were appended, and a function that ends it.
	Subscribe() (<-chan struct{}, func())
}

// Bodies is what dispatch reads of the events' contents.
type Bodies interface {
	// Payload returns the payload of an event; damaged and purged ones are errors that [Options.Lost] recognises.
	Payload(ctx context.Context, seq int64) (inbox.Payload, error)
	// Payloads reads many at once: it answers for the first of seqs, in order, as many as the store reads in one call, but at
	// least one. What Payload says of one is the error of its answer; an error of the call says nothing of any.
	Payloads(ctx context.Context, seqs []int64) ([]inbox.PayloadOf, error)
	// LaneDigest returns what is stored of a value of a body that makes a lane.
	LaneDigest(value string) string
}

// Ledger is where the outcome of the work is kept.
type Ledger interface {
	// Load begins the work on a plugin, or begins it anew: it returns where the plugin stands, and the term that its
	// settlements must carry. It is [inbox.ErrFenced] when the plugin is another's.
	Load(ctx context.Context, plugin string) (*inbox.PluginRecord, inbox.Term, error)
	// Record returns where a plugin stands.
	Record(ctx context.Context, plugin string) (*inbox.PluginRecord, error)
	// SettledAbove returns the seqs above seq that have an attempt of the run whose fate is done or dead, ascending.
	SettledAbove(ctx context.Context, plugin string, run int64, seq int64) ([]int64, error)
	// Settle queues a settlement and returns; done is called once it has ended, see [inbox.EndOf].
	Settle(ctx context.Context, s *inbox.Settlement, done func(error)) error
}

// Lanes is where the lanes that lag are kept. There may be more of them than belong in memory.
type Lanes interface {
	// EachLane calls fn for every lane of a plugin that lags.
	EachLane(ctx context.Context, plugin string, fn func(inbox.LaneID, inbox.LaneState)) error
	// Lanes returns up to limit lanes in a state, those with the oldest next event first; a limit of 0 is none.
	Lanes(ctx context.Context, plugin string, state inbox.LaneState, limit int) ([]inbox.Lane, error)
	// Lane returns one lane, nil when it does not lag.
	Lane(ctx context.Context, plugin string, id inbox.LaneID) (*inbox.Lane, error)
}

// Replays is where runs other than the first come from.
type Replays interface {
	// Runs returns up to limit runs that do not wait behind a lane, by due time, run and seq.
	Runs(ctx context.Context, plugin string, limit int) ([]inbox.Run, error)
	// GoesOn reports whether the first run of an event has a row: it died, and was told to go on.
	GoesOn(ctx context.Context, plugin string, seq int64) (bool, error)
	// JobRuns returns how many of them a replay counts.
	JobRuns(ctx context.Context, plugin string, job int64) (int, error)
	Jobs(ctx context.Context, plugin string) ([]inbox.Job, error) // running, with a part in plugin
	Match(ctx context.Context, job *inbox.Job, plugin string, after int64, limit int) (events []inbox.Event, upto int64, err error)
	Dead(ctx context.Context, plugin string, seq int64) (*inbox.DeadLetter, error) // unresolved
}

// Store is the five together.
type Store interface {
	Log
	Bodies
	Ledger
	Lanes
	Replays
}

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
}

// Dispatcher leads all plugins. Make it with New, then call Run.
type Dispatcher struct {
	opt    Options
	starts chan struct{}   // some of fresh are to be started
	stop   context.Context // done when the grace is over
	cut    context.CancelFunc
	quit   chan struct{} // closed when Run's ctx is done
	mu     sync.Mutex
	pumps  map[string]*pump
	fresh  []*pump // not started yet
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
	if o.Roll == nil {
		o.Roll = rand.Float64
	}
	stop, cut := context.WithCancel(context.Background())
	return &Dispatcher{
		opt: o, starts: make(chan struct{}, 1), stop: stop, cut: cut, quit: make(chan struct{}),
		pumps: map[string]*pump{}, paused: o.Paused,
	}
}

// Run leads until ctx is done, then starts nothing more, gives the running attempts the grace to end, interrupts the
// rest, and returns when the last settlements are stored. An attempt that was interrupted does not count and is made again.
func (d *Dispatcher) Run(ctx context.Context) error {
	defer d.cut()
	var pumps sync.WaitGroup
	for {
		select {
		case <-d.starts:
			for _, p := range d.takeFresh() {
				pumps.Go(p.run)
			}
		case <-ctx.Done():
			close(d.quit)
			grace := time.AfterFunc(d.opt.Grace, d.cut)
			defer grace.Stop()
			pumps.Wait()
			return nil
		}
	}
}

// SetLive makes live the release of the plugin: its attempts from now on are made by it. nil takes the plugin out:
// it starts nothing more and keeps its place. The plugin must be registered in the store. It returns at once, also when
// the plugin's pump waits for the disk: the newest release counts once the pump goes on.
func (d *Dispatcher) SetLive(plugin string, live *Live) {
	d.mu.Lock()
	p, ok := d.pumps[plugin]
	if !ok && live != nil {
		p = newPump(d, plugin)
		d.pumps[plugin] = p
		d.fresh = append(d.fresh, p)
	}
	d.mu.Unlock()
	if p == nil {
		return
	}
	p.wish(func(w *wishes) { w.swap, w.live = true, live })
	select {
	case d.starts <- struct{}{}:
	default: // Run was told, and looks at all that are fresh
	}
}

func (d *Dispatcher) takeFresh() []*pump {
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
			p.wish(func(w *wishes) { w.look = true })
		}
	}
}

// Pause makes the pause of a plugin that the store holds take effect: when it returns, no attempt begins until somebody
// resumes the plugin. It waits until the attempts under way have ended, or ctx is done; then [Dispatcher.Status] says how
// many go on.
func (d *Dispatcher) Pause(ctx context.Context, plugin string) {
	d.mu.Lock()
	p := d.pumps[plugin]
	d.mu.Unlock()
	if p == nil {
		return
	}
	quiet := make(chan struct{})
	if !p.ask(ctx, func() { p.halt(quiet) }) {
		return
	}
	select {
	case <-quiet:
	case <-ctx.Done():
	case <-p.gone:
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
	p := d.pumps[plugin]
	d.mu.Unlock()
	if p == nil {
		return Status{}, false
	}
	answer := make(chan Status, 1)
	if !p.ask(ctx, func() { answer <- p.status() }) {
		return Status{}, false
	}
	select {
	case s := <-answer:
		return s, true
	case <-ctx.Done():
	case <-p.gone:
	}
	return Status{}, false
}

// Forget drops what is in memory of a plugin that has no release that runs, so that the store may forget it too. It is false
// while an attempt or a settlement of the plugin is still under way.
func (d *Dispatcher) Forget(ctx context.Context, plugin string) bool {
	d.mu.Lock()
	p := d.pumps[plugin]
	d.mu.Unlock()
	if p == nil {
		return true
	}
	answer := make(chan bool, 1)
	if !p.ask(ctx, func() { answer <- p.forget() }) {
		return false
	}
	select {
	case ok := <-answer:
		return ok
	case <-ctx.Done():
	case <-p.gone:
	}
	return false
}

func (d *Dispatcher) each() []*pump {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]*pump, 0, len(d.pumps))
	for _, p := range d.pumps {
		all = append(all, p)
	}
	return all
}
