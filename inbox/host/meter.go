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

// slice is how much a guest may spend until it calls the host, which looks then whether it should go on; Go's scheduler
// and collector get their turn. It is a tenth of a millisecond of arithmetic, and a few milliseconds of what takes longest
// for its price; the call is nothing beside it.
const slice = 1 << 18

// startFuel bounds what a module may spend before it asks for its first event. Time bounds it too, and mostly before.
const startFuel = 1 << 36

// noLimit is fuel without end.
const noLimit = math.MaxInt64

// mostSpent is where counting ends: what is spent beyond it is not counted. A sum of it and one more price does not overflow.
const mostSpent = math.MaxInt64 / 2

// meter counts what one guest spends: an instruction has its price, and a byte that a bulk instruction or a function of the
// host moves is one. What the guest has of its slice stands in a global of the guest. It belongs to the guest's goroutine.
type meter struct {
	on        bool
	left      api.MutableGlobal // in the guest; nil until it calls the host for the first time, when its slice is empty
	slice     int64             // what left was last set to
	spent     int64             // without what is gone of the slice
	limit     int64
	turnBegan time.Time // when the guest last gave way
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
	return min(m.spent+m.slice-int64(m.left.Get()), mostSpent)
}

// refill takes what is left of a slice, less than nothing mostly, and returns the next slice. It is not ok when more
// was spent than the limit.
func (m *meter) refill(left int64) (next int64, ok bool) {
	m.spent = min(m.spent+m.slice-left, mostSpent)
	m.slice = min(slice, m.limit-m.spent)
	if m.slice < 0 {
		m.slice = 0
		return 0, false
	}
	return m.slice, true
}

// pay spends so much.
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

// turn is how long a guest works until everything else of the process that can go on does. Go's own turn is 10 ms: with a dozen
// guests that work, a webhook would wait for many of them. Giving way takes some microseconds.
const longestTurn = time.Millisecond

// giveWay lets others go on when the guest had its turn.
func (m *meter) yield() {
	if now := time.Now(); now.Sub(m.turnBegan) >= longestTurn {
		runtime.Gosched()
		m.turnBegan = time.Now()
	}
}

// pay has a metered guest spend so much, or ends it.
func (in *instance) spend(price int64) {
	if in.meter.on && !in.meter.spend(price) {
		in.outOfFuel()
	}
}

// exhausted ends a guest that has spent more than it may, and does not return.
func (in *instance) outOfFuel() {
	in.cancel(errFuel)
	unwind(errOverdue)
}

// offerMeter makes the function that a metered guest calls when its slice is used up. A guest may not import it: what
// it passes is trusted.
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
