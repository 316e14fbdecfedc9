package host_test

import (
	"encoding/binary"
	"math"
	"slices"
)

// worth generates programs from numbers that try to do much work for little fuel. They loop forever in nested blocks that are
// left at random, with snippets in between that set variables. Each program has the same number of variables of i32 (from 0
// on), i64, f64 and v128.
type worth struct {
	numbers []byte
	each    uint64 // variables of each type
	left    int    // snippets
	code    []byte
}

func (w *worth) number(n uint64) uint64 {
	if len(w.numbers) == 0 {
		return 0
	}
	v := uint64(w.numbers[0])
	w.numbers = w.numbers[1:]
	return v % n
}

func (w *worth) op(code ...byte) { w.code = append(w.code, code...) }

// one appends an instruction on a variable of a kind: 0 i32, 1 i64, 2 f64, 3 v128.
func (w *worth) one(op byte, kind uint64) { w.variable(op, kind, w.number(min(w.each, 256))) }

func (w *worth) variable(op byte, kind, i uint64) {
	w.op(op)
	w.code = append(w.code, number(kind*w.each+i)...)
}

// dice pushes a different number each time: the next of a sequence in global 0.
func (w *worth) dice() {
	w.op(0x23, 0)
	w.code = append(w.code, i32(1103515245)...)
	w.op(0x6c)
	w.code = append(w.code, i32(12345)...)
	w.op(0x6a, 0x24, 0, 0x23, 0, 0x41, 16, 0x76)
}

// Instructions with one or two operands of a kind and one result of the same kind.
var (
	takesOne = [][][]byte{
		{{0x67}, {0x69}, {0xc0}}, {{0x79}, {0x7b}, {0xc4}},
		{{0x99}, {0x9b}, {0x9e}, {0x9f}, {0xb6, 0xbb}, {0xb0, 0xba}, {0xfc, 7, 0xba}},
		{{0xfd, 0x62}, {0xfd, 0x80, 1}, {0xfd, 0xc1, 1}, {0xfd, 0xef, 1}, {0xfd, 0x94, 1}, {0xfd, 0xfc, 1}, {0xfd, 0xfd, 1}, {0xfd, 0xfb, 1}},
	}
	takesTwo = [][][]byte{
		{{0x6a}, {0x6c}, {0x77}, {0x72}}, {{0x7c}, {0x7e}, {0x89}, {0x84}},
		{{0xa0}, {0xa1}, {0xa2}, {0xa3}, {0xa4}, {0xa6}},
		{{0xfd, 0x0e}, {0xfd, 0x6f}, {0xfd, 0x82, 1}, {0xfd, 0xba, 1}, {0xfd, 0xd5, 1}, {0xfd, 0xf3, 1}, {0xfd, 0xf4, 1}, {0xfd, 0xf5, 1}, {0xfd, 0x23}},
	}
)

// snippet leaves the height of the stack unchanged.
func (w *worth) snippet() {
	kind := w.number(4)
	pick := func(of [][]byte) { w.op(of[w.number(uint64(len(of)))]...) }
	switch w.number(16) {
	case 0, 1:
		w.one(0x20, kind)
		pick(takesOne[kind])
		w.one(0x21, kind)
	case 2, 3:
		w.one(0x20, kind)
		w.one(0x20, kind)
		pick(takesTwo[kind])
		w.one(0x21, kind)
	case 4: // a division by an odd number
		i := w.number(4)
		kind = i / 2
		w.one(0x20, kind)
		w.one(0x20, kind)
		w.op([]byte{0x41, 0x42}[kind], 3, []byte{0x72, 0x84}[kind])
		w.op([]byte{0x6e, 0x70, 0x80, 0x82}[i])
		w.one(0x21, kind)
	case 5: // a load or a store somewhere in the first 128 KiB
		w.dice()
		w.op(0x29, 0, 0)
		w.one(0x21, 1)
		w.dice()
		w.one(0x20, 1)
		w.op(0x37, 0, 0)
	case 6: // calls of functions with many values
		w.call()
	case 7:
		w.dice()
		w.op(0x41, 1, 0x71, 0x11, 0, 0) // through the table
	case 8:
		w.op(0x41, 0, 0x40, 0, 0x1a, 0xd2, 1, 0x1a, 0x3f, 0, 0x1a)
	case 9:
		w.op(0x41, 0, 0x41, 0)
		w.op(0x41, byte(w.number(60)), 0xfc, 11, 0)
	case 10:
		w.op(0x41, 0, 0x41, 8)
		w.op(0x41, byte(w.number(60)), 0xfc, 10, 0, 0)
	case 11:
		w.op(0x41, 0, 0x41, 1, 0x25, 0, 0x26, 0)
		w.op(0xd0, 0x70, 0x41, 0, 0xfc, 15, 0, 0x1a)
	case 12:
		w.one(0x20, kind)
		w.one(0x20, kind)
		w.dice()
		w.op(0x1b)
		w.one(0x21, kind)
	default: // all variables of a kind, if there are few enough
		for i := range min(w.each, 400) {
			w.variable(0x20, kind, (i+1)%w.each)
			w.variable(0x21, kind, i)
		}
	}
}

