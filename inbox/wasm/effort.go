package wasm

import (
	"errors"
	"fmt"
	"time"
)

// shape is what the time and the memory of compiling a function grow with.
type shape struct {
	vars     uint64 // parameters and local variables that an instruction names
	locals   uint64 // local variables, named or not
	height   uint64 // operands on the stack at most
	branches uint64
	targets  uint64 // of tables of branches
	paths    uint64 // into places where paths meet, see [merges]
	places   uint64 // values that are moved there
	carried  uint64 // the same for each of the paths
	depth    uint64 // loops in each other at most
	work     work   // of the instructions by themselves
}

// work is what compiling takes.
type work struct{ time, memory uint64 } // nanoseconds; bytes

func (w *work) add(n uint64, each work) {
	w.time += n * each.time
	w.memory += n * each.memory
}

// What the instructions take by themselves, measured with wazero v1.12 on one core. What may trap has an exit of its own.
var (
	anyWork       = work{400, 300}
	branchWork    = work{5000, 7500}
	targetWork    = work{12_000, 2200}
	bulkWork      = work{10_000, 45_000}
	callWork      = work{3000, 1500}
	indirectWork  = work{30_000, 14_000}
	valueWork     = work{900, 400} // a value that a call hands over
	memoryWork    = work{6000, 4500}
	divideWork    = work{4500, 5000}
	truncateWork  = work{7500, 7500}
	tableWork     = work{11_000, 5000}
	outWork       = work{3000, 2500}
	dropWork      = work{6000, 3500}
	typeWork      = work{2000, 500} // a function type, used or not: wazero compiles a way in and two ways out for each
	signatureWork = work{400, 60}   // a value that it hands over
)

// workKinds says for each first byte of an instruction what it takes besides anyWork: nothing (.), what a call takes (c) or one by
// a table (i), a load or store (m), a division (d), a truncation (t), a table's element (e), or leaving the compiled code (o).
// What follows opBulk and opVector decides of those.
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

// compileWork is what an instruction takes by itself.
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

// prefixedWork is what an instruction takes besides anyWork that has a second number.
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

// effort is what compiling the function takes. Measured, its time grows with the square of the branches; with the paths into
// places where they meet times the square of the variables, once more for each loop around; and with what is carried along
// the paths.
func (s shape) effort() work {
	w := s.work
	w.add(s.branches, branchWork)
	w.add(s.targets, targetWork)
	w.time += 16*s.branches*s.branches + s.paths*(s.vars*s.vars*(1+s.depth)/2+100*s.vars+s.height)
	w.memory += 60 * s.paths * s.vars
	w.add(s.carried, work{700, 250})
	return w
}

// light reports whether compiling it is not to wait for what takes long.
func (w work) light() bool { return w.time <= lightEffort && w.memory <= LightCompileMemory }

// Effort estimates how long compiling a module takes, and whether that is so long, or takes so much memory, that the host
// has other modules compiled beside it. It is zero for a module that would be refused at once.
func Effort(wasm []byte) (d time.Duration, long bool) {
	m, err := Read(wasm)
	if err == nil {
		_, err = m.Weigh()
	}
	if err != nil {
		return 0, false
	}
	return time.Duration(m.effort.time), !m.Light()
}

// Light reports whether compiling the module as it was last rewritten or weighed is not to wait for what takes long.
func (m *Module) Light() bool { return m.effort.light() }

// Weigh reads the code and estimates what compiling and running the module takes, without rewriting it: [Module.Figures] and
// [Module.Light] tell it afterwards. It reports whether the module can be metered. The error is Invalid for code that
// cannot be read, or that takes too long to compile either way.
func (m *Module) Weigh() (metered bool, err error) {
	if err = m.weigh(metering{}); !errors.Is(err, ErrTooComplex) {
		return err == nil, err
	}
	if err = m.weigh(pausing{}); errors.Is(err, ErrTooComplex) {
		err = refuse("", "%w", err)
	}
	return false, err
}

// Figures are the sizes of a module that decide how much memory a runtime takes for it. They include what the metering adds.
type Figures struct {
	Functions     int // with a body
	Largest       int // bytes of the largest body of a function
	Instructions  int // of all functions
	Frame         int // values of one call at most: parameters, local variables and operands
	Values        int // that a compiled function keeps at most
	TableElements int // that all tables may come to have
	Declared      int // bytes of the sections that declare globals and elements
}

// Figures returns the figures of the module as it was last rewritten or weighed. Before that those of its code are zero.
func (m *Module) Figures() Figures {
	tables := (&reader{b: m.sections[sectionTable]}).u32() // how many
	return Figures{
		Functions: m.functions, Largest: m.largest, Instructions: m.length, Frame: m.frame, Values: m.values,
		TableElements: int(tables) * maxTable, Declared: len(m.sections[sectionGlobal]) + len(m.sections[sectionElement]),
	}
}

// typesWork is what compiling the types of functions takes.
func (m *Module) typesWork() (w work) {
	w.add(uint64(len(m.params)), typeWork)
	w.add(m.signatureValues, signatureWork)
	return w
}

// weigh estimates what compiling the module takes when it is rewritten so.
func (m *Module) weigh(how rewriter) error {
	m.effort = m.typesWork()
	return m.bodies(func(b *body) error { return m.addEffort(how.shape(b)) })
}

// take adds what compiling a function takes. One that takes too much, or that is one too many, is [tangled].
func (m *Module) addEffort(s shape) error {
	one := s.effort()
	m.effort.time += one.time
	m.effort.memory = max(m.effort.memory, m.typesWork().memory+one.memory) // what a function takes the next one uses again
	if one.time > maxEffort || one.memory > MaxCompileMemory || m.effort.time > allEffort {
		return &tooComplex{s}
	}
	return nil
}

// ErrTooComplex is what an error of [Module.Metered], [Module.Paused] or [Module.Weigh] is when compiling the rewritten module
// would take too long, or too much memory. A module that cannot be metered for this reason may still be paused.
var ErrTooComplex = errors.New("too complex to compile")

// tangled names the function for which compiling the rewritten module would take too long, or too much memory.
type tooComplex struct{ shape }

// Is reports whether it is ErrTooComplex.
func (t *tooComplex) Is(target error) bool { return target == ErrTooComplex }

// Error names the function's figures.
func (t *tooComplex) Error() string {
	return fmt.Sprintf("compiling would take too long or too much memory: a function has %d branches to %d places, %d local variables and up to %d operands; it would take %s and %d MB",
		t.branches, t.branches+t.targets, t.locals, t.height, time.Duration(t.effort().time).Round(time.Millisecond), t.effort().memory>>20)
}
