// Package host runs plugins: WebAssembly modules in a sandbox, one attempt at a time.
//
// [Host.Compile] makes a [Program] of a module: package wasm reads and rewrites it, wazero compiles it with a cache on disk,
// and a trial start shows that it starts. [Program.Run] makes one attempt and turns every end into an [inbox.Outcome]: the
// plugin's result, the limit that it hit, or the way it failed. A plugin can hurt only itself: it gets no files, no
// environment and no network but granted fetches (fetch.go), a synthetic clock and random numbers, and bounded time, memory and output.
//
// The runtime is wazero (https://wazero.io). Modules are rewritten to count their instructions, which lets the host stop a
// guest (meter.go) and lets Go's collector stop the world while guests run. A module that cannot be metered runs in a sandbox
// of its own kind, under wazero's context check at loops; the rewriting adds a loop to every function. A module whose manifest
// asks for the interpreter has a sandbox of its own kind too. imports.go defines the functions that modules may import, each
// with its price.
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
	"inbox/inbox/egress"
	"inbox/inbox/wasm"
	"inbox/sdk/abi"
)

// startBudget is the time that a module has before it asks for its first event.
const startBudget = 10 * time.Second

// Options configure a Host.
type Options struct {
	CacheDir string // of compiled code, created with mode 0700; empty: no cache. A crafted file in it would run as native code.
	Log      *slog.Logger
	Client   func(*inbox.HTTP) (*egress.Client, error) // makes the client of a release that fetches, see [inbox.MaxFetchedBody]; nil: no connection is opened
}

// Host runs all plugins, each in a sandbox for its engine and its way of being stopped.
type Host struct {
	log    *slog.Logger
	dir    string // cache directory; empty for none
	native bool   // wazero can compile on this machine
	pool   *pool

	mu        sync.Mutex // guards sandboxes
	sandboxes map[sandboxKind]*sandbox

	light  sync.Mutex  // held while a module is compiled: compiling takes a core and much memory
	heavy  sync.Mutex  // the same for a module that takes long, so that others do not wait for it
	closed atomic.Bool // no module is compiled any more
	shut   sync.Once

	startBudget time.Duration
	client      func(*inbox.HTTP) (*egress.Client, error)
}

// sandbox is a runtime with the functions that modules may import. Every sandbox has a cache of its own over the same files,
// because runtimes that share a cache mix up their function types.
type sandbox struct {
	sandboxKind
	runtime wazero.Runtime
	cache   wazero.CompilationCache
	offered map[wasm.Import]api.FunctionDefinition
}

// New returns a Host. Close it when no program runs any more. The error is Unavailable when the cache directory cannot be used.
func New(ctx context.Context, o Options) (*Host, error) {
	h := &Host{
		log: o.Log, dir: o.CacheDir, native: native(ctx), startBudget: startBudget, client: o.Client, pool: newPool(), sandboxes: map[sandboxKind]*sandbox{},
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.dir != "" {
		err := os.MkdirAll(h.dir, 0o700)
		if err == nil {
			err = os.Chmod(h.dir, 0o700) // it may have existed
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

// newSandbox makes a runtime. It has a cache in dir, unless dir is empty or the engine is the interpreter.
func newSandbox(ctx context.Context, k sandboxKind, dir string) (*sandbox, error) {
	s := &sandbox{sandboxKind: k, offered: map[wasm.Import]api.FunctionDefinition{}}
	if k.engine == inbox.Interpreter {
		dir = ""
	}
	// Without debug information: wazero would read it from the untrusted module, and nothing shows it.
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

// offer defines the functions that modules may import, and the function that the metering imports.
func (s *sandbox) offer(ctx context.Context) error {
	if err := offerMeter(ctx, s.runtime); err != nil {
		return err
	}
	if err := offerWASI(ctx, s.runtime); err != nil {
		return err
	}
	if err := offerFunctions(ctx, s.runtime, abi.Module, inboxFunctions()); err != nil {
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

// Close ends the runtime and everything in it. A module that is being compiled cannot be stopped: the runtime is closed
// afterwards, and Close does not wait for that.
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
