package dedup

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func TestEveryHashIsInExactlyOnePartOfARun(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.IntRange(1, 5000).Draw(t, "parts")
		hash := rapid.Uint64().Draw(t, "hash")
		at := partOf(hash, parts)
		low, high := partRange(at, parts)
		if hash < low || hash > high {
			t.Fatalf("hash %d is in part %d, of %d to %d", hash, at, low, high)
		}
		for edge, want := range map[uint64]int{low: at, high: at} {
			if got := partOf(edge, parts); got != want {
				t.Fatalf("the edge %d of part %d is in part %d", edge, want, got)
			}
		}
		if at > 0 {
			if _, before := partRange(at-1, parts); before+1 != low {
				t.Fatalf("part %d ends at %d, part %d begins at %d", at-1, before, at, low)
			}
		}
	})
}

func TestAFilterPassesAtMostOneInEightyOtherKeys(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	const parts = 41 // of a run of 65,536: the hashes of a part have their highest bits in common
	low, high := partRange(7, parts)
	draw := func(n int) []uint64 {
		list := make([]uint64, n)
		for i := range list {
			list[i] = low + random.Uint64N(high-low)
		}
		return list
	}
	keys := draw(1600)
	if n := passing(keys, keys); n != len(keys) {
		t.Errorf("%d of %d keys are found", n, len(keys))
	}
	const asked = 100_000
	if n := passing(keys, draw(asked)); n > asked/80 {
		t.Errorf("%d of %d other keys pass", n, asked)
	}
}

// passing returns how many of the hashes in asked pass a filter of the keys.
func passing(keys, asked []uint64) int {
	f := newFilter(len(keys))
	for _, k := range keys {
		f.add(k)
	}
	n := 0
	for _, k := range asked {
		if f.has(k) {
			n++
		}
	}
	return n
}
