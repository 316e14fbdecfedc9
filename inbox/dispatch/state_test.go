package dispatch_test

import (
	"inbox/inbox/dispatch"
)

// legal holds the table of moves, as a set.
func legal() map[[2]string]bool {
	set := map[[2]string]bool{}
	for _, m := range dispatch.Moves() {
		set[[2]string{m.From, m.To}] = true
	}
	return set
}

// sawMove counts a move of a lane. It fails the test when the move is not in the table.
func (r *room) sawMove(from, to string) {
	m := [2]string{from, to}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.moves == nil {
		r.moves = map[[2]string]int{}
	}
	if r.moves[m]++; r.moves[m] == 1 && !legal()[m] {
		r.t.Errorf("a lane moved from %s to %s, which is not in the table", from, to)
	}
}
