package host

import (
	"maps"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// [define] requires the price of our own functions. The runtime defines those of WASI.
func TestEveryFunctionOfWASIHasAPriceAndEveryPriceAFunction(t *testing.T) {
	t.Parallel()
	h, err := New(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close(t.Context())
	for _, box := range h.sandboxes {
		offered := box.runtime.Module(wasi_snapshot_preview1.ModuleName).ExportedFunctionDefinitions()
		got, want := slices.Sorted(maps.Keys(offered)), slices.Sorted(maps.Keys(wasiPrices()))
		if !slices.Equal(got, want) {
			t.Errorf("the runtime has %q; these have prices: %q", got, want)
		}
	}
}
