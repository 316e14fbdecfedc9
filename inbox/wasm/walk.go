package wasm

import "encoding/binary"

// body holds what was read of one function's code.
type body struct {
	locals    []byte // declarations of local variables, without their count
	groups    uint64 // number of declarations
	code      []byte // the instructions
	vars      uint64 // parameters and local variables
	patches   []patch
	counts    []uint64 // prices: of the function outside of loops, then of each loop without its inner loops, in their order
	length    int      // instructions
	untilLoop int      // instructions outside of loops, if the function always reaches its first loop; else -1
	shape     shape
	height    height // of the operand stack
	merges    merges
}

// patch is a place in the code that the rewriting changes: it replaces the code from at to end.
type patch struct {
	at, end int
	kind    patchKind
	value   uint64 // of a loop, its index in counts; of a function, its index
}

type patchKind uint8

const (
	atLoop     patchKind = iota // a loop begins here
	atBulk                      // a bulk instruction follows
	atFunction                  // the index of a function
)

// bodies calls each for every function of the module, in order. The body is valid until the next call. It refuses code that is
// over a bound or names something that does not exist; wazero refuses other invalid code.
func (m *Module) bodies(each func(b *body) error) error {
	if m.sections[sectionCode] == nil {
		return nil // the module has no code
	}
	r := &reader{b: m.sections[sectionCode]}
	var b body
	var locals uint64
	var err error
	n := 0
	m.length, m.frame, m.values = 0, 0, 0
	r.vector(maxFunctions, "functions", func() {
		code := r.bytes(r.u32())
		if r.err != nil || err != nil {
			return
		}
		if n >= len(m.typeOf) {
			r.fail()
			return
		}
		if err = m.body(&b, m.typeOf[n], code); err != nil {
			return
		}
		if locals += b.shape.locals; locals > allLocals {
			err = refuse("split it", "its functions have more than %d local variables", allLocals)
			return
		}
		n++
		m.length += b.length + instructionsPerCharge*b.charges() + int(b.shape.locals+b.shape.targets) // each becomes an instruction of its own
		m.frame = max(m.frame, int(b.vars)+b.height.most+meterValues)
		m.values = max(m.values, b.length+int(b.vars+b.shape.places))
		err = each(&b)
	})
	if err == nil && r.done() != nil {
		err = damaged(r.err)
	}
	m.functions = n
	return err
}

// body reads the code of one function.
//
// It reads instructions more strictly than wazero does. If the two disagreed where an instruction ends, a module could hide
// instructions in what this package takes for an immediate.
func (m *Module) body(b *body, typ uint64, code []byte) error {
	m.largest = max(m.largest, len(code))
	r := &reader{b: code, m: m}
	if r.limitSize(maxFunction, "largest function"); r.err != nil {
		return damaged(r.err)
	}
	b.shape = shape{}
	b.groups = uint64((&reader{b: code}).count())
	b.shape.locals = r.locals()
	if r.err == nil && b.shape.locals > maxLocals {
		r.refuse("a function has %d local variables, more than %d", b.shape.locals, maxLocals)
	}
	if r.err != nil {
		return damaged(r.err)
	}
	b.vars = uint64(m.params[typ]) + b.shape.locals
	head := &reader{b: code[:len(code)-len(r.b)]}
	head.u32()
	b.locals, b.code = head.b, r.b
	if err := b.walk(r, m.results[typ]); err != nil {
		return damaged(err)
	}
	f := &b.merges
	b.shape.height, b.shape.vars, b.shape.depth = uint64(b.height.most), f.named, f.depth
	b.shape.paths, b.shape.places, b.shape.carried = f.paths, f.places, f.carried
	return nil
}

// locals skips the declarations of local variables and returns the number of variables.
func (r *reader) locals() (n uint64) {
	r.vector(maxLocals, "declarations of local variables", func() {
		n += r.u32()
		r.valueType()
	})
	return n
}

// walk reads the instructions. Each is counted in the innermost loop around it, or in the function. It runs at most once for
// every time that this loop, or the function, begins, because only a loop branches back.
func (b *body) walk(r *reader, results uint8) error {
	r.size = len(r.b)
	b.patches, b.counts = b.patches[:0], append(b.counts[:0], entryCost(b.vars))
	open := make([]int, 1, 16) // the open blocks, each by its index in counts
	b.untilLoop, b.length = -1, 0
	b.height.begin(r.m, results)
	b.merges.begin(b.vars, results)
	straight := true // no branch from the beginning to here
	outside := 0
	for len(r.b) > 0 {
		at := r.at()
		one := r.instruction()
		b.check(r, one)
		if r.err != nil {
			return r.err
		}
		if len(open) == 0 {
			r.fail() // instructions after the function's end
			return r.err
		}
		in := open[len(open)-1]
		b.counts[in] += r.m.cost(one)
		b.length++
		if in == 0 {
			outside++
		}
		b.record(r, one, at)
		b.height.follow(one)
		if one.op == opLoop && len(b.counts) == 1 && straight {
			b.untilLoop = 0
		}
		straight = straight && (one.op == opBlock || fallsThrough(one))
		open = b.follow(open, one, r.at())
		b.chargeMerge(open, in, one, r.labels)
	}
	if len(open) > 0 {
		r.fail()
	}
	if b.untilLoop == 0 {
		b.untilLoop = outside
	}
	return r.err
}

