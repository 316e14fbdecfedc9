package host

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"inbox/inbox"
)

// features are the parts of WebAssembly beyond its first version that modules may use: those of version 2.0, each by its name,
// and nothing by default, so that a new version of the runtime does not widen what a guest reaches. What is experimental in
// the runtime stays out: its exception handling, for one, has a use after free that a guest can reach
// (https://github.com/wazero/wazero/issues/2522).
const features = api.CoreFeatureBulkMemoryOperations |
	api.CoreFeatureMultiValue |
	api.CoreFeatureMutableGlobal |
	api.CoreFeatureNonTrappingFloatToIntConversion |
	api.CoreFeatureReferenceTypes |
	api.CoreFeatureSignExtensionOps |
	api.CoreFeatureSIMD

// runtimeConfig is what every runtime begins with: where to run modules, or only to look whether one is valid.
func runtimeConfig(engine inbox.Engine) wazero.RuntimeConfig {
	config := wazero.NewRuntimeConfigCompiler()
	if engine == inbox.Interpreter {
		config = wazero.NewRuntimeConfigInterpreter()
	}
	return config.WithCoreFeatures(features)
}

// kind is which modules a sandbox is for.
type sandboxKind struct {
	engine  inbox.Engine
	metered bool // they count their instructions; else wazero's check of contexts stops them
}

// box returns the sandbox for an engine, where it is to be had, and a way to stop guests. It is made when the first module
// needs it.
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

// native reports whether wazero can compile for this processor and run what it compiled: some systems allow no code to be
// made. It says so only by a panic.
func native(ctx context.Context) (can bool) {
	defer func() { can = recover() == nil }()
	_ = wazero.NewRuntimeWithConfig(ctx, runtimeConfig(inbox.Compiler)).Close(ctx) // it has nothing that could fail to close
	return true
}
