package serve

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"inbox/inbox/config"
	"inbox/inbox/host"
	"inbox/plugins/demo"
)

func TestTheMaximumMemoryContainsEachPlugin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := &config.Settings{Plugins: filepath.Join(dir, "none")}
	without, skipped, err := Memory(s, 0)
	if err != nil || len(skipped) > 0 || len(without) != 2 {
		t.Fatalf("%+v, %v, %v", without, skipped, err)
	}
	for name, text := range map[string]string{
		"demo.wasm": string(demo.Wasm()), "demo.toml": "concurrency = 5\n[limits]\nmemory = \"100 MiB\"\n",
		"broken.wasm": "x", "strict.wasm": string(demo.Wasm()), "strict.toml": "no = 1",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.Plugins = dir
	parts, skipped, err := Memory(s, 1000)
	if err != nil || !slices.Equal(skipped, []string{"broken", "strict"}) {
		t.Fatalf("%v, %v", skipped, err)
	}
	i := slices.IndexFunc(parts, func(p MemoryPart) bool { return strings.Contains(p.Name, "plugin demo, 5 instances") })
	if i < 0 || parts[i].Bytes < 500<<20 || parts[i].mapped < 500<<20 {
		t.Errorf("%+v", parts)
	}
	if parts[0].Bytes <= without[0].Bytes {
		t.Errorf("a thousand events use no memory: %+v", parts[0])
	}
	heap := heapLimit(parts)
	stacks := slices.IndexFunc(parts, func(p MemoryPart) bool { return strings.HasPrefix(p.Name, "stacks") })
	if stacks < 0 || heap < parts[stacks].Bytes || heap < host.CompileNeed(0) {
		t.Errorf("a heap of %d", heap)
	}
}
