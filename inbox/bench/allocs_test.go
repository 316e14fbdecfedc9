//go:build !race

package bench

import (
	"os"
	"regexp"
	"strconv"
	"testing"
)

// The number of allocations per event is the same on every machine, except for allocations that batches share. More than a tenth
// above the baseline must be intended. Then it becomes the new baseline, see docs/BENCHMARKS.md.
func TestAnEventAllocatesNoMoreThanItsBaseline(t *testing.T) {
	if testing.Short() {
		t.Skip("keeps the disk busy for some seconds")
	}
	text, err := os.ReadFile("testdata/baseline.txt")
	if err != nil {
		t.Fatal(err)
	}
	for name, run := range map[string]func(*testing.B){"BenchmarkAccept": BenchmarkAccept, "BenchmarkDelivery": BenchmarkDelivery} {
		lines := regexp.MustCompile(name+`\S*\s.*\s(\d+) allocs/op`).FindAllSubmatch(text, -1)
		if len(lines) == 0 {
			t.Errorf("no baseline of %s", name)
			continue
		}
		most := int64(0)
		for _, l := range lines {
			n, err := strconv.ParseInt(string(l[1]), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			most = max(most, n)
		}
		if got := testing.Benchmark(run).AllocsPerOp(); got > most*11/10 {
			t.Errorf("%s makes %d allocations per event; its baseline has %d", name, got, most)
		}
	}
}
