package wasm

import (
	"fmt"
	"slices"
)

// Opcodes that this package treats specially (WebAssembly core specification 2.0, section 5.4).
const (
	opUnreachable  = 0x00
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opTableGet     = 0x25
	opTableSet     = 0x26
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opF32Const     = 0x43
	opF64Const     = 0x44
	opI64LtS       = 0x53
	opI64Sub       = 0x7d
	opI64ExtendU   = 0xad // i64.extend_i32_u
	opRefNull      = 0xd0
	opRefFunc      = 0xd2
	opBulk         = 0xfc
	opVector       = 0xfd
)

// immediates gives the kind of the immediates for each first byte of an instruction: none (.), a block type (b), an index (i),
// two indexes (I), a table of labels (t), the type of a select (s), a zero byte (z), a constant (c), a reference type (r), the
// second opcode of bulk instructions (B) or vectors (V), or no such instruction (?).
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

// instruction is one decoded instruction, with the parts that this package uses.
type instruction struct {
	op    byte
	sub   byte   // second opcode after opBulk and opVector
	index uint64 // of a function, variable, label or type
	typed bool   // of a block: its type is a function type's index
	one   bool   // of a block: it has no parameters and one result
	bulk  bool   // its run time grows with its last operand
}

// instruction reads one instruction.
func (r *reader) instruction() instruction {
	one := instruction{op: r.byte()}
	switch immediates[one.op] {
	case '.':
	case 'b':
		one.index, one.typed, one.one = r.blockType()
	case 'i':
		one.index = r.u32()
	case 'I':
		one.index = r.u32()
		r.u32()
	case 't':
		r.table()
	case 's':
		r.oneOf(1)
		r.valueType()
	case 'z':
		r.oneOf(0)
	case 'c':
		r.immediate(one.op)
	case 'r':
		r.referenceType(one.op)
	case 'B':
		one.sub, one.bulk = r.bulkInstruction()
	case 'V':
		one.sub = r.vectorInstruction()
	default:
		r.unsupported(proposalOfInstruction(one.op), one.op)
	}
	return one
}

// referenceType skips the type of a null reference.
func (r *reader) referenceType(op byte) {
	if len(r.b) > 0 && (r.b[0] < 0x40 || r.b[0] >= 0x80) { // a type index
		r.unsupported(functionReferences(), op, r.b[0])
	}
	r.typeByte(typeFunc, typeExtern)
}

// table reads the labels of a br_table, including the default label.
func (r *reader) table() {
	r.labels = r.labels[:0]
	for range r.count() + 1 {
		r.labels = append(r.labels, uint32(r.u32()))
	}
}

// immediate skips the value of a constant.
func (r *reader) immediate(op byte) {
	switch op {
	case opI32Const:
		r.skipLEB(5)
	case opI64Const:
		r.skipLEB(10)
	case opF32Const:
		r.bytes(4)
	case opF64Const:
		r.bytes(8)
	}
}

// bulkInstruction skips the rest of an instruction that begins with 0xfc.
func (r *reader) bulkInstruction() (op byte, bulk bool) {
	switch op = r.byte(); op {
	case 0, 1, 2, 3, 4, 5, 6, 7: // saturating conversions
		return op, false
	case 8, 10, 12, 14: // memory.init, memory.copy, table.init, table.copy
		r.u32()
		r.u32()
		return op, true
	case 9, 13, 16: // data.drop, elem.drop, table.size
		r.u32()
		return op, false
	case 11, 15, 17: // memory.fill, table.grow, table.fill
		r.u32()
		return op, true
	default:
		r.unsupported(proposalOfInstruction(opBulk, op), opBulk, op)
		return op, false
	}
}

// vectorInstruction skips the rest of an instruction that begins with 0xfd. wazero reads one byte of the second opcode.
// Two-byte opcodes have 1 as their second byte, which wazero takes for a nop.
func (r *reader) vectorInstruction() (op byte) {
	switch op = r.byte(); {
	case op <= 11, op == 92, op == 93: // load, store
		r.u32()
		r.u32()
	case op == 12, op == 13: // v128.const, shuffle
		r.bytes(16)
	case op >= 21 && op <= 34: // extract_lane, replace_lane
		r.byte()
	case op >= 84 && op <= 91: // load_lane, store_lane
		r.u32()
		r.u32()
		r.byte()
	case op >= 0x80:
		if next := r.byte(); next != 1 && r.err == nil {
			r.unsupported(proposalOfInstruction(opVector, op, next), opVector, op, next)
		}
	}
	return op
}

// Reference types (section 5.3).
const (
	typeFunc   = 0x70
	typeExtern = 0x6f
)

// valueType skips a value type: a number, a vector, or one of the two references of WebAssembly 2.0.
func (r *reader) valueType() { r.typeByte(0x7f, 0x7e, 0x7d, 0x7c, 0x7b, typeFunc, typeExtern) }

// blockType reads a block type: empty (0x40), a value type, or the index of a function type, which is a signed number. one is
// false for an empty type.
func (r *reader) blockType() (index uint64, typed, one bool) {
	if len(r.b) == 0 {
		r.fail()
		return 0, false, false
	}
	first := r.b[0]
	switch {
	case first == 0x40:
		r.byte()
	case first < 0x80 && first > 0x40:
		r.valueType()
	default:
		before := r.b
		index, typed = r.u32(), true
		if n := len(before) - len(r.b); n > 0 && before[n-1]&0x40 != 0 {
			r.fail() // negative
		}
	}
	return index, typed, first != 0x40
}

// oneOf reads one byte and stops unless it is one of may.
func (r *reader) oneOf(may ...byte) byte {
	b := r.byte()
	if !slices.Contains(may, b) && r.err == nil {
		r.unknown(b)
	}
	return b
}

// unknown stops at bytes that have no meaning and were already read.
func (r *reader) unknown(code ...byte) {
	r.stop(&damage{what: fmt.Sprintf("the module is damaged, or needs more than WebAssembly 2.0: % x in its code", code), left: len(r.b) + len(code)})
}
