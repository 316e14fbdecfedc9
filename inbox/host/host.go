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
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
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
	compile sync.Mutex // compiling takes a core and much memory: one at a time
	offered map[function]bool
}

// New returns a Host. Close it when no program runs any more.
func New(ctx context.Context, o Options) (*Host, error) {
	h := &Host{log: o.Log, offered: map[function]bool{}}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	config := wazero.NewRuntimeConfig().WithCloseOnContextDone(true)
	if o.CacheDir != "" {
		if err := os.MkdirAll(o.CacheDir, 0o700); err != nil {
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
	wasi, err := wasi_snapshot_preview1.Instantiate(ctx, h.runtime)
	if err != nil {
		return err
	}
	for name := range h.runtime.Module(wasi_snapshot_preview1.ModuleName).ExportedFunctionDefinitions() {
		h.offered[function{wasi_snapshot_preview1.ModuleName, name}] = true
	}
	_ = wasi // lives as long as the runtime
	if err := offerSession(ctx, h.runtime); err != nil {
		return err
	}
	if err := offerAbort(ctx, h.runtime); err != nil {
		return err
	}
	for _, f := range []function{{abi.Module, abi.Next}, {abi.Module, abi.Done}, {abi.Module, abi.Log}, {"env", "abort"}} {
		h.offered[f] = true
	}
	return nil
}

// Close ends the runtime and everything in it.
func (h *Host) Close(ctx context.Context) error {
	err := h.runtime.Close(ctx)
	if h.cache != nil {
		if cerr := h.cache.Close(ctx); err == nil {
			err = cerr
		}
	}
	if err != nil {
		return fmt.Errorf("close the sandbox: %w", err)
	}
	return nil
}

// later are imports of contract v1 that this version does not have.
var later = []string{"config_get", "secret_get", "kv_get", "kv_list", "kv_set", "kv_delete", "event_read", "emit", "http_fetch", "result"}

// check refuses modules that could not be linked, naming every import that is not there.
func (h *Host) check(m *module) error {
	var missing []string
	hint := "plugins may import WASI preview 1 and " + abi.Module + " (docs/PLUGIN-ABI.md)"
	for _, f := range m.imports {
		if h.offered[f] || slices.Contains(missing, f.String()) {
			continue
		}
		missing = append(missing, f.String())
		if f.Module == abi.Module && slices.Contains(later, f.Name) {
			hint = "this version of inbox does not have " + f.Name + " yet; `inbox version` shows what it has"
		}
	}
	if len(missing) > 0 {
		return refuse(hint, "the module imports what is not there: %v", missing)
	}
	if !slices.Contains(m.exports, "_start") {
		return refuse("build it as a WASI command: a program with a main function, not a library or reactor",
			"the module has no _start")
	}
	return nil
}

// Compile checks, rewrites and compiles a module and starts it once. An Invalid error says why it cannot become a
// release; the module that runs is not touched. Compiling may take seconds and cannot be interrupted; ctx ends only the
// trial start.
func (h *Host) Compile(ctx context.Context, wasm []byte, m *inbox.Manifest) (*Program, error) {
	mod, rewritten, err := inspect(wasm)
	if err != nil {
		return nil, err
	}
	if err := h.check(mod); err != nil {
		return nil, err
	}
	if limit := uint64(m.Limits.Memory); mod.memoryMin > limit {
		return nil, refuse("raise [limits] memory in its NAME.toml", "the module needs %d bytes of memory from the start, more than its limit of %d", mod.memoryMin, limit)
	}
	compiled, err := h.translate(ctx, rewritten)
	if err != nil {
		return nil, err
	}
	p := newProgram(h, compiled, mod, wasm, m)
	if err := p.trial(ctx); err != nil {
		p.Close(ctx)
		return nil, err
	}
	return p, nil
}

// translate compiles, and turns a panic of the compiler, which a crafted module might cause, into a refusal.
func (h *Host) translate(ctx context.Context, wasm []byte) (compiled wazero.CompiledModule, err error) {
	h.compile.Lock()
	defer h.compile.Unlock()
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
