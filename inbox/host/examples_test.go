package host_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/host"
)

// build runs a compiler and returns the module it made. A compiler that is not there skips the test, but not in CI.
func build(t *testing.T, out string, argv ...string) []byte {
	t.Helper()
	if text, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		if os.Getenv("INBOX_NO_SKIP") != "" {
			t.Fatalf("%v: %v: %s", argv, err, text)
		}
		t.Skipf("%s cannot build it here: %v: %s", argv[0], err, text)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// rustc returns a compiler that has the standard library for WASI, and the target's name there.
func rustc() (path, target string) {
	for _, path := range []string{"rustc", "/usr/bin/rustc"} {
		for _, target := range []string{"wasm32-wasip1", "wasm32-wasi"} {
			root, err := exec.Command(path, "--print", "sysroot").Output()
			if err != nil {
				continue
			}
			if _, err := os.Stat(filepath.Join(strings.TrimSpace(string(root)), "lib", "rustlib", target, "lib")); err == nil {
				return path, target
			}
		}
	}
	return "rustc", "wasm32-wasip1"
}

func TestTheExamplesDoWhatTheySay(t *testing.T) { onEachEngine(t, testTheExamplesDoWhatTheySay) }

func testTheExamplesDoWhatTheySay(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	dir := t.TempDir()
	c, r := filepath.Join(dir, "c.wasm"), filepath.Join(dir, "r.wasm")
	rust, target := rustc()
	for name, one := range map[string]struct {
		build func(t *testing.T) []byte
		want  map[inbox.Verdict]inbox.Result
	}{
		"plain-go": {func(t *testing.T) []byte { return buildGo(t, "inbox/examples/plain-go") },
			map[inbox.Verdict]inbox.Result{inbox.Passed: inbox.OK, inbox.Failed: inbox.OK}},
		"c": {func(t *testing.T) []byte {
			return build(t, c, "clang", "--target=wasm32-wasi", "-O2", "-s", "-o", c, "../../examples/c/reject.c")
		}, map[inbox.Verdict]inbox.Result{inbox.Passed: inbox.OK, inbox.Failed: inbox.Reject, inbox.Pending: inbox.OK}},
		"rust": {func(t *testing.T) []byte {
			return build(t, r, rust, "--edition", "2021", "-O", "-C", "strip=symbols", "-C", "panic=abort", "-C", "lto",
				"--target", target, "-o", r, "../../examples/rust/retry.rs")
		}, map[inbox.Verdict]inbox.Result{inbox.Passed: inbox.OK, inbox.Pending: inbox.Retry}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := inbox.Manifest{Engine: engine, Limits: inbox.Limits{Time: 30 * time.Second}}.WithDefaults(1)
			p, err := h.Compile(context.Background(), one.build(t), &m)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close(context.Background())
			for verdict, want := range one.want {
				e, payload := event(verdict, `{"event":"address","data":{"verdict":"failed"}}`)
				doc, err := host.Document(e, payload, inbox.Delivery{Plugin: name, Seq: 5, Attempt: 1}, &m, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				out := p.Run(context.Background(), host.Call{Doc: doc, Seed: "x", ReceivedAt: e.ReceivedAt})
				if out.Result != want {
					t.Errorf("%s: %s (%s), want %s", verdict, out.Result, out.Reason, want)
				}
				if want == inbox.Retry && out.RetryAfter != 10*time.Minute {
					t.Errorf("comes again after %s", out.RetryAfter)
				}
			}
		})
	}
}
