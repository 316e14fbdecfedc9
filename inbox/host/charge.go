package host

import (
	"context"
	"math"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"inbox/inbox/wasm"
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

// price is what a call of the host costs besides [wasm.CallOut].
type price struct {
	// of returns the price in bytes that the call is about, and lowers the parameters that ask for more than a call may.
	of func(in *instance, mod api.Module, params []uint64) int64
}

// few is the price of a function that is about few bytes.
func few() price {
	return price{func(*instance, api.Module, []uint64) int64 { return 0 }}
}

// free is the price of a function that ends the guest: nothing, not even the call.
func free() price {
	return price{func(*instance, api.Module, []uint64) int64 { return -wasm.CallOut }}
}

// both is the price of a function that costs what two prices say.
func both(a, b price) price {
	return price{func(in *instance, mod api.Module, params []uint64) int64 {
		return a.of(in, mod, params) + b.of(in, mod, params)
	}}
}

// sized is the price of a function whose parameter i is a number of bytes.
func sized(i int) price {
	return price{func(_ *instance, _ api.Module, params []uint64) int64 { return int64(uint32(params[i])) }}
}

// paths is the price of a function whose parameters at these places are the lengths of paths.
func paths(at ...int) price {
	return price{func(_ *instance, _ api.Module, params []uint64) (bytes int64) {
		for _, i := range at {
			params[i] = min(uint64(uint32(params[i])), maxPath)
			bytes += int64(params[i])
		}
		return bytes
	}}
}

// polled is the price of a list of subscriptions. A list that is too long is made one of none, which is
// EINVAL.
func polled() price {
	return price{func(_ *instance, _ api.Module, params []uint64) int64 {
		if uint32(params[2]) > maxSubscriptions {
			params[2] = 0
		}
		return perSubscription * int64(uint32(params[2]))
	}}
}

// written is the price of a list of buffers and of all that is in them. Buffers after the first maxBuffers are left. A list
// that is not all in the memory is made one that is nowhere, which is EFAULT: wazero would find the end of some in it.
func written() price {
	return price{func(_ *instance, mod api.Module, params []uint64) int64 { return bufferList(mod, params) }}
}

// reading is the same for what is filled: no more than is left to be read.
func reading() price {
	return price{func(in *instance, mod api.Module, params []uint64) int64 {
		price := bufferList(mod, params)
		return min(price, int64(len(in.stdin.data))+perBuffer*int64(params[2]))
	}}
}

// buffers is the price of the list of buffers that the parameters 1 and 2 are, see [written].
func bufferList(mod api.Module, params []uint64) int64 {
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

// toll is taken before every function of the host: a guest that should have ended ends, and the call is paid for, with
// the bytes that it is about.
type charge struct{ price price }

// withTolls has every function of the host that is made with the context take its toll. One without a price takes none; it
// must not be offered.
func withPrices(ctx context.Context, prices map[string]price) context.Context {
	return experimental.WithFunctionListenerFactory(ctx, experimental.FunctionListenerFactoryFunc(
		func(def api.FunctionDefinition) experimental.FunctionListener {
			if p, ok := prices[def.Name()]; ok {
				return charge{p}
			}
			return nil
		}))
}

// Before is called before every function of WASI. params are those that the function is called with next: what is changed in
// them is what it sees, on both engines.
func (t charge) Before(ctx context.Context, mod api.Module, _ api.FunctionDefinition, params []uint64, _ experimental.StackIterator) {
	t.before(ctx, mod, params)
}

// take takes the toll of the instance that calls, which it returns; nil when there is none.
func (t charge) before(ctx context.Context, mod api.Module, params []uint64) *instance {
	in, _ := ctx.Value(instanceKey{}).(*instance)
	if in == nil {
		return nil
	}
	if in.stop.Err() != nil {
		unwind(errOverdue)
	}
	in.spend(wasm.CallOut + t.price.of(in, mod, params)) // also where nothing is paid, for the bounds
	return in
}

// unwind ends the guest's call from within a function of the host, and does not return. wazero has no other way than to
// panic, as its own proc_exit does: it recovers, frees what the guest held, and returns the cause as the error of the call.
func unwind(cause error) { panic(cause) }

// After does nothing.
func (charge) After(context.Context, api.Module, api.FunctionDefinition, []uint64) {}

// Abort does nothing.
func (charge) Abort(context.Context, api.Module, api.FunctionDefinition, error) {}
