package inboxtest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// Made generates a module that would be a large file, or bytes that are not a module. A module that can be loaded exports a memory
// "memory" and its last function as _start, which does nothing or loops for ever.
func Made(name string) ([]byte, error) {
	generate, ok := generators[name]
	if !ok {
		generate, ok = proposals[name]
	}
	if !ok {
		return nil, fmt.Errorf("there is no generator of the module %q", name)
	}
	return generate(), nil
}

// Parts of the binary format (WebAssembly core specification 2.0, chapter 5).
var (
	nothing  = []byte{0x60, 0, 0}             // the type () -> ()
	onePage  = []byte{0, 1}                   // limits of a memory
	zero     = []byte{0x7f, 0, 0x41, 0, 0x0b} // a global: i32.const 0
	mutable  = []byte{0x7f, 1, 0x41, 0, 0x0b} // the same, but mutable
	block    = []byte{0x02, 0x40}
	loop     = []byte{0x03, 0x40}
	end      = []byte{0x0b}
	magic    = []byte("\x00asm\x01\x00\x00\x00")
	byteData = []byte{1, 0} // a passive segment without content
)

// program is a module. Each field is a section that is a vector; nil leaves the section out.
type program struct {
	types, memories, globals, exports, bodies, data [][]byte
}

// wasm encodes the module. It adds _start and the memory to the exports. The defaults are one function that does nothing, its
// type, and a memory of one page.
func (p program) wasm() []byte {
	if p.bodies == nil {
		p.bodies = [][]byte{body(nil, nil)}
	}
	if p.types == nil {
		p.types = [][]byte{nothing}
	}
	if p.memories == nil {
		p.memories = [][]byte{onePage}
	}
	p.exports = append([][]byte{exported("_start", 0, len(p.bodies)-1), exported("memory", 2, 0)}, p.exports...)
	out := bytes.Clone(magic)
	for _, s := range []struct {
		id    byte
		items [][]byte
	}{
		{1, p.types}, {3, slices.Repeat([][]byte{{0}}, len(p.bodies))}, {5, p.memories}, {6, p.globals}, {7, p.exports},
		{10, p.bodies}, {11, p.data},
	} {
		if s.items != nil {
			out = append(out, s.id)
			out = append(out, sized(append(number(len(s.items)), bytes.Join(s.items, nil)...))...)
		}
	}
	return out
}

