package host_test

import (
	"context"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"

	"inbox/inbox"
	"inbox/inbox/document"
	"inbox/inbox/host"
)

// tight is a command that runs a loop of arithmetic a million times per event.
func tight() []byte {
	return guest{locals: []byte{1, 1, 0x7f}, code: spin(1_000_000)}.wasm()
}

// measuredGuest is a guest to measure, and the number of calls per turn. The mean covers one guest in each of the five
// languages.
type measuredGuest struct {
	name   string
	wasm   func(testing.TB) []byte
	calls  int
	inMean bool
}

func measured() []measuredGuest {
	return []measuredGuest{
		{"tight", func(testing.TB) []byte { return tight() }, 10, false},
		{"noop", func(tb testing.TB) []byte { return read(tb, "../bench/noop.wasm") }, 200_000, false},
		{"c", buildC, 2000, true},
		{"rust", buildRust, 1000, true},
		{"zig", buildZig, 500, true},
		{"assemblyscript", buildAssemblyScript, 5000, true},
		{"go", func(tb testing.TB) []byte { return buildGo(tb, "inbox/examples/hello-go") }, 1000, true},
		{"go-command", func(tb testing.TB) []byte { return buildGo(tb, "inbox/examples/plain-go") }, 10, false},
	}
}

// The cost of a guard: whole calls of the same guest, in turns, without a guard, metered, and under the runtime's context
// check.
func BenchmarkMetering(b *testing.B) {
	guards := []host.Guard{host.Unguarded, host.ByMeter, host.ByContext}
	means := map[host.Guard][]float64{}
	for _, one := range measured() {
		b.Run(one.name, func(b *testing.B) {
			ctx := context.Background()
			wasm, doc := one.wasm(b), sampleDocument(b)
			var bare []*host.Bare
			for _, guard := range guards {
				g, err := host.NewBare(ctx, wazero.NewRuntimeConfig(), guard, wasm)
				if err != nil {
					b.Fatal(err)
				}
				defer g.Close(ctx)
				bare = append(bare, g)
			}
			took := make([][]float64, len(guards))
			for b.Loop() {
				for i, g := range bare {
					d, err := g.Call(ctx, doc, one.calls)
					if err != nil {
						b.Fatal(err)
					}
					took[i] = append(took[i], float64(d)/float64(one.calls))
				}
			}
			for i, guard := range guards {
				b.ReportMetric(slices.Min(took[i]), string(guard)+"-ns")
				if i > 0 {
					x := ratio(took[i], took[0])
					b.ReportMetric(x, string(guard)+"-x")
					if one.inMean {
						means[guard] = append(means[guard], x)
					}
				}
			}
		})
	}
	b.Run("geometric-mean", func(b *testing.B) {
		if n := len(means[host.ByMeter]); n != 5 {
			b.Skipf("of the five languages only %d could be built here", n)
		}
		for b.Loop() { // everything was measured before
		}
		for _, guard := range guards[1:] {
			b.ReportMetric(mean(means[guard]), string(guard)+"-x")
		}
	})
}

// mean returns the geometric mean.
func mean(all []float64) float64 {
	sum := 0.0
	for _, x := range all {
		sum += math.Log(x)
	}
	return math.Exp(sum / float64(len(all)))
}

// ratio returns the median ratio of measurements taken side by side.
func ratio(a, b []float64) float64 {
	var all []float64
	for i := range a {
		all = append(all, a[i]/b[i])
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func read(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// sampleDocument returns the document of an event of a kilobyte.
func sampleDocument(tb testing.TB) []byte {
	tb.Helper()
	m := inbox.Manifest{}.WithDefaults(1)
	e, payload := event(inbox.Passed, `{"event":"address","data":{"id":1,"status":{"state":"complete","status":"verified"},"applicant":{"firstname":"Ada","lastname":"Obi","address":"12 Marina, Lagos Island, Lagos"}}}`)
	doc, err := document.New(&inbox.Work{Event: e, Payload: payload, Delivery: inbox.Delivery{Plugin: "p", Seq: 5, Attempt: 1}, Now: e.ReceivedAt}, &m)
	if err != nil {
		tb.Fatal(err)
	}
	return doc
}
