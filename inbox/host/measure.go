package host

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"inbox/inbox/wasm"
)

// Metered returns a module with its instructions counted, as Compile makes it, for measuring what that costs. The error
// is Invalid for a module that Compile would refuse, or that cannot be metered.
func Metered(file []byte) ([]byte, error) {
	m, err := wasm.Read(file)
	if err != nil {
		return nil, err
	}
	return m.Metered()
}

// OfferUnlimited makes what a module of Metered imports, in a runtime of the caller's: a meter that is never used up.
func OfferUnlimited(ctx context.Context, r wazero.Runtime) error {
	_, err := r.NewHostModuleBuilder(wasm.MeterModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) { stack[0] = slice }),
			[]api.ValueType{api.ValueTypeI64}, []api.ValueType{api.ValueTypeI64}).Export(wasm.MeterCharge).Instantiate(ctx)
	return err
}