func number(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func sized(b []byte) []byte { return append(number(len(b)), b...) }

func exported(name string, kind byte, index int) []byte {
	return slices.Concat(sized([]byte(name)), []byte{kind}, number(index))
}

// body encodes a function from the declarations of its local variables and its code without the end.
func body(locals [][]byte, code []byte) []byte {
	return sized(slices.Concat(number(len(locals)), bytes.Join(locals, nil), code, end))
}

// oneFunction returns a module of one function.
func oneFunction(code ...[]byte) []byte {
	return program{bodies: [][]byte{body(nil, slices.Concat(code...))}}.wasm()
}

func function(params int) []byte {
	return slices.Concat([]byte{0x60}, number(params), bytes.Repeat([]byte{0x7f}, params), []byte{0})
}

// ints declares n local variables.
func ints(n int) [][]byte { return [][]byte{append(number(n), 0x7f)} }

// brTable is a br_table with n equal targets.
func brTable(n int) []byte {
	return slices.Concat(block, []byte{0x41, 0, 0x0e}, number(n), make([]byte, n+1), end)
}

// joins returns a module that loops for ever. The loop has nested blocks, and a br_table in the innermost can leave each of them.
// Local variables are set before the br_table, so the compiler must move all of them at every end of a block, or at every
// beginning of a loop if loops is set.
func joins(blocks, variables int, loops bool) []byte {
	counter := func(code ...byte) []byte { return slices.Concat([]byte{0x23, 0}, code) } // the global 0, and code
	set, sum := []byte{}, []byte{}
	for i := range variables {
		set = slices.Concat(set, counter(0x21), number(i))
		sum = slices.Concat(sum, []byte{0x20}, number(i), []byte{0x6a})
	}
	targets := []byte{0x0e}
	targets = append(targets, number(blocks-1)...)
	for i := range blocks {
		targets = append(targets, number(i)...)
	}
	first := bytes.Repeat(block, blocks)
	leave := slices.Concat(counter(0x41, 7, 0x71, 0x45, 0x0d, 0), set, counter(), targets) // one time in eight, before they are set
	rest := bytes.Repeat(end, blocks)
	if loops { // each loop is repeated once
		first = bytes.Repeat(loop, blocks)
		leave = set
		rest = bytes.Repeat(slices.Concat(step, counter(0x41, 1, 0x71, 0x0d, 0), end), blocks)
	}
	code := slices.Concat(loop, first, leave, rest, step, counter(), sum, []byte{0x24, 1, 0x0c, 0}, end)
	return program{globals: [][]byte{mutable, mutable}, bodies: [][]byte{body(ints(variables), code)}}.wasm()
}

// step increments the global 0.
var step = []byte{0x23, 0, 0x41, 1, 0x6a, 0x24, 0}

// loopOfParameters returns a module that repeats a loop of 128 parameters for ever by a br_table.
func loopOfParameters() []byte {
	params := slices.Concat([]byte{0x60}, number(128), bytes.Repeat([]byte{0x7f}, 128), []byte{0})
	turn := slices.Concat(bytes.Repeat([]byte{0x23, 0}, 128), []byte{0x03, 1}, step, []byte{0x23, 0, 0x41, 3, 0x71, 0x0e, 3, 0, 0, 0, 0}, end)
	return program{types: [][]byte{nothing, params}, globals: [][]byte{mutable}, bodies: [][]byte{body(nil, turn)}}.wasm()
}

// exports returns n exports of the function 0.
func exports(n int) (list [][]byte) {
	for i := range n {
		list = append(list, exported(fmt.Sprint("e", i), 0, 0))
	}
	return list
}

// generators has the generators by the names for [Made].
var generators = map[string]func() []byte{
	"empty":     func() []byte { return nil },
	"text":      func() []byte { return []byte("package main\n") },
	"component": func() []byte { return append([]byte("\x00asm\x0d\x00\x01\x00"), oneFunction()[8:]...) },
	"version":   func() []byte { return append([]byte("\x00asm\x02\x00\x00\x00"), oneFunction()[8:]...) },
	"truncated": func() []byte { m := oneFunction(); return m[:len(m)-3] },

	"section_cut_in_its_header": func() []byte { return append(oneFunction(), 0) },

	"two_memories":  func() []byte { return program{memories: [][]byte{onePage, onePage}}.wasm() },
	"shared_memory": func() []byte { return program{memories: [][]byte{{3, 1, 2}}}.wasm() },
	"memory_64":     func() []byte { return program{memories: [][]byte{{4, 1}}}.wasm() },
	"export_twice":  func() []byte { return program{exports: [][]byte{exported("_start", 0, 0)}}.wasm() },
	"no_code": func() []byte { // the functions are declared, but the code section is missing
		return slices.Concat(magic, []byte{1}, sized(append(number(1), nothing...)), []byte{3}, sized([]byte{1, 0}), []byte{7}, sized(append(number(1), exported("_start", 0, 0)...)))
	},

	"huge_function": func() []byte { return oneFunction(bytes.Repeat([]byte{0x01}, 1<<19)) },
	"long_function": func() []byte { return oneFunction(bytes.Repeat([]byte{0x41, 1, 0x1a}, 170_000)) },
	"much_code": func() []byte {
		return program{bodies: slices.Repeat([][]byte{body(nil, bytes.Repeat([]byte{0x41, 1, 0x1a}, 170_000))}, 15)}.wasm()
	},
	"many_functions":      func() []byte { return program{bodies: slices.Repeat([][]byte{body(nil, nil)}, 199_999)}.wasm() },
	"too_many_functions":  func() []byte { return program{bodies: slices.Repeat([][]byte{body(nil, nil)}, 250_000)}.wasm() },
	"nested_blocks":       func() []byte { return oneFunction(bytes.Repeat(block, 5_000), bytes.Repeat(end, 5_000)) },
	"too_nested_blocks":   func() []byte { return oneFunction(bytes.Repeat(block, 100_000), bytes.Repeat(end, 100_000)) },
	"nested_loops":        func() []byte { return oneFunction(bytes.Repeat(loop, 50_000), bytes.Repeat(end, 50_000)) },
	"wide_br_table":       func() []byte { return oneFunction(brTable(100_000)) },
	"too_wide_br_table":   func() []byte { return oneFunction(brTable(500_000)) },
	"many_locals":         func() []byte { return program{bodies: slices.Repeat([][]byte{body(ints(9_000), nil)}, 100)}.wasm() },
	"too_many_locals":     func() []byte { return program{bodies: slices.Repeat([][]byte{body(ints(10_000), nil)}, 401)}.wasm() },
	"many_parameters":     func() []byte { return program{types: [][]byte{nothing, function(128)}}.wasm() },
	"too_many_parameters": func() []byte { return program{types: [][]byte{nothing, function(129)}}.wasm() },

	"paths_that_meet":          func() []byte { return joins(400, 200, false) },
	"paths_that_meet_in_loops": func() []byte { return joins(100, 300, true) },
	"tables_that_meet":         loopOfParameters,

	"long_constant": func() []byte { // a LEB128 number of 20 bytes
		return program{globals: [][]byte{slices.Concat([]byte{0x7f, 0, 0x41}, bytes.Repeat([]byte{0x80}, 20), []byte{0, 0x0b})}}.wasm()
	},
	"added_constants": func() []byte { // a constant expression of 200,000 instructions, of the extended-const proposal
		sum := slices.Concat([]byte{0x7f, 0, 0x41, 0}, bytes.Repeat([]byte{0x41, 1, 0x6a}, 100_000), end)
		return program{globals: [][]byte{sum}}.wasm()
	},
	"many_types":     func() []byte { return program{types: slices.Repeat([][]byte{nothing}, 99_999)}.wasm() },
	"too_many_types": func() []byte { return program{types: slices.Repeat([][]byte{nothing}, 100_001)}.wasm() },
	"types_of_many_values": func() []byte {
		return program{types: slices.Concat([][]byte{nothing}, slices.Repeat([][]byte{function(128)}, 7_000))}.wasm()
	},
	"types_of_too_many_values": func() []byte {
		return program{types: slices.Concat([][]byte{nothing}, slices.Repeat([][]byte{function(128)}, 9_000))}.wasm()
	},
	"too_many_exports": func() []byte { return program{exports: exports(9_999)}.wasm() },
	"many_globals":     func() []byte { return program{globals: slices.Repeat([][]byte{zero}, 200_000)}.wasm() },
	"too_many_globals": func() []byte { return program{globals: slices.Repeat([][]byte{zero}, 300_000)}.wasm() },
	"many_segments":    func() []byte { return program{data: slices.Repeat([][]byte{byteData}, 100_000)}.wasm() },
	"large_data": func() []byte {
		return program{memories: [][]byte{append([]byte{0}, number(256)...)}, data: [][]byte{slices.Concat([]byte{0, 0x41, 0, 0x0b}, sized(bytes.Repeat([]byte("x"), 15<<20)))}}.wasm()
	},
	"large_module": func() []byte { return append(oneFunction(), make([]byte, 32<<20+1-len(oneFunction()))...) },
}
