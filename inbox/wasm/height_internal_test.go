package wasm

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero"
)

// In a valid module every block ends with exactly its results on the stack, if the effects of all instructions are right.
func TestTheHeightOfTheStackIsTracked(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../host/testdata/*.wasm")
	more, _ := filepath.Glob("../host/testdata/*/*.wasm")
	seen := 0
	if err != nil || len(paths) == 0 {
		t.Fatalf("%v, %v", paths, err)
	}
	for _, path := range append(paths, more...) {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Read(file)
		if err != nil || !valid(file) {
			continue // a damaged module
		}
		seen++
		n := 0
		if err := m.bodies(func(b *body) error {
			if b.height.unbalanced {
				t.Errorf("%s: function %d ends with another height", path, n)
			}
			n++
			return nil
		}); err == nil && len(file) > 20000 {
			t.Logf("%s: %d values", path, m.frame)
		}
	}
	if t.Log(seen, "modules"); seen < 50 {
		t.Errorf("%d modules are too few", seen)
	}
}

// valid reports whether a module is valid. wazero panics at some invalid modules.
func valid(file []byte) (ok bool) {
	defer func() { ok = recover() == nil && ok }()
	r := wazero.NewRuntimeWithConfig(context.Background(), wazero.NewRuntimeConfigInterpreter())
	defer r.Close(context.Background())
	_, err := r.CompileModule(context.Background(), file)
	return err == nil
}
