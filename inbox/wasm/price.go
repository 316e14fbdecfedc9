package wasm

import "slices"

// CallOut is the price, in fuel, of leaving the compiled code: for instructions that make wazero leave it, and for calls of the
// host.
const CallOut = 100

// The price of an instruction is its run time in units of an addition, rounded to a whole number, so that a slice and a fuel
// limit bound the time. Both engines use the same prices, or a limit would have two meanings. Where the engines differ, the
// price is close to the slower one.
const (
	byTable     = 64 // an indirect call, besides a call: the table, the function and its code may be in no cache
	vectorPrice = 4  // a vector instruction; many compile to several instructions
	slowVector  = 10 // a square root, division, conversion or shift of vectors that compiles to many instructions
	memoryPrice = 8  // a load or store: a miss of all caches takes a hundred nanoseconds
	satPrice    = 3  // a saturating conversion
	entryPrice  = 2  // a call, on the side of the callee
	perMove     = 2  // moved values per unit
	perVariable = 4  // variables that the interpreter clears per unit
)

// prices gives the price of an instruction by its first byte, where it is below ten and depends on that byte only.
const prices = "" +
	"1111111111111111" + // 00
	"4611111111111111" + // 10: call, call_indirect
	"1111133188888888" + // 20: table.get, table.set, loads
	"8888888888888881" + // 30: loads and stores
	"1111111111111111" + // 40
	"1111111111111111" + // 50
	"1111111111111333" + // 60: i32.div and rem
	"3111111111111114" + // 70: i64.div and rem
	"4441111111111222" + // 80: i64.rem, f32
	"2833382221122228" + // 90: f32, f64
	"3338222133331133" + // a0: f64, conversions
	"3322223222231111" + // b0: conversions
	"1111111111111111" + // c0
	"1111111111111111" + // d0
	"1111111111111111" + // e0
	"1111111111111111" //   f0

// cost returns the price of an instruction, with the values that a call passes. The length of a bulk instruction is charged
// separately.
func (m *Module) cost(one instruction) uint64 {
	switch {
	case one.op == opMemoryGrow, one.op == opRefFunc, one.bulk:
		return CallOut
	case one.op == opVector && touchesMemory(one.sub):
		return vectorPrice + memoryPrice
	case one.op == opVector && slices.Contains(slowVectors, one.sub):
		return slowVector
	case one.op == opVector:
		return vectorPrice
	case one.op == opBulk && one.sub < 8:
		return satPrice
	}
	price := uint64(prices[one.op] - '0')
	switch one.op {
	case opCall:
		price += m.callValues(m.typeAt(one.index))
	case opCallIndirect:
		price += byTable + m.callValues(one.index)
	}
	return price
}

// slowVectors are i64x2.shr_s, f32x4.sqrt and div, f64x2.sqrt and div, and the saturating conversions.
var slowVectors = []byte{204, 227, 231, 239, 243, 248, 249, 252, 253}

// callValues returns how many values a call of a function type passes: its parameters and results.
func (m *Module) callValues(typ uint64) uint64 { return uint64(m.params[typ]) + uint64(m.results[typ]) }

// touchesMemory reports whether a vector instruction loads or stores.
func touchesMemory(sub byte) bool { return sub <= 11 || sub >= 84 && sub <= 93 }

// entryCost returns the price of a function with vars variables before its first instruction.
func entryCost(vars uint64) uint64 { return entryPrice + vars/perVariable }
