package torture

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"inbox/inbox/datadir"
)

// diskFaults are the faults of a disk. strace makes the calls of the real program fail, below SQLite.
func diskFaults() []fault {
	list := []fault{{point: "disk", kind: "full (file size limit: short writes, then EFBIG), healed, then kill -9", do: (*round).full}}
	for _, d := range []struct {
		kind, calls, with string
		ends              bool
		first, every      int // the first call that fails, and the calls from one to the next, are random numbers from these on
	}{
		{"writes fail with EIO", "pwrite64", "error=EIO", false, 12, 40},
		{"writes fail with ENOSPC", "pwrite64", "error=ENOSPC", false, 12, 40},
		{"writes come back short, with nothing written", "pwrite64", "retval=0", false, 12, 40},
		{"flushes fail with EIO", "fsync,fdatasync", "error=EIO", true, 11, 5}, // a start makes about ten, later there is one for many writes
	} {
		list = append(list, fault{
			point: "disk", kind: d.kind + ", then kill -9", slow: true, cannot: noStrace, do: (*round).failing,
			arm: func(rng *rand.Rand) setup {
				when := fmt.Sprintf("%d+%d", d.first+rng.IntN(d.every), d.every/2+rng.IntN(2*d.every)) // per thread, of which the program has some
				return setup{mayEnd: d.ends, mayFailStart: true, wrapper: []string{
					"strace", "-D", "-f", "-qq", "-o", "TRACE", "-P", "DATA/" + datadir.WAL, "-P", "DATA/" + datadir.Database,
					"-e", "trace=" + d.calls, "-e", "inject=" + d.calls + ":" + d.with + ":when=" + when,
				}}
			},
		})
	}
	return list
}

// noStrace returns why strace cannot be used; empty: it can.
func noStrace() string {
	if _, err := exec.LookPath("strace"); err != nil {
		return "strace is not installed"
	}
	if out, err := exec.Command("strace", "-D", "-f", "-qq", "-o", os.DevNull, "-e", "inject=fsync:error=EIO", "true").CombinedOutput(); err != nil {
		return fmt.Sprintf("strace cannot trace here: %s", out)
	}
	return ""
}

// failing lets the server run while some calls of its disk fail.
func (r *round) failing() {
	r.pause(time.Second, 2*time.Second)
	if r.s.alive() {
		r.s.kill()
	}
	trace, err := os.ReadFile(filepath.Join(r.t.dir, "trace"))
	r.s.happened = err == nil && len(trace) > 0 && injected(trace)
}

// full limits the size of the write-ahead log for a while. The write that reaches the limit is short, the writes after it fail.
// Without the limit the server must accept events again, without a restart.
func (r *round) full() {
	r.pause(50*time.Millisecond, 300*time.Millisecond)
	var size int64
	if info, err := os.Stat(filepath.Join(r.t.data, datadir.WAL)); err == nil {
		size = info.Size()
	}
	limit := unix.Rlimit{Cur: uint64(size + r.rng.Int64N(100_000)), Max: unix.RLIM_INFINITY}
	pid := r.s.cmd.Process.Pid
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		r.t.report.broke("cannot limit the size of files: %v", err)
		return
	}
	before := r.t.history.refusals()
	r.pause(500*time.Millisecond, 900*time.Millisecond)
	r.s.happened = r.t.history.refusals() > before
	limit.Cur = unix.RLIM_INFINITY
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil && r.s.alive() {
		r.t.report.broke("cannot lift the limit of the size of files: %v", err)
	}
	r.waitForRecovery()
	r.pause(50*time.Millisecond, 300*time.Millisecond)
	r.s.kill()
}

// waitForRecovery waits until the server accepts events again.
func (r *round) waitForRecovery() {
	c := r.t.connection(r.s, 98)
	defer c.client.CloseIdleConnections()
	for until := time.Now().Add(20 * time.Second); c.accepted == 0; sleep(r.ctx, 10*time.Millisecond) {
		if !c.sendOne(r.ctx) || time.Now().After(until) {
			r.t.report.broke("law 5: the server accepts no events although the disk has space again: %s", r.s.last())
			return
		}
	}
}
