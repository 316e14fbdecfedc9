//go:build unix

package torture

import (
	"syscall"
	"time"
)

func noSignals() string { return "" }

// paused stops the server with SIGSTOP and continues it, as a debugger or a container runtime does. Deadlines pass meanwhile.
func (r *round) paused() {
	for range 3 {
		r.pause(20*time.Millisecond, 200*time.Millisecond)
		if r.s.cmd.Process.Signal(syscall.SIGSTOP) != nil {
			return
		}
		r.pause(50*time.Millisecond, 400*time.Millisecond)
		r.s.happened = r.s.cmd.Process.Signal(syscall.SIGCONT) == nil
	}
	r.pause(20*time.Millisecond, 200*time.Millisecond)
	r.s.kill()
}
