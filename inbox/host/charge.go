package host

import (
	"context"
	"math"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"inbox/inbox/wasm"
)

// Bounds of a single call of the host. wazero allocates memory for each of these before it checks further.
const (
	maxBuffers       = 1024 // of one read or write, as IOV_MAX of Linux; further buffers are ignored, like in a short read or write
	maxSubscriptions = 1024 // of one poll_oneoff; more return EINVAL
	maxPath          = 4096 // bytes, as PATH_MAX of Linux; the rest is ignored, because there are no files
)

// The price of one entry of a list, besides its bytes.
const (
	perBuffer       = 40
	perSubscription = 200
)

// price is the price of a call of the host, besides [wasm.CallOut].
type price struct {
	// of returns the price: one unit of fuel per byte that the call handles. It also lowers parameters that exceed a call's
	// bounds.
	of func(in *instance, mod api.Module, params []uint64) int64
}

// few is the price of a function that handles few bytes: zero.
func few() price {
	return price{func(*instance, api.Module, []uint64) int64 { return 0 }}
}

// flat is a fixed price.
func flat(n int64) price {
	return price{func(*instance, api.Module, []uint64) int64 { return n }}
}

// free is the price of a function that ends the guest: it cancels wasm.CallOut too.
func free() price {
	return price{func(*instance, api.Module, []uint64) int64 { return -wasm.CallOut }}
}

// both is the sum of two prices.
func both(a, b price) price {
	return price{func(in *instance, mod api.Module, params []uint64) int64 {
		return a.of(in, mod, params) + b.of(in, mod, params)
	}}
}

// sized is the price of a function whose parameter i is a number of bytes.
func sized(i int) price {
	return price{func(_ *instance, _ api.Module, params []uint64) int64 { return int64(uint32(params[i])) }}
}

// paths is the price of a function with the lengths of paths in the parameters at.
func paths(at ...int) price {
	return price{func(_ *instance, _ api.Module, params []uint64) (bytes int64) {
		for _, i := range at {
			params[i] = min(uint64(uint32(params[i])), maxPath)
			bytes += int64(params[i])
		}
		return bytes
	}}
}

// polled is the price of a list of subscriptions. A list over the bound becomes empty, for which wazero returns EINVAL.
func polled() price {
	return price{func(_ *instance, _ api.Module, params []uint64) int64 {
		if uint32(params[2]) > maxSubscriptions {
			params[2] = 0
		}
		return perSubscription * int64(uint32(params[2]))
	}}
}

// written is the price of a list of buffers and their bytes. Buffers after the first maxBuffers are ignored. A list that
// reaches beyond the memory is replaced by an address that is always invalid, for which wazero returns EFAULT: wazero would
// otherwise read the last entries partly.
func written() price {
	return price{func(_ *instance, mod api.Module, params []uint64) int64 { return bufferList(mod, params) }}
}

// reading is the price of buffers to be filled: as written, but at most the bytes that standard input still has.
func reading() price {
	return price{func(in *instance, mod api.Module, params []uint64) int64 {
		price := bufferList(mod, params)
		return min(price, int64(len(in.stdin.data))+perBuffer*int64(params[2]))
	}}
}

// bufferList returns the price of the buffers in parameters 1 and 2, see [written].
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

// charge runs before a function of the host. It ends a guest that is over its time, and charges the call's price.
type charge struct{ price price }

// withPrices makes every host function that is defined with the returned context charge its price. A function without a price
// charges nothing; it must not be offered.
func withPrices(ctx context.Context, prices map[string]price) context.Context {
	return experimental.WithFunctionListenerFactory(ctx, experimental.FunctionListenerFactoryFunc(
		func(def api.FunctionDefinition) experimental.FunctionListener {
			if p, ok := prices[def.Name()]; ok {
				return charge{p}
			}
			return nil
		}))
}

// Before runs before every function of WASI. The function sees the changes of params, on both engines.
func (t charge) Before(ctx context.Context, mod api.Module, _ api.FunctionDefinition, params []uint64, _ experimental.StackIterator) {
	t.before(ctx, mod, params)
}

// before charges the instance that calls and returns it, nil if the caller is not an instance.
func (t charge) before(ctx context.Context, mod api.Module, params []uint64) *instance {
	in, _ := ctx.Value(instanceKey{}).(*instance)
	if in == nil {
		return nil
	}
	if in.stop.Err() != nil {
		unwind(errOverdue)
	}
	in.spend(wasm.CallOut + t.price.of(in, mod, params)) // price.of also bounds the parameters, so it runs for unmetered guests too
	return in
}

// unwind ends the guest's call from within a host function, and does not return. wazero offers no other way than a panic; its
// own proc_exit panics too. wazero recovers, frees what the guest holds, and returns the cause as the error of the call.
func unwind(cause error) { panic(cause) }

// After does nothing.
func (charge) After(context.Context, api.Module, api.FunctionDefinition, []uint64) {}

// Abort does nothing.
func (charge) Abort(context.Context, api.Module, api.FunctionDefinition, error) {}
