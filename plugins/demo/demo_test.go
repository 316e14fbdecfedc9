package demo_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"inbox/plugins/demo"
)

func TestTheModuleIsSmall(t *testing.T) {
	t.Parallel()
	if n := len(demo.Wasm()); n == 0 || n > 64<<10 {
		t.Errorf("%d bytes", n)
	}
}

func TestTheModuleIsBuiltFromItsSource(t *testing.T) {
	t.Parallel()
	version, err := exec.Command("clang", "--version").Output()
	if err != nil || !strings.Contains(string(version), "version 14.") {
		if os.Getenv("INBOX_NO_SKIP") != "" {
			t.Fatalf("clang 14 is not installed: %v", err)
		}
		t.Skip("clang 14 is not installed (Debian 12: clang lld wasi-libc libclang-rt-14-dev-wasm32): the module was not built again")
	}
	out := filepath.Join(t.TempDir(), "demo.wasm")
	linker, err := exec.LookPath("wasm-ld-14")
	if err != nil {
		t.Fatalf("clang's linker for WebAssembly is not installed (Debian 12: lld): %v", err)
	}
	build := exec.Command("clang", "--target=wasm32-wasi", "-Oz", "-s", "-Wl,--strip-all", "-o", out, "src/demo.c")
	build.Env = append(os.Environ(), "PATH="+filepath.Dir(linker)) // clang would run a wasm-opt on the PATH, which changes the module
	text, err := build.CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v: %s", err, text)
	}
	built, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(built, demo.Wasm()) {
		t.Error("demo.wasm is not what src/demo.c builds to")
	}
}
