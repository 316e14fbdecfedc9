package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"

	"inbox/inbox"
	"inbox/sdk/abi"
)

// Program is a compiled module that may run. It is safe for concurrent use.
type Program struct {
	host     *Host
	sandbox  *sandbox
	compiled wazero.CompiledModule
	manifest *inbox.Manifest
	grant    *grant // what the plugin is shown of a body
	info     inbox.Module
	parked   chan *instance  // sessions that wait in next
	calls    sync.WaitGroup  // attempts, and sessions being started ahead
	closing  context.Context // ends when the program is being closed: no session is started ahead any more
	close    context.CancelFunc
	need     Need
	mu       sync.Mutex // guards closed against calls.Add and parking; and starting
	closed   bool
	starting int // sessions being started ahead: each has its place in parked
}

// Kinds of programs.
const (
	Session = "session"
	Command = "command"
)

func newProgram(h *Host, s *sandbox, compiled wazero.CompiledModule, m *module, wasm []byte, manifest *inbox.Manifest) *Program {
	sum := sha256.Sum256(wasm)
	info := inbox.Module{
		SHA256: hex.EncodeToString(sum[:]), Size: len(wasm), Kind: Command, Imports: []string{}, Exports: m.exports,
		Functions: m.functions, Largest: m.largest, MemoryMin: m.memoryMin, Metered: s.metered, Engine: string(s.engine),
	}
	for _, f := range m.imports {
		info.Imports = append(info.Imports, f.String())
	}
	if m.isSession(function{abi.Module, abi.Next}) {
		info.Kind = Session
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Program{
		host: h, sandbox: s, compiled: compiled, manifest: manifest, grant: granted(manifest.Data.Fields), info: info,
		parked: make(chan *instance, max(manifest.Concurrency, 1)), closing: ctx, close: cancel,
	}
}

// Info describes the module of p.
func (p *Program) Info() inbox.Module { return p.info }

// fuel is what an event may spend.
func (p *Program) fuel() int64 {
	if p.manifest.Limits.Fuel > 0 {
		return p.manifest.Limits.Fuel
	}
	return noLimit
}

// enter counts a call in, unless the program is closed.
func (p *Program) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.calls.Add(1)
	return true
}

// Close waits until the running attempts have ended by themselves or by their contexts, ends the sessions that wait, and
// frees the program.
func (p *Program) Close(ctx context.Context) {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.close()
	p.calls.Wait()
	for {
		select {
		case in := <-p.parked:
			in.end()
		default:
			if err := p.compiled.Close(ctx); err != nil {
				p.host.log.Warn("cannot free a compiled plugin", "error", err)
			}
			return
		}
	}
}

// trial starts the program once: a session must come as far as asking for its first event, and is kept. A command does
// its work while it starts, so it is only set up: its imports are linked and its memory filled.
func (p *Program) trial(ctx context.Context) error {
	if p.info.Kind == Command {
		in := p.instantiate(ctx)
		defer in.cancel(nil)
		in.limit(p.host.startBudget)
		in.run(in.config().WithStartFunctions())
		return p.failed(ctx, in.startFailure(ctx), "the plugin cannot be set up")
	}
	in, out := p.begin(ctx)
	if in == nil {
		return p.failed(ctx, out, "the plugin ended before it asked for its first event")
	}
	p.park(in)
	return nil
}

// failed says why a trial failed, with the end of what the plugin logged: it has not seen any event yet.
func (p *Program) failed(ctx context.Context, out inbox.Outcome, what string) error {
	if out.Interrupted {
		return inbox.Errorf(inbox.Unavailable, "start the plugin", "%w", context.Cause(ctx))
	}
	if out.Result.Settled() {
		return nil
	}
	what = fmt.Sprintf("%s: %s: %s", what, out.Result, out.Reason)
	if out.Result == inbox.HostError {
		return inbox.Errorf(inbox.Unavailable, "", "%s", what)
	}
	if tail := out.Log[max(len(out.Log)-maxTail, 0):]; len(tail) > 0 {
		what += fmt.Sprintf("; its log ends: %q", tail)
	}
	return refuse("a plugin has no files, network, environment or arguments (docs/PLUGIN-ABI.md)", "%s", what)
}

// maxTail is how much of the log of a plugin that does not start is shown, in bytes.
const maxTail = 500

// Call is one attempt to make.
type Call struct {
	Doc        []byte    // the document, as by Document
	Seed       string    // seeds the guest's random numbers: the same for every attempt of a delivery
	ReceivedAt time.Time // the guest's clock

	left []withheld // what was left out of Doc and may be read
}

// Attempt makes one attempt with an event: it builds what the plugin is shown of it, and runs the plugin. Nothing may
// change the payload meanwhile.
func (p *Program) Attempt(ctx context.Context, e *inbox.Event, payload inbox.Payload, d inbox.Delivery, now time.Time) inbox.Outcome {
	doc, left, err := document(e, payload, d, p.manifest, p.grant, now)
	if err != nil {
		return failure(inbox.HostError, "%v", err)
	}
	return p.Run(ctx, Call{Doc: doc, Seed: DeliveryID(d.Plugin, e), ReceivedAt: e.ReceivedAt, left: left})
}

// Run makes one attempt within the limits of the manifest. It never fails: what goes wrong is an outcome. When ctx ends
// first, or the program is being closed, the outcome is Interrupted.
func (p *Program) Run(ctx context.Context, c Call) inbox.Outcome {
	if !p.enter() {
		return inbox.Outcome{Interrupted: true}
	}
	defer p.calls.Done()
	if p.info.Kind == Command {
		return p.runCommand(ctx, c)
	}
	return p.runSession(ctx, c)
}

func (p *Program) runSession(ctx context.Context, c Call) inbox.Outcome {
	var in *instance
	select {
	case in = <-p.parked:
	default:
		var out inbox.Outcome
		if in, out = p.begin(ctx); in == nil {
			out.AtStart = !out.Interrupted && out.Result != inbox.HostError
			return out
		}
	}
	out, alive := in.serve(ctx, c)
	if alive {
		p.park(in)
	} else {
		in.end()
		p.startAhead()
	}
	return out
}

// startAhead starts a session for the next event, so that it need not wait for it. No more than the plugin's concurrency
// wait or are being started, so that it can be said how much memory all of them take.
func (p *Program) startAhead() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.parked) > 0 || p.starting == cap(p.parked) {
		return
	}
	p.calls.Add(1)
	p.starting++
	go func() {
		defer p.calls.Done()
		in, _ := p.begin(p.closing) // if it does not start now, the next attempt will say why
		if !p.keep(in, 1) && in != nil {
			in.end()
		}
	}()
}

// park keeps a session that waits in next, or ends it when there are enough or the program is being closed.
func (p *Program) park(in *instance) {
	if !p.keep(in, 0) {
		in.end()
	}
}

// keep parks a session if there is a place for it. started is 1 for one that had its place since it was begun; it may
// be nil.
func (p *Program) keep(in *instance, started int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starting -= started
	if in == nil || p.closed || len(p.parked)+p.starting == cap(p.parked) {
		return false
	}
	p.parked <- in
	return true
}
