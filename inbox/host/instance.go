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

// The causes with which the host ends a guest. wazero reports such ends as exit codes, which a guest can forge, so the
// context's cause is used instead.
var (
	errTimeout = errors.New("used up its time")
	errOutput  = errors.New("wrote more than it may")
	errFuel    = errors.New("used up its fuel")
	errLeave   = errors.New("not needed any more")
	errStore   = errors.New("cannot read the store")
	errOverdue = errors.New("called the host, which ended it") // unwinds the guest; the cause says why
)

// instance is one guest. It runs in its own goroutine. runEvent and the imports of a session communicate over channels. It has a
// field for everything that the host functions of one guest need, because wazero gives them only the guest's context.
type instance struct {
	p      *Program
	ctx    context.Context
	stop   context.Context // ctx without its values, for frequent checks
	cancel context.CancelCauseFunc
	timer  *time.Timer
	time   time.Duration // the timer's last duration
	memory memory
	meter  meter
	stdin  stdin
	output capped // standard output of a command
	log    capped // standard error, the log import, and a session's standard output
	world  world
	texts  texts
	activity
	ended  chan struct{} // closed after err and broken are set
	err    error
	broken any // value of a panic of the runtime

	session sessionState
}

// activity is what a guest does through imports for its event. It belongs to the guest's goroutine.
type activity struct {
	kv    kv
	emit  emissions
	fetch fetches
}

// sessionState is the part of an instance that only sessions use.
type sessionState struct {
	asked   chan struct{}      // the guest waits in next
	docs    chan *sessionEvent // events for next
	current *sessionEvent      // the guest's event; belongs to the guest's goroutine
	ready   bool               // it asked for its first event
	served  int                // events passed to the guest; belongs to the holder of the instance
	leave   atomic.Bool        // next must return NoMore
}

// sessionEvent is one event of a session.
type sessionEvent struct {
	call      Call
	delivered bool        // the guest has the whole document
	result    chan result // receives the one result
}

// result is the result of a session's event.
type result struct {
	text []byte
	fuel int64 // spent on the event
	did  activity
}

type instanceKey struct{}

// instantiate makes an instance. Its guest does not run yet.
func (p *Program) instantiate(parent context.Context) *instance {
	l := p.manifest.Limits
	in := &instance{
		p: p, ended: make(chan struct{}), session: sessionState{asked: make(chan struct{}, 1), docs: make(chan *sessionEvent)},
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

// run runs the guest to its end.
func (in *instance) run(config wazero.ModuleConfig) {
	defer close(in.ended)
	defer in.memory.release()
	defer func() { in.broken = recover() }() // wazero panics when the initial memory cannot be allocated
	mod, err := in.p.sandbox.runtime.InstantiateModule(in.ctx, in.p.compiled, config)
	if mod != nil {
		if cerr := mod.Close(context.Background()); err == nil {
			err = cerr
		}
	}
	in.err = err
}

// startEvent gives the instance the clock, random numbers and texts of an event.
func (in *instance) startEvent(c Call) {
	in.world.startEvent(c)
	in.texts = texts{Texts: c.withheld.Texts()}
	in.kv = newKV(c.kv, in.p.manifest.Limits.KV)
	in.emit = emissions{open: true, depth: c.depth, allowance: c.allowance}
	in.fetch = newFetches(&c)
	in.memory.refused.Store(false)
}

// fuel returns the fuel spent on the current event, or since the start; zero when the guest is not metered.
func (in *instance) fuel() int64 {
	if !in.meter.on {
		return 0
	}
	return in.meter.total()
}

// limit ends the guest after d, and stops the timer of an earlier limit.
func (in *instance) limit(d time.Duration) {
	in.inTime()
	in.time = d
	in.timer = time.AfterFunc(d, func() { in.cancel(errTimeout) })
}

// inTime stops the timer. It returns false if the timer has fired: then the guest is being ended.
func (in *instance) inTime() bool {
	ok := in.timer == nil || in.timer.Stop()
	in.timer = nil
	return ok
}

// end ends the guest and waits for it.
func (in *instance) end() {
	in.session.leave.Store(true)
	in.cancel(errLeave)
	<-in.ended
	in.inTime()
}

// runCommand makes one attempt with a WASI command, which reads the document from standard input and writes its result to
// standard output.
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
	in.p.complete(&out, &in.activity)
	out.Duration, out.Fuel = time.Since(start), in.fuel()
	out.Log, out.LogCut = in.log.take()
	return out
}

// startSession starts a session and returns it when it waits for its first event. On failure it returns nil and the outcome.
// ctx bounds only the start; the session outlives it.
func (p *Program) startSession(ctx context.Context) (*instance, inbox.Outcome) {
	in := p.instantiate(context.Background())
	in.limit(p.host.startBudget)
	go in.run(in.config())
	select {
	case <-in.session.asked:
		if in.inTime() {
			return in, inbox.Outcome{}
		}
		<-in.ended // it asked when its time was over
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

// startFailure returns the outcome of a guest that ended before it had an event.
func (in *instance) startFailure(ctx context.Context) inbox.Outcome {
	in.inTime()
	out := in.outcome(ctx, nil)
	out.Log, out.LogCut = in.log.take()
	return out
}

// runEvent passes one event to a waiting session. It returns the outcome, and whether the session waits again.
func (in *instance) runEvent(ctx context.Context, c Call) (inbox.Outcome, bool) {
	start := time.Now()
	d := &sessionEvent{call: c, result: make(chan result, 1)}
	if in.session.served++; in.session.served >= in.p.manifest.Reuse {
		in.session.leave.Store(true) // next returns NoMore after this event
	}
	in.limit(in.p.manifest.Limits.Time)
	select {
	case in.session.docs <- d:
	case <-in.ended: // only closing the host ends a waiting session
		return inbox.Outcome{Interrupted: true}, false
	}
	var out inbox.Outcome
	alive := false
	select {
	case result := <-d.result:
		out = in.p.outcomeOf(&result)
		out.Duration = time.Since(start)
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

// afterResult is how long a guest may go on after its result before it asks for the next event or ends.
const afterResult = 250 * time.Millisecond

// awaitNext waits until the guest is in next again, so that its log lines belong to the right event. A guest that takes too
// long is ended; its result counts.
func (in *instance) awaitNext(ctx context.Context) bool {
	in.limit(afterResult)
	select {
	case <-in.session.asked:
		return in.inTime()
	case <-in.ended:
	case <-ctx.Done():
		in.end()
	}
	return false
}

// unfinished returns the outcome of a session that ended while it had an event.
func (in *instance) unfinished(ctx context.Context, d *sessionEvent) inbox.Outcome {
	select {
	case result := <-d.result: // it gave its result and ended at once
		return in.p.outcomeOf(&result)
	default:
	}
	out := in.outcome(ctx, nil)
	if in.fetch.unfit == nil { // else the host rejected the event
		out = withoutResult(out, "without giving a result for its event (call done)")
	}
	in.p.complete(&out, &in.activity)
	out.Fuel = in.fuel()
	return out
}