// chargeMerge charges the values that are moved where paths meet. At the beginning of a loop they are charged each time that
// the loop begins, at the end of another block with the code around it.
func (b *body) chargeMerge(open []int, in int, one instruction, labels []uint32) {
	moves, loop := b.merges.follow(b.height.m, one, labels)
	if !loop && len(open) > 0 {
		in = open[len(open)-1]
	}
	b.counts[in] += (moves + perMove - 1) / perMove
}

// follow opens or closes a block after an instruction that ends at offset at.
func (b *body) follow(open []int, one instruction, at int) []int {
	switch one.op {
	case opBlock, opIf:
		return append(open, open[len(open)-1])
	case opLoop:
		b.counts = append(b.counts, 0)
		b.patches = append(b.patches, patch{at, at, atLoop, uint64(len(b.counts) - 1)})
		return append(open, len(b.counts)-1)
	case opEnd:
		return open[:len(open)-1]
	}
	return open
}

// fallsThrough reports whether the next instruction always follows this one directly, without a call in between.
func fallsThrough(one instruction) bool {
	return one.op >= opLocalGet && one.op != opMemoryGrow && !one.bulk
}

// instructionsPerCharge is the largest number of instructions of one charge, see [metering.chargeLength].
const instructionsPerCharge = 15

// meterValues is the largest number of values that metering adds to a call: two local variables, and the operands of a charge.
const meterValues = 6

// charges returns how many charges metering adds to the function.
func (b *body) charges() int {
	n := 1
	for _, where := range b.patches {
		if where.kind != atFunction {
			n++
		}
	}
	return n
}

// check refuses an index that does not exist in the original module. The additions of the rewriting could make it valid.
func (b *body) check(r *reader, one instruction) {
	switch one.op {
	case opLocalGet, opLocalSet, opLocalTee:
		r.checkIndex(one.index, b.vars, "local variable")
	case opGlobalGet, opGlobalSet:
		r.checkIndex(one.index, r.m.globals, "global")
	case opCall, opRefFunc:
		r.checkIndex(one.index, uint64(len(r.m.imports)+len(r.m.typeOf)), "function")
	case opCallIndirect:
		r.checkIndex(one.index, uint64(len(r.m.params)), "type")
	case opBlock, opLoop, opIf:
		if one.typed {
			r.checkIndex(one.index, uint64(len(r.m.params)), "type")
		}
	}
}

// record records the places that the rewriting changes, and counts what the compile time grows with.
func (b *body) record(r *reader, one instruction, at int) {
	switch one.op {
	case opCall, opRefFunc:
		b.patches = append(b.patches, patch{at + 1, r.at(), atFunction, one.index})
	case opBlock, opLoop, opIf, opBrIf:
		b.shape.branches++
	case opBrTable:
		b.shape.branches++
		b.shape.targets += uint64(len(r.labels))
	}
	b.shape.work.add(1, r.m.compileWork(one))
	if one.bulk {
		b.shape.branches++ // wazero compiles them to loops
		b.patches = append(b.patches, patch{at, at, atBulk, 0})
	}
}

// rewrite rewrites all functions. The error is [tooComplex] when a function, or all functions together, would take too much to
// compile.
func (m *Module) rewrite(how rewriter) ([]byte, error) {
	code := m.sections[sectionCode]
	out := binary.AppendUvarint(make([]byte, 0, len(code)+len(code)/4+64), uint64((&reader{b: code}).count()))
	var one []byte
	m.effort = m.typesWork()
	err := m.bodies(func(b *body) error {
		if err := m.addEffort(how.shape(b)); err != nil {
			return err
		}
		one = how.prologue(one[:0], b)
		copied := 0
		for _, sp := range b.patches {
			one = append(one, b.code[copied:sp.at]...)
			one = how.patch(one, b, sp)
			copied = sp.end
		}
		one = append(one, b.code[copied:]...)
		out = binary.AppendUvarint(out, uint64(len(one)))
		out = append(out, one...)
		return nil
	})
	return out, err
}
