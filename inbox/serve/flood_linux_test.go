package serve_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"inbox/inbox/inboxtest"
)

// Plugins use all their memory at full concurrency, while they wait, while they run, and while releases are replaced. The resident
// memory of the process stays below the maximum that doctor prints.
func TestTheMemoryOfGreedyPluginsStaysBelowTheMaximumOfDoctor(t *testing.T) {
	inboxtest.Long(t) // it fills a gigabyte of memory
	const concurrency, memory, events = 3, 32 << 20, 90
	dir := t.TempDir()
	bin := filepath.Join(dir, "inbox")
	if out, err := exec.Command("go", "build", "-o", bin, "inbox").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	if err := os.MkdirAll(filepath.Join(dir, "plugins"), 0o700); err != nil {
		t.Fatal(err)
	}
	manifest := fmt.Sprintf("start_from = \"start\"\norder = \"none\"\non_failure = \"continue\"\nconcurrency = %d\n[retry]\nmax_attempts = 1\n"+
		"[limits]\nmemory = \"%d MiB\"\ntime = \"1m\"\n", concurrency, memory>>20)
	greedy := text(t, "testdata/greedy.wasm")
	recursion := text(t, "../host/testdata/recursion.wasm")
	install(t, dir, "fresh.toml", manifest)
	install(t, dir, "kept.toml", "reuse = 1000\n"+manifest)
	install(t, dir, "endless.toml", manifest) // it traps and is put on hold
	install(t, dir, "fresh.wasm", greedy)
	install(t, dir, "kept.wasm", greedy)
	install(t, dir, "endless.wasm", recursion)
	bound := doctorMemory(t, bin, dir)

	url, cmd := spawn(t, bin, dir)
	defer cmd.Process.Kill()
	db := openStore(t, dir)
	for n := range events {
		if n == events/2 { // new releases while events are sent
			install(t, dir, "kept.toml", "reuse = 999\n"+manifest)
			install(t, dir, "fresh.toml", "reuse = 2\n"+manifest)
		}
		post(t, url, inboxtest.Body(n, 0), secret, http.StatusOK, "stored")
	}
	inboxtest.Eventually(t, "all events are settled by the greedy plugins", func() bool {
		done := 0
		p, err := db.Plugins(context.Background())
		for i := range p {
			if p[i].Name != "endless" && p[i].Behind == 0 && p[i].Retrying+p[i].Ready == 0 {
				done++
			}
		}
		return err == nil && done == 2
	})
	peak := highWater(t, cmd.Process.Pid)
	t.Logf("%d MB of %d MB", peak>>20, bound>>20)
	if peak > bound {
		t.Errorf("the process used %d MB; the maximum of doctor is %d", peak>>20, bound>>20)
	}
	if least := int64(2 * concurrency * memory); peak < least {
		t.Errorf("the process used %d MB: the plugins were not greedy at the same time, which needs %d", peak>>20, least>>20)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("an interrupted server ends with %v", err)
	}
}

// doctorMemory returns the sum of the memory parts that doctor prints.
func doctorMemory(t *testing.T, bin, dir string) (bytes int64) {
	t.Helper()
	cmd := exec.Command(bin, "doctor", "--data", dir, "-o", "json")
	cmd.Env = append(os.Environ(), "INBOX_QOREID_SECRET="+secret, "INBOX_LISTEN=127.0.0.1:0", "INBOX_ADMIN=127.0.0.1:0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("doctor: %v: %s", err, out)
	}
	var findings []struct {
		Check string
		Parts []struct{ Bytes int64 }
	}
	if err := json.Unmarshal(out, &findings); err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		for _, p := range f.Parts {
			bytes += p.Bytes
		}
	}
	return bytes
}

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// highWater returns the peak of a process's resident memory.
func highWater(t *testing.T, pid int) int64 {
	t.Helper()
	for line := range strings.Lines(text(t, fmt.Sprintf("/proc/%d/status", pid))) {
		var kilobytes int64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kilobytes); n == 1 {
			return kilobytes << 10
		}
	}
	t.Fatal("the peak of the memory is unknown")
	return 0
}
