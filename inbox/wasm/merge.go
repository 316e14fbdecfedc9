package wasm

import (
	"slices"
	"sort"
)

// merges counts the values that a function moves where paths meet: at the end of a block that a branch leaves early, and at the
// beginning of a loop that a branch repeats. The compiler keeps a variable in a different place on every path that sets it, and
// moves it to one place where the paths meet. No instruction stands for these moves, so counting instructions misses them. A
// variable that nothing sets in a block is in the same place on all paths through it.
type merges struct {
	open    []merge
	vars    []variable
	now     uint64 // number of times that any variable was set
	named   uint64 // variables that an instruction names
	paths   uint64 // that enter any merge
	places  uint64 // the sum over all merges of the values moved
	carried uint64 // the same for every path that enters
	depth   uint64 // the deepest nesting of loops
	loops   uint64 // open loops
}

// variable is the state of a parameter or local variable.
type variable struct {
	set  uint64 // the value of now when it was last set
	used bool
}

// merge is the function or an open block in it.
type merge struct {
	since uint64 // the value of now when it began
	sets  int    // variables set in it; those of inner blocks are added when they end
	arity int    // operands that a branch to it takes along
	loop  bool
	edges uint64 // branches to it
}

// begin begins a function with a number of variables and results.
func (f *merges) begin(vars uint64, results uint8) {
	f.open = append(f.open[:0], merge{arity: int(results)})
	f.vars = slices.Grow(f.vars[:0], int(vars))[:vars]
	clear(f.vars)
	*f = merges{open: f.open, vars: f.vars}
}

// follow applies one instruction; labels are those of a br_table. At the end of a block it returns how many values are moved
// each time that control passes there, and whether that place is a loop's beginning.
func (f *merges) follow(m *Module, one instruction, labels []uint32) (moves uint64, loop bool) {
	switch one.op {
	case opBlock, opLoop, opIf:
		next := merge{since: f.now, arity: arity(m, one), loop: one.op == opLoop}
		if one.op == opIf {
			next.edges = 1 // the path of the else, with or without an else
		}
		f.open = append(f.open, next)
		if next.loop {
			f.loops++
			f.depth = max(f.depth, f.loops)
		}
	case opLocalGet:
		f.use(&f.vars[one.index])
	case opLocalSet, opLocalTee:
		f.set(&f.vars[one.index])
	case opBr, opBrIf:
		f.branch(one.index)
	case opBrTable:
		for _, l := range labels {
			f.branch(uint64(l))
		}
	case opEnd:
		return f.end()
	}
	return 0, false
}

// arity returns how many operands a branch to a block takes along.
func arity(m *Module, one instruction) int {
	switch {
	case one.typed && one.op == opLoop:
		return int(m.params[one.index])
	case one.typed:
		return int(m.results[one.index])
	case one.one && one.op != opLoop:
		return 1
	}
	return 0
}

func (f *merges) use(v *variable) {
	if !v.used {
		v.used = true
		f.named++
	}
}

// set counts a variable in all open blocks that began after it was last set. They are the innermost ones, because a block
// begins after the blocks around it.
func (f *merges) set(v *variable) {
	f.use(v)
	before := v.set
	f.now++
	v.set = f.now
	k := sort.Search(len(f.open), func(i int) bool { return f.open[i].since >= before })
	if k == len(f.open) {
		return
	}
	f.open[len(f.open)-1].sets++
	if k > 0 {
		f.open[k-1].sets-- // end adds the inner block's sets again
	}
}

// branch counts a branch. The validation refuses a branch to a block that does not exist.
func (f *merges) branch(label uint64) {
	if label < uint64(len(f.open)) {
		f.open[uint64(len(f.open))-1-label].edges++
	}
}

// end ends the innermost block.
func (f *merges) end() (moves uint64, loop bool) {
	last := len(f.open) - 1
	m := f.open[last]
	f.open = f.open[:last]
	if m.loop {
		f.loops--
	}
	values := uint64(m.arity)
	if last > 0 { // nothing uses the variables after the function's end
		f.open[last-1].sets += m.sets
		values += uint64(m.sets)
	}
	if m.edges == 0 {
		return 0, m.loop
	}
	f.paths += m.edges + 1 // control also falls into it
	f.places += values
	f.carried += (m.edges + 1) * values
	return values, m.loop
}
