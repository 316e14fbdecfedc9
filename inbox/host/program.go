package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"

	"inbox/inbox"
	"inbox/inbox/document"
	"inbox/inbox/wasm"
	"inbox/sdk/abi"
)

// Program is a compiled module with its waiting sessions. It is safe for concurrent use. Half of its fields describe the module and
// never change. The other half are the lifetime of its instances: one mutex and Close cover all of them.
type Program struct {
	host      *Host
	sandbox   *sandbox
	compiled  wazero.CompiledModule
	manifest  *inbox.Manifest
	documents *document.Builder
	outside   *outside
	info      inbox.Module
	idle      chan *instance  // sessions that wait in next
	calls     sync.WaitGroup  // running attempts, and sessions being started ahead
	closing   context.Context // ends when Close begins: no session is started ahead any more
	close     context.CancelFunc
	need      Need
	mu        sync.Mutex // guards closed (against calls.Add and adding to idle) and starting
	closed    bool
	starting  int // sessions being started ahead; each has a reserved place in idle
}

// Kinds of programs.
const (
	Session = "session"
	Command = "command"
)

// isSession reports whether the module asks for its events itself.
func isSession(m *wasm.Module) bool { return imports(m, abi.Next) }

// imports reports whether the module imports a function of inbox_v1.
func imports(m *wasm.Module, name string) bool {
	return slices.Contains(m.Imports(), wasm.Import{Module: abi.Module, Name: name})
}

func newProgram(h *Host, s *sandbox, compiled wazero.CompiledModule, m *wasm.Module, file []byte, manifest *inbox.Manifest) *Program {
	sum := sha256.Sum256(file)
	figures := m.Figures()
	info := inbox.Module{
		SHA256: hex.EncodeToString(sum[:]), Size: len(file), Kind: Command, Imports: []string{}, Exports: m.Exports(),
		Functions: figures.Functions, Largest: figures.Largest, MemoryMin: m.MemoryMin(), Metered: s.metered, Engine: string(s.engine),
	}
	for _, f := range m.Imports() {
		info.Imports = append(info.Imports, f.String())
	}
	if isSession(m) {
		info.Kind = Session
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Program{
		host: h, sandbox: s, compiled: compiled, manifest: manifest, documents: document.For(manifest), info: info,
		idle: make(chan *instance, max(manifest.Concurrency, 1)), closing: ctx, close: cancel,
	}
}

// Info returns the description of p's module.
func (p *Program) Info() inbox.Module { return p.info }

// UsesKV reports whether the module imports a function of kv.
func (p *Program) UsesKV() bool {
	return slices.ContainsFunc(p.info.Imports, func(name string) bool { return strings.HasPrefix(name, abi.Module+".kv_") })
}

// Fetches reports whether the module asks servers during its attempts: it imports http_fetch.
func (p *Program) Fetches() bool {
	return slices.Contains(p.info.Imports, abi.Module+"."+abi.HTTPFetch)
}

// fuel returns the fuel limit of an event.
func (p *Program) fuel() int64 {
	if p.manifest.Limits.Fuel > 0 {
		return p.manifest.Limits.Fuel
	}
	return noLimit
}

// enter counts a call in. It returns false if the program is closed.
func (p *Program) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.calls.Add(1)
	return true
}

// Close waits for the running attempts, which end by themselves or by their contexts. Then it ends the waiting sessions and
// frees the program.
func (p *Program) Close(ctx context.Context) {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.close()
	p.calls.Wait()
	defer p.outside.close()
	for {
		select {
		case in := <-p.idle:
			in.end()
		default:
			if err := p.compiled.Close(ctx); err != nil {
				p.host.log.Warn("cannot free a compiled plugin", "error", err)
			}
			return
		}
	}
}

// trial starts the program once. A session must ask for its first event, and is kept for it. A command does its work while it
// starts, so it is only instantiated: its imports are linked and its memory is filled.
func (p *Program) trial(ctx context.Context) error {
	if p.info.Kind == Command {
		in := p.instantiate(ctx)
		defer in.cancel(nil)
		in.limit(p.host.startBudget)
		in.run(in.config().WithStartFunctions())
		return p.failed(ctx, in.startFailure(ctx), "the plugin cannot be set up")
	}
	in, out := p.startSession(ctx)
	if in == nil {
		return p.failed(ctx, out, "the plugin ended before it asked for its first event")
	}
	p.keepIdle(in)
	return nil
}

// failed returns the reason of a failed trial, with the end of the plugin's log. The log is safe to show, because the plugin
// has not seen an event.
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

// maxTail is the largest part of that log, in bytes.
const maxTail = 500

// Call is the input of one attempt.
type Call struct {
	Doc        []byte         // the document, see package document
	Seed       string         // seed of the guest's random numbers; the same for every attempt of a delivery
	ReceivedAt time.Time      // the guest's clock
	Journal    *inbox.Journal // answers the fetches; nil: they are sent

	withheld  document.Withheld // texts that were left out of Doc, for event_read
	kv        inbox.KV          // nil: the release was not granted kv
	depth     int               // of the event
	allowance int               // of the event, see [inbox.Event.Allowance]
	fetches   fetchedFor
}

// Attempt makes one attempt: it builds the document and runs the plugin. The payload must not change meanwhile.
func (p *Program) Attempt(ctx context.Context, w *inbox.Work) inbox.Outcome {
	doc, withheld, err := p.documents.Build(w)
	if err != nil {
		return failure(inbox.HostError, "%v", err)
	}
	id := document.DeliveryID(w.Delivery.Plugin, w.Event)
	return p.Run(ctx, Call{
		Doc: doc, Seed: id, ReceivedAt: w.Event.ReceivedAt, Journal: w.Journal, withheld: withheld, kv: w.KV,
		depth: w.Event.Depth, allowance: w.Event.Allowance(), fetches: fetchedFor{id, w.Delivery.Run, w.Delivery.Attempt},
	})
}

// Run makes one attempt within the limits of the manifest. Every failure is an outcome. The outcome is Interrupted if ctx ends
// first or the program is being closed.
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
	case in = <-p.idle:
	default:
		var out inbox.Outcome
		if in, out = p.startSession(ctx); in == nil {
			out.AtStart = !out.Interrupted && out.Result != inbox.HostError
			return out
		}
	}
	out, alive := in.runEvent(ctx, c)
	if alive {
		p.keepIdle(in)
	} else {
		in.end()
		p.startAhead()
	}
	return out
}

// startAhead starts a session for the next event, so that the event need not wait for the start. At most as many sessions as
// the plugin's concurrency wait or are being started; the memory bound of [Need] counts them.
func (p *Program) startAhead() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) > 0 || p.starting == cap(p.idle) {
		return
	}
	p.calls.Add(1)
	p.starting++
	go func() {
		defer p.calls.Done()
		in, _ := p.startSession(p.closing) // if this start fails, the next attempt's start fails with the reason
		if !p.addIdle(in, 1) && in != nil {
			in.end()
		}
	}()
}

// keepIdle keeps a session that waits in next. It ends the session if enough wait or the program is being closed.
func (p *Program) keepIdle(in *instance) {
	if !p.addIdle(in, 0) {
		in.end()
	}
}

// addIdle adds a session to idle if it has a place, and reports whether it did. started is 1 for a session started ahead, whose
// reserved place is released; in may be nil.
func (p *Program) addIdle(in *instance, started int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starting -= started
	if in == nil || p.closed || len(p.idle)+p.starting == cap(p.idle) {
		return false
	}
	p.idle <- in
	return true
}