func (w *worth) call() {
	switch w.number(4) {
	case 0:
		for range 128 {
			w.one(0x20, 1)
		}
		w.op(0x10, 3)
	case 1:
		for range 16 {
			w.op(0x42, 1)
		}
		for range 1 + w.number(20) {
			w.op(0x10, 4)
		}
		for range 16 {
			w.op(0x1a)
		}
	case 2:
		w.op(0x10, 2) // of many variables
	default:
		w.op(0x10, 1)
	}
}

// within generates snippets and blocks inside a number of blocks that may be left.
func (w *worth) within(depth int) {
	for range 1 + w.number(6) {
		if w.left--; w.left < 0 {
			return
		}
		switch w.number(6) {
		case 0:
			w.op(0x02, 0x40)
			w.within(depth + 1)
			w.op(0x0b)
		case 1:
			w.dice()
			w.op(0x41, 1, 0x71, 0x04, 0x40)
			w.within(depth + 1)
			w.op(0x05)
			w.within(depth + 1)
			w.op(0x0b)
		case 2:
			w.nest()
		case 3:
			if depth > 0 {
				w.dice()
				w.op(0x41, 3, 0x71, 0x45, 0x0d, byte(w.number(uint64(depth))))
			}
			w.snippet()
		default:
			w.snippet()
		}
	}
}

// nest generates nested blocks that a br_table leaves.
func (w *worth) nest() {
	n := 1 + w.number(120)
	for range n {
		w.op(0x02, 0x40)
	}
	w.dice()
	w.op(0x41, 7, 0x71, 0x45, 0x0d, 0)
	w.snippet()
	w.dice()
	w.op(0x0e)
	w.code = append(w.code, number(n-1)...)
	for i := range n {
		w.code = append(w.code, number(i)...)
	}
	for range n {
		w.op(0x0b)
	}
}

// worthless generates the program of the numbers.
func worthless(numbers []byte) []byte {
	w := &worth{numbers: numbers, left: 60}
	w.each = []uint64{2, 16, 100, 300}[w.number(4)]
	many := func(n uint64, typ byte) []byte { return append(number(n), typ) }
	i64s := func(n int) []byte { return append(number(uint64(n)), slices.Repeat([]byte{0x7e}, n)...) }
	w.op(slices.Concat([]byte{4}, many(w.each, 0x7f), many(w.each, 0x7e), many(w.each, 0x7c), many(w.each, 0x7b))...)
	w.op(0x44) // a subnormal number, which is slow for the processor
	w.code = binary.LittleEndian.AppendUint64(w.code, math.Float64bits(3e-310))
	w.variable(0x22, 2, 0)
	w.variable(0x21, 2, 1)
	w.op(0x03, 0x40)
	w.within(0)
	w.op(0x0c, 0, 0x0b, 0x0b)
	results := []byte{0}
	for i := range 16 {
		results = append(results, 0x20, byte(i))
	}
	out := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range []struct {
		id    byte
		items [][]byte
	}{
		{1, [][]byte{{0x60, 0, 0}, slices.Concat([]byte{0x60}, i64s(128), []byte{0}), slices.Concat([]byte{0x60}, i64s(16), i64s(16))}},
		{3, [][]byte{{0}, {0}, {0}, {1}, {2}}},
		{4, [][]byte{table(8)}},
		{5, [][]byte{{0, 16}}},
		{6, [][]byte{{0x7f, 1, 0x41, 1, 0x0b}}},
		{7, [][]byte{exported("_start", 0, 0), exported("memory", 2, 0)}},
		{9, [][]byte{slices.Concat([]byte{0}, i32(0), []byte{0x0b, 2, 1, 2})}},
		{10, [][]byte{sized(w.code), sized([]byte{0, 0x0b}), sized(slices.Concat([]byte{1}, many(900, 0x7e), []byte{0x0b})), sized([]byte{0, 0x0b}), sized(append(results, 0x0b))}},
	} {
		out = append(append(out, s.id), sized(vector(s.items...))...)
	}
	return out
}

// callsEverywhere calls 32,768 functions through a table, a different one each time, so that neither the table nor the code is
// in the processor's caches.
func callsEverywhere() []byte {
	const n = 1 << 15
	element := slices.Concat([]byte{0}, i32(0), []byte{0x0b}, number(n))
	for i := range uint64(n) {
		element = append(element, number(1+i)...)
	}
	w := &worth{}
	w.op(0x03, 0x40)
	for range 20 {
		w.dice()
		w.code = append(w.code, i32(n-1)...)
		w.op(0x71, 0x11, 0, 0)
	}
	w.op(0x0c, 0)
	w.op(0x0b)
	return guest{
		globals: [][]byte{{0x7f, 1, 0x41, 1, 0x0b}}, tables: [][]byte{table(n)}, elements: [][]byte{element}, code: w.code,
		more: slices.Repeat([][]byte{{0x01, 0x01, 0x01}}, n),
	}.wasm()
}
