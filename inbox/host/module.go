package host

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"inbox/inbox"
)

// MaxModule bounds a module, in bytes.
const MaxModule = 32 << 20

// function names something a module imports.
type function struct{ Module, Name string }

// module is what is read out of a binary before it is rewritten and compiled.
type module struct {
	imports   []function
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
	params  []uint8  // how many parameters each type of a function has
	results []uint8  // and how many results
	typesIn []uint64 // the type of each function that is imported
	typeOf  []uint64 // and of each that is not
	globals uint64

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

// inspect reads a module up to its code, bounds its tables, which nothing else does, and leaves out sections that mean
// nothing to running it.
//
// wazero validates the module when it compiles what the module is rewritten to. What is checked here is what it trusts
// before, as it takes room for as many elements as a module says it has; and whether every index names something of the
// module, because what the rewriting adds would make an index valid that was not.
func inspect(wasm []byte) (*module, error) {
	if err := checkHeader(wasm); err != nil {
		return nil, err
	}
	m := &module{last: -1}
	for r := (&reader{b: wasm[8:]}); len(r.b) > 0; {
		id := r.byte()
		body := r.bytes(r.u32())
		if r.err != nil {
			return nil, damaged(r.err)
		}
		if id == sectionCustom {
			continue
		}
		if err := m.section(id, body); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// order is the order of the sections, of which there is one each.
var order = []byte{
	sectionType, sectionImport, sectionFunction, sectionTable, sectionMemory, sectionGlobal, sectionExport, sectionStart,
	sectionElement, sectionDataCount, sectionCode, sectionData,
}

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

func damaged(err error) error {
	return refuse("copy the file again: write it beside and rename it; build for wasip1", "%w", err)
}

func checkHeader(wasm []byte) error {
	switch {
	case len(wasm) == 0:
		return refuse("copy the file again", "the file is empty")
	case len(wasm) > MaxModule:
		return refuse("strip it (-ldflags=-s -w, wasm-opt -Oz)", "the module has %d bytes, more than %d", len(wasm), MaxModule)
	case len(wasm) < 8 || !bytes.Equal(wasm[:4], []byte("\x00asm")):
		return refuse("build it for wasip1", "the file is not a WebAssembly module")
	case bytes.Equal(wasm[4:8], []byte{0x0d, 0, 1, 0}):
		return refuse("build it for wasip1 (wasm32-wasip1, GOOS=wasip1), not for wasip2 or as a component",
			"the file is a WebAssembly component, not a module")
	case !bytes.Equal(wasm[4:8], []byte{1, 0, 0, 0}):
		return refuse("build it for wasip1", "the module has the unknown version %d", binary.LittleEndian.Uint32(wasm[4:8]))
	}
	return nil
}

// typeAt returns the type of a function.
func (m *module) typeAt(i uint64) uint64 {
	if i < uint64(len(m.typesIn)) {
		return m.typesIn[i]
	}
	return m.typeOf[i-uint64(len(m.typesIn))]
}

// isSession reports whether the module asks for its events itself.
func (m *module) isSession(next function) bool {
	for _, f := range m.imports {
		if f == next {
			return true
		}
	}
	return false
}

// wantsMemory returns an import that has no use without a memory, as all have but a few: wazero would follow a pointer to none.
func (m *module) wantsMemory() (f function, asks bool) {
	for _, f := range m.imports {
		if f.Module != "env" && f.Name != "proc_exit" && f.Name != "sched_yield" {
			return f, true
		}
	}
	return function{}, false
}

// String returns MODULE.NAME, quoted when a name has more than plain letters.
func (f function) String() string {
	name := f.Module + "." + f.Name
	if strconv.Quote(name) != `"`+name+`"` {
		return strconv.Quote(name)
	}
	return name
}
