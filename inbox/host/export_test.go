package host

import "time"

// SetStartBudget gives modules of h so much time to start, so that tests need not wait for the real budget.
func SetStartBudget(h *Host, d time.Duration) { h.startBudget = d }

// Inspect reads and rewrites a module without compiling it.
func Inspect(wasm []byte) ([]byte, error) {
	_, rewritten, err := inspect(wasm)
	return rewritten, err
}
