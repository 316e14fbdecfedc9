//go:build unix

package torture_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"inbox/inbox/torture"
)

func TestAnInterruptedTortureEndsWith130AndDeletesItsStores(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a real server")
	}
	for _, args := range [][]string{{"torture", "--rounds", "1000", "--only", "any moment: kill"}, {"torture", "--soak"}} {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0], append(args, "--dir", dir)...)
		cmd.Env = append(os.Environ(), programEnv+"=none")
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stderr)
		var output []string
		for lines.Scan() {
			output = append(output, lines.Text())
			if strings.Contains(lines.Text(), "round 0") || strings.Contains(lines.Text(), "after ") {
				if err := cmd.Process.Signal(os.Interrupt); err != nil {
					t.Error(err)
				}
				break
			}
		}
		for lines.Scan() {
			output = append(output, lines.Text())
		}
		_ = cmd.Wait() // the exit code is checked below
		if code := cmd.ProcessState.ExitCode(); code != 130 {
			t.Errorf("%v ended with %d: %s", args, code, strings.Join(output, "\n"))
		}
		if !strings.Contains(out.String(), "Seed ") {
			t.Errorf("%v wrote no report: %q", args, out.String())
		}
		if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
			t.Errorf("%v left %v, %v", args, left, err)
		}
	}
}

func TestASoakThatBreaksALawOrFailsKeepsItsStore(t *testing.T) {
	o := options(t, "none")
	o.Exe = "/bin/false" // a server that does not start
	r, err := torture.Soak(context.Background(), o)
	if err != nil || len(r.Broken) == 0 {
		t.Fatalf("no law was broken: %+v, %v", r, err)
	}
	if _, err := os.Stat(filepath.Join(r.Kept, "store")); err != nil {
		t.Errorf("the store of a broken law was deleted: %v", err)
	}
	o.Exe = filepath.Join(t.TempDir(), "nothing")
	r, err = torture.Soak(context.Background(), o)
	if err == nil || errors.Is(err, context.Canceled) || r == nil {
		t.Fatalf("a soak without a program: %+v, %v", r, err)
	}
	if _, err := os.Stat(r.Kept); err != nil {
		t.Errorf("the store of a failed soak was deleted: %v", err)
	}
}
