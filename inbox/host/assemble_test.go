package host_test

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// guest is a module with one function, assembled by hand where the text format does not allow a lie or would take a page of
// repetition. Its types: 0 is () -> (), 1 is (i32) -> (), 2 is (i32, i32) -> i32.
type guest struct {
	imports    [][]byte // see imported
	tables     [][]byte // see table
	pages      uint64   // of memory; 1 when zero
	globals    [][]byte
	exports    [][]byte // "_start" and "memory" when nil
	start      bool     // the function is also the start function
	elements   [][]byte
	locals     []byte // declarations with their count; none when nil
	code       []byte // without the end
	data       [][]byte
	typ        byte     // of the function
	extra      [][]byte // types after those
	more       [][]byte // the code of functions after the first
	typeOfMore byte     // their type
	twice      bool     // the function section occurs twice
}

// wasm returns the module.
func (g guest) wasm() []byte {
	n := uint64(len(g.imports)) // index of the function
	out := []byte("\x00asm\x01\x00\x00\x00")
	add := func(id byte, items ...[]byte) {
		if len(items) > 0 {
			out = append(out, id)
			out = append(out, sized(vector(items...))...)
		}
	}
	add(1, slices.Concat([][]byte{[]byte("\x60\x00\x00"), []byte("\x60\x01\x7f\x00"), []byte("\x60\x02\x7f\x7f\x01\x7f")}, g.extra)...)
	add(2, g.imports...)
	types := slices.Concat([][]byte{{g.typ}}, slices.Repeat([][]byte{{g.typeOfMore}}, len(g.more)))
	add(3, types...)
	if g.twice {
		add(3, types...)
	}
	add(4, g.tables...)
	add(5, slices.Concat([]byte{0}, number(max(g.pages, 1))))
	add(6, g.globals...)
	if g.exports == nil {
		g.exports = [][]byte{exported("_start", 0, n), exported("memory", 2, 0)}
	}
	add(7, g.exports...)
	if g.start {
		out = append(append(out, 8), sized(number(n))...)
	}
	add(9, g.elements...)
	if g.locals == nil {
		g.locals = []byte{0}
	}
	bodies := [][]byte{sized(slices.Concat(g.locals, g.code, []byte{0x0b}))}
	for _, code := range g.more {
		bodies = append(bodies, sized(slices.Concat([]byte{0}, code, []byte{0x0b})))
	}
	add(10, bodies...)
	add(11, g.data...)
	return out
}

func number(n uint64) []byte { return binary.AppendUvarint(nil, n) }

// signed encodes a signed LEB128 number.
func signed(n int64) (out []byte) {
	for {
		b := byte(n & 0x7f)
		n >>= 7
		if (n == 0 && b&0x40 == 0) || (n == -1 && b&0x40 != 0) {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}

func sized(b []byte) []byte { return append(number(uint64(len(b))), b...) }

func vector(items ...[]byte) []byte {
	return append(number(uint64(len(items))), bytes.Join(items, nil)...)
}

// imported encodes the import of a function (kind 0, then its type) or of another kind.
func imported(module, name string, kind ...byte) []byte {
	return slices.Concat(sized([]byte(module)), sized([]byte(name)), kind)
}

func exported(name string, kind byte, index uint64) []byte {
	return slices.Concat(sized([]byte(name)), []byte{kind}, number(index))
}

// table encodes a table of functions with an initial size and no maximum.
func table(size uint64) []byte { return append([]byte{0x70, 0}, number(size)...) }

// i32 pushes constants.
func i32(values ...int64) (out []byte) {
	for _, v := range values {
		out = append(append(out, 0x41), signed(v)...)
	}
	return out
}

// spin runs a loop a number of times. It needs one local variable.
func spin(times int64) []byte {
	return slices.Concat(i32(times), []byte{0x21, 0, 0x03, 0x40, 0x20, 0}, i32(1), []byte{0x6b, 0x22, 0, 0x0d, 0, 0x0b})
}
