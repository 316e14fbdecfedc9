package inboxtest

import (
	"bytes"
	"maps"
	"slices"
)

// section is a section of a module. before is the id of the section that follows it.
type section struct {
	id, before byte
	content    []byte
}

// with inserts a section into a module.
func with(wasm []byte, s section) []byte {
	at := len(magic)
	for at < len(wasm) && wasm[at] != s.before { // every section of a small program has fewer than 128 bytes
		at += 2 + int(wasm[at+1])
	}
	return slices.Concat(wasm[:at], []byte{s.id}, sized(s.content), wasm[at:])
}

// tag declares one exception tag of the type 0.
var tag = section{13, 7, []byte{1, 0, 0}}

// global returns a module whose only global is initialized by an expression.
func global(typ byte, expression ...byte) []byte {
	return program{globals: [][]byte{slices.Concat([]byte{typ, 0}, expression, end)}}.wasm()
}

// typed returns a module with a second type, which no function has.
func typed(typ ...byte) []byte { return program{types: [][]byte{nothing, typ}}.wasm() }

// imported returns a module with an import of a kind.
func imported(kind ...byte) []byte {
	return with(oneFunction(), section{2, 3, slices.Concat([]byte{1}, sized([]byte("env")), sized([]byte("x")), kind)})
}

// proposals has generators of modules that use one feature beyond WebAssembly 2.0, as compilers emit it, and of files that are
// often mistaken for modules.
var proposals = map[string]func() []byte{
	"try":                  func() []byte { return with(oneFunction([]byte{0x06, 0x40, 0x07, 0, 0x0b}), tag) }, // the tag section precedes the code
	"try_without_tag":      func() []byte { return oneFunction([]byte{0x06, 0x40, 0x19, 0x0b}) },
	"catch_all":            func() []byte { return oneFunction(block, []byte{0x19}, end) },
	"delegate":             func() []byte { return oneFunction(block, []byte{0x18, 0}, end) },
	"rethrow":              func() []byte { return oneFunction([]byte{0x09, 0}) },
	"throw":                func() []byte { return oneFunction([]byte{0x08, 0}) },
	"throw_ref":            func() []byte { return oneFunction([]byte{0x00, 0x0a}) },
	"try_table":            func() []byte { return oneFunction([]byte{0x1f, 0x40, 1, 2, 0, 0x0b}) },
	"tag":                  func() []byte { return with(oneFunction(), tag) },
	"import_tag":           func() []byte { return imported(4, 0, 0) },
	"export_tag":           func() []byte { return program{exports: [][]byte{exported("t", 4, 0)}}.wasm() },
	"exnref":               func() []byte { return typed(0x60, 1, 0x69, 0) },
	"local_exnref":         func() []byte { return program{bodies: [][]byte{body([][]byte{{1, 0x69}}, nil)}}.wasm() },
	"return_call":          func() []byte { return oneFunction([]byte{0x12, 0}) },
	"return_call_indirect": func() []byte { return oneFunction([]byte{0x41, 0, 0x13, 0, 0}) },
	"call_ref":             func() []byte { return oneFunction([]byte{0x00, 0x14, 0}) },
	"return_call_ref":      func() []byte { return oneFunction([]byte{0x00, 0x15, 0}) },
	"br_on_null":           func() []byte { return oneFunction([]byte{0x00, 0xd5, 0}) },
	"ref_to_a_type":        func() []byte { return typed(0x60, 1, 0x64, 0, 0) },
	"table_with_element": func() []byte {
		return with(oneFunction(), section{4, 5, []byte{1, 0x40, 0, 0x70, 0, 1, 0xd0, 0x70, 0x0b}})
	},
	"atomic_fence":             func() []byte { return oneFunction([]byte{0xfe, 0x03, 0}) },
	"import_shared_memory":     func() []byte { return imported(2, 3, 1, 2) },
	"struct":                   func() []byte { return typed(0x5f, 1, 0x7f, 0) },
	"array":                    func() []byte { return typed(0x5e, 0x78, 1) },
	"recursive_types":          func() []byte { return typed(0x4e, 1, 0x60, 0, 0) },
	"struct_new":               func() []byte { return oneFunction([]byte{0xfb, 0, 0}) },
	"anyref":                   func() []byte { return global(0x6e, 0xd0, 0x6e) },
	"ref_null_any":             func() []byte { return oneFunction([]byte{0xd0, 0x6e, 0x1a}) },
	"relaxed_swizzle":          func() []byte { return oneFunction([]byte{0x00, 0xfd, 0x80, 0x02}) },
	"relaxed_dot":              func() []byte { return oneFunction([]byte{0x00, 0xfd, 0x93, 0x02}) },
	"half_precision":           func() []byte { return oneFunction([]byte{0x00, 0xfd, 0xa0, 0x02}) },
	"half_precision_load":      func() []byte { return oneFunction([]byte{0x00, 0xfc, 0x30, 1, 0}) },
	"memory_discard":           func() []byte { return oneFunction([]byte{0x00, 0xfc, 0x12, 0}) },
	"import_memory_64":         func() []byte { return imported(2, 4, 1) },
	"ref_null_of_a_type":       func() []byte { return oneFunction([]byte{0xd0, 0, 0x1a}) },
	"page_size":                func() []byte { return program{memories: [][]byte{{8, 1, 0}}}.wasm() },
	"table_64":                 func() []byte { return with(oneFunction(), section{4, 5, []byte{1, 0x70, 4, 1}}) },
	"global_of_a_global":       func() []byte { return program{globals: [][]byte{zero, {0x7f, 0, 0x23, 0, 0x0b}}}.wasm() },
	"suspend":                  func() []byte { return oneFunction([]byte{0xe2, 0}) },
	"cont":                     func() []byte { return typed(0x5d, 0) },
	"wide_multiplication":      func() []byte { return oneFunction([]byte{0x00, 0xfc, 0x15}) },
	"string_literals":          func() []byte { return with(oneFunction(), section{14, 6, []byte{0, 0}}) },
	"gzip":                     func() []byte { return []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00") },
	"wat":                      func() []byte { return []byte(" ;; a plugin\n(module)\n") },
	"program_of_this_machine":  func() []byte { return []byte("\x7fELF\x02\x01\x01\x00\x00") },
	"bitcode":                  func() []byte { return []byte("BC\xc0\xde\x35\x14\x00\x00") },
	"instruction_that_is_none": func() []byte { return oneFunction(bytes.Repeat([]byte{0x01}, 3), []byte{0x27}) },
}

// Proposals returns the names for [Made] of the modules that use a feature beyond WebAssembly 2.0.
func Proposals() []string {
	names := slices.Sorted(maps.Keys(proposals))
	return slices.DeleteFunc(names, func(name string) bool {
		return slices.Contains([]string{"gzip", "wat", "program_of_this_machine", "bitcode", "instruction_that_is_none"}, name)
	})
}
