package host_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"inbox/inbox"
	"inbox/inbox/host"
	"inbox/inbox/inboxtest"
)

// This program decides what a guest can reach in the runtime, and not the runtime's next version.
func TestTheEngineHasExactlyTheNamedFeatures(t *testing.T) {
	t.Parallel()
	want := "bulk-memory-operations|multi-value|mutable-global|nontrapping-float-to-int-conversion|reference-types|sign-extension-ops|simd"
	got := strings.Split(host.Features.String(), "|")
	slices.Sort(got)
	if strings.Join(got, "|") != want {
		t.Errorf("%s, want %s", got, want)
	}
	if host.Features != api.CoreFeaturesV2 {
		t.Errorf("the runtime's version 2.0 now has the features %s: decide which of them plugins may use, and check that the metering supports them", api.CoreFeaturesV2)
	}
}

// A runtime with its own configuration has the runtime's default features.
func TestEveryRuntimeHasTheNamedFeatures(t *testing.T) {
	t.Parallel()
	made, found := regexp.MustCompile(`wazero\.NewRuntime(Config\w*)?\(`), 0
	for _, path := range append(glob(t, "*.go"), glob(t, "../*/*.go")...) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, "_test.go") || filepath.Base(filepath.Dir(path)) == "bench" { // they run their own guests
			continue
		}
		n := len(made.FindAll(text, -1))
		if found += n; n > 0 && filepath.Base(path) != "engine.go" {
			t.Errorf("%s makes a runtime's configuration of its own", path)
		}
	}
	if found == 0 {
		t.Error("none is made at all")
	}
}

// The engine refuses unnamed features by itself, also where package wasm would let them pass: every instruction, and tags.
// There are exceptions that only package wasm refuses: wazero 1.12 accepts some types whatever its features are, and takes
// relaxed SIMD for instructions that do nothing.
func TestTheEngineItselfRefusesOtherFeatures(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, engine := range []inbox.Engine{inbox.Compiler, inbox.Interpreter} {
		r := wazero.NewRuntimeWithConfig(ctx, host.RuntimeConfig(engine))
		defer r.Close(ctx)
		for _, name := range inboxtest.Proposals() {
			if slices.Contains([]string{"relaxed_swizzle", "relaxed_dot", "half_precision", "exnref", "local_exnref", "recursive_types", "ref_to_a_type", "table_with_element"}, name) {
				continue
			}
			wasm, err := inboxtest.Made(name)
			if err != nil {
				t.Fatal(err)
			}
			if compiled, err := r.CompileModule(ctx, wasm); err == nil {
				compiled.Close(ctx)
				t.Errorf("%s: the %s takes it", name, engine)
			}
		}
	}
}
