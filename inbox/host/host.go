// Package host runs plugins: WebAssembly modules in a sandbox, one attempt at a time.
//
// A module becomes a [Program]: it is checked and rewritten (module.go), compiled with a cache on disk, and started
// once to see that it starts. [Program.Run] makes one attempt and turns whatever happens into an [inbox.Outcome]: what the
// plugin said, or the bound it ran into, or the way it broke. A plugin can hurt only itself: it gets no files, no
// network, no environment, a clock and random numbers that are made for it, and bounded time, memory and output.
//
// The runtime is wazero (https://wazero.io). Its check of contexts at loops, together with the loop that every function
// is given at load, is what stops a guest; it is also what lets Go's collector stop the world while guests run.
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"inbox/inbox"
	"inbox/sdk/abi"
)

// startBudget bounds what a module may do before it asks for its first event.
const startBudget = 10 * time.Second

// Options configure a Host.
type Options struct {
	CacheDir string // for compiled code, made 0700; empty: no cache. A crafted file in it is native code.
	Log      *slog.Logger
}

// Host is one runtime for all plugins.
type Host struct {
	log     *slog.Logger
	runtime wazero.Runtime
	cache   wazero.CompilationCache
	offered map[function]api.FunctionDefinition

	compile sync.Mutex  // compiling takes a core and much memory: one at a time
	closed  atomic.Bool // no module is compiled any more
	shut    sync.Once

	startBudget time.Duration
}

// New returns a Host. Close it when no program runs any more.
func New(ctx context.Context, o Options) (*Host, error) {
	h := &Host{log: o.Log, offered: map[function]api.FunctionDefinition{}, startBudget: startBudget}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	// Without debug information: it would be read from the module, which is not to be trusted, and is not shown.
	config := wazero.NewRuntimeConfig().WithCloseOnContextDone(true).WithDebugInfoEnabled(false)
	if o.CacheDir != "" {
		err := os.MkdirAll(o.CacheDir, 0o700)
		if err == nil {
			err = os.Chmod(o.CacheDir, 0o700) // it may have been there
		}
		if err != nil {
			return nil, inbox.Errorf(inbox.Unavailable, "make the cache directory", "%w", err)
		}
		cache, err := wazero.NewCompilationCacheWithDir(o.CacheDir)
		if err != nil {
			return nil, inbox.Errorf(inbox.Unavailable, "open the cache of compiled plugins", "%w", err)
		}
		h.cache, config = cache, config.WithCompilationCache(cache)
	}
	h.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if err := h.offer(ctx); err != nil {
		return nil, fmt.Errorf("set up the sandbox: %w", err)
	}
	return h, nil
}

// offer makes the functions that modules may import.
func (h *Host) offer(ctx context.Context) error {
	ctx = experimental.WithFunctionListenerFactory(ctx, overdue{})
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, h.runtime); err != nil {
		return err
	}
	if err := offerSession(ctx, h.runtime); err != nil {
		return err
	}
	if err := offerAbort(ctx, h.runtime); err != nil {
		return err
	}
	for _, module := range []string{wasi_snapshot_preview1.ModuleName, abi.Module, "env"} {
		for name, def := range h.runtime.Module(module).ExportedFunctionDefinitions() {
			h.offered[function{module, name}] = def
		}
	}
	return nil
}

// Close ends the runtime and everything in it. A module that is being compiled cannot be stopped: then the runtime is
// closed when that is done, and Close does not wait for it.
func (h *Host) Close(ctx context.Context) error {
	h.closed.Store(true)
	return h.closeIdle(ctx)
}

// closeIdle closes the runtime once, unless a module is being compiled.
func (h *Host) closeIdle(ctx context.Context) (err error) {
	if !h.compile.TryLock() {
		return nil
	}
	defer h.compile.Unlock()
	h.shut.Do(func() {
		err = h.runtime.Close(ctx)
		if h.cache != nil {
			err = errors.Join(err, h.cache.Close(ctx))
		}
		if err != nil {
			err = fmt.Errorf("close the sandbox: %w", err)
		}
	})
	return err
}

