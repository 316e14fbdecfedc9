package store_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// The laws of the kill loop. At whatever moment the program is killed:
//
//  1. every event that it reported as acknowledged is in the file, once and complete;
//  2. every settlement that it reported as settled is in the file;
//  3. the events that a settlement emits are in the file if and only if the settlement is;
//  4. the file passes its check.

// oracle collects the reports of children.
type oracle struct {
	acked   map[string]inbox.Receipt // by body
	settled int64                    // highest seq
	refused int
	fatal   bool
}

// read reads the output of a child until it ends. It calls onLine, if not nil, after every line.
func (o *oracle) read(t *testing.T, out io.Reader, onLine func()) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "ack":
			f := strings.SplitN(rest, " ", 3)
			var r inbox.Receipt
			if _, err := fmt.Sscan(f[0], &r.Seq); err != nil || len(f) != 3 {
				break // a killed child may leave an incomplete line
			}
			r.ID = f[1]
			if old, ok := o.acked[f[2]]; ok && (old.Seq != r.Seq || old.ID != r.ID) {
				t.Errorf("%s was acknowledged as %d, then as %d", f[2], old.Seq, r.Seq)
			}
			o.acked[f[2]] = r
		case "settled":
			var seq int64
			if _, err := fmt.Sscan(rest, &seq); err == nil {
				o.settled = max(o.settled, seq)
			}
		case "refused":
			o.refused++
		case "fatal":
			o.fatal = true
		}
		if onLine != nil {
			onLine()
		}
	}
}

// verify opens the store and checks the laws.
func (o *oracle) verify(t *testing.T, dir string) {
	t.Helper()
	s, err := store.Open(ctx, store.SmallRuns(store.Options{Dir: dir, MinFree: 1}, 64))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	inboxtest.Check(t, s)
	inboxtest.CheckAcked(t, s, o.acked)
	if o.settled == 0 {
		return
	}
	settled, err := s.SettledAbove(ctx, "p", 0, 0)
	if err != nil || int64(len(settled)) < o.settled {
		t.Errorf("%d are settled, the child reported %d, %v", len(settled), o.settled, err)
	}
	want := 0
	for _, seq := range settled {
		if emits(s, seq) {
			want++
		}
	}
	emitted, err := s.Find(ctx, inbox.Filter{Sources: []string{"plugin:p"}})
	if err != nil || len(emitted) != want {
		t.Errorf("%d events were emitted, and %d settlements emit one, %v", len(emitted), want, err)
	}
}

// spawn starts a child on a data directory. wrapper, if not empty, is a command with arguments that runs the child.
func spawn(t *testing.T, dir, salt string, wrapper ...string) (cmd *exec.Cmd, in io.Closer, out io.Reader) {
	t.Helper()
	args := append(wrapper, os.Args[0])
	cmd = exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), childEnv+"="+dir, childEnv+"_SALT="+salt)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err = cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, in, out
}

// after returns a function that calls do at its n-th call. Tests count the lines of a child instead of measuring time, because the
// machine may be busy.
func after(n int, do func()) func() {
	return func() {
		if n--; n == 0 {
			do()
		}
	}
}

func TestAKilledProgramLosesNoAcknowledgedEvent(t *testing.T) {
	t.Parallel()
	rounds := long(3, 4, 15)
	dir := inboxtest.Dir(t)
	o := &oracle{acked: map[string]inbox.Receipt{}}
	for round := range rounds {
		cmd, _, out := spawn(t, dir, fmt.Sprint("round-", round))
		o.read(t, out, after(30+rand.N(1000), func() { _ = cmd.Process.Kill() }))
		_ = cmd.Wait() // it was killed
		o.verify(t, dir)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	if len(o.acked) < 10*rounds || o.settled == 0 {
		t.Errorf("only %d were acknowledged, %d settled", len(o.acked), o.settled)
	}
	t.Logf("%d rounds: %d acknowledged, %d settled", rounds, len(o.acked), o.settled)
}

func TestAProgramThatStopsLosesNoAcknowledgedEvent(t *testing.T) {
	t.Parallel()
	dir := inboxtest.Dir(t)
	o := &oracle{acked: map[string]inbox.Receipt{}}
	cmd, in, out := spawn(t, dir, "stopped")
	o.read(t, out, after(300, func() { in.Close() }))
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	o.verify(t, dir)
	if info, err := os.Stat(dir + "/inbox.db-wal"); err == nil && info.Size() > 0 {
		t.Errorf("%d bytes were left in the write-ahead log", info.Size())
	}
	if o.fatal {
		t.Error("the child reported a fatal error")
	}
}
