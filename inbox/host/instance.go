package host

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"inbox/inbox"
	"inbox/inbox/wasm"
)

// Why we end a guest. wazero reports our ends as exit codes that a guest can forge, so the cause is asked instead.
var (
	errTimeout = errors.New("used up its time")
	errOutput  = errors.New("wrote more than it may")
	errFuel    = errors.New("used up its fuel")
	errLeave   = errors.New("not needed any more")
	errOverdue = errors.New("called the host, which ended it") // what a guest is ended with; the cause says why
)

// instance is one guest. It runs in a goroutine of its own; serve and the imports of a session meet over channels.
type instance struct {
	p      *Program
	ctx    context.Context
	stop   context.Context // the same without its values: it is asked often whether it ended
	cancel context.CancelCauseFunc
	timer  *time.Timer
	time   time.Duration // what the timer was last set to
	memory memory
	meter  meter
	stdin  stdin
	output capped // standard output of a command
	log    capped // standard error, the log import, and standard output of a session
	world  world
	texts  texts
	ended  chan struct{} // closed when the guest has ended; err and broken are set then
	err    error
	broken any // what the runtime panicked with

	// of sessions
	asked   chan struct{}      // the guest is in next and has nothing
	docs    chan *sessionEvent // what next hands over
	current *sessionEvent      // the event the guest has; belongs to the guest's goroutine
	ready   bool               // it asked for its first event
	served  int                // events handed over; belongs to whoever has the instance
	leave   atomic.Bool        // next shall say that there is no more
}

// delivery is one event in a session.
type sessionEvent struct {
	call      Call
	delivered bool        // handed over in full
	result    chan result // takes the one result
}

// result is what a session says of its event.
type result struct {
	text []byte
	fuel int64 // that it took
}

type instanceKey struct{}

// instantiate makes an instance. Its guest does not run yet.
func (p *Program) instantiate(parent context.Context) *instance {
	l := p.manifest.Limits
	in := &instance{
		p: p, ended: make(chan struct{}), asked: make(chan struct{}, 1), docs: make(chan *sessionEvent),
		memory: memory{pool: p.host.pool, limit: uint64(l.Memory) / wasm.PageSize * wasm.PageSize},
	}
	ctx, cancel := context.WithCancelCause(parent)
	in.stop, in.cancel = ctx, cancel
	in.output = capped{limit: l.Output, over: func() { cancel(errOutput) }}
	in.log = capped{limit: l.Log}
	in.ctx = experimental.WithMemoryAllocator(context.WithValue(ctx, instanceKey{}, in), &in.memory)
	in.world = newWorld(p.info.SHA256)
	in.meter.on = p.info.Metered
	in.meter.begin(startFuel)
	return in
}

// run runs the guest until it ends.
func (in *instance) run(config wazero.ModuleConfig) {
	defer close(in.ended)
	defer in.memory.release()
	defer func() { in.broken = recover() }() // wazero panics when there is no memory to begin with
	mod, err := in.p.sandbox.runtime.InstantiateModule(in.ctx, in.p.compiled, config)
	if mod != nil {
		if cerr := mod.Close(context.Background()); err == nil {
			err = cerr
		}
	}
	in.err = err
}

// turn makes the instance that of a delivery.
func (in *instance) startEvent(c Call) {
	in.world.startEvent(c)
	in.texts = texts{Texts: c.texts}
	in.memory.refused.Store(false)
}

// fuel is what the guest spent on its event, or since it began; zero when it is not metered.
func (in *instance) fuel() int64 {
	if !in.meter.on {
		return 0
	}
	return in.meter.total()
}

// limit gives the guest so much time from now on; the timer of a former limit is stopped.
func (in *instance) limit(d time.Duration) {
	in.inTime()
	in.time = d
	in.timer = time.AfterFunc(d, func() { in.cancel(errTimeout) })
}

// inTime lets the guest have all the time there is, and reports whether it is in time: if not, it is being ended.
func (in *instance) inTime() bool {
	ok := in.timer == nil || in.timer.Stop()
	in.timer = nil
	return ok
}

