package host

import (
	"time"

	"github.com/tetratelabs/wazero"

	"inbox/inbox"
)

// SetStartBudget sets the start budget of h, so that tests need not wait for the real one.
func SetStartBudget(h *Host, d time.Duration) { h.startBudget = d }

// BlockLong holds up modules that take long to compile, until release is called.
func BlockLong(h *Host) (release func()) {
	h.heavy.Lock()
	return h.heavy.Unlock
}

// WithoutCompiler makes h behave as on a machine that cannot compile.
func WithoutCompiler(h *Host) { h.native = false }

// RuntimeConfig is the base configuration of every runtime.
func RuntimeConfig(engine inbox.Engine) wazero.RuntimeConfig { return runtimeConfig(engine) }

// Features are the parts of WebAssembly that modules may use.
const Features = features
