// Package host runs plugins: WebAssembly modules in a sandbox, one attempt at a time.
//
// A module becomes a [Program]: it is checked and rewritten (module.go), compiled with a cache on disk, and started
// once to see that it starts. [Program.Run] makes one attempt and turns whatever happens into an [inbox.Outcome]: what the
// plugin said, or the bound it ran into, or the way it broke. A plugin can hurt only itself: it gets no files, no
// network, no environment, a clock and random numbers that are made for it, and bounded time, memory and output.
//
// The runtime is wazero (https://wazero.io). Modules are rewritten to count their instructions (rewrite.go), which is what
// stops a guest (meter.go); it is also what lets Go's collector stop the world while guests run. A module for which that
// cannot be done runs apart, under wazero's check of contexts at loops, with a loop that every function is given. So does
// one whose manifest asks for the interpreter.
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"inbox/inbox"
	"inbox/inbox/wasm"
	"inbox/sdk/abi"
)

// startBudget bounds what a module may do before it asks for its first event.
const startBudget = 10 * time.Second

// Options configure a Host.
type Options struct {
	CacheDir string // for compiled code, made 0700; empty: no cache. A crafted file in it is native code.
	Log      *slog.Logger
}

// Host runs all plugins, each in the sandbox of its kind.
type Host struct {
	log    *slog.Logger
	dir    string // of the cache; empty for none
	native bool   // wazero can compile here
	pool   *pool

	mu        sync.Mutex // guards boxes
	sandboxes map[sandboxKind]*sandbox

	light  sync.Mutex  // compiling takes a core and much memory: one at a time
	heavy  sync.Mutex  // but one that takes long does not keep the others waiting
	closed atomic.Bool // no module is compiled any more
	shut   sync.Once

	startBudget time.Duration
}

// sandbox is a runtime with what modules may import. Each has a cache of its own on the same files, because runtimes
// that share one mix up the types of their functions.
type sandbox struct {
	sandboxKind
	runtime wazero.Runtime
	cache   wazero.CompilationCache
	offered map[wasm.Import]api.FunctionDefinition
}

// New returns a Host. Close it when no program runs any more.
func New(ctx context.Context, o Options) (*Host, error) {
	h := &Host{
		log: o.Log, dir: o.CacheDir, native: native(ctx), startBudget: startBudget, pool: newPool(), sandboxes: map[sandboxKind]*sandbox{},
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.dir != "" {
		err := os.MkdirAll(h.dir, 0o700)
		if err == nil {
			err = os.Chmod(h.dir, 0o700) // it may have been there
		}
		if err != nil {
			return nil, inbox.Errorf(inbox.Unavailable, "make the cache directory", "%w", err)
		}
	}
	if !h.native {
		h.log.Warn("plugins cannot be compiled on this machine; they are interpreted, which is many times slower")
	}
	_, err := h.sandboxFor(ctx, inbox.Compiler, true)
	return h, err
}

// newSandbox makes a runtime with a cache in a directory, if one is named and the engine has use for it.
func newSandbox(ctx context.Context, k sandboxKind, dir string) (*sandbox, error) {
	s := &sandbox{sandboxKind: k, offered: map[wasm.Import]api.FunctionDefinition{}}
	if k.engine == inbox.Interpreter {
		dir = ""
	}
	// Without debug information: it would be read from the module, which is not to be trusted, and is not shown.
	config := runtimeConfig(k.engine).WithDebugInfoEnabled(false).WithCloseOnContextDone(!k.metered)
	if dir != "" {
		cache, err := wazero.NewCompilationCacheWithDir(dir)
		if err != nil {
			return nil, inbox.Errorf(inbox.Unavailable, "open the cache of compiled plugins", "%w", err)
		}
		s.cache, config = cache, config.WithCompilationCache(cache)
	}
	s.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if err := s.offer(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("set up the sandbox: %w", err), s.close(ctx))
	}
	return s, nil
}

// offer makes the functions that modules may import, and the one that is imported for them.
func (s *sandbox) offer(ctx context.Context) error {
	if err := offerMeter(ctx, s.runtime); err != nil {
		return err
	}
	if err := offerWASI(ctx, s.runtime); err != nil {
		return err
	}
	if err := offerFunctions(ctx, s.runtime, abi.Module, sessionFunctions()); err != nil {
		return err
	}
	if err := offerFunctions(ctx, s.runtime, envModule, envFunctions()); err != nil {
		return err
	}
	prices := wasiPrices()
	for _, module := range []string{wasi_snapshot_preview1.ModuleName, abi.Module, envModule} {
		for name, def := range s.runtime.Module(module).ExportedFunctionDefinitions() {
			f := wasm.Import{Module: module, Name: name}
			if _, ok := prices[name]; !ok && module == wasi_snapshot_preview1.ModuleName {
				return fmt.Errorf("%s has no price", f)
			}
			s.offered[f] = def
		}
	}
	return nil
}

func (s *sandbox) close(ctx context.Context) error {
	err := s.runtime.Close(ctx)
	if s.cache != nil {
		err = errors.Join(err, s.cache.Close(ctx))
	}
	return err
}

// Close ends the runtime and everything in it. A module that is being compiled cannot be stopped: then the runtime is
// closed when that is done, and Close does not wait for it.
func (h *Host) Close(ctx context.Context) error {
	h.closed.Store(true)
	return h.closeIdle(ctx)
}

// closeIdle closes the runtime once, unless a module is being compiled.
func (h *Host) closeIdle(ctx context.Context) (err error) {
	if !h.light.TryLock() {
		return nil
	}
	defer h.light.Unlock()
	if !h.heavy.TryLock() {
		return nil
	}
	defer h.heavy.Unlock()
	h.shut.Do(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, s := range h.sandboxes {
			err = errors.Join(err, s.close(ctx))
		}
		h.pool.close()
		if err != nil {
			err = fmt.Errorf("close the sandbox: %w", err)
		}
	})
	return err
}
