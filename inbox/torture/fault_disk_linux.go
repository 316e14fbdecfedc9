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

// diskHarms are what a disk does. Calls are made to fail below SQLite, in the real program, by strace.
func diskFaults() []fault {
	list := []fault{{point: "disk", what: "full (file size limit: short writes, then EFBIG), healed, then kill -9", do: (*round).full}}
	for _, d := range []struct {
		what, calls, with string
		ends              bool
	}{
		{"writes fail with EIO", "pwrite64", "error=EIO", false},
		{"writes fail with ENOSPC", "pwrite64", "error=ENOSPC", false},
		{"writes come back short, with nothing written", "pwrite64", "retval=0", false},
		{"flushes fail with EIO", "fsync,fdatasync", "error=EIO", true},
	} {
		list = append(list, fault{
			point: "disk", what: d.what + ", then kill -9", slow: true, cannot: noStrace, do: (*round).failing,
			arm: func(chance *rand.Rand) arms {
				when := fmt.Sprintf("%d+%d", 12+chance.IntN(40), 20+chance.IntN(80)) // of each thread; a start makes some ten flushes itself
				return arms{armed: d.ends, ill: true, under: []string{
					"strace", "-D", "-f", "-qq", "-o", "TRACE", "-P", "DATA/" + datadir.WAL, "-P", "DATA/" + datadir.Database,
					"-e", "trace=" + d.calls, "-e", "inject=" + d.calls + ":" + d.with + ":when=" + when,
				}}
			},
		})
	}
	return list
}

// noStrace says why strace cannot be used.
func noStrace() string {
	if _, err := exec.LookPath("strace"); err != nil {
		return "strace is not installed"
	}
	if out, err := exec.Command("strace", "-D", "-f", "-qq", "-o", os.DevNull, "-e", "inject=fsync:error=EIO", "true").CombinedOutput(); err != nil {
		return fmt.Sprintf("strace cannot trace here: %s", out)
	}
	return ""
}

// failing lives with a disk whose calls fail now and then.
func (r *round) failing() {
	r.moments(time.Second, 2*time.Second)
	if r.s.alive() {
		r.s.kill()
	}
	trace, err := os.ReadFile(filepath.Join(r.t.dir, "trace"))
	r.s.happened = err == nil && len(trace) > 0 && injected(trace)
}

// full lets the write-ahead log grow no further for a while: the write that meets the limit is a short one, those after
// it fail. When there is space again the server must accept events without a restart.
func (r *round) full() {
	r.moments(50*time.Millisecond, 300*time.Millisecond)
	var size int64
	if info, err := os.Stat(filepath.Join(r.t.data, datadir.WAL)); err == nil {
		size = info.Size()
	}
	limit := unix.Rlimit{Cur: uint64(size + r.chance.Int64N(100_000)), Max: unix.RLIM_INFINITY}
	pid := r.s.cmd.Process.Pid
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		r.t.report.broke("cannot limit the size of files: %v", err)
		return
	}
	before := r.t.world.refusals()
	r.moments(500*time.Millisecond, 900*time.Millisecond)
	r.s.happened = r.t.world.refusals() > before
	limit.Cur = unix.RLIM_INFINITY
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil && r.s.alive() {
		r.t.report.broke("cannot lift the limit of the size of files: %v", err)
	}
	r.heals()
	r.moments(50*time.Millisecond, 300*time.Millisecond)
	r.s.kill()
}

// heals waits until the server takes events again.
func (r *round) heals() {
	c := r.t.connection(r.s, 98)
	defer c.client.CloseIdleConnections()
	for until := time.Now().Add(20 * time.Second); c.accepted == 0; rest(r.ctx, 10*time.Millisecond) {
		if !c.one(r.ctx) || time.Now().After(until) {
			r.t.report.broke("law 5: with space on the disk again the server accepts no events: %s", r.s.last())
			return
		}
	}
}
