package sdk

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Authors write a plugin in a module of their own, with the lines of the README.
func TestAPluginIsBuiltInAModuleOfItsOwnAsTheREADMEsSay(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a plugin")
	}
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text := func(name string) string {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	const edit = "go mod edit -require inbox@v0.0.0 -replace inbox=/path/to/inbox"
	for _, name := range []string{"README.md", "sdk/go/sdk.go"} {
		if !strings.Contains(text(name), edit) {
			t.Errorf("%s does not say %q", name, edit)
		}
	}
	_, rest, _ := strings.Cut(text("examples/hello-go/README.md"), "A module of your own")
	_, rest, _ = strings.Cut(rest, "```sh\n")
	lines, _, found := strings.Cut(rest, "```")
	if !found || !strings.Contains(lines, edit) {
		t.Fatalf("the README of hello-go has no lines for a module of its own: %q", lines)
	}
	_, code, _ := strings.Cut(text("README.md"), "```go\n")
	code, _, _ = strings.Cut(code, "```")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-ec", strings.ReplaceAll(lines, "/path/to/inbox", root))
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s\n%v: %s", lines, err, out)
	}
	if info, err := os.Stat(filepath.Join(dir, "hello.wasm")); err != nil || info.Size() < 1<<20 {
		t.Errorf("%v, %v", info, err)
	}
}
