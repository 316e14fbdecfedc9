package wasm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strconv"

	"inbox/inbox"
)

// MaxModule is the largest size of a module, in bytes.
const MaxModule = 32 << 20

// Import names a function that a module imports.
type Import struct{ Module, Name string }

// Module is a parsed binary, before it is rewritten and compiled. It has a field for each index space and figure. The parsers of
// the sections are its methods, because a section needs the index spaces of earlier sections. It is not safe for concurrent use.
type Module struct {
	imports   []Import
	exports   []string
	memories  int    // number of memories, 0 or 1
	memoryMin uint64 // bytes
	functions int
	largest   int  // bytes of the largest function body
	length    int  // instructions, including those that metering adds
	frame     int  // the largest number of values in one call: parameters, local variables and operands, including those of metering
	values    int  // the largest number of values that a compiled function keeps: variables, results of instructions, targets of merges
	effort    work // of compiling the module as it was last rewritten or weighed

	// Index spaces. All imports are functions, and their indexes come first.
	params          []uint8  // number of parameters per function type
	results         []uint8  // number of results per function type
	signatureValues uint64   // the sum of params and results
	typesIn         []uint64 // type of each imported function
	typeOf          []uint64 // type of each function with a body
	globals         uint64

	codeEnd  int64                        // offset in the file where the code section ends
	sections [sectionDataCount + 1][]byte // without custom sections; nil for a missing section
	refs     [sectionDataCount + 1][]ref  // the places in each section that name functions
	last     int                          // position in order of the last section that was read
}

// refuse returns an Invalid error: the reason why a module cannot become a release.
func refuse(hint, format string, args ...any) error {
	e := inbox.Errorf(inbox.Invalid, "", format, args...)
	if hint != "" {
		e = e.WithHint(hint)
	}
	return e
}

// Read parses a module up to its code, clamps the maximum size of its tables, which nothing else bounds, and drops custom
// sections. The error is Invalid and names the byte where the file is damaged.
//
// wazero validates the rewritten module when it compiles it. Read checks what wazero trusts before its validation: wazero
// allocates as many elements as a module claims to have. Read also checks that every index names something of the module
// itself. The rewriting adds functions, globals and types, so an invalid index of the original could become valid.
func Read(file []byte) (*Module, error) {
	if err := checkHeader(file); err != nil {
		return nil, err
	}
	m := &Module{last: -1}
	for r := (&reader{b: file[8:]}); len(r.b) > 0; {
		id := r.byte()
		body := r.bytes(r.u32())
		if r.err != nil {
			return nil, locate(damaged(r.err), int64(len(file)))
		}
		if id == sectionCustom {
			continue
		}
		end := int64(len(file) - len(r.b))
		if err := m.section(id, body); err != nil {
			return nil, locate(err, end)
		}
		if id == sectionCode {
			m.codeEnd = end
		}
	}
	return m, nil
}

// order is the order of the sections. Each occurs at most once.
var order = []byte{
	sectionType, sectionImport, sectionFunction, sectionTable, sectionMemory, sectionGlobal, sectionExport, sectionStart,
	sectionElement, sectionDataCount, sectionCode, sectionData,
}

// Bytes returns the module as it was read, with clamped tables and without custom sections.
func (m *Module) Bytes() []byte { return assemble(&m.sections) }

// assemble encodes a module from its sections.
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

// damaged turns an error of the reader into an Invalid error with a hint: by name for a proposal, else as damage.
func damaged(err error) error {
	if p := (*proposal)(nil); errors.As(err, &p) {
		return refuse(p.without, "%w", p)
	}
	// Errorf would format the text now. The offset in the file is added to it later.
	return (&inbox.Error{Kind: inbox.Invalid, Err: err}).WithHint("copy the file again: write it beside and rename it; build for wasip1")
}

// locateInCode adds the offset in the file to an error of reading the code. The code must not have been changed.
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

func checkHeader(file []byte) error {
	switch {
	case len(file) == 0:
		return refuse("copy the file again", "the file is empty")
	case len(file) > MaxModule:
		return refuse("strip it (-ldflags=-s -w, wasm-opt -Oz)", "the module has %d bytes, more than %d", len(file), MaxModule)
	case len(file) < 8 || !bytes.Equal(file[:4], []byte("\x00asm")):
		return notWasm(file)
	case bytes.Equal(file[4:8], []byte{0x0d, 0, 1, 0}):
		return refuse("build it for wasip1 (wasm32-wasip1, GOOS=wasip1), not for wasip2 or as a component",
			"the file is a WebAssembly component, not a module")
	case !bytes.Equal(file[4:8], []byte{1, 0, 0, 0}):
		return refuse("build it for wasip1", "the module has the unknown version %d", binary.LittleEndian.Uint32(file[4:8]))
	}
	return nil
}

// notWasm refuses a file that is no module, and names common mistakes.
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

// typeAt returns the type index of a function.
func (m *Module) typeAt(i uint64) uint64 {
	if i < uint64(len(m.typesIn)) {
		return m.typesIn[i]
	}
	return m.typeOf[i-uint64(len(m.typesIn))]
}

// Imports returns the imported functions in the module's order. The caller must not change the slice.
func (m *Module) Imports() []Import { return m.imports }

// Exports returns the names of the exports in the module's order. The caller must not change the slice.
func (m *Module) Exports() []string { return m.exports }

// HasMemory reports whether the module defines a memory.
func (m *Module) HasMemory() bool { return m.memories > 0 }

// MemoryMin returns the initial size of an instance's memory, in bytes.
func (m *Module) MemoryMin() uint64 { return m.memoryMin }

// String returns MODULE.NAME. A name that needs quoting is returned quoted.
func (f Import) String() string {
	name := f.Module + "." + f.Name
	if strconv.Quote(name) != `"`+name+`"` {
		return strconv.Quote(name)
	}
	return name
}
