package host_test

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"inbox/inbox/host"
	"inbox/plugins/demo"
)

// engines are the two of wazero.
func engines() map[string]wazero.RuntimeConfig {
	return map[string]wazero.RuntimeConfig{"compiler": wazero.NewRuntimeConfig(), "interpreter": wazero.NewRuntimeConfigInterpreter()}
}

// bare compiles a guest with a guard.
func bare(t testing.TB, config wazero.RuntimeConfig, guard host.Guard, wasm []byte) *host.Bare {
	t.Helper()
	g, err := host.NewBare(context.Background(), config, guard, wasm)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close(context.Background()) })
	return g
}

// sameUnderEveryGuard runs a guest on each engine as it is, metered and paused, and compares what it says, how it ends,
// and what it leaves in its memory. Metered, it spends the same on both.
func sameUnderEveryGuard(t *testing.T, wasm []byte) {
	t.Helper()
	ctx, doc := context.Background(), document(t)
	fuel := map[int64]bool{}
	for engine, config := range engines() {
		plain := bare(t, config, host.Unguarded, wasm)
		want := plain.Says(ctx, doc)
		for _, guard := range []host.Guard{host.ByMeter, host.ByContext} {
			g := bare(t, config, guard, wasm)
			for range 2 {
				if got := g.Says(ctx, doc); got != want || g.Memory != plain.Memory {
					t.Errorf("%s, %s: it says %.200q and leaves %x; unguarded it says %.200q and leaves %x", engine, guard, got, g.Memory, want, plain.Memory)
				}
				if guard == host.ByMeter && !strings.Contains(want, "stack overflow") { // where that is depends on the engine
					fuel[g.Fuel] = true
				}
			}
		}
	}
	if len(fuel) > 1 || fuel[0] {
		t.Errorf("it spent %v", fuel)
	}
}

func TestEveryGuestDoesTheSameMeteredAndUnmetered(t *testing.T) {
	t.Parallel()
	guests := map[string]func() []byte{
		"demo": demo.Wasm, "noop": func() []byte { return read(t, "../bench/noop.wasm") }, "tight": tight,
		"rust": func() []byte { return buildRust(t) },
	}
	if large {
		guests["go"] = func() []byte { return buildGo(t, "inbox/examples/plain-go") }
		guests["go session"] = func() []byte { return buildGo(t, "inbox/examples/hello-go") }
		guests["dice"] = func() []byte { return buildGo(t, "inbox/inbox/host/testdata/dice") }
	}
	endless := []string{"loop", "call_tree", "session_loops", "output_flood", "session_big_result", "session_read_flood"}
	refused := []string{"unknown_import", "later_import", "no_start", "greedy"}
	paths, err := filepath.Glob("testdata/*.wasm")
	if err != nil || len(paths) == 0 {
		t.Fatal(err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".wasm")
		if !slices.Contains(endless, name) && !slices.Contains(refused, name) {
			guests["fixture "+name] = func() []byte { return read(t, path) }
		}
	}
	for name, wasm := range guests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sameUnderEveryGuard(t, wasm())
		})
	}
}

// numbers are some that make a program.
func numbers(seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, 40+r.IntN(400))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// checkGenerated runs a generated program as it is, metered, and counting for itself. Metered it does the same, and
// is charged at least what it executed.
func checkGenerated(t *testing.T, config wazero.RuntimeConfig, numbers []byte) (charged, executed int64) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	plain := bare(t, config, host.Unguarded, generate(numbers, false))
	counted := bare(t, config, host.Unguarded, generate(numbers, true))
	metered := bare(t, config, host.ByMeter, generate(numbers, false))
	want, got, count := plain.Says(ctx, nil), metered.Says(ctx, nil), counted.Says(ctx, nil)
	if got != want || count != want || metered.Memory != plain.Memory || counted.Memory != plain.Memory {
		t.Fatalf("%x: plain %q, metered %q, counting %q", numbers, want, got, count)
	}
	if want != "|" { // it trapped, and took its count with it
		return 0, 0
	}
	if metered.Fuel < counted.Counted || counted.Counted == 0 {
		t.Fatalf("%x: it executed %d instructions and was charged %d", numbers, counted.Counted, metered.Fuel)
	}
	return metered.Fuel, counted.Counted
}

func TestAProgramIsChargedAtLeastWhatItExecutes(t *testing.T) {
	t.Parallel()
	n := uint64(400)
	if testing.Short() || !large {
		n = 50
	}
	var charged, executed int64
	long := 0
	for seed := range n {
		config := wazero.NewRuntimeConfigInterpreter()
		if seed%8 == 0 {
			config = wazero.NewRuntimeConfig()
		}
		c, e := checkGenerated(t, config, numbers(seed))
		charged, executed = charged+c, executed+e
		if e > 1000 {
			long++
		}
	}
	if long < int(n)/20 { // else the test shows little
		t.Errorf("only %d of %d programs went on for a thousand instructions", long, n)
	}
	t.Logf("%d instructions executed, %d charged; %d of %d programs executed more than a thousand", executed, charged, long, n)
}

func FuzzMeterGenerated(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(numbers(seed))
	}
	f.Fuzz(func(t *testing.T, numbers []byte) {
		if len(numbers) > 1000 {
			return
		}
		checkGenerated(t, wazero.NewRuntimeConfigInterpreter(), numbers)
	})
}

// A module that was changed at random does the same metered and under the context check, unless one of them is ended,
// or comes to the end of the stack, which is elsewhere.
func FuzzMeterMutated(f *testing.F) {
	for _, name := range []string{"ok", "memory_bomb", "table_bomb", "output_flood", "says_retry", "session_ok", "session_bad_pointer", "recursion"} {
		f.Add(fixture(f, name))
	}
	f.Add(generate(numbers(3), false))
	f.Fuzz(func(t *testing.T, wasm []byte) {
		says := map[host.Guard]string{}
		for _, guard := range []host.Guard{host.ByMeter, host.ByContext} {
			ctx, stop := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer stop()
			g, err := compileBare(ctx, guard, wasm)
			if err != nil {
				says[guard] = "refused"
				continue
			}
			defer g.Close(context.Background())
			text := g.Says(ctx, []byte(`{"v":1}`))
			if ctx.Err() != nil || strings.Contains(text, "stack overflow") {
				return
			}
			// It names any one of what is not there.
			if strings.Contains(text, "not instantiated") || strings.Contains(text, "is not exported in module") {
				text = "refused"
			}
			says[guard] = text + string(g.Memory[:])
		}
		if says[host.ByMeter] != says[host.ByContext] {
			t.Errorf("metered: %q; checked: %q", says[host.ByMeter], says[host.ByContext])
		}
	})
}

// compileBare compiles a guest that may not be valid: wazero panics at some that are not.
func compileBare(ctx context.Context, guard host.Guard, wasm []byte) (g *host.Bare, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = context.Canceled
		}
	}()
	return host.NewBare(ctx, wazero.NewRuntimeConfigInterpreter(), guard, wasm)
}
