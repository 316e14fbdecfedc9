package host

import "fmt"

// shape is what the time and the memory of compiling a function grow with.
type shape struct {
	vars     uint64 // parameters and local variables
	locals   uint64 // of them, local variables
	height   uint64 // operands on the stack at most
	length   uint64 // instructions
	branches uint64
	targets  uint64 // of tables of branches
	places   uint64 // values that merges move to, see [merges]
	carried  uint64 // values that are carried along all paths into merges
	handed   uint64 // values that calls hand over
}

// effort is what compiling the function takes, in some tens of nanoseconds: measured, it grows with the square of the
// branches, and with the ways between them times the values that may differ on each.
func (s shape) effort() uint64 {
	return s.branches*s.branches + 25*(s.branches+s.targets)*(s.vars+s.height+30) + 4*s.carried + 8*s.handed + 8*s.length
}

// tangled says that compiling the rewritten module would take too long.
type tangled struct{ shape }

// Error names the function's figures.
func (t *tangled) Error() string {
	return fmt.Sprintf("compiling would take too long: a function has %d branches to %d places, %d local variables and up to %d operands",
		t.branches, t.branches+t.targets, t.locals, t.height)
}
