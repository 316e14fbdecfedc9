package host

import (
	"context"
	"math"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"inbox/inbox/wasm"
	"inbox/sdk/abi"
)

// Bounds of what one call of the host may be asked. wazero takes memory for each of them before it looks further.
const (
	maxBuffers       = 1024 // of one read or write, as IOV_MAX of Linux; more are left, as a short read or write leaves them
	maxSubscriptions = 1024 // of one poll_oneoff; more are EINVAL
	maxPath          = 4096 // bytes, as PATH_MAX of Linux; what follows is not looked at, as there are no files
)

// What one entry of a list costs, besides the bytes in it.
const (
	perBuffer       = 40
	perSubscription = 200
)

// price tells what a call of the host costs besides [wasm.CallOut], in bytes that it is about, and lowers the parameters that ask
// for more than a call may.
type price func(in *instance, mod api.Module, params []uint64) int64

// tolls are the prices of all functions of the host. One without a price cannot be offered.
var tolls = makeTolls()

func makeTolls() map[wasm.Import]price {
	all := map[wasm.Import]price{{Module: "env", Name: "abort"}: few}
	wasi := func(p price, names ...string) {
		for _, name := range names {
			all[wasm.Import{Module: wasi_snapshot_preview1.ModuleName, Name: name}] = p
		}
	}
	wasi(few, "args_get", "args_sizes_get", "environ_get", "environ_sizes_get", "clock_res_get", "clock_time_get",
		"fd_advise", "fd_allocate", "fd_close", "fd_datasync", "fd_fdstat_get", "fd_fdstat_set_flags", "fd_fdstat_set_rights",
		"fd_filestat_get", "fd_filestat_set_size", "fd_filestat_set_times", "fd_prestat_get", "fd_renumber", "fd_seek", "fd_sync",
		"fd_tell", "proc_exit", "proc_raise", "sched_yield", "sock_accept", "sock_shutdown")
	wasi(sized(1), "random_get")
	wasi(sized(2), "fd_readdir", "fd_prestat_dir_name")
	wasi(written, "fd_write", "fd_pwrite", "sock_send")
	wasi(reading, "fd_read", "fd_pread", "sock_recv")
	wasi(polled, "poll_oneoff")
	wasi(paths(2), "path_create_directory", "path_remove_directory", "path_unlink_file")
	wasi(paths(3), "path_filestat_get", "path_filestat_set_times", "path_open")
	wasi(paths(3, 6), "path_link")
	wasi(paths(2, 5), "path_rename")
	wasi(paths(1, 4), "path_symlink")
	wasi(func(in *instance, mod api.Module, params []uint64) int64 {
		return paths(2)(in, mod, params) + sized(4)(in, mod, params)
	}, "path_readlink")
	// The document that next hands over, and what event_read copies, are paid for when they are.
	all[wasm.Import{Module: abi.Module, Name: abi.Next}] = few
	for _, name := range []string{abi.Done, abi.Log, abi.EventRead} {
		all[wasm.Import{Module: abi.Module, Name: name}] = sized(1)
	}
	return all
}

// few is the price of a function that is about few bytes.
func few(*instance, api.Module, []uint64) int64 { return 0 }

// sized is the price of a function whose parameter i is a number of bytes.
func sized(i int) price {
	return func(_ *instance, _ api.Module, params []uint64) int64 { return int64(uint32(params[i])) }
}

// paths is the price of a function whose parameters at these places are the lengths of paths.
func paths(at ...int) price {
	return func(_ *instance, _ api.Module, params []uint64) (bytes int64) {
		for _, i := range at {
			params[i] = min(uint64(uint32(params[i])), maxPath)
			bytes += int64(params[i])
		}
		return bytes
	}
}

// polled is the price of a list of subscriptions. A list that is too long is made one of none, which is
// EINVAL.
func polled(_ *instance, _ api.Module, params []uint64) int64 {
	if uint32(params[2]) > maxSubscriptions {
		params[2] = 0
	}
	return perSubscription * int64(uint32(params[2]))
}

// written is the price of a list of buffers and of all that is in them. Buffers after the first maxBuffers are left. A list
// that is not all in the memory is made one that is nowhere, which is EFAULT: wazero would find the end of some in it.
func written(_ *instance, mod api.Module, params []uint64) int64 {
	const each = 8 // address and length
	list, n := uint64(uint32(params[1])), uint64(uint32(params[2]))
	if list+each*n > uint64(mod.Memory().Size()) {
		params[1], params[2] = math.MaxUint32, 1
		return 0
	}
	n = min(n, maxBuffers)
	params[2] = n
	price := perBuffer * int64(n)
	for at := list + 4; n > 0; at += each {
		size, _ := mod.Memory().ReadUint32Le(uint32(at))
		price += int64(size)
		n--
	}
	return price
}

// reading is the same for what is filled: no more than is left to be read.
func reading(in *instance, mod api.Module, params []uint64) int64 {
	price := written(in, mod, params)
	return min(price, int64(len(in.stdin.data))+perBuffer*int64(params[2]))
}

// toll is taken before every function of the host: a guest that should have ended ends, and the call is paid for, with
// the bytes that it is about.
type toll struct{ price price }

// tollOf returns the toll of a function, which must have a price.
func tollOf(module, name string) toll { return toll{tolls[wasm.Import{Module: module, Name: name}]} }

// takeTolls makes the toll of each function of WASI.
type takeTolls struct{}

// NewFunctionListener returns the toll of a function.
func (takeTolls) NewFunctionListener(def api.FunctionDefinition) experimental.FunctionListener {
	return tollOf(def.ModuleName(), def.Name())
}

// Before is called before every function of WASI. params are those that the function is called with next: what is changed in
// them is what it sees, on both engines.
func (t toll) Before(ctx context.Context, mod api.Module, _ api.FunctionDefinition, params []uint64, _ experimental.StackIterator) {
	t.take(ctx, mod, params)
}

func (t toll) take(ctx context.Context, mod api.Module, params []uint64) {
	in, ok := ctx.Value(instanceKey{}).(*instance)
	if !ok {
		return
	}
	if in.stop.Err() != nil {
		panic(errOverdue)
	}
	in.pay(wasm.CallOut + t.price(in, mod, params)) // also where nothing is paid, for the bounds
}

// After does nothing.
func (toll) After(context.Context, api.Module, api.FunctionDefinition, []uint64) {}

// Abort does nothing.
func (toll) Abort(context.Context, api.Module, api.FunctionDefinition, error) {}