// end ends the guest and waits for it.
func (in *instance) end() {
	in.leave.Store(true)
	in.cancel(errLeave)
	<-in.ended
	in.inTime()
}

// runCommand makes one attempt with a WASI command: the document on its standard input, the result on its output.
func (p *Program) runCommand(ctx context.Context, c Call) inbox.Outcome {
	in := p.instantiate(ctx)
	defer in.cancel(nil)
	in.stdin.data = c.Doc
	in.startEvent(c)
	in.texts.open = true
	in.meter.begin(p.fuel())
	in.limit(p.manifest.Limits.Time)
	start := time.Now()
	in.run(in.config())
	in.inTime()
	out := in.outcome(ctx, in.output.bytes())
	out.Duration, out.Fuel = time.Since(start), in.fuel()
	out.Log, out.LogCut = in.log.take()
	return out
}

// begin starts a session and returns it once it waits for its first event. Without one, the outcome says why. The
// session outlives ctx, which bounds only the start.
func (p *Program) startSession(ctx context.Context) (*instance, inbox.Outcome) {
	in := p.instantiate(context.Background())
	in.limit(p.host.startBudget)
	go in.run(in.config())
	select {
	case <-in.asked:
		if in.inTime() {
			return in, inbox.Outcome{}
		}
		<-in.ended // it asked when its time was up
	case <-in.ended:
	case <-ctx.Done():
		in.end()
		return nil, inbox.Outcome{Interrupted: true}
	}
	defer in.cancel(nil)
	began := in.startFailure(ctx)
	out := withoutResult(began, "without asking for an event (call next)")
	out.Log, out.LogCut = began.Log, began.LogCut
	return nil, out
}

// startFailure is the outcome of a guest that ended before it had an event.
func (in *instance) startFailure(ctx context.Context) inbox.Outcome {
	in.inTime()
	out := in.outcome(ctx, nil)
	out.Log, out.LogCut = in.log.take()
	return out
}

// serve hands one event to a session that waits, and returns what it came to and whether the session waits again.
func (in *instance) runEvent(ctx context.Context, c Call) (inbox.Outcome, bool) {
	start := time.Now()
	d := &sessionEvent{call: c, result: make(chan result, 1)}
	if in.served++; in.served >= in.p.manifest.Reuse {
		in.leave.Store(true) // next has no more after this one
	}
	in.limit(in.p.manifest.Limits.Time)
	select {
	case in.docs <- d:
	case <-in.ended: // it was ended while it waited, which only the end of the host does
		return inbox.Outcome{Interrupted: true}, false
	}
	var out inbox.Outcome
	alive := false
	select {
	case result := <-d.result:
		out = parseResult(result.text)
		out.Duration, out.Fuel = time.Since(start), result.fuel
		alive = in.awaitNext(ctx)
	case <-in.ended:
		out = in.unfinished(ctx, d)
		out.Duration = time.Since(start)
	case <-ctx.Done():
		in.end()
		return inbox.Outcome{Interrupted: true}, false
	}
	out.Log, out.LogCut = in.log.take()
	return out, alive
}

// afterResult is how long a guest may go on after its result, until it asks for the next event or ends.
const afterResult = 250 * time.Millisecond

// settle waits until the guest is back in next, so that what it still logs belongs to its event. A guest that does not
// come back is ended: its result stands.
func (in *instance) awaitNext(ctx context.Context) bool {
	in.limit(afterResult)
	select {
	case <-in.asked:
		return in.inTime()
	case <-in.ended:
	case <-ctx.Done():
		in.end()
	}
	return false
}

// unfinished is the outcome of a session that ended while it had an event.
func (in *instance) unfinished(ctx context.Context, d *sessionEvent) inbox.Outcome {
	select {
	case result := <-d.result: // it gave its result and ended at once
		out := parseResult(result.text)
		out.Fuel = result.fuel
		return out
	default:
	}
	out := withoutResult(in.outcome(ctx, nil), "without giving a result for its event (call done)")
	out.Fuel = in.fuel()
	return out
}
