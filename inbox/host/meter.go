package host

import (
	"context"
	"math"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"inbox/inbox/wasm"
)

// slice is the fuel that a guest may spend before it calls the host. The host then checks whether the guest may go on, and lets
// Go's scheduler and collector run. A slice takes a tenth of a millisecond of arithmetic, and a few milliseconds of the
// instructions that are slowest for their price. The call itself is negligible.
const slice = 1 << 18

// startFuel is the fuel that a module may spend before it asks for its first event. The start's time limit mostly ends earlier.
const startFuel = 1 << 36

// noLimit means no fuel limit.
const noLimit = math.MaxInt64

// mostSpent is the largest count: fuel beyond it is not counted. Adding one more price to it does not overflow.
const mostSpent = math.MaxInt64 / 2

// meter counts the fuel of one guest. An instruction costs its price; a byte that a bulk instruction or a host function moves
// costs 1. A global of the guest holds the rest of the current slice. The meter belongs to the guest's goroutine.
type meter struct {
	on        bool
	left      api.MutableGlobal // the guest's counter; nil until its first call of the host, when its slice is empty
	slice     int64             // the last value set in left
	spent     int64             // without the used part of the slice
	limit     int64
	turnBegan time.Time // when the guest last yielded
}

// begin resets the count and sets the limit.
func (m *meter) begin(limit int64) {
	m.spent, m.limit = 0, limit
	m.slice = 0
	if m.left != nil {
		m.slice = min(slice, limit)
		m.left.Set(uint64(m.slice))
	}
}

// total returns the fuel spent since begin.
func (m *meter) total() int64 {
	if m.left == nil {
		return m.spent
	}
	return min(m.spent+m.slice-int64(m.left.Get()), mostSpent)
}

// refill takes the rest of a slice, usually negative, and returns the next slice. ok is false when the limit is exceeded.
func (m *meter) refill(left int64) (next int64, ok bool) {
	m.spent = min(m.spent+m.slice-left, mostSpent)
	m.slice = min(slice, m.limit-m.spent)
	if m.slice < 0 {
		m.slice = 0
		return 0, false
	}
	return m.slice, true
}

// spend counts a price. ok is false when the limit is exceeded.
func (m *meter) spend(price int64) (ok bool) {
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

// longestTurn is how long a guest runs before it yields to other goroutines. Go preempts only after 10 ms: with a dozen busy
// guests a webhook would wait for many such turns. Yielding takes some microseconds.
const longestTurn = time.Millisecond

// yield lets other goroutines run when the guest's turn is over.
func (m *meter) yield() {
	if now := time.Now(); now.Sub(m.turnBegan) >= longestTurn {
		runtime.Gosched()
		m.turnBegan = time.Now()
	}
}

// spend charges a metered guest, and ends it if its fuel is used up.
func (in *instance) spend(price int64) {
	if in.meter.on && !in.meter.spend(price) {
		in.outOfFuel()
	}
}

// outOfFuel ends a guest that exceeded its fuel, and does not return.
func (in *instance) outOfFuel() {
	in.cancel(errFuel)
	unwind(errOverdue)
}

// offerMeter defines the function that a metered guest calls when its slice is used up. Guests must not import it, because its
// parameter is trusted.
func offerMeter(ctx context.Context, r wazero.Runtime) error {
	_, err := r.NewHostModuleBuilder(wasm.MeterModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, mod api.Module, stack []uint64) {
			in := ctx.Value(instanceKey{}).(*instance)
			in.meter.yield()
			if in.stop.Err() != nil {
				unwind(errOverdue)
			}
			if in.meter.left == nil {
				in.meter.left = mod.ExportedGlobal(wasm.MeterGlobal).(api.MutableGlobal)
			}
			next, ok := in.meter.refill(int64(stack[0]))
			if !ok {
				in.meter.left.Set(0)
				in.outOfFuel()
			}
			stack[0] = uint64(next)
		}), []api.ValueType{api.ValueTypeI64}, []api.ValueType{api.ValueTypeI64}).Export(wasm.MeterCharge).Instantiate(ctx)
	return err
}
