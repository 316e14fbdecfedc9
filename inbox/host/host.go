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
	dir     string // of the cache; empty for none
	runtime wazero.Runtime
	pool    *pool
	cache   wazero.CompilationCache
	offered map[function]api.FunctionDefinition

	compile sync.Mutex  // compiling takes a core and much memory: one at a time
	closed  atomic.Bool // no module is compiled any more
	shut    sync.Once

	startBudget time.Duration
}

// New returns a Host. Close it when no program runs any more.
func New(ctx context.Context, o Options) (*Host, error) {
	h := &Host{log: o.Log, dir: o.CacheDir, offered: map[function]api.FunctionDefinition{}, startBudget: startBudget, pool: newPool()}
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
		h.pool.close()
		if h.cache != nil {
			err = errors.Join(err, h.cache.Close(ctx))
		}
		if err != nil {
			err = fmt.Errorf("close the sandbox: %w", err)
		}
	})
	return err
}
