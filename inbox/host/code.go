package host

import "slices"

// pause is an empty loop. wazero looks whether a guest should stop at loops and nowhere else; without a look the guest
// can neither be stopped nor let Go's collector stop the world.
var pause = []byte{0x03, 0x40, 0x0b} // loop, no result, end

// Opcodes (WebAssembly core specification 2.0, section 5.4) that are more to us than their immediates.
const (
	opBlock   = 0x02
	opLoop    = 0x03
	opIf      = 0x04
	opBrIf    = 0x0d
	opBrTable = 0x0e
	opBulk    = 0xfc
	opVector  = 0xfd
)

// pauses copies a function's code and has it pause where it could otherwise go on for long: at its beginning, because a
// tree of calls needs no loop, and before every bulk instruction, because a row of them over the whole memory needs
// none either. It also returns what the time of compiling grows faster than.
//
// Instructions are read more strictly than wazero reads them: where the two could differ on where one ends, a module
// could hide instructions in what we take for an immediate.
func pauses(out, code []byte) ([]byte, shape, error) {
	out = append(out, pause...)
	copied := 0
	var s shape
	for r := (&reader{b: code}); len(r.b) > 0; {
		at := len(code) - len(r.b)
		op, bulk := r.instruction()
		if r.err != nil {
			return nil, s, r.err
		}
		switch op {
		case opBlock, opLoop, opIf, opBrIf:
			s.branches++
		case opBrTable:
			s.branches++
			s.targets += uint64(len(code)-len(r.b)) - uint64(at) // a byte each, mostly
		}
		if bulk {
			s.branches++ // wazero makes loops of them
			out = append(out, code[copied:at]...)
			out = append(out, pause...)
			copied = at
		}
	}
	return append(out, code[copied:]...), s, nil
}

// shape is how tangled a function is.
type shape struct{ locals, branches, targets uint64 }

// effort is what compiling the function takes, in some tens of nanoseconds: measured, it grows with the square of the
// branches, and with the ways between them times the variables that may differ on each.
func (s shape) effort() uint64 {
	return s.branches*s.branches + 25*(s.branches+s.targets)*(s.locals+30)
}

// immediates says what follows each first byte of an instruction: nothing (.), a block's type (b), an index (i), two (I), a
// table of labels (t), the type of a select (s), a zero (z), a number (c), a kind of reference (r), what bulk instructions
// (B) and vectors (V) have, or that there is no such instruction (?).
const immediates = "" +
	"..bbb.?????.iit." + // 00
	"iI????????..s???" + // 10
	"iiiiiii?IIIIIIII" + // 20
	"IIIIIIIIIIIIIIIz" + // 30
	"zcccc..........." + // 40
	"................" + // 50
	"................" + // 60
	"................" + // 70
	"................" + // 80
	"................" + // 90
	"................" + // a0
	"................" + // b0
	".....???????????" + // c0
	"r.i?????????????" + // d0
	"????????????????" + // e0
	"????????????BV??" // f0

// instruction skips one instruction and returns its first byte, and whether its time grows with an operand.
func (r *reader) instruction() (op byte, bulk bool) {
	op = r.byte()
	switch immediates[op] {
	case '.':
	case 'b':
		r.blockType()
	case 'i':
		r.u32()
	case 'I':
		r.u32()
		r.u32()
	case 't':
		r.labels()
	case 's':
		r.only(1)
		r.valueType()
	case 'z':
		r.only(0)
	case 'c':
		r.immediate(op)
	case 'r':
		r.only(typeFunc, typeExtern)
	case 'B':
		bulk = r.bulkInstruction()
	case 'V':
		r.vectorInstruction()
	default:
		r.unknown(op)
	}
	return op, bulk
}

// labels skips a table of labels, and the one for all other values.
func (r *reader) labels() {
	for range r.count() + 1 {
		r.u32()
	}
}

// immediate skips the number of a constant.
func (r *reader) immediate(op byte) {
	switch op {
	case 0x41: // i32.const
		r.leb(5)
	case 0x42: // i64.const
		r.leb(10)
	case 0x43: // f32.const
		r.bytes(4)
	case 0x44: // f64.const
		r.bytes(8)
	}
}

// bulkInstruction skips what follows 0xfc.
func (r *reader) bulkInstruction() (bulk bool) {
	switch op := r.byte(); op {
	case 0, 1, 2, 3, 4, 5, 6, 7: // conversions that saturate
		return false
	case 8, 10, 12, 14: // memory.init, memory.copy, table.init, table.copy
		r.u32()
		r.u32()
		return true
	case 9, 13, 16: // data.drop, elem.drop, table.size
		r.u32()
		return false
	case 11, 15, 17: // memory.fill, table.grow, table.fill
		r.u32()
		return true
	default:
		r.unknown(opBulk, op)
		return false
	}
}

// vectorInstruction skips what follows 0xfd. wazero reads one byte of the number; of those that need two the second is
// always 1, which it takes for a nop.
func (r *reader) vectorInstruction() {
	switch op := r.byte(); {
	case op <= 11, op == 92, op == 93: // load, store
		r.u32()
		r.u32()
	case op == 12, op == 13: // v128.const, shuffle
		r.bytes(16)
	case op >= 21 && op <= 34: // lanes
		r.byte()
	case op >= 84 && op <= 91: // load and store of lanes
		r.u32()
		r.u32()
		r.byte()
	case op >= 0x80:
		r.only(1)
	}
}

// Types of values (section 5.3).
const (
	typeFunc   = 0x70
	typeExtern = 0x6f
)

// valueType skips the type of a value: a number, a vector, or one of the two references of WebAssembly 2.0.
func (r *reader) valueType() { r.only(0x7f, 0x7e, 0x7d, 0x7c, 0x7b, typeFunc, typeExtern) }

// blockType skips nothing (0x40), the type of a value, or the index of a function's type, which is a signed number.
func (r *reader) blockType() {
	if len(r.b) == 0 {
		r.fail()
		return
	}
	first := r.b[0]
	switch {
	case first == 0x40:
		r.byte()
	case first < 0x80 && first > 0x40:
		r.valueType()
	default:
		before := r.b
		r.u32()
		if n := len(before) - len(r.b); n > 0 && before[n-1]&0x40 != 0 {
			r.fail() // negative
		}
	}
}

// only reads one byte, which must be one of these.
func (r *reader) only(may ...byte) byte {
	b := r.byte()
	if !slices.Contains(may, b) {
		r.unknown(b)
	}
	return b
}

func (r *reader) unknown(code ...byte) {
	r.refuse("the module is damaged, or needs more than WebAssembly 2.0: % x in its code", code)
}
