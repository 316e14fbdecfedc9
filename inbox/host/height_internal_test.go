package host

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// In a module that is valid every block ends with its results and no more, if the effects of all instructions are known.
func TestTheHeightOfAStackIsFollowed(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/*.wasm")
	more, _ := filepath.Glob("testdata/*/*.wasm")
	seen := 0
	if err != nil || len(paths) == 0 {
		t.Fatalf("%v, %v", paths, err)
	}
	for _, path := range append(paths, more...) {
		wasm, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m, err := inspect(wasm)
		if err != nil || !valid(context.Background(), wasm) {
			continue // one that is damaged
		}
		seen++
		n := 0
		if err := m.bodies(func(b *body) error {
			if b.height.odd {
				t.Errorf("%s: function %d ends with another height", path, n)
			}
			n++
			return nil
		}); err == nil && len(wasm) > 20000 {
			t.Logf("%s: %d values", path, m.frame)
		}
	}
	if t.Log(seen, "modules"); seen < 50 {
		t.Errorf("%d modules are too few", seen)
	}
}
