package wasm

import (
	"errors"
	"fmt"
	"time"
)

// shape holds the figures that the time and memory of compiling a function grow with.
type shape struct {
	vars     uint64 // parameters and local variables that an instruction names
	locals   uint64 // all local variables
	height   uint64 // the largest number of operands on the stack
	branches uint64
	targets  uint64 // of all br_table instructions
	paths    uint64 // that meet, see [merges]
	places   uint64 // values that are moved where paths meet
	carried  uint64 // the same, counted for every path
	depth    uint64 // the deepest nesting of loops
	work     work   // of the instructions by themselves
}

// work is the time and memory that compiling takes.
type work struct{ time, memory uint64 } // nanoseconds; bytes

func (w *work) add(n uint64, each work) {
	w.time += n * each.time
	w.memory += n * each.memory
}

// The work of single instructions, measured with wazero v1.12 on one core. An instruction that may trap has an exit of its own.
var (
	anyWork       = work{400, 300}
	branchWork    = work{5000, 7500}
	targetWork    = work{12_000, 2200}
	bulkWork      = work{10_000, 45_000}
	callWork      = work{3000, 1500}
	indirectWork  = work{30_000, 14_000}
	valueWork     = work{900, 400} // a parameter or result of a call
	memoryWork    = work{6000, 4500}
	divideWork    = work{4500, 5000}
	truncateWork  = work{7500, 7500}
	tableWork     = work{11_000, 5000}
	outWork       = work{3000, 2500}
	dropWork      = work{6000, 3500}
	typeWork      = work{2000, 500} // a function type, used or not: wazero compiles one entry and two exits for each
	signatureWork = work{400, 60}   // a parameter or result of a function type
)

// workKinds gives, for each first byte of an instruction, its work besides anyWork: none (.), a call (c), an indirect call (i),
// a load or store (m), a division (d), a truncation (t), a table access (e), or leaving the compiled code (o). For opBulk and
// opVector the second opcode decides.
const workKinds = "" +
	"................" + // 00
	"ci.............." + // 10
	".....ee.mmmmmmmm" + // 20
	"mmmmmmmmmmmmmmm." + // 30
	"o..............." + // 40
	"................" + // 50
	".............ddd" + // 60
	"d..............d" + // 70
	"ddd............." + // 80
	"................" + // 90
	"........tttttttt" + // a0
	"tt.............." + // b0
	"................" + // c0
	"..o............." + // d0
	"................" + // e0
	"................" //   f0

// compileWork returns the work of one instruction.
func (m *Module) compileWork(one instruction) (w work) {
	w.add(1, anyWork)
	switch workKinds[one.op] {
	case 'c':
		w.add(1, callWork)
		w.add(m.callValues(m.typeAt(one.index)), valueWork)
	case 'i':
		w.add(1, indirectWork)
		w.add(m.callValues(one.index), valueWork)
	case 'm':
		w.add(1, memoryWork)
	case 'd':
		w.add(1, divideWork)
	case 't':
		w.add(1, truncateWork)
	case 'e':
		w.add(1, tableWork)
	case 'o':
		w.add(1, outWork)
	default:
		w.add(1, prefixedWork(one))
	}
	return w
}

// prefixedWork returns the work, besides anyWork, of an instruction with a second opcode.
func prefixedWork(one instruction) work {
	switch {
	case one.bulk:
		return bulkWork
	case one.op == opBulk && (one.sub == 9 || one.sub == 13): // data.drop, elem.drop
		return dropWork
	case one.op == opVector && touchesMemory(one.sub):
		return memoryWork
	}
	return work{}
}

// effort returns the work of compiling the function. By measurement the time grows with the square of the branches; with the
// paths that meet times the square of the variables, and with the depth of loops; and with the values carried along the paths.
func (s shape) effort() work {
	w := s.work
	w.add(s.branches, branchWork)
	w.add(s.targets, targetWork)
	w.time += 16*s.branches*s.branches + s.paths*(s.vars*s.vars*(1+s.depth)/2+100*s.vars+s.height)
	w.memory += 60 * s.paths * s.vars
	w.add(s.carried, work{700, 250})
	return w
}

