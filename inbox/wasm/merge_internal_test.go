package wasm

import "testing"

// follows applies the instructions of a function. It returns the number of values moved at each end of a block, in order.
func follows(vars uint64, code ...instruction) (moves []uint64, f *merges) {
	f = &merges{}
	f.begin(vars, 0)
	m := &Module{params: []uint8{3}, results: []uint8{2}}
	for _, one := range code {
		n, _ := f.follow(m, one, []uint32{0, 1, 1, 9})
		if one.op == opEnd {
			moves = append(moves, n)
		}
	}
	return moves, f
}

func TestTheVariablesSetInABlockAreMovedWherePathsMeet(t *testing.T) {
	t.Parallel()
	block, loop, when, end := instruction{op: opBlock}, instruction{op: opLoop}, instruction{op: opIf}, instruction{op: opEnd}
	set := func(i uint64) instruction { return instruction{op: opLocalSet, index: i} }
	tee := func(i uint64) instruction { return instruction{op: opLocalTee, index: i} }
	br := func(l uint64) instruction { return instruction{op: opBrIf, index: l} }
	table := instruction{op: opBrTable}
	typed := instruction{op: opBlock, typed: true}
	for name, c := range map[string]struct {
		code []instruction
		want []uint64
	}{
		"nothing":                      {[]instruction{end}, []uint64{0}},
		"a block that nothing leaves":  {[]instruction{block, set(0), end, end}, []uint64{0, 0}},
		"one that a branch leaves":     {[]instruction{block, br(0), set(0), set(1), tee(0), end, end}, []uint64{2, 0}},
		"what is set before it":        {[]instruction{set(0), set(1), block, br(0), set(1), end, end}, []uint64{1, 0}},
		"what is set after it":         {[]instruction{block, br(0), end, set(1), end}, []uint64{0, 0}},
		"in a block in it":             {[]instruction{block, block, br(1), set(0), end, set(0), set(2), end, end}, []uint64{0, 2, 0}},
		"in both, each left":           {[]instruction{block, set(1), block, br(0), br(1), set(0), end, set(0), end, end}, []uint64{1, 2, 0}},
		"a loop that is repeated":      {[]instruction{loop, set(0), set(2), br(0), end, end}, []uint64{2, 0}},
		"a loop that is not":           {[]instruction{loop, set(0), end, end}, []uint64{0, 0}},
		"an if, without a branch":      {[]instruction{when, set(0), {op: opElse}, set(1), end, end}, []uint64{2, 0}},
		"a table":                      {[]instruction{block, block, set(0), table, end, set(1), end, end}, []uint64{1, 2, 0}},
		"results of a block":           {[]instruction{typed, br(0), end, end}, []uint64{2, 0}},
		"a block after another":        {[]instruction{block, br(0), set(0), end, block, br(0), set(0), end, end}, []uint64{1, 1, 0}},
		"a branch to nothing":          {[]instruction{block, br(7), set(0), end, end}, []uint64{0, 0}},
		"the function, left by values": {[]instruction{set(0), br(0), end}, []uint64{0}},
	} {
		got, f := follows(3, c.code...)
		for i := range c.want {
			if i >= len(got) || got[i] != c.want[i] {
				t.Errorf("%s: %v are moved, not %v", name, got, c.want)
				break
			}
		}
		if f.carried < f.places {
			t.Errorf("%s: %d are carried to %d places", name, f.carried, f.places)
		}
	}
	if _, f := follows(3, loop, loop, set(0), end, end, loop, tee(1), end, end); f.depth != 2 || f.named != 2 {
		t.Errorf("%d loops in each other, %d variables are used", f.depth, f.named)
	}
}
