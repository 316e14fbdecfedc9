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

// module is what is read out of a binary before it is compiled.
type module struct {
	imports   []function
	exports   []string
	memoryMin uint64 // bytes; 0 when it has no memory of its own
	functions int
	largest   int // bytes of the largest function body
	locals    uint64
	effort    uint64
}

// refuse says why a module cannot become a release.
func refuse(hint, format string, args ...any) error {
	e := inbox.Errorf(inbox.Invalid, "", format, args...)
	if hint != "" {
		e = e.WithHint(hint)
	}
	return e
}

// inspect reads a module and rewrites it, so that it can be stopped (see pauses), and so that its tables are bounded,
// which nothing else does. Sections that mean nothing to running it are left out.
//
// wazero validates the module when it compiles it. What is checked here is what it trusts before: it takes room for as
// many elements as a module says it has, and its time of compiling has no bound.
func inspect(wasm []byte) (*module, []byte, error) {
	if err := checkHeader(wasm); err != nil {
		return nil, nil, err
	}
	m := &module{}
	out := append(make([]byte, 0, len(wasm)+len(wasm)/16), wasm[:8]...)
	for r := (&reader{b: wasm[8:]}); len(r.b) > 0; {
		id := r.byte()
		body := r.bytes(r.u32())
		if r.err != nil {
			return nil, nil, damaged(r.err)
		}
		if id == sectionCustom {
			continue
		}
		section, err := m.section(id, body)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, id)
		out = binary.AppendUvarint(out, uint64(len(section)))
		out = append(out, section...)
	}
	return m, out, nil
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

// isSession reports whether the module asks for its events itself.
func (m *module) isSession(next function) bool {
	for _, f := range m.imports {
		if f == next {
			return true
		}
	}
	return false
}

// String returns MODULE.NAME, quoted when a name has more than plain letters.
func (f function) String() string {
	name := f.Module + "." + f.Name
	if strconv.Quote(name) != `"`+name+`"` {
		return strconv.Quote(name)
	}
	return name
}
