package host

import (
	"context"
	"math"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// slice is how much a guest may spend until it calls the host, which looks then whether it should go on; Go's scheduler
// and collector get their turn. It is a fraction of a millisecond of arithmetic, and tens of milliseconds if every
// instruction misses the cache; the call is nothing beside it.
const slice = 1 << 20

// startFuel bounds what a module may spend before it asks for its first event. Time bounds it too, and mostly before.
const startFuel = 1 << 36

// noLimit is fuel without end.
const noLimit = math.MaxInt64

// meter counts what one guest spends: an instruction is one, and so is a byte that a bulk instruction or a function of
// the host moves. What the guest has of its slice stands in a global of the guest. It belongs to the guest's goroutine.
type meter struct {
	on    bool
	left  api.MutableGlobal // in the guest; nil until it calls the host for the first time, when its slice is empty
	slice int64             // what left was last set to
	spent int64             // without what is gone of the slice
	limit int64
}

// begin counts from zero up to a limit.
func (m *meter) begin(limit int64) {
	m.spent, m.limit = 0, limit
	m.slice = 0
	if m.left != nil {
		m.slice = min(slice, limit)
		m.left.Set(uint64(m.slice))
	}
}

// total is what was spent since begin.
func (m *meter) total() int64 {
	if m.left == nil {
		return m.spent
	}
	return m.spent + m.slice - int64(m.left.Get())
}

// refill takes what is left of a slice, less than nothing mostly, and returns the next slice. It is not ok when more
// was spent than the limit.
func (m *meter) refill(left int64) (next int64, ok bool) {
	m.spent += m.slice - left
	m.slice = min(slice, m.limit-m.spent)
	if m.slice < 0 {
		m.slice = 0
		return 0, false
	}
	return m.slice, true
}

// pay spends so much.
func (m *meter) pay(price int64) (ok bool) {
	left := -price
	if m.left != nil {
		left += int64(m.left.Get())
	}
	ok = true
	if left < 0 {
		left, ok = m.refill(left)
	}
	if m.left == nil {
		m.slice = 0 // the guest has none of it yet
		return ok
	}
	m.left.Set(uint64(left))
	return ok
}

// pay has a metered guest spend so much, or ends it.
func (in *instance) pay(price int64) {
	if in.meter.on && !in.meter.pay(price) {
		in.exhausted()
	}
}

// exhausted ends a guest that has spent more than it may. The panic does not come back from the guest: it unwinds it,
// and wazero frees what it held.
func (in *instance) exhausted() {
	in.cancel(errFuel)
	panic(errOverdue)
}

// offerMeter makes the function that a metered guest calls when its slice is used up. A guest may not import it: what
// it passes is trusted.
func offerMeter(ctx context.Context, r wazero.Runtime) error {
	_, err := r.NewHostModuleBuilder(meterModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, mod api.Module, stack []uint64) {
			in := ctx.Value(instanceKey{}).(*instance)
			if in.stop.Err() != nil {
				panic(errOverdue)
			}
			if in.meter.left == nil {
				in.meter.left = mod.ExportedGlobal(meterName).(api.MutableGlobal)
			}
			next, ok := in.meter.refill(int64(stack[0]))
			if !ok {
				in.meter.left.Set(0)
				in.exhausted()
			}
			stack[0] = uint64(next)
		}), []api.ValueType{api.ValueTypeI64}, []api.ValueType{api.ValueTypeI64}).Export(meterCharge).Instantiate(ctx)
	return err
}

// toll is taken before every function of the host: a guest that should have ended ends, and the call is paid for, with
// the bytes that it is about.
type toll struct {
	bytes func(in *instance, mod api.Module, params []uint64) int64 // nil: none
}

// tolls makes the toll of each function of WASI.
type tolls struct{}

// NewFunctionListener returns the toll of a function.
func (tolls) NewFunctionListener(def api.FunctionDefinition) experimental.FunctionListener {
	return toll{bytes: lengths[def.Name()]}
}

// Before is called before every function of WASI.
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
	if !in.meter.on {
		return
	}
	price := int64(callOut)
	if t.bytes != nil {
		price += t.bytes(in, mod, params)
	}
	in.pay(price)
}

// After does nothing.
func (toll) After(context.Context, api.Module, api.FunctionDefinition, []uint64) {}

// Abort does nothing.
func (toll) Abort(context.Context, api.Module, api.FunctionDefinition, error) {}

// lengths are how many bytes functions of the host are about, by their parameters. All others are about few. The
// document that next hands over, and what event_read copies, are paid for when they are.
var lengths = map[string]func(*instance, api.Module, []uint64) int64{
	"random_get": second, "done": second, "log": second, "event_read": second,
	"fd_readdir":  third,
	"poll_oneoff": func(_ *instance, _ api.Module, params []uint64) int64 { return 48 * int64(uint32(params[2])) },
	"fd_write":    buffers, "fd_pwrite": buffers,
	"fd_read": reading, "fd_pread": reading,
}

func second(_ *instance, _ api.Module, params []uint64) int64 { return int64(uint32(params[1])) }

func third(_ *instance, _ api.Module, params []uint64) int64 { return int64(uint32(params[2])) }

// buffers is the length of a list of buffers and of all that is in them.
func buffers(_ *instance, mod api.Module, params []uint64) int64 {
	const each = 8 // address and length
	list, n := uint32(params[1]), uint32(params[2])
	price := each * int64(n)
	if price > int64(mod.Memory().Size()) {
		return price // the call will be refused
	}
	for i := range n {
		size, ok := mod.Memory().ReadUint32Le(list + each*i + 4)
		if !ok {
			break
		}
		price += int64(size)
	}
	return price
}

// reading is the same for what is filled: no more than is left to be read.
func reading(in *instance, mod api.Module, params []uint64) int64 {
	return min(buffers(in, mod, params), int64(len(in.stdin.data))+8*int64(uint32(params[2])))
}
