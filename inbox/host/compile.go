package host

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"

	"inbox/inbox"
	"inbox/inbox/wasm"
	"inbox/sdk/abi"
)

// later are the imports of contract v1 that this version does not implement.
var later = []string{"config_get", "secret_get"}

// refuse returns an Invalid error: the reason why a module cannot become a release.
func refuse(hint, format string, args ...any) error {
	return inbox.Errorf(inbox.Invalid, "", format, args...).WithHint(hint)
}

// checkImports refuses a module with unknown imports, and names all of them. It also refuses one that fetches without a granted
// origin, and one whose memory does not fit its imports or its limit.
func (s *sandbox) checkImports(m *wasm.Module, h *inbox.HTTP, limit int64) error {
	var missing []string
	hint := "plugins may import WASI preview 1 and " + abi.Module + " (docs/PLUGIN-ABI.md)"
	for _, f := range m.Imports() {
		if s.offered[f] != nil || slices.Contains(missing, f.String()) {
			continue
		}
		missing = append(missing, f.String())
		if f.Module == abi.Module && slices.Contains(later, f.Name) {
			hint = f.Name + " is not in this version of inbox"
		}
	}
	if len(missing) > 0 {
		return refuse(hint, "the module imports functions that do not exist: [%s]", clip(strings.Join(missing, " ")))
	}
	if imports(m, abi.HTTPFetch) && len(h.Allow)+len(h.Private) == 0 {
		return refuse(`to grant it write into its NAME.toml: under [http], allow = ["https://api.example.com"], with the origins that it asks`,
			"it asks for more than it is granted: it imports %s.%s, and no origin is granted", abi.Module, abi.HTTPFetch)
	}
	if f, asks := wantsMemory(m); asks && !m.HasMemory() {
		return refuse("build it as a WASI command, which exports its memory", "the module has no memory, where %s reads and writes", f)
	}
	if m.MemoryMin() > uint64(limit) {
		return refuse("raise [limits] memory in its NAME.toml",
			"the module needs %d bytes of memory from the start, more than its limit of %d", m.MemoryMin(), limit)
	}
	return nil
}

// wantsMemory returns an import that needs the module to have a memory. All but a few do: without one wazero would dereference
// nil.
func wantsMemory(m *wasm.Module) (f wasm.Import, asks bool) {
	for _, f := range m.Imports() {
		if f.Module != envModule && f.Name != "proc_exit" && f.Name != "sched_yield" {
			return f, true
		}
	}
	return wasm.Import{}, false
}

// checkTypes refuses a valid module if an import or _start has another type than the host expects. Such a module would fail at
// every event, or, without a _start to run, acknowledge every event unseen.
func (s *sandbox) checkTypes(c wazero.CompiledModule) error {
	start, ok := c.ExportedFunctions()["_start"]
	if !ok || len(start.ParamTypes())+len(start.ResultTypes()) > 0 {
		return refuse("build it as a WASI command: a program with a main function, not a library or reactor",
			"the module has no function _start without parameters and results")
	}
	for _, def := range c.ImportedFunctions() {
		module, name, _ := def.Import()
		want := s.offered[wasm.Import{Module: module, Name: name}]
		if module == wasm.MeterModule {
			continue // added by the rewriting
		}
		if want == nil || !slices.Equal(def.ParamTypes(), want.ParamTypes()) || !slices.Equal(def.ResultTypes(), want.ResultTypes()) {
			return refuse("docs/PLUGIN-ABI.md has the types", "the module imports %s.%s with other parameters or results than it has", module, name)
		}
	}
	return nil
}

