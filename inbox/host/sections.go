package host

import "encoding/binary"

// Section ids (WebAssembly core specification 2.0, section 5.5.2).
const (
	sectionCustom    = 0
	sectionType      = 1
	sectionImport    = 2
	sectionFunction  = 3
	sectionTable     = 4
	sectionMemory    = 5
	sectionGlobal    = 6
	sectionExport    = 7
	sectionStart     = 8
	sectionElement   = 9
	sectionCode      = 10
	sectionData      = 11
	sectionDataCount = 12
)

// Bounds of what a module may have. Real programs stay far below; a crafted one takes memory and time by the declaration
// alone, of the compiler or of every instance.
const (
	maxTypes     = 100_000
	maxParams    = 128
	maxResults   = 16
	maxImports   = 1000
	maxExports   = 10_000
	maxFunctions = 200_000
	maxName      = 1000 // bytes
	maxTables    = 16
	maxTable     = 1 << 16 // elements of all tables from the start; of one table ever: larger maxima are clamped
	maxSegments  = 100_000
	maxSection   = 1 << 20 // bytes of the globals, and of the elements: every instance holds them several times as large
	pageSize     = 64 << 10
)

// Bounds of the code.
const (
	maxFunction = 512 << 10     // bytes of one function body
	maxLocals   = 10_000        // of one function
	allLocals   = 4_000_000     // of all functions
	maxEffort   = 300_000_000   // of compiling one function, see shape: up to twenty seconds
	allEffort   = 3_000_000_000 // of compiling all functions; Go programs come to fifty millions a megabyte
)

// section reads one section to its end and returns it as it shall be.
func (m *module) section(id byte, body []byte) ([]byte, error) {
	r := &reader{b: body}
	var err error
	switch id {
	case sectionImport:
		err = m.readImports(r)
	case sectionTable:
		body, err = clampTables(r)
	case sectionCode:
		body, err = m.rewrite(r)
	default:
		m.read(id, r)
	}
	if err != nil {
		return nil, err
	}
	if err := r.done(); err != nil {
		return nil, damaged(err)
	}
	return body, nil
}

// read reads a section that stays as it is.
func (m *module) read(id byte, r *reader) {
	switch id {
	case sectionType:
		r.many(maxTypes, "types", r.functionType)
	case sectionFunction:
		r.many(maxFunctions, "functions", func() { r.u32() })
	case sectionMemory:
		r.many(1, "memories", func() {
			_, low, _ := r.limits()
			m.memoryMin = low * pageSize
		})
	case sectionGlobal:
		r.small(maxSection, "globals")
		r.many(maxSection, "globals", r.global)
	case sectionExport:
		r.many(maxExports, "exports", func() {
			m.exports = append(m.exports, r.name())
			r.byte()
			r.u32()
		})
	case sectionStart, sectionDataCount:
		r.u32()
	case sectionElement:
		r.small(maxSection, "elements")
		r.many(maxSegments, "segments of elements", r.elements)
	case sectionData:
		r.many(maxSegments, "segments of data", r.data)
	default:
		r.fail()
	}
}

// many reads a vector of at most so many elements.
func (r *reader) many(most int, what string, read func()) {
	n := r.count()
	if n > most {
		r.refuse("the module has %d %s, more than %d", n, what, most)
	}
	for range n {
		if r.err != nil {
			return
		}
		read()
	}
}

// small refuses a section of more bytes.
func (r *reader) small(most int, what string) {
	if len(r.b) > most {
		r.refuse("the module's %s take %d bytes, more than %d", what, len(r.b), most)
	}
}

func (r *reader) name() string {
	n := r.u32()
	if n > maxName {
		r.refuse("the module imports or exports a name of %d bytes, more than %d", n, maxName)
	}
	return string(r.bytes(n))
}

func (r *reader) functionType() {
	r.only(0x60)
	r.many(maxParams, "parameters in one function", r.valueType)
	r.many(maxResults, "results in one function", r.valueType)
}

func (r *reader) global() {
	r.valueType()
	r.only(0, 1) // whether it may change
	r.constant()
}

// constant skips an expression that makes a constant: one instruction and the end.
func (r *reader) constant() {
	switch at := r.b; {
	case len(at) > 1 && at[0] == opVector:
		r.byte()
		r.only(12) // v128.const
		r.bytes(16)
	default:
		switch op, _ := r.instruction(); op {
		case 0x23, 0x41, 0x42, 0x43, 0x44, 0xd0, 0xd2: // global.get, constants, ref.null, ref.func
		default:
			r.unknown(op)
		}
	}
	r.only(0x0b)
}

