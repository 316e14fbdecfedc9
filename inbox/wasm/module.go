package wasm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strconv"

	"inbox/inbox"
)

// MaxModule bounds a module, in bytes.
const MaxModule = 32 << 20

// Import names a function that a module imports.
type Import struct{ Module, Name string }

// Module is what is read out of a binary before it is rewritten and compiled.
type Module struct {
	imports   []Import
	exports   []string
	memories  int    // that it has, 0 or 1
	memoryMin uint64 // bytes
	functions int
	largest   int  // bytes of the largest function body
	length    int  // instructions, with those that the metering adds
	frame     int  // values that a call has at most: parameters, local variables and operands, with those of the metering
	values    int  // that a compiled function keeps at most: variables, results of instructions, and what merges move to
	effort    work // of compiling it as it was last rewritten

	// What the indexes in it may name. All imports are functions, and their indexes come first.
	params          []uint8  // how many parameters each type of a function has
	results         []uint8  // and how many results
	signatureValues uint64   // the sum of both
	typesIn         []uint64 // the type of each function that is imported
	typeOf          []uint64 // and of each that is not
	globals         uint64

	codeEnd  int64                        // where in the file the section of code ends
	sections [sectionDataCount + 1][]byte // without custom ones; nil for what is not there
	refs     [sectionDataCount + 1][]ref  // where they name functions
	last     int                          // the place of the last section read, see order
}

// refuse says why a module cannot become a release.
func refuse(hint, format string, args ...any) error {
	e := inbox.Errorf(inbox.Invalid, "", format, args...)
	if hint != "" {
		e = e.WithHint(hint)
	}
	return e
}

// Read reads a module up to its code, bounds its tables, which nothing else does, and leaves out sections that mean
// nothing to running it.
//
// wazero validates the module when it compiles what the module is rewritten to. What is checked here is what it trusts
// before, as it takes room for as many elements as a module says it has; and whether every index names something of the
// module, because what the rewriting adds would make an index valid that was not.
func Read(wasm []byte) (*Module, error) {
	if err := checkHeader(wasm); err != nil {
		return nil, err
	}
	m := &Module{last: -1}
	for r := (&reader{b: wasm[8:]}); len(r.b) > 0; {
		id := r.byte()
		body := r.bytes(r.u32())
		if r.err != nil {
			return nil, locate(damaged(r.err), int64(len(wasm)))
		}
		if id == sectionCustom {
			continue
		}
		end := int64(len(wasm) - len(r.b))
		if err := m.section(id, body); err != nil {
			return nil, locate(err, end)
		}
		if id == sectionCode {
			m.codeEnd = end
		}
	}
	return m, nil
}

// order is the order of the sections, of which there is one each.
var order = []byte{
	sectionType, sectionImport, sectionFunction, sectionTable, sectionMemory, sectionGlobal, sectionExport, sectionStart,
	sectionElement, sectionDataCount, sectionCode, sectionData,
}

// Bytes returns the module as it was read, with its tables bounded and without its custom sections.
func (m *Module) Bytes() []byte { return assemble(&m.sections) }

// assemble puts a module together from its sections.
func assemble(sections *[sectionDataCount + 1][]byte) []byte {
	size := 8
	for _, body := range sections {
		size += len(body) + 6
	}
	out := append(make([]byte, 0, size), "\x00asm\x01\x00\x00\x00"...)
	for _, id := range order {
		if body := sections[id]; body != nil {
			out = append(out, id)
			out = binary.AppendUvarint(out, uint64(len(body)))
			out = append(out, body...)
		}
	}
	return out
}

// damaged refuses what cannot be read: a proposal by its name, and anything else as damaged.
func damaged(err error) error {
	if p := (*proposal)(nil); errors.As(err, &p) {
		return refuse(p.without, "%w", p)
	}
	// Not by a format, which would take down the text before it is known where in the file it is.
	return (&inbox.Error{Kind: inbox.Invalid, Err: err}).WithHint("copy the file again: write it beside and rename it; build for wasip1")
}

// locateInCode completes an error of reading the code. Nothing has changed it then.
func (m *Module) locateInCode(err error) error {
	if d := (*damage)(nil); !errors.As(err, &d) || d.at > 0 {
		return err
	}
	r := &reader{b: m.sections[sectionCode]}
	r.u32()
	for n := 0; n < len(m.typeOf) && len(r.b) > 0; n++ {
		code := r.bytes(r.u32())
		if r.err == nil && m.body(&body{}, m.typeOf[n], code) != nil {
			return locate(err, m.codeEnd-int64(len(r.b)))
		}
	}
	return locate(err, m.codeEnd)
}

func checkHeader(wasm []byte) error {
	switch {
	case len(wasm) == 0:
		return refuse("copy the file again", "the file is empty")
	case len(wasm) > MaxModule:
		return refuse("strip it (-ldflags=-s -w, wasm-opt -Oz)", "the module has %d bytes, more than %d", len(wasm), MaxModule)
	case len(wasm) < 8 || !bytes.Equal(wasm[:4], []byte("\x00asm")):
		return notWasm(wasm)
	case bytes.Equal(wasm[4:8], []byte{0x0d, 0, 1, 0}):
		return refuse("build it for wasip1 (wasm32-wasip1, GOOS=wasip1), not for wasip2 or as a component",
			"the file is a WebAssembly component, not a module")
	case !bytes.Equal(wasm[4:8], []byte{1, 0, 0, 0}):
		return refuse("build it for wasip1", "the module has the unknown version %d", binary.LittleEndian.Uint32(wasm[4:8]))
	}
	return nil
}

// notWasm names what was dropped in by mistake.
func notWasm(file []byte) error {
	const what = "the file is not a WebAssembly module"
	is := func(magic string) bool { return bytes.HasPrefix(file, []byte(magic)) }
	switch {
	case is("\x1f\x8b"), is("PK\x03\x04"), is("\x28\xb5\x2f\xfd"), is("\xfd7zXZ"):
		return refuse("unpack it", what+": it is compressed")
	case is("\x7fELF"), is("MZ"), is("\xcf\xfa\xed\xfe"), is("\xca\xfe\xba\xbe"):
		return refuse("build it for wasip1 (GOOS=wasip1 GOARCH=wasm, wasm32-wasip1)", what+": it is a program for another machine")
	case is("BC\xc0\xde"):
		return refuse("build without -emit-llvm and -c, as a program", what+": it is LLVM bitcode")
	case bytes.Contains(file[:min(len(file), 4096)], []byte("(module")):
		return refuse("build it with wat2wasm", what+": it is WebAssembly as text")
	}
	return refuse("build it for wasip1", what)
}

// typeAt returns the type of a function.
func (m *Module) typeAt(i uint64) uint64 {
	if i < uint64(len(m.typesIn)) {
		return m.typesIn[i]
	}
	return m.typeOf[i-uint64(len(m.typesIn))]
}

// Imports returns the functions that the module imports, in their order. The caller must not change the list.
func (m *Module) Imports() []Import { return m.imports }

// Exports returns the names of what the module exports, in their order. The caller must not change the list.
func (m *Module) Exports() []string { return m.exports }

// HasMemory reports whether the module has a memory of its own.
func (m *Module) HasMemory() bool { return m.memories > 0 }

// MemoryMin returns how many bytes of memory an instance has from the start.
func (m *Module) MemoryMin() uint64 { return m.memoryMin }

// String returns MODULE.NAME, quoted when a name has more than plain letters.
func (f Import) String() string {
	name := f.Module + "." + f.Name
	if strconv.Quote(name) != `"`+name+`"` {
		return strconv.Quote(name)
	}
	return name
}