// light reports whether the work is so small that it need not wait for long compilations.
func (w work) light() bool { return w.time <= lightEffort && w.memory <= LightCompileMemory }

// Effort estimates the time to compile a module. long reports whether it takes so much time or memory that the host compiles
// other modules beside it. Both are zero for a module that Read or Weigh refuses.
func Effort(file []byte) (d time.Duration, long bool) {
	m, err := Read(file)
	if err == nil {
		_, err = m.Weigh()
	}
	if err != nil {
		return 0, false
	}
	return time.Duration(m.effort.time), !m.Light()
}

// Light reports whether compiling the module, as it was last rewritten or weighed, takes so little that it need not wait for
// long compilations.
func (m *Module) Light() bool { return m.effort.light() }

// Weigh reads the code and estimates what compiling and running the module takes, without rewriting it. [Module.Figures] and
// [Module.Light] return the result. metered reports whether the module can be metered. The error is Invalid for code that is
// damaged, or that takes too long to compile metered and paused.
func (m *Module) Weigh() (metered bool, err error) {
	if err = m.weigh(metering{}); !errors.Is(err, ErrTooComplex) {
		return err == nil, err
	}
	if err = m.weigh(pausing{}); errors.Is(err, ErrTooComplex) {
		err = refuse("", "%w", err)
	}
	return false, err
}

// Figures are the sizes of a module from which the host computes how much memory a runtime takes for it. They include the
// additions of metering.
type Figures struct {
	Functions     int // functions with a body
	Largest       int // bytes of the largest function body
	Instructions  int // of all functions
	Frame         int // the largest number of values in one call: parameters, local variables and operands
	Values        int // the largest number of values that a compiled function keeps
	TableElements int // the most that all tables can grow to
	Declared      int // bytes of the sections that declare globals and elements
}

// Figures returns the figures of the module as it was last rewritten or weighed. Before that, the figures of its code are zero.
func (m *Module) Figures() Figures {
	tables := (&reader{b: m.sections[sectionTable]}).u32() // number of tables
	return Figures{
		Functions: m.functions, Largest: m.largest, Instructions: m.length, Frame: m.frame, Values: m.values,
		TableElements: int(tables) * maxTable, Declared: len(m.sections[sectionGlobal]) + len(m.sections[sectionElement]),
	}
}

// typesWork returns the work of compiling the function types.
func (m *Module) typesWork() (w work) {
	w.add(uint64(len(m.params)), typeWork)
	w.add(m.signatureValues, signatureWork)
	return w
}

// weigh estimates the work of compiling the module after a rewriting.
func (m *Module) weigh(how rewriter) error {
	m.effort = m.typesWork()
	return m.bodies(func(b *body) error { return m.addEffort(how.shape(b)) })
}

// addEffort adds the work of one function. The error is [tooComplex] when that function, or all functions together, take too
// much.
func (m *Module) addEffort(s shape) error {
	one := s.effort()
	m.effort.time += one.time
	m.effort.memory = max(m.effort.memory, m.typesWork().memory+one.memory) // the next function uses the same memory again
	if one.time > maxEffort || one.memory > MaxCompileMemory || m.effort.time > allEffort {
		return &tooComplex{s}
	}
	return nil
}

// ErrTooComplex is in the chain of an error of [Module.Metered] and [Module.Paused], when compiling the rewritten module would
// take too much time or memory. A module that is too complex to be metered may still be paused.
var ErrTooComplex = errors.New("too complex to compile")

// tooComplex holds the figures of the function that would take too much time or memory to compile.
type tooComplex struct{ shape }

// Is makes errors.Is find ErrTooComplex.
func (t *tooComplex) Is(target error) bool { return target == ErrTooComplex }

// Error names the function's figures.
func (t *tooComplex) Error() string {
	return fmt.Sprintf("compiling would take too long or too much memory: a function has %d branches to %d places, %d local variables and up to %d operands; it would take %s and %d MB",
		t.branches, t.branches+t.targets, t.locals, t.height, time.Duration(t.effort().time).Round(time.Millisecond), t.effort().memory>>20)
}