// elements skips a segment of elements. Its first number says by three bits what it has: 1 that it is not put into a
// table at the start, 2 that it names a table, or with 1 that it is only declared, 4 that it has expressions and not
// the indexes of functions.
func (r *reader) elements() {
	flags := r.u32()
	if flags > 7 {
		r.fail()
	}
	if flags&3 == 2 {
		r.u32() // table
	}
	if flags&1 == 0 {
		r.constant() // where
	}
	if flags&3 != 0 {
		if flags&4 == 0 {
			r.only(0) // functions
		} else {
			r.only(typeFunc, typeExtern)
		}
	}
	one := func() { r.u32() }
	if flags&4 != 0 {
		one = r.constant
	}
	r.many(maxSection, "elements in a segment", one)
}

// data skips a segment of data. Its first number is 1 if it is not copied at the start, 2 if it names a memory.
func (r *reader) data() {
	flags := r.u32()
	if flags > 2 {
		r.fail()
	}
	if flags == 2 {
		r.u32()
	}
	if flags != 1 {
		r.constant()
	}
	r.bytes(r.u32())
}

// readImports names what the module imports. Only functions can be had.
func (m *module) readImports(r *reader) (err error) {
	kinds := []string{"function", "table", "memory", "global"}
	r.many(maxImports, "imports", func() {
		f := function{r.name(), r.name()}
		switch kind := int(r.byte()); {
		case r.err != nil || err != nil:
		case kind >= len(kinds):
			r.fail()
		case kind > 0:
			err = refuse("build it as a program of its own, without shared memory or dynamic linking",
				"the module imports the %s %s; only functions can be had", kinds[kind], f)
		default:
			r.u32()
			m.imports = append(m.imports, f)
		}
	})
	return err
}

// clampTables bounds every table.
func clampTables(r *reader) ([]byte, error) {
	out := binary.AppendUvarint(nil, uint64((&reader{b: r.b}).count()))
	var all uint64
	r.many(maxTables, "tables", func() {
		kind := r.only(typeFunc, typeExtern)
		flag, low, high := r.limits()
		if flag > 1 {
			r.fail()
		}
		if all += low; all > maxTable {
			r.refuse("the module asks for tables of %d elements, more than %d", all, maxTable)
		}
		out = append(out, kind, 1)
		out = binary.AppendUvarint(out, low)
		out = binary.AppendUvarint(out, min(high, maxTable))
	})
	return out, nil
}

// rewrite has every function pause.
func (m *module) rewrite(r *reader) ([]byte, error) {
	out := binary.AppendUvarint(make([]byte, 0, len(r.b)+len(r.b)/8), uint64((&reader{b: r.b}).count()))
	var one []byte
	var err error
	r.many(maxFunctions, "functions", func() {
		body := r.bytes(r.u32())
		if r.err != nil || err != nil {
			return
		}
		m.functions++
		if one, err = m.function(one[:0], body); err == nil {
			out = binary.AppendUvarint(out, uint64(len(one)))
			out = append(out, one...)
		}
	})
	return out, err
}

// function has one function pause, and counts what compiling it takes.
func (m *module) function(out, body []byte) ([]byte, error) {
	m.largest = max(m.largest, len(body))
	r := &reader{b: body}
	if r.small(maxFunction, "largest function"); r.err != nil {
		return nil, damaged(r.err)
	}
	locals := r.locals()
	if m.locals += locals; locals > maxLocals || m.locals > allLocals {
		r.refuse("a function has %d local variables, and all so far %d; more than %d and %d", locals, m.locals, maxLocals, allLocals)
	}
	if r.err != nil {
		return nil, damaged(r.err)
	}
	out, s, err := pauses(append(out, body[:len(body)-len(r.b)]...), r.b)
	if err != nil {
		return nil, damaged(err)
	}
	s.locals = locals
	one := s.effort()
	if m.effort += one; one > maxEffort || m.effort > allEffort {
		return nil, refuse("split it, or build without inlining",
			"compiling would take too long: a function has %d branches to %d places and %d local variables",
			s.branches, s.branches+s.targets, locals)
	}
	return out, nil
}

// locals skips the declarations of a function's local variables and returns how many there are.
func (r *reader) locals() (n uint64) {
	r.many(maxLocals, "declarations of local variables", func() {
		n += r.u32()
		r.valueType()
	})
	return n
}
