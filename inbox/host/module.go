package host

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"inbox/inbox"
)

// Bounds of a module, checked before it is compiled: compiling cannot be interrupted, and its time grows faster than a
// function's size.
const (
	maxModule   = 32 << 20  // bytes
	maxFunction = 512 << 10 // bytes of one function body
	maxTable    = 1 << 16   // elements of a table; larger maxima are clamped
	pageSize    = 64 << 10
)

// Section ids (WebAssembly core specification 2.0, section 5.5.2).
const (
	sectionCustom = 0
	sectionImport = 2
	sectionTable  = 4
	sectionMemory = 5
	sectionExport = 7
	sectionCode   = 10
)

// function names something a module imports.
type function struct{ Module, Name string }

// module is what is read out of a binary before it is compiled.
type module struct {
	imports   []function
	exports   []string
	memoryMin uint64 // bytes; 0 when it has no memory of its own
	functions int
	largest   int // bytes of the largest function body
}

var errTruncated = errors.New("the module is cut off or damaged")

// refuse says why a module cannot become a release.
func refuse(hint, format string, args ...any) error {
	e := inbox.Errorf(inbox.Invalid, "", format, args...)
	if hint != "" {
		e = e.WithHint(hint)
	}
	return e
}

// inspect reads a module and rewrites it: every function begins with an empty loop, because wazero looks whether it
// should stop at loops only, and a tree of calls without a loop would run for hours; and tables are clamped, because
// nothing else bounds them. The module is not validated here: compiling does that, before and after rewriting alike.
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
			return nil, nil, refuse("copy the file again; write beside it and rename", "%w", r.err)
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

func checkHeader(wasm []byte) error {
	switch {
	case len(wasm) == 0:
		return refuse("copy the file again", "the file is empty")
	case len(wasm) > maxModule:
		return refuse("strip it (-ldflags=-s -w, wasm-opt -Oz)", "the module has %d bytes, more than %d", len(wasm), maxModule)
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

// section reads one section and returns it as it shall be.
func (m *module) section(id byte, body []byte) ([]byte, error) {
	r := &reader{b: body}
	switch id {
	case sectionImport:
		m.readImports(r)
	case sectionExport:
		for range r.count() {
			m.exports = append(m.exports, string(r.bytes(r.u32())))
			r.byte()
			r.u32()
		}
	case sectionMemory:
		for range r.count() {
			_, low, _ := r.limits()
			m.memoryMin = low * pageSize
		}
	case sectionTable:
		return clampTables(r)
	case sectionCode:
		return m.enterLoops(r)
	}
	if r.err != nil {
		return nil, refuse("copy the file again", "%w", r.err)
	}
	return body, nil
}

func (m *module) readImports(r *reader) {
	for range r.count() {
		f := function{string(r.bytes(r.u32())), string(r.bytes(r.u32()))}
		switch r.byte() {
		case 0: // function
			r.u32()
		case 1: // table
			r.byte()
			r.limits()
		case 2: // memory
			r.limits()
		case 3: // global
			r.bytes(2)
		default:
			r.fail()
		}
		if r.err == nil {
			m.imports = append(m.imports, f)
		}
	}
}

// clampTables bounds every table.
func clampTables(r *reader) ([]byte, error) {
	n := r.count()
	out := binary.AppendUvarint(nil, uint64(n))
	for range n {
		kind := r.byte()
		flag, low, high := r.limits()
		if flag > 1 {
			r.fail()
		}
		if r.err != nil {
			return nil, refuse("copy the file again", "%w", r.err)
		}
		if low > maxTable {
			return nil, refuse("", "the module asks for a table of %d elements, more than %d", low, maxTable)
		}
		out = append(out, kind, 1)
		out = binary.AppendUvarint(out, low)
		out = binary.AppendUvarint(out, min(high, maxTable))
	}
	if len(r.b) > 0 {
		return nil, refuse("copy the file again", "%w", errTruncated)
	}
	return out, nil
}

// enterLoops puts an empty loop at the beginning of every function.
func (m *module) enterLoops(r *reader) ([]byte, error) {
	n := r.count()
	m.functions = n
	out := binary.AppendUvarint(make([]byte, 0, len(r.b)+8*n), uint64(n))
	for range n {
		body := r.bytes(r.u32())
		m.largest = max(m.largest, len(body))
		if len(body) > maxFunction {
			return nil, refuse("split it, or build without inlining", "a function has %d bytes, more than %d", len(body), maxFunction)
		}
		code := &reader{b: body}
		for range code.count() {
			code.u32()  // how many
			code.byte() // of which type
		}
		if r.err != nil || code.err != nil {
			return nil, refuse("copy the file again", "%w", errTruncated)
		}
		locals := len(body) - len(code.b)
		out = binary.AppendUvarint(out, uint64(len(body)+3))
		out = append(out, body[:locals]...)
		out = append(out, 0x03, 0x40, 0x0b) // loop (no result) end
		out = append(out, code.b...)
	}
	if r.err != nil || len(r.b) > 0 {
		return nil, refuse("copy the file again", "%w", errTruncated)
	}
	return out, nil
}

// reader reads the binary format (WebAssembly core specification 2.0, chapter 5). After a failure it yields zeros.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail() {
	if r.err == nil {
		r.err = errTruncated
	}
	r.b = nil
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	b := r.b[0]
	r.b = r.b[1:]
	return b
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

// uleb reads an unsigned LEB128 number of at most bits bits.
func (r *reader) uleb(bits int) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > (bits+6)/7 || (bits < 64 && v >= 1<<bits) {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) u32() uint64 { return r.uleb(32) }

// count reads the length of a vector. Every element takes a byte at least, so that a lie about it ends here.
func (r *reader) count() int {
	n := r.u32()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

// limits reads the limits of a table or memory; without a maximum it is the largest number.
func (r *reader) limits() (flag byte, low, high uint64) {
	flag = r.byte()
	low, high = r.u32(), math.MaxUint32
	if flag&1 == 1 {
		high = r.u32()
	}
	return flag, low, high
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

func (f function) String() string { return fmt.Sprintf("%s.%s", f.Module, f.Name) }
