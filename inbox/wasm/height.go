package wasm

import "slices"

// height tracks the number of operands on a function's stack. The interpreter keeps all of them in Go's heap, without a bound
// of its own. For an invalid module the numbers mean nothing.
type height struct {
	m           *Module
	now         int
	most        int
	open        []level // the function and the blocks that are open
	unreachable bool    // the rest of the block cannot be reached
	unbalanced  bool    // a block ended with another number of operands than its results
}

// level is an open block.
type level struct {
	base    int // operands below the block
	params  int
	results int
}

// begin begins a function with a number of results.
func (h *height) begin(m *Module, results uint8) {
	*h = height{m: m, open: append(h.open[:0], level{results: int(results)})}
}

// follow applies one instruction.
func (h *height) follow(one instruction) {
	switch one.op {
	case opBlock, opLoop, opIf:
		h.enter(one)
	case opElse, opEnd:
		h.leave(one.op == opElse)
	case opCall:
		typ := h.m.typeAt(one.index)
		h.add(int(h.m.results[typ]) - int(h.m.params[typ]))
	case opCallIndirect:
		h.add(int(h.m.results[one.index]) - int(h.m.params[one.index]) - 1)
	case opUnreachable, opBr, opBrTable, opReturn:
		h.now, h.unreachable = h.open[len(h.open)-1].base, true
	case opBulk:
		h.add(bulkEffect(one.sub))
	case opVector:
		h.add(vectorEffect(one.sub))
	default:
		h.add(int(effects[one.op]) - '4')
	}
}

func (h *height) add(n int) {
	h.now += n
	if base := h.open[len(h.open)-1].base; h.now < base {
		h.unbalanced = h.unbalanced || !h.unreachable
		h.now = base // unreachable code may take any operands
	}
	h.most = max(h.most, h.now)
}

func (h *height) enter(one instruction) {
	if one.op == opIf {
		h.add(-1)
	}
	l := level{}
	switch {
	case one.typed:
		l.params, l.results = int(h.m.params[one.index]), int(h.m.results[one.index])
	case one.one:
		l.results = 1
	}
	l.base = max(h.now-l.params, h.open[len(h.open)-1].base)
	h.now = l.base + l.params
	h.most = max(h.most, h.now)
	h.open = append(h.open, l)
}

func (h *height) leave(other bool) {
	l := h.open[len(h.open)-1]
	h.unbalanced = h.unbalanced || !h.unreachable && h.now != l.base+l.results
	h.unreachable = false
	if other {
		h.now = l.base + l.params
		return
	}
	h.now = l.base + l.results
	h.most = max(h.most, h.now)
	if len(h.open) > 1 { // body refuses instructions after the function's end
		h.open = h.open[:len(h.open)-1]
	}
}

// effects gives, for each first byte of an instruction, the change of the stack's height plus 4.
const effects = "" +
	"4444344444444344" + // 00
	"4444444444322444" + // 10
	"5345342444444444" + // 20
	"4444442222222225" + // 30
	"4555543333333333" + // 40
	"4333333333333333" + // 50
	"3333333444333333" + // 60
	"3333333334443333" + // 70
	"3333333333344444" + // 80
	"4433333334444444" + // 90
	"3333333444444444" + // a0
	"4444444444444444" + // b0
	"4444444444444444" + // c0
	"5454444444444444" + // d0
	"4444444444444444" + // e0
	"4444444444444444" //   f0

func bulkEffect(op byte) int {
	switch op {
	case 8, 10, 11, 12, 14, 17: // init, copy, fill
		return -3
	case 15: // table.grow
		return -1
	case 16: // table.size
		return 1
	}
	return 0
}

func vectorEffect(op byte) int {
	switch {
	case op == 12: // v128.const
		return 1
	case op == 11, op == 82, op >= 88 && op <= 91: // store, bitselect, store of lanes
		return -2
	case op <= 10, op >= 15 && op <= 20, op == 77, op == 83, op >= 92 && op <= 95, slices.Contains(unary, op):
		return 0
	}
	return -1
}

// unary are the vector instructions with one operand and one result that vectorEffect does not list by range.
var unary = []byte{
	21, 22, 24, 25, 27, 29, 31, 33, 96, 97, 98, 99, 100, 103, 104, 105, 106, 116, 117, 122, 124, 125, 126, 127, 128, 129, 131, 132,
	135, 136, 137, 138, 148, 160, 161, 163, 164, 167, 168, 169, 170, 192, 193, 195, 196, 199, 200, 201, 202, 224, 225, 227, 236, 237,
	239, 248, 249, 250, 251, 252, 253, 254, 255,
}
