package host

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"inbox/inbox"
)

// Bounds of a module, checked before it is compiled: compiling cannot be interrupted, its time grows faster than a
// function's branches, and it takes room for what is only declared.
const (
	maxModule   = 32 << 20      // bytes
	maxFunction = 512 << 10     // bytes of one function body
	maxLocals   = 10_000        // of one function
	allLocals   = 4_000_000     // of all functions
	maxEffort   = 300_000_000   // of compiling one function, see effort: up to twenty seconds
	allEffort   = 3_000_000_000 // of compiling all functions
	maxTables   = 16
	maxTable    = 1 << 16 // elements of all tables from the start; of one table ever: larger maxima are clamped
	maxSection  = 1 << 20 // bytes of the globals, and of the elements: every instance holds them several times as large
	pageSize    = 64 << 10
)

// Section ids (WebAssembly core specification 2.0, section 5.5.2).
const (
	sectionImport  = 2
	sectionTable   = 4
	sectionMemory  = 5
	sectionGlobal  = 6
	sectionExport  = 7
	sectionElement = 9
	sectionCode    = 10
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
// which nothing else does. The module is not validated here: compiling does that, after rewriting as it would before.
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

// ended refuses a section that was cut off or goes on.
func ended(r *reader) error {
	if err := r.done(); err != nil {
		return damaged(err)
	}
	return nil
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
	var err error
	switch id {
	case sectionImport:
		err = m.readImports(r)
	case sectionTable:
		return clampTables(r)
	case sectionMemory:
		for range r.count() {
			_, low, _ := r.limits()
			m.memoryMin += low * pageSize
		}
		err = ended(r)
	case sectionGlobal, sectionElement:
		if len(body) > maxSection {
			err = refuse("", "the module's globals or table elements take %d bytes, more than %d", len(body), maxSection)
		}
	case sectionExport:
		err = m.readExports(r)
	case sectionCode:
		return m.rewrite(r)
	}
	return body, err
}

// readImports names what the module imports. Only functions can be had.
func (m *module) readImports(r *reader) error {
	kinds := []string{"function", "table", "memory", "global"}
	for range r.count() {
		f := function{string(r.bytes(r.u32())), string(r.bytes(r.u32()))}
		kind := r.byte()
		switch {
		case r.err != nil || int(kind) >= len(kinds):
			return damaged(errTruncated)
		case kind != 0:
			return refuse("build it as a program of its own, without shared memory or dynamic linking",
				"the module imports the %s %s; only functions can be had", kinds[kind], f)
		}
		r.u32()
		m.imports = append(m.imports, f)
	}
	return ended(r)
}

func (m *module) readExports(r *reader) error {
	for range r.count() {
		m.exports = append(m.exports, string(r.bytes(r.u32())))
		r.byte()
		r.u32()
	}
	return ended(r)
}

// clampTables bounds every table.
func clampTables(r *reader) ([]byte, error) {
	n := r.count()
	if n > maxTables {
		return nil, refuse("", "the module has %d tables, more than %d", n, maxTables)
	}
	out := binary.AppendUvarint(nil, uint64(n))
	var all uint64
	for range n {
		if len(r.b) == 0 {
			r.fail()
			break
		}
		kind := r.b[0]
		r.only(typeFunc, typeExtern)
		flag, low, high := r.limits()
		if flag > 1 {
			r.fail()
		}
		if all += low; all > maxTable {
			return nil, refuse("", "the module asks for tables of %d elements, more than %d", all, maxTable)
		}
		out = append(out, kind, 1)
		out = binary.AppendUvarint(out, low)
		out = binary.AppendUvarint(out, min(high, maxTable))
	}
	return out, ended(r)
}

// rewrite has every function pause.
func (m *module) rewrite(r *reader) ([]byte, error) {
	n := r.count()
	m.functions += n
	out := binary.AppendUvarint(make([]byte, 0, len(r.b)+8*n), uint64(n))
	var one []byte
	for range n {
		body := r.bytes(r.u32())
		if r.err != nil {
			break
		}
		var err error
		if one, err = m.function(one[:0], body); err != nil {
			return nil, err
		}
		out = binary.AppendUvarint(out, uint64(len(one)))
		out = append(out, one...)
	}
	return out, ended(r)
}

// function has one function pause, and counts what compiling it takes.
func (m *module) function(out, body []byte) ([]byte, error) {
	m.largest = max(m.largest, len(body))
	if len(body) > maxFunction {
		return nil, refuse("split it, or build without inlining", "a function has %d bytes, more than %d", len(body), maxFunction)
	}
	r := &reader{b: body}
	locals := r.locals()
	if r.err != nil {
		return nil, damaged(r.err)
	}
	if m.locals += locals; locals > maxLocals || m.locals > allLocals {
		return nil, refuse("", "a function has %d local variables, and all so far %d; more than %d and %d", locals, m.locals, maxLocals, allLocals)
	}
	out, shape, err := pauses(append(out, body[:len(body)-len(r.b)]...), r.b)
	if err != nil {
		return nil, damaged(err)
	}
	shape.locals = locals
	one := shape.effort()
	if m.effort += one; one > maxEffort || m.effort > allEffort {
		return nil, refuse("split it, or build without inlining",
			"compiling would take too long: a function has %d branches to %d places and %d local variables",
			shape.branches, shape.branches+shape.targets, locals)
	}
	return out, nil
}

// locals skips the declarations of a function's local variables and returns how many there are.
func (r *reader) locals() (n uint64) {
	for range r.count() {
		n += r.u32()
		r.valueType()
	}
	return n
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
