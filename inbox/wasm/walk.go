package wasm

import "encoding/binary"

// body is what is read out of a function's code.
type body struct {
	locals    []byte // their declarations, without the count of them
	groups    uint64 // how many declarations
	code      []byte // the instructions
	vars      uint64 // parameters and local variables
	patches   []patch
	counts    []uint64 // the price: of the function outside of loops, then of what is directly in each loop, in their order
	length    int      // instructions
	untilLoop int      // instructions outside of loops, if nothing but the first loop comes after the function's beginning; else -1
	shape     shape
	height    height // of its operands
	merges    merges
}

// spot is a place in the code where something changes: the code from at to end is replaced.
type patch struct {
	at, end int
	kind    patchKind
	value   uint64 // of loops, their place in counts; of functions, the index
}

type patchKind uint8

const (
	atLoop     patchKind = iota // a loop begins here
	atBulk                      // a bulk instruction follows
	atFunction                  // the index of a function
)

// bodies calls each for the functions of the module, one after the other; the body is valid until the next. It refuses
// what may not be, but for what wazero will.
func (m *Module) bodies(each func(b *body) error) error {
	if m.sections[sectionCode] == nil {
		return nil // it has none
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
		m.length += b.length + instructionsPerCharge*b.charges() + int(b.shape.locals+b.shape.targets) // each is an instruction of its own
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

// body reads the code of a function.
//
// Instructions are read more strictly than wazero reads them: where the two could differ on where one ends, a module
// could hide instructions in what we take for an immediate.
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

// locals skips the declarations of a function's local variables and returns how many there are.
func (r *reader) locals() (n uint64) {
	r.vector(maxLocals, "declarations of local variables", func() {
		n += r.u32()
		r.valueType()
	})
	return n
}

// walk goes through the instructions. Each belongs to the innermost loop around it, or to the function: it runs at most
// once for every time that the loop, or the function, begins, as nothing but a loop leads back.
func (b *body) walk(r *reader, results uint8) error {
	r.size = len(r.b)
	b.patches, b.counts = b.patches[:0], append(b.counts[:0], entryCost(b.vars))
	open := make([]int, 1, 16) // the blocks around, each by its place in counts
	b.untilLoop, b.length = -1, 0
	b.height.begin(r.m, results)
	b.merges.begin(b.vars, results)
	straight := true // from the beginning to here
	outside := 0
	for len(r.b) > 0 {
		at := r.at()
		one := r.instruction()
		b.check(r, one)
		if r.err != nil {
			return r.err
		}
		if len(open) == 0 {
			r.fail() // something follows the function's end
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

// meet charges what is moved where paths meet: at a loop's beginning each time that it begins, at the end of another block
// with what is around it.
func (b *body) chargeMerge(open []int, in int, one instruction, labels []uint32) {
	moves, loop := b.merges.follow(b.height.m, one, labels)
	if !loop && len(open) > 0 {
		in = open[len(open)-1]
	}
	b.counts[in] += (moves + perMove - 1) / perMove
}

// nest follows an instruction that ends at a place into a block, or out of one.
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

// fallsThrough reports whether nothing but the next instruction comes after this one, and no other function before.
func fallsThrough(one instruction) bool {
	return one.op >= opLocalGet && one.op != opMemoryGrow && !one.bulk
}

// ofCharge is how many instructions a charge has at most, see [metering.bulk].
const instructionsPerCharge = 15

// ofMeter is how many values the metering adds to a call at most: two local variables, and the operands of a charge.
const meterValues = 6

// charges is how often the function is charged when it is metered.
func (b *body) charges() int {
	n := 1
	for _, where := range b.patches {
		if where.kind != atFunction {
			n++
		}
	}
	return n
}

// check refuses an instruction that names what is not there, but that what is added to the module would be.
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

// note keeps where something will change, and counts what the time of compiling grows faster than.
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
		b.shape.branches++ // wazero makes loops of them
		b.patches = append(b.patches, patch{at, at, atBulk, 0})
	}
}

// rewritten rewrites all functions. One for which that makes too much work for the compiler, or that is one too many, is
// [tangled].
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
