package host_test

import (
	"context"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"

	"inbox/inbox"
	"inbox/inbox/host"
	"inbox/plugins/demo"
)

// tight is a command that goes round a loop of arithmetic a million times for each event, and round nothing else.
func tight() []byte {
	return guest{locals: []byte{1, 1, 0x7f}, code: spin(1_000_000)}.wasm()
}

// measuredGuest is a guest to measure, and how many calls of it make one turn.
type measuredGuest struct {
	name  string
	wasm  func(testing.TB) []byte
	calls int
}

func measured() []measuredGuest {
	return []measuredGuest{
		{"tight", func(testing.TB) []byte { return tight() }, 10},
		{"noop", func(tb testing.TB) []byte { return read(tb, "../bench/noop.wasm") }, 200_000},
		{"c", func(testing.TB) []byte { return demo.Wasm() }, 2000},
		{"rust", buildRust, 1000},
		{"go", func(tb testing.TB) []byte { return buildGo(tb, "inbox/examples/hello-go") }, 1000},
		{"go-command", func(tb testing.TB) []byte { return buildGo(tb, "inbox/examples/plain-go") }, 10},
	}
}

// What a guard costs: whole calls of the same guest, turn by turn, without a guard, metered, and under the runtime's
// check of contexts.
func BenchmarkMetering(b *testing.B) {
	guards := []host.Guard{host.Unguarded, host.ByMeter, host.ByContext}
	means := map[host.Guard][]float64{}
	for _, one := range measured() {
		b.Run(one.name, func(b *testing.B) {
			ctx := context.Background()
			wasm, doc := one.wasm(b), document(b)
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
					if one.name != "tight" {
						means[guard] = append(means[guard], x)
					}
				}
			}
		})
	}
	b.Run("geometric-mean", func(b *testing.B) {
		for b.Loop() { // there is nothing to measure any more
		}
		for _, guard := range guards[1:] {
			b.ReportMetric(mean(means[guard]), string(guard)+"-x")
		}
	})
}

// mean is the geometric one.
func mean(all []float64) float64 {
	sum := 0.0
	for _, x := range all {
		sum += math.Log(x)
	}
	return math.Exp(sum / float64(len(all)))
}

// ratio is the median of the ratios of what was measured beside each other.
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

// document is one of an event of a kilobyte.
func document(tb testing.TB) []byte {
	tb.Helper()
	m := inbox.Manifest{}.WithDefaults(1)
	e, payload := event(inbox.Passed, `{"event":"address","data":{"id":1,"status":{"state":"complete","status":"verified"},"applicant":{"firstname":"Ada","lastname":"Obi","address":"12 Marina, Lagos Island, Lagos"}}}`)
	doc, err := host.Document(e, payload, inbox.Delivery{Plugin: "p", Seq: 5, Attempt: 1}, &m, e.ReceivedAt)
	if err != nil {
		tb.Fatal(err)
	}
	return doc
}
