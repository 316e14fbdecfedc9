package host

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"inbox/inbox/wasm"
)

// Metered returns a module as Compile rewrites it, so that benchmarks can measure the cost of metering. The error is Invalid
// for a module that Compile refuses, or that cannot be metered.
func Metered(file []byte) ([]byte, error) {
	m, err := wasm.Read(file)
	if err != nil {
		return nil, err
	}
	return m.Metered()
}

// OfferUnlimited defines the import of a metered module in the caller's runtime: a meter without a limit.
func OfferUnlimited(ctx context.Context, r wazero.Runtime) error {
	_, err := r.NewHostModuleBuilder(wasm.MeterModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) { stack[0] = slice }),
			[]api.ValueType{api.ValueTypeI64}, []api.ValueType{api.ValueTypeI64}).Export(wasm.MeterCharge).Instantiate(ctx)
	return err
}
