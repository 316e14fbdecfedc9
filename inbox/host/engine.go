package host

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"inbox/inbox"
)

// features are the parts of WebAssembly that modules may use beyond version 1. They are those of version 2.0, each by its name,
// so that a new version of the runtime does not widen what a guest can reach. Experimental features of the runtime are not
// among them: its exception handling, for one, has a use after free that a guest can reach
// (https://github.com/wazero/wazero/issues/2522).
const features = api.CoreFeatureBulkMemoryOperations |
	api.CoreFeatureMultiValue |
	api.CoreFeatureMutableGlobal |
	api.CoreFeatureNonTrappingFloatToIntConversion |
	api.CoreFeatureReferenceTypes |
	api.CoreFeatureSignExtensionOps |
	api.CoreFeatureSIMD

// runtimeConfig is the base configuration of every runtime, also of one that only validates a module.
func runtimeConfig(engine inbox.Engine) wazero.RuntimeConfig {
	config := wazero.NewRuntimeConfigCompiler()
	if engine == inbox.Interpreter {
		config = wazero.NewRuntimeConfigInterpreter()
	}
	return config.WithCoreFeatures(features)
}

// sandboxKind selects a sandbox for a module.
type sandboxKind struct {
	engine  inbox.Engine
	metered bool // modules count their instructions; else wazero's context check stops them
}

// sandboxFor returns the sandbox for an engine and a way to stop guests, and makes it on first use. Without a compiler on this
// machine it returns that of the interpreter.
func (h *Host) sandboxFor(ctx context.Context, engine inbox.Engine, metered bool) (*sandbox, error) {
	if !h.native {
		engine = inbox.Interpreter
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed.Load() {
		return nil, closed()
	}
	k := sandboxKind{engine, metered}
	if h.sandboxes[k] == nil {
		s, err := newSandbox(ctx, k, h.dir)
		if err != nil {
			return nil, err
		}
		h.sandboxes[k] = s
	}
	return h.sandboxes[k], nil
}

func closed() error {
	return inbox.Errorf(inbox.Unavailable, "compile the plugin", "the host is closed")
}

// native reports whether wazero can compile for this processor and run the code: some systems forbid generated code. wazero
// reports that only by a panic.
func native(ctx context.Context) (can bool) {
	defer func() { can = recover() == nil }()
	_ = wazero.NewRuntimeWithConfig(ctx, runtimeConfig(inbox.Compiler)).Close(ctx) // an empty runtime has nothing that fails to close
	return true
}
