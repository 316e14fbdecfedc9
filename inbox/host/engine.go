package host

import (
	"context"

	"github.com/tetratelabs/wazero"

	"inbox/inbox"
)

// kind is which modules a sandbox is for.
type kind struct {
	engine  inbox.Engine
	metered bool // they count their instructions; else wazero's check of contexts stops them
}

// box returns the sandbox for an engine, where it is to be had, and a way to stop guests. It is made when the first module
// needs it.
func (h *Host) box(ctx context.Context, engine inbox.Engine, metered bool) (*sandbox, error) {
	if !h.native {
		engine = inbox.Interpreter
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed.Load() {
		return nil, closed()
	}
	k := kind{engine, metered}
	if h.boxes[k] == nil {
		s, err := newSandbox(ctx, k, h.dir)
		if err != nil {
			return nil, err
		}
		h.boxes[k] = s
	}
	return h.boxes[k], nil
}

func closed() error {
	return inbox.Errorf(inbox.Unavailable, "compile the plugin", "the host is closed")
}

// native reports whether wazero can compile for this processor and run what it compiled: some systems allow no code to be
// made. It says so only by a panic.
func native(ctx context.Context) (can bool) {
	defer func() { can = recover() == nil }()
	_ = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler()).Close(ctx) // it has nothing that could fail to close
	return true
}
