package wasm

import (
	"bytes"
	"encoding/binary"
)

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

// Kinds of imports and exports that this package treats specially (section 5.5.5).
const (
	kindFunction = 0
	kindMemory   = 2
	kindGlobal   = 3
	kindTag      = 4 // exception handling proposal
)

// section reads one section to its end and keeps it.
func (m *Module) section(id byte, body []byte) error {
	place := bytes.IndexByte(order, id)
	if p := proposalOfSection(id); p != nil {
		return damaged(p)
	}
	if place <= m.last {
		return damaged(&damage{what: cutOff, left: len(body)}) // an unknown section, a second one, or one out of order
	}
	m.last = place
	r := &reader{b: body, size: len(body), m: m}
	var err error
	switch id {
	case sectionImport:
		err = m.readImports(r)
	case sectionTable:
		body, err = clampTables(r)
	case sectionCode:
		r.b = nil // bodies reads it later
	default:
		m.read(id, r)
	}
	if err != nil {
		return err
	}
	if err := r.done(); err != nil {
		return damaged(err)
	}
	m.sections[id], m.refs[id] = body, r.refs
	return nil
}

// read reads a section of which only the function indexes change.
func (m *Module) read(id byte, r *reader) {
	switch id {
	case sectionType:
		r.vector(maxTypes, "types", r.functionType)
	case sectionFunction:
		r.vector(maxFunctions, "functions", func() { m.typeOf = append(m.typeOf, r.index(uint64(len(m.params)), "type")) })
	case sectionMemory:
		if n := (&reader{b: r.b}).count(); n > 1 {
			r.stop(multiMemory())
		}
		r.vector(1, "memories", func() {
			_, low, _ := r.plainLimits()
			m.memoryMin = low * PageSize
			m.memories++
		})
	case sectionGlobal:
		r.limitSize(maxSection, "globals")
		r.vector(maxSection, "globals", r.global)
	case sectionExport:
		r.vector(maxExports, "exports", r.export)
	case sectionStart:
		r.function()
	case sectionDataCount:
		r.u32()
	case sectionElement:
		r.limitSize(maxSection, "elements")
		r.vector(maxSegments, "segments of elements", r.elements)
	case sectionData:
		r.vector(maxSegments, "segments of data", r.data)
	}
}

// vector reads a vector of at most limit elements.
func (r *reader) vector(limit int, what string, read func()) {
	n := r.count()
	if n > limit {
		r.refuse("the module has %d %s, more than %d", n, what, limit)
	}
	for range n {
		if r.err != nil {
			return
		}
		read()
	}
}

