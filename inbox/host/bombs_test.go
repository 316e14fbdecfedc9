package host_test

import (
	"bytes"
	"slices"
)

// muchMemory takes much memory and little time to compile: a function with 12,000 indirect calls.
func muchMemory() []byte {
	return guest{tables: [][]byte{table(1)}, code: bytes.Repeat([]byte{0x41, 0, 0x11, 0, 0}, 12_000)}.wasm()
}

// bombs are modules that take long to compile, each for another reason. They are just below the bound, or far below.
func bombs() map[string][]byte {
	again := func(n int, code ...byte) []byte { return bytes.Repeat(code, n) }
	variables := func(n uint64) []byte { return slices.Concat([]byte{1}, number(n), []byte{0x7f}) }
	toOne := func(n uint64) []byte { return slices.Concat([]byte{0x0e}, number(n), make([]byte, n+1)) }
	ifs := func(n int) []byte { return again(n, 0x23, 0, 0x04, 0x40, 0x0b) }
	sum := func(n int) []byte { return append(again(n-1, 0x6a), 0x1a) }
	many := slices.Concat([]byte{0x60, 16}, again(16, 0x7f), []byte{16}, again(16, 0x7f))
	read := func(n uint64) (out []byte) {
		for i := range n {
			out = append(append(append(out, 0x20), number(i)...), 0x1a)
		}
		return out
	}
	one := func(locals uint64, code ...[]byte) []byte {
		return guest{
			globals: [][]byte{{0x7f, 1, 0x41, 0, 0x0b}}, tables: [][]byte{table(1)}, locals: variables(locals), code: slices.Concat(code...),
			extra: [][]byte{many, slices.Concat([]byte{0x60}, number(128), again(128, 0x7f), []byte{0})}, more: [][]byte{again(16, 0x41, 0)}, typeOfMore: 3,
		}.wasm()
	}
	return map[string][]byte{
		"branches":                   one(0, ifs(3000)),
		"branches out of one block":  one(0, []byte{0x02, 0x40}, again(3000, 0x23, 0, 0x0d, 0), []byte{0x0b}),
		"variables that are read":    one(1000, everyVariable(0x21, 1000), ifs(200), read(1000)),
		"variables that are set":     one(600, again(300, slices.Concat([]byte{0x23, 0, 0x04, 0x40}, everyVariable(0x21, 10), []byte{0x0b})...), everyVariable(0x22, 600)),
		"nested loops":               one(200, everyVariable(0x21, 200), again(60, 0x03, 0x40), read(200), again(60, 0x23, 0, 0x0d, 0, 0x0b), read(200)),
		"a table of branches":        one(0, []byte{0x02, 0x40, 0x23, 0}, toOne(12_000), []byte{0x0b}),
		"a table and variables":      one(60, []byte{0x02, 0x40, 0x23, 0, 0x0d, 0}, everyVariable(0x21, 60), []byte{0x23, 0}, toOne(3000), []byte{0x0b}, read(60)),
		"a table and operands":       one(0, again(128, 0x23, 0), []byte{0x03, 4, 0x23, 0}, toOne(3000), []byte{0x0b}),
		"operands over branches":     one(0, again(3000, 0x23, 0), ifs(2500), sum(3000)),
		"operands over loops":        one(0, again(3000, 0x23, 0), again(800, 0x03, 0x40), again(800, 0x23, 0, 0x0d, 0, 0x0b), sum(3000)),
		"calls of many values":       one(0, again(16, 0x23, 0), again(6000, 0x10, 1), again(16, 0x1a)),
		"calls by a table":           one(0, again(6000, 0x41, 0, 0x11, 0, 0)),
		"divisions":                  one(0, []byte{0x23, 0}, again(30_000, 0x23, 0, 0x6d), []byte{0x1a}),
		"conversions":                one(0, again(16_000, 0x23, 0, 0xb7, 0xaa, 0x1a)),
		"loads from everywhere":      one(0, []byte{0x23, 0}, again(25_000, 0x28, 2, 0), []byte{0x1a}),
		"elements":                   one(0, again(8000, 0x41, 0, 0x41, 0, 0x25, 0, 0x26, 0)),
		"fills":                      one(0, again(1000, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 11, 0)),
		"copies of elements":         one(0, again(1000, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 14, 0, 0)),
		"fills of elements":          one(0, again(1000, 0x41, 0, 0xd0, 0x70, 0x41, 0, 0xfc, 17, 0)),
		"elements that are dropped":  guest{elements: [][]byte{{1, 0, 1, 0}}, code: again(100_000, 0xfc, 13, 0)}.wasm(),
		"types of many values":       guest{extra: slices.Repeat([][]byte{slices.Concat([]byte{0x60}, number(128), again(128, 0x7f), []byte{0})}, 7_000)}.wasm(),
		"an ordinary long function":  one(0, again(100_000, 0x23, 0, 0x1a, 0x01)),
		"paths that meet with moves": one(100, again(600, slices.Concat([]byte{0x02, 0x40, 0x23, 0, 0x0d, 0}, everyVariable(0x21, 100), []byte{0x0b})...), read(100)),
	}
}
