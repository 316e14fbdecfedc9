package host

import (
	"time"

	"github.com/tetratelabs/wazero"

	"inbox/inbox"
)

// SetStartBudget gives modules of h so much time to start, so that tests need not wait for the real budget.
func SetStartBudget(h *Host, d time.Duration) { h.startBudget = d }

// BlockLong has modules that take long to compile wait until it is called again.
func BlockLong(h *Host) (release func()) {
	h.heavy.Lock()
	return h.heavy.Unlock
}

// WithoutCompiler makes h one on a machine where nothing can be compiled.
func WithoutCompiler(h *Host) { h.native = false }

// RuntimeConfig is what every runtime begins with.
func RuntimeConfig(engine inbox.Engine) wazero.RuntimeConfig { return runtimeConfig(engine) }

// Features are the parts of WebAssembly that modules may use.
const Features = features
