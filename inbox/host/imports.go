package host

import (
	"context"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"inbox/sdk/abi"
)

// hostFunction is a function that modules may import. Make it with [define], whose price parameter is required: a function
// without a price does not compile.
type hostFunction struct {
	name    string
	params  int // number of i32 parameters
	results int // number of i32 results, 0 or 1
	price   price
	call    hostCall
}

// hostCall implements a host function. in is nil if the caller is not an instance, mem if it has no memory. stack holds the
// parameters.
type hostCall func(ctx context.Context, in *instance, mem api.Memory, stack []uint64) int32

// define returns a function with a number of i32 parameters and i32 results, its price and its implementation.
func define(name string, params, results int, p price, call hostCall) hostFunction {
	return hostFunction{name, params, results, p, call}
}

// sessionFunctions returns the functions of module inbox_v1. The guest owns all buffers; every buffer is checked against the
// guest's memory before use. next and event_read charge the bytes that they copy when they copy them.
func sessionFunctions() []hostFunction {
	return []hostFunction{
		define(abi.Next, 2, 1, few(), session(func(ctx context.Context, in *instance, mem api.Memory, p []uint64) int32 {
			return in.next(ctx, mem, uint32(p[0]), uint32(p[1]))
		})),
		define(abi.Done, 2, 1, sized(1), session(func(_ context.Context, in *instance, mem api.Memory, p []uint64) int32 {
			return in.done(mem, uint32(p[0]), uint32(p[1]))
		})),
		define(abi.Log, 2, 1, sized(1), session(func(_ context.Context, in *instance, mem api.Memory, p []uint64) int32 {
			return in.logLine(mem, uint32(p[0]), uint32(p[1]))
		})),
		define(abi.EventRead, 5, 1, sized(1), session(func(_ context.Context, in *instance, mem api.Memory, p []uint64) int32 {
			return in.eventRead(mem, uint32(p[0]), uint32(p[1]), uint32(p[2]), uint32(p[3]), uint32(p[4]))
		})),
	}
}

// inboxFunctions returns the functions of module inbox_v1.
func inboxFunctions() []hostFunction {
	return slices.Concat(sessionFunctions(), kvFunctions(), fetchFunctions(), []hostFunction{emitFunction()})
}

// session returns ErrPointer for a caller without an instance or a memory.
func session(call hostCall) hostCall {
	return func(ctx context.Context, in *instance, mem api.Memory, stack []uint64) int32 {
		if in == nil || mem == nil {
			return abi.ErrPointer
		}
		return call(ctx, in, mem, stack)
	}
}

// envModule is the module from which AssemblyScript imports abort.
const envModule = "env"

// envFunctions returns the functions of module env. AssemblyScript calls abort in place of a trap.
func envFunctions() []hostFunction {
	return []hostFunction{
		define("abort", 4, 0, free(), func(context.Context, *instance, api.Memory, []uint64) int32 {
			unwind(errAbort)
			return 0
		}),
	}
}

// wasiPrices returns the prices of the functions of WASI preview 1. wazero defines those functions; setting up a sandbox fails
// if one of them has no price here.
func wasiPrices() map[string]price {
	return map[string]price{
		"args_get": few(), "args_sizes_get": few(), "environ_get": few(), "environ_sizes_get": few(),
		"clock_res_get": few(), "clock_time_get": few(), "random_get": sized(1),
		"fd_advise": few(), "fd_allocate": few(), "fd_close": few(), "fd_datasync": few(), "fd_fdstat_get": few(),
		"fd_fdstat_set_flags": few(), "fd_fdstat_set_rights": few(), "fd_filestat_get": few(), "fd_filestat_set_size": few(),
		"fd_filestat_set_times": few(), "fd_prestat_get": few(), "fd_renumber": few(), "fd_seek": few(), "fd_sync": few(), "fd_tell": few(),
		"fd_prestat_dir_name": sized(2), "fd_readdir": sized(2),
		"fd_read": reading(), "fd_pread": reading(), "sock_recv": reading(),
		"fd_write": written(), "fd_pwrite": written(), "sock_send": written(),
		"path_create_directory": paths(2), "path_remove_directory": paths(2), "path_unlink_file": paths(2),
		"path_filestat_get": paths(3), "path_filestat_set_times": paths(3), "path_open": paths(3),
		"path_link": paths(3, 6), "path_rename": paths(2, 5), "path_symlink": paths(1, 4), "path_readlink": both(paths(2), sized(4)),
		"poll_oneoff": polled(), "proc_exit": few(), "proc_raise": few(), "sched_yield": few(), "sock_accept": few(), "sock_shutdown": few(),
	}
}

// offerFunctions defines a module of functions in a runtime. Each call is charged before it runs.
func offerFunctions(ctx context.Context, r wazero.Runtime, module string, functions []hostFunction) error {
	b := r.NewHostModuleBuilder(module)
	for _, f := range functions {
		charge := charge{f.price}
		b = b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, mod api.Module, stack []uint64) {
			result := f.call(ctx, charge.before(ctx, mod, stack), mod.Memory(), stack)
			if f.results > 0 {
				stack[0] = api.EncodeI32(result)
			}
		}), i32s(f.params), i32s(f.results)).Export(f.name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

func i32s(n int) []api.ValueType { return slices.Repeat([]api.ValueType{api.ValueTypeI32}, n) }

// offerWASI defines the functions of WASI. Each call is charged before it runs.
func offerWASI(ctx context.Context, r wazero.Runtime) error {
	_, err := wasi_snapshot_preview1.Instantiate(withPrices(ctx, wasiPrices()), r)
	return err
}