// later are imports of contract v1 that this version does not have.
var later = []string{"config_get", "secret_get", "kv_get", "kv_list", "kv_set", "kv_delete", "event_read", "emit", "http_fetch", "result"}

// check refuses modules that ask for what is not there, naming all of it.
func (h *Host) check(m *module, limit int64) error {
	var missing []string
	hint := "plugins may import WASI preview 1 and " + abi.Module + " (docs/PLUGIN-ABI.md)"
	for _, f := range m.imports {
		if h.offered[f] != nil || slices.Contains(missing, f.String()) {
			continue
		}
		missing = append(missing, f.String())
		if f.Module == abi.Module && slices.Contains(later, f.Name) {
			hint = f.Name + " is not in this version of inbox"
		}
	}
	if len(missing) > 0 {
		return refuse(hint, "the module imports what is not there: %s", clip(strings.Join(missing, ", ")))
	}
	if m.memoryMin > uint64(limit) {
		return refuse("raise [limits] memory in its NAME.toml",
			"the module needs %d bytes of memory from the start, more than its limit of %d", m.memoryMin, limit)
	}
	return nil
}

// fit refuses a valid module whose functions are not of the types they must have: it would fail at every event, or,
// without a function to run, settle every event unseen.
func (h *Host) fit(c wazero.CompiledModule) error {
	start, ok := c.ExportedFunctions()["_start"]
	if !ok || len(start.ParamTypes())+len(start.ResultTypes()) > 0 {
		return refuse("build it as a WASI command: a program with a main function, not a library or reactor",
			"the module has no function _start without parameters and results")
	}
	for _, def := range c.ImportedFunctions() {
		module, name, _ := def.Import()
		want := h.offered[function{module, name}]
		if want == nil || !slices.Equal(def.ParamTypes(), want.ParamTypes()) || !slices.Equal(def.ResultTypes(), want.ResultTypes()) {
			return refuse("docs/PLUGIN-ABI.md has the types", "the module imports %s.%s with other parameters or results than it has", module, name)
		}
	}
	return nil
}

// Compile checks, rewrites and compiles a module and starts it once. An Invalid error says why it cannot become a
// release; nothing that runs is touched. Compiling may take seconds and cannot be interrupted; ctx ends only the trial
// start. m is kept, with its defaults filled in, and must not change.
func (h *Host) Compile(ctx context.Context, wasm []byte, m *inbox.Manifest) (*Program, error) {
	mod, rewritten, err := inspect(wasm)
	if err != nil {
		return nil, err
	}
	if err := h.check(mod, m.Limits.Memory); err != nil {
		return nil, err
	}
	compiled, err := h.translate(ctx, rewritten)
	if err != nil {
		return nil, err
	}
	if err := h.fit(compiled); err != nil {
		return nil, errors.Join(err, compiled.Close(ctx))
	}
	p := newProgram(h, compiled, mod, wasm, m)
	if err := p.trial(ctx); err != nil {
		p.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return p, nil
}

// translate compiles a module.
func (h *Host) translate(ctx context.Context, wasm []byte) (wazero.CompiledModule, error) {
	h.compile.Lock()
	compiled, err := h.translateLocked(ctx, wasm)
	h.compile.Unlock()
	if h.closed.Load() {
		err = errors.Join(inbox.Errorf(inbox.Unavailable, "compile the plugin", "the host is closed"), h.closeIdle(ctx))
	}
	return compiled, err
}

// translateLocked turns a panic of the compiler, which a crafted module might cause, into a refusal.
func (h *Host) translateLocked(ctx context.Context, wasm []byte) (compiled wazero.CompiledModule, err error) {
	if h.closed.Load() {
		return nil, nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = refuse("report it with the module", "the compiler gave up on the module: %v", p)
		}
	}()
	compiled, err = h.runtime.CompileModule(ctx, wasm)
	if err != nil {
		return nil, refuse("build it again", "the module is not valid: %w", err)
	}
	return compiled, nil
}