// limitSize refuses a section of more than limit bytes.
func (r *reader) limitSize(limit int, what string) {
	if len(r.b) > limit {
		r.refuse("the module's %s take %d bytes, more than %d", what, len(r.b), limit)
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
	r.typeByte(0x60)
	params, results := uint8(0), uint8(0) // maxParams and maxResults fit
	r.vector(maxParams, "parameters in one function", func() {
		r.valueType()
		params++
	})
	r.m.params = append(r.m.params, params)
	r.vector(maxResults, "results in one function", func() {
		r.valueType()
		results++
	})
	r.m.results = append(r.m.results, results)
	if r.m.signatureValues += uint64(params) + uint64(results); r.m.signatureValues > maxSignatureValues {
		r.refuse("the types of its functions have more than %d parameters and results", maxSignatureValues)
	}
}

func (r *reader) global() {
	r.valueType()
	r.oneOf(0, 1) // mutability
	r.constant()
	r.m.globals++
}

// export reads the name and the index of an export.
func (r *reader) export() {
	r.m.exports = append(r.m.exports, r.name())
	if len(r.b) > 0 && r.b[0] == kindTag {
		r.stop(exceptions())
	}
	switch kind := r.oneOf(0, 1, 2, 3); kind {
	case kindFunction:
		r.function()
	case kindGlobal:
		r.index(r.m.globals, "global")
	default:
		r.u32()
	}
}

// constant skips a constant expression: one instruction and the end.
func (r *reader) constant() {
	switch at := r.b; {
	case len(at) > 1 && at[0] == opVector:
		r.byte()
		r.oneOf(12) // v128.const
		r.bytes(16)
	default:
		switch one := r.instruction(); one.op {
		case opRefFunc:
			r.reference(one.index)
		case opGlobalGet:
			r.checkIndex(one.index, r.m.globals, "global")
			r.stop(extendedConst()) // Modules import no globals, and without the proposal only imported globals are allowed here.
		case opI32Const, opI64Const, opF32Const, opF64Const, opRefNull:
		default:
			r.unknown(one.op)
		}
	}
	r.endOfConstant()
}

// endOfConstant reads the end of a constant expression. Other instructions there are arithmetic, which WebAssembly 2.0 does not
// allow.
func (r *reader) endOfConstant() {
	switch b := r.byte(); b {
	case opEnd:
	case opI32Const, opI64Const, opGlobalGet, 0x6a, 0x6b, 0x6c, 0x7c, opI64Sub, 0x7e:
		r.stop(extendedConst())
	default:
		if r.err == nil {
			r.unsupported(proposalOfInstruction(b), b)
		}
	}
}

// plainLimits reads limits as WebAssembly 2.0 defines them.
func (r *reader) plainLimits() (flags byte, low, high uint64) {
	if len(r.b) > 0 && r.b[0] > 1 {
		r.unsupported(proposalOfLimits(r.b[0]), r.b[0])
	}
	return r.limits()
}

// elements skips an element segment. Its first number has three flags: 1 means that it is passive or declarative, 2 that it
// names a table, or with 1 that it is declarative, and 4 that its elements are expressions instead of function indexes.
func (r *reader) elements() {
	flags := r.u32()
	if flags > 7 {
		r.fail()
	}
	if flags&3 == 2 {
		r.u32() // table index
	}
	if flags&1 == 0 {
		r.constant() // offset
	}
	if flags&3 != 0 {
		if flags&4 == 0 {
			r.oneOf(0) // element kind: functions
		} else {
			r.typeByte(typeFunc, typeExtern)
		}
	}
	one := r.function
	if flags&4 != 0 {
		one = r.constant
	}
	r.vector(maxSection, "elements in a segment", one)
}

// data skips a data segment. Its first number is 1 for a passive segment and 2 for one that names a memory.
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

// readImports reads the imports. It refuses all kinds but functions.
func (m *Module) readImports(r *reader) (err error) {
	kinds := []string{"function", "table", "memory", "global", "tag"}
	r.vector(maxImports, "imports", func() {
		f := Import{r.name(), r.name()}
		switch kind := int(r.byte()); {
		case r.err != nil || err != nil:
		case kind >= len(kinds):
			r.fail()
		case kind == kindTag:
			r.stop(exceptions())
		case kind == kindMemory && len(r.b) > 0 && proposalOfLimits(r.b[0]) != nil:
			r.stop(proposalOfLimits(r.b[0]))
		case kind > 0:
			err = refuse("build it as a program of its own, without shared memory or dynamic linking",
				"the module imports the %s %s; only functions can be had", kinds[kind], f)
		default:
			m.typesIn = append(m.typesIn, r.index(uint64(len(m.params)), "type"))
			m.imports = append(m.imports, f)
		}
	})
	return err
}

// clampTables encodes the tables again, each with a maximum of at most maxTable elements.
func clampTables(r *reader) ([]byte, error) {
	out := binary.AppendUvarint(nil, uint64((&reader{b: r.b}).count()))
	var all uint64
	r.vector(maxTables, "tables", func() {
		if len(r.b) > 0 && r.b[0] == 0x40 { // a table with an initial element
			r.stop(functionReferences())
		}
		kind := r.typeByte(typeFunc, typeExtern)
		_, low, high := r.plainLimits()
		if all += low; all > maxTable {
			r.refuse("the module asks for tables of %d elements, more than %d", all, maxTable)
		}
		out = append(out, kind, 1)
		out = binary.AppendUvarint(out, low)
		out = binary.AppendUvarint(out, min(high, maxTable))
	})
	return out, nil
}
