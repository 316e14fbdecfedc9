package host_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// built holds the modules that were already built, by their source.
var built struct {
	sync.Mutex
	by map[string][]byte
}

// cachedBuild builds a module once for all tests. A build that fails or skips its test is repeated.
func cachedBuild(source string, build func() []byte) []byte {
	built.Lock()
	defer built.Unlock()
	if file, ok := built.by[source]; ok {
		return file
	}
	file := build()
	if built.by == nil {
		built.by = map[string][]byte{}
	}
	built.by[source] = file
	return file
}

// build runs a compiler and returns the module. A missing compiler skips the test; with INBOX_NO_SKIP it fails the test.
func build(t testing.TB, source, out string, argv ...string) []byte {
	t.Helper()
	return cachedBuild(source, func() []byte { return buildOnce(t, out, argv...) })
}

func buildOnce(t testing.TB, out string, argv ...string) []byte {
	t.Helper()
	if text, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		if os.Getenv("INBOX_NO_SKIP") != "" {
			t.Fatalf("%v: %v: %s", argv, err, text)
		}
		t.Skipf("%s cannot build it here: %v: %s", argv[0], err, text)
	}
	return read(t, out)
}

// rustc returns a compiler that has the standard library for WASI, and the target's name for it.
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

// The examples, built as their READMEs say.

func buildC(t testing.TB) []byte {
	out := filepath.Join(t.TempDir(), "c.wasm")
	return build(t, "c", out, "clang", "--target=wasm32-wasi", "-O2", "-s", "-o", out, "../../examples/c/reject.c")
}

func buildRust(t testing.TB) []byte {
	out := filepath.Join(t.TempDir(), "rust.wasm")
	path, target := rustc()
	return build(t, "rust", out, path, "--edition", "2021", "-O", "-C", "strip=symbols", "-C", "panic=abort", "-C", "lto",
		"--target", target, "-o", out, "../../examples/rust/retry.rs")
}

func buildZig(t testing.TB) []byte {
	dir := t.TempDir()
	out := filepath.Join(dir, "zig.wasm")
	return build(t, "zig", out, "zig", "build-exe", "../../examples/zig/skip.zig", "-target", "wasm32-wasi", "-O", "ReleaseSmall", "-fstrip",
		"--cache-dir", filepath.Join(dir, "own"), "--global-cache-dir", filepath.Join(dir, "all"), "-femit-bin="+out)
}

func buildAssemblyScript(t testing.TB) []byte {
	out := filepath.Join(t.TempDir(), "as.wasm")
	return build(t, "assemblyscript", out, "asc", "../../examples/assemblyscript/session.ts", "-O", "--exportStart", "_start", "-o", out)
}
