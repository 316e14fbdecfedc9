package dispatch

import "cmp"

// WatchMoves has fn called for every move of a lane, by the loops' goroutines, with the names of the states.
func (o *Options) WatchMoves(fn func(from, to string)) {
	o.moved = func(from, to state) { fn(from.String(), to.String()) }
}

// Bound changes how many parked lanes stay in memory, and how many runs are loaded at a time. Zeros mean the defaults.
func (o *Options) Bound(parked, runs int) {
	if parked != 0 || runs != 0 {
		o.bounds = bounds{parked: cmp.Or(parked, maxParked), runs: cmp.Or(runs, runPage)}
	}
}

// States is the number of states.
const States = states

// Move is a legal move of a lane.
type Move struct{ From, To, When string }

// Moves returns the table of legal moves.
func Moves() []Move {
	var all []Move
	for _, m := range moves() {
		all = append(all, Move{m.from.String(), m.to.String(), m.when})
	}
	return all
}
