package wasm

import "slices"

// CallOut is the price of leaving the compiled code: of an instruction for which wazero does, and of a call of the host.
const CallOut = 100

// The price of an instruction is what it takes in the time that an addition takes, roughly and as a whole number, so that a
// slice and a limit on fuel bound the time. It is the same for both engines, or a limit would mean two things: where they
// differ, it is nearer to the one that takes longer.
const (
	byTable     = 64 // a call by a table, besides what a call costs: the table, the function and its code may be in no cache
	vectorPrice = 4  // an instruction of vectors, many of which are made of several
	slowVector  = 10 // a square root, division, conversion or shift of vectors that is made of many
	memoryPrice = 8  // a load or a store: what is not in the processor's caches takes a hundred nanoseconds
	satPrice    = 3  // a conversion that saturates
	entryPrice  = 2  // a call, on the side of the function that is called
	perMove     = 2  // values moved for one
	perVariable = 4  // variables that the interpreter sets to zero for one
)

// prices are those of the instructions by their first byte, where they are less than ten and need no more than that byte.
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

// cost is what an instruction costs, without what grows with its length, and with what a call hands over.
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

// slowVectors are i64x2.shr_s, f32x4.sqrt and div, f64x2.sqrt and div, and the conversions that saturate.
var slowVectors = []byte{204, 227, 231, 239, 243, 248, 249, 252, 253}

// handedOver is how many values a call of a function of a type takes there and back.
func (m *Module) callValues(typ uint64) uint64 { return uint64(m.params[typ]) + uint64(m.results[typ]) }

// touchesMemory reports whether an instruction of vectors loads or stores.
func touchesMemory(sub byte) bool { return sub <= 11 || sub >= 84 && sub <= 93 }

// entry is what a function with so many variables costs before its first instruction.
func entryCost(vars uint64) uint64 { return entryPrice + vars/perVariable }