// Compile checks, rewrites and compiles a module, and starts it once. An Invalid error says why it cannot become a release;
// running programs are not affected. Compiling may take seconds and cannot be interrupted; ctx bounds only the trial start.
// Compile keeps m, whose defaults must be filled in, and m must not change.
func (h *Host) Compile(ctx context.Context, file []byte, m *inbox.Manifest) (*Program, error) {
	mod, err := wasm.Read(file)
	if err != nil {
		return nil, err
	}
	box, err := h.sandboxFor(ctx, m.Engine, true)
	if err != nil {
		return nil, err
	}
	if err := box.checkImports(mod, &m.HTTP, m.Limits.Memory); err != nil {
		return nil, err
	}
	box, rewritten, err := h.rewrite(ctx, mod, box, m.Limits.Fuel)
	if err != nil {
		return nil, err
	}
	if err := box.checkInterpreted(mod); err != nil {
		return nil, err
	}
	compiled, err := h.compileOne(ctx, box, rewritten, mod.Light())
	if err != nil {
		return nil, err
	}
	if err := box.checkTypes(compiled); err != nil {
		return nil, errors.Join(err, compiled.Close(ctx))
	}
	p := newProgram(h, box, compiled, mod, file, m)
	if p.outside, err = h.newOutside(&m.HTTP, p.Fetches()); err != nil {
		p.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	p.need = needs(mod.Figures(), mod, int64(len(file)), m, box.engine)
	if err := p.trial(ctx); err != nil {
		p.Close(context.WithoutCancel(ctx))
		if h.closed.Load() { // closed during the trial, which is not the module's fault
			return nil, closed()
		}
		return nil, err
	}
	return p, nil
}

// Bounds of what the interpreter keeps in Go's heap.
const (
	maxInterpreted = 5_000_000 // instructions of all functions, about 60 bytes each
	maxFrame       = 1000      // values of one call: 2000 such calls take 72 MB while their stack grows
)

// checkInterpreted refuses a module of which the interpreter would keep too much in Go's heap: its instructions, or the stack
// of a guest that recurses. The interpreter bounds only the number of calls.
func (s *sandbox) checkInterpreted(m *wasm.Module) error {
	switch f := m.Figures(); {
	case s.engine != inbox.Interpreter:
	case f.Instructions > maxInterpreted:
		return refuse(`take engine = "interpreter" out of its NAME.toml, or make it smaller`,
			"the interpreter would take too much memory: the module has %d instructions, more than %d", f.Instructions, maxInterpreted)
	case f.Frame > maxFrame:
		return refuse(`take engine = "interpreter" out of its NAME.toml, or split the function, or build with optimisation`,
			"the interpreter would take too much memory: a function has %d parameters, local variables and operands, more than %d", f.Frame, maxFrame)
	}
	return nil
}

// rewrite rewrites a module so that it can be stopped, and returns the sandbox for it. A module that is too complex to be
// metered goes to a sandbox where wazero's context check stops it; it cannot have a fuel limit. The interpreter has the same
// rule, so that the engine does not change which limits hold.
func (h *Host) rewrite(ctx context.Context, m *wasm.Module, box *sandbox, fuel int64) (*sandbox, []byte, error) {
	rewritten, why := m.Metered()
	if !errors.Is(why, wasm.ErrTooComplex) {
		return box, rewritten, why
	}
	rewritten, err := m.Paused()
	if err != nil {
		return nil, nil, err
	}
	if fuel > 0 {
		return nil, nil, refuse("take limits.fuel out of its NAME.toml, or split its functions",
			"its instructions cannot be counted, so that limits.fuel cannot hold: %w", why)
	}
	h.log.Warn("a plugin's instructions cannot be counted; it runs slower, under the runtime's own check", "reason", why)
	apart, err := h.sandboxFor(ctx, box.engine, false)
	return apart, rewritten, err
}

// compileOne compiles one light module at a time, and beside it one that takes long. The interpreter treats all modules as
// light.
func (h *Host) compileOne(ctx context.Context, s *sandbox, wasm []byte, light bool) (wazero.CompiledModule, error) {
	lock := &h.light
	if s.engine != inbox.Interpreter && !light {
		lock = &h.heavy
	}
	lock.Lock()
	compiled, err := h.compileLocked(ctx, s, wasm)
	lock.Unlock()
	if h.closed.Load() {
		err = errors.Join(closed(), h.closeIdle(ctx))
	}
	return compiled, err
}

// compileLocked compiles a module under its lock. If compiling fails through a damaged or full cache, which is not the module's
// fault, it empties the cache and tries again.
func (h *Host) compileLocked(ctx context.Context, s *sandbox, wasm []byte) (wazero.CompiledModule, error) {
	if h.closed.Load() {
		return nil, nil
	}
	compiled, err := translate(ctx, s.runtime, wasm)
	if err == nil || s.cache == nil || !valid(ctx, wasm) {
		return compiled, err
	}
	h.log.Warn("the cache of compiled plugins is damaged or full; it is made anew", "error", err)
	if err := h.emptyCache(); err != nil {
		return nil, inbox.Errorf(inbox.Unavailable, "empty the cache of compiled plugins", "%w", err)
	}
	if compiled, err = translate(ctx, s.runtime, wasm); err != nil {
		return nil, inbox.Errorf(inbox.Unavailable, "compile the plugin", "%w", err).WithHint("is there space on the disk of " + h.dir + "?")
	}
	return compiled, nil
}

// translate compiles a module. It turns a panic of the compiler, which a crafted module may cause, into a refusal.
func translate(ctx context.Context, r wazero.Runtime, wasm []byte) (compiled wazero.CompiledModule, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = refuse("report it with the module", "the compiler gave up on the module: %v", p)
		}
	}()
	compiled, err = r.CompileModule(ctx, wasm)
	if err != nil {
		return nil, refuse("build it again", "the module is not valid: %w", err)
	}
	return compiled, nil
}

// valid reports whether a module is valid. It uses the interpreter, so neither the compiler nor the cache can affect the
// answer.
func valid(ctx context.Context, wasm []byte) bool {
	r := wazero.NewRuntimeWithConfig(ctx, runtimeConfig(inbox.Interpreter))
	defer r.Close(ctx)
	_, err := translate(ctx, r, wasm)
	return err == nil
}

// emptyCache removes the files of the cache. It keeps the directories, which wazero creates only when it starts.
func (h *Host) emptyCache() error {
	return filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Remove(path)
	})
}
