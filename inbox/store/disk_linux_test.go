package store_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// missing skips a test because a tool is missing. With INBOX_NO_SKIP set, it fails the test.
func missing(t *testing.T, tool string) {
	t.Helper()
	if os.Getenv("INBOX_NO_SKIP") != "" {
		t.Fatalf("%s is needed", tool)
	}
	t.Skipf("%s is needed", tool)
}

func TestAStoreOnAFullDiskRejectsEventsAndRecoversWithoutARestart(t *testing.T) {
	t.Parallel()
	dir := inboxtest.Dir(t)
	if err := syscall.Mount("inbox-test", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("cannot mount a small file system here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	fillAndRecover(t, dir, func() {
		if err := syscall.Mount("inbox-test", dir, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
			t.Fatal(err)
		}
	})
}

// fillAndRecover accepts events until the disk is full, frees space, and accepts events again, without opening the store again.
func fillAndRecover(t *testing.T, dir string, freeSpace func()) {
	s, err := store.Open(ctx, store.Options{Dir: dir, Create: true, Server: true, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	stop := inboxtest.Run(t, s)
	acked := map[string]inbox.Receipt{}
	pad := strings.Repeat("x", 20_000)
	accept := func(i int) error {
		body := fmt.Sprint(i, " ", pad)
		r, err := s.Accept(ctx, inboxtest.Arrival(body))
		if err == nil {
			acked[body] = r
		}
		return err
	}
	refused := 0
	for i := 0; refused < 20 && i < 2000; i++ {
		if err := accept(i); err != nil {
			if refused++; inbox.KindOf(err) != inbox.Unavailable {
				t.Errorf("refused with %v", err)
			}
		}
	}
	if len(acked) < 5 || refused < 20 {
		t.Fatalf("%d acknowledged, %d refused", len(acked), refused)
	}
	for body, r := range acked { // a full disk does not prevent reads
		if p, err := s.Payload(ctx, r.Seq); err != nil || string(p.Body) != body {
			t.Errorf("event %d: %v", r.Seq, err)
		}
	}
	if again, err := store.Open(ctx, store.Options{Dir: dir, Server: true, MinFree: 1}); err != nil {
		t.Errorf("a start while the disk is full: %v", err)
	} else if err := again.Close(); err != nil {
		t.Error(err)
	}
	freeSpace()
	inboxtest.Eventually(t, "the store is ready again", func() bool { return s.Ready(ctx) == nil })
	for i := range 50 {
		if err := accept(10_000 + i); err != nil {
			t.Errorf("after space was freed: %v", err)
		}
	}
	inboxtest.Check(t, s)
	inboxtest.CheckAcked(t, s, acked)
	stop()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// limitEnv is set in the process that TestAFileSizeLimitIsHandledAsAFullDisk starts. That process limits the size of its files.
const limitEnv = "INBOX_STORE_TEST_LIMIT"

func TestAFileSizeLimitIsHandledAsAFullDisk(t *testing.T) {
	if os.Getenv(limitEnv) == "" {
		t.Parallel()
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), limitEnv+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	dir := inboxtest.Dir(t)
	var original syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &original); err != nil {
		t.Fatal(err)
	}
	small := original
	small.Cur = 2 << 20
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		t.Fatal(err)
	}
	fillAndRecover(t, dir, func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &original); err != nil {
			t.Fatal(err)
		}
	})
}

// traced runs a child whose flushes of the write-ahead log fail. when selects the flushes, see strace(1). The child is stopped 200
// lines after the first failure.
func traced(t *testing.T, when string) (*oracle, string, error) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		missing(t, "strace")
	}
	dir := inboxtest.Dir(t)
	cmd, in, out := spawn(t, dir, "traced", strace, "-f", "-qq", "-o", "/dev/null", "-P", filepath.Join(dir, "inbox.db-wal"),
		"-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO:when="+when)
	const maxAcked = 5000 // acknowledged without a failure
	o := &oracle{acked: map[string]inbox.Receipt{}}
	stop := after(200, func() { in.Close() })
	o.read(t, out, func() {
		if o.refused > 0 || len(o.acked) > maxAcked {
			stop()
		}
	})
	err = cmd.Wait()
	if len(o.acked) == 0 && err != nil && !o.fatal {
		t.Skipf("strace cannot trace here: %v", err)
	}
	return o, dir, err
}

func TestTheProgramContinuesAfterOneFailedFlush(t *testing.T) {
	t.Parallel()
	o, dir, err := traced(t, "20") // the 20th flush of the writing thread, when all goroutines are busy
	if err != nil || o.fatal {
		t.Errorf("the program ended: %v", err)
	}
	if o.refused == 0 {
		t.Error("no event was refused, so no flush failed")
	}
	o.verify(t, dir)
	t.Logf("%d acknowledged, %d refused", len(o.acked), o.refused)
}

func TestRepeatedFlushFailuresEndTheProgram(t *testing.T) {
	t.Parallel()
	o, dir, err := traced(t, "20+")
	if err == nil || !o.fatal {
		t.Errorf("the program continued: %v", err)
	}
	o.verify(t, dir)
	t.Logf("%d acknowledged, %d refused", len(o.acked), o.refused)
}
