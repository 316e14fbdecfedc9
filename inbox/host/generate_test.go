package host_test

import (
	"slices"
)

// generator generates a program from numbers: functions of blocks, loops, branches of every kind, calls and bulk instructions.
// Every program ends: a branch back takes from a budget, and functions call only later ones.
type generator struct {
	numbers []byte
	counts  bool // the program counts its own instructions in its global n
	self    int  // index of the current function
	code    []byte
	labels  []label // of the open blocks, the function's first
	left    int     // remaining statements
}

// label is the target of a branch.
type label int

const (
	forward  label = iota // the end of a block
	back                  // the beginning of a loop
	nowhere               // a target that would need a value
	maxDepth = 6
)

// generated is the number of functions of a program.
const generated = 5

// Globals of a generated program: the budget, and n.
var (
	budget = []byte{0x7f, 1, 0x41, 0xe4, 0x00, 0x0b} // 100
	counts = []byte{0x7e, 1, 0x42, 0, 0x0b}
)

// number returns the next number modulo n, zero when no number is left.
func (g *generator) number(n int) int {
	if len(g.numbers) == 0 {
		return 0
	}
	v := int(g.numbers[0])
	g.numbers = g.numbers[1:]
	return v % n
}

// op adds one instruction.
func (g *generator) op(code ...byte) {
	if g.counts {
		g.code = append(g.code, 0x23, 1, 0x42, 1, 0x7c, 0x24, 1)
	}
	g.code = append(g.code, code...)
}

// value pushes a small number.
func (g *generator) value() {
	if g.number(2) == 0 {
		g.op(0x41, byte(g.number(60)))
		return
	}
	g.op(0x20, byte(g.number(3)))
}

// may pushes whether the budget allows another branch back.
func (g *generator) may() {
	g.op(0x23, 0)
	g.op(0x41, 1)
	g.op(0x6b)
	g.op(0x24, 0)
	g.op(0x23, 0)
	g.op(0x41, 0)
	g.op(0x4a)
}

// within generates statements in a block.
func (g *generator) within(to label) {
	g.labels = append(g.labels, to)
	for range 1 + g.number(4) {
		g.statement()
	}
	g.labels = g.labels[:len(g.labels)-1]
}

// statement leaves the height of the stack unchanged.
func (g *generator) statement() {
	if g.left--; g.left < 0 {
		return
	}
	deep := len(g.labels) > maxDepth
	switch kind := g.number(15); {
	case kind < 3:
		g.branch()
	case kind < 5:
		g.call()
	case kind < 7 || deep:
		g.work()
	case kind == 7:
		g.table()
	case kind < 10:
		g.op(0x03, 0x40)
		g.within(back)
		g.may()
		g.op(0x0d, 0)
		g.op(0x0b)
	case kind == 10:
		g.value()
		g.op(0x03, 1) // a loop with a parameter and a result
		g.within(nowhere)
		g.op(0x0b)
		g.op(0x21, 1)
	case kind == 11:
		g.op(0x02, 0x7f)
		g.within(nowhere)
		g.value()
		g.op(0x0b)
		g.op(0x1a)
	case kind == 12:
		g.value()
		g.op(0x04, 0x40)
		g.within(forward)
		g.op(0x05)
		g.within(forward)
		g.op(0x0b)
	default:
		g.op(0x02, 0x40)
		g.within(forward)
		g.op(0x0b)
	}
}

// branch generates a branch to one of the open blocks.
func (g *generator) branch() {
	depth := g.number(len(g.labels))
	switch g.labels[len(g.labels)-1-depth] {
	case back:
		g.may()
		g.op(0x0d, byte(depth))
	case forward:
		if g.number(3) == 0 {
			g.op(0x0c, byte(depth))
			return
		}
		g.value()
		g.op(0x0d, byte(depth))
	case nowhere:
		g.op(0x0f) // return
	}
}

// table generates a br_table to several of the open blocks.
func (g *generator) table() {
	var to []byte
	for i, l := range slices.Backward(g.labels) {
		if l != nowhere {
			to = append(to, byte(len(g.labels)-i)) // one more, for the if around it
		}
	}
	g.may()
	g.op(0x04, 0x40)
	g.value()
	g.op(slices.Concat([]byte{0x0e, byte(len(to) - 1)}, to)...)
	g.op(0x0b)
}

// call generates a call of a later function, by its index or through the table.
func (g *generator) call() {
	if g.self == generated-1 {
		return
	}
	to := g.self + 1 + g.number(generated-g.self-1)
	switch g.number(4) {
	case 0:
		g.op(0x41, byte(to))
		g.op(0x11, 0, 0)
	case 1:
		g.op(0xd2, byte(to)) // ref.func
		g.op(0x1a)
	default:
		g.op(0x10, byte(to))
	}
}

// work generates some instructions without a branch.
func (g *generator) work() {
	switch g.number(6) {
	case 0:
		g.value()
		g.value()
		g.value()
		g.op(0xfc, 11, 0) // memory.fill
	case 1:
		g.value()
		g.value()
		g.value()
		g.op(0xfc, 10, 0, 0) // memory.copy
	case 2:
		g.value()
		g.op(0xfd, 0x11) // i32x4.splat
		g.op(0xfd, 0x1b, 3)
		g.op(0x21, 2)
	case 3:
		g.value()
		g.value()
		g.op(0x36, 2, 8)
	case 4:
		g.value()
		g.op(0xc0) // i32.extend8_s
		g.op(0x22, 1)
		g.op(0x1a)
	default:
		g.value()
		g.value()
		g.op(0x6a)
		g.op(0x21, 0)
	}
}

// body generates a function.
func (g *generator) body() []byte {
	g.code = []byte{1, 3, 0x7f}
	g.labels, g.left = []label{forward}, 25
	for range 2 + g.number(8) {
		g.statement()
	}
	g.op(0x0b)
	return sized(g.code)
}

// generate returns the program of the numbers.
func generate(numbers []byte, counting bool) []byte {
	g := &generator{numbers: numbers, counts: counting}
	var bodies [][]byte
	for g.self = range generated {
		bodies = append(bodies, g.body())
	}
	out := []byte("\x00asm\x01\x00\x00\x00")
	for id, items := range [][][]byte{
		1:  {[]byte("\x60\x00\x00"), []byte("\x60\x01\x7f\x01\x7f")},
		3:  slices.Repeat([][]byte{{0}}, generated),
		4:  {table(generated)},
		5:  {{0, 1}},
		6:  {budget, counts},
		7:  {exported("_start", 0, 0), exported("memory", 2, 0), exported("n", 3, 1)},
		9:  {slices.Concat([]byte{0}, i32(0), []byte{0x0b, generated, 0, 1, 2, 3, 4})},
		10: bodies,
	} {
		if items != nil {
			out = append(append(out, byte(id)), sized(vector(items...))...)
		}
	}
	return out
}
