//go:build unix

package torture

import (
	"syscall"
	"time"
)

func noSignals() string { return "" }

// paused stops the server as a debugger or a frozen container does, and lets it go on. Deadlines pass meanwhile.
func (r *round) paused() {
	for range 3 {
		r.moments(20*time.Millisecond, 200*time.Millisecond)
		if r.s.cmd.Process.Signal(syscall.SIGSTOP) != nil {
			return
		}
		r.moments(50*time.Millisecond, 400*time.Millisecond)
		r.s.happened = r.s.cmd.Process.Signal(syscall.SIGCONT) == nil
	}
	r.moments(20*time.Millisecond, 200*time.Millisecond)
	r.s.kill()
}
