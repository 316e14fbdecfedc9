package host_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"inbox/inbox"
	"inbox/inbox/host"
	"inbox/inbox/inboxtest"
	"inbox/plugins/demo"
)

// engines are the two engines of wazero.
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

// sameUnderEveryGuard runs a guest on each engine as it is, metered and paused. It compares the guest's output, its end, and
// its memory. They are the same on both engines, and so is the fuel when it is metered.
func sameUnderEveryGuard(t *testing.T, wasm []byte) {
	t.Helper()
	ctx, doc := context.Background(), sampleDocument(t)
	fuel, said := map[int64]bool{}, map[string]bool{}
	deep := false // the stack overflowed, at a depth that depends on the engine
	for engine, config := range engines() {
		plain := bare(t, config, host.Unguarded, wasm)
		want := plain.Says(ctx, doc)
		deep = deep || strings.Contains(want, "stack overflow")
		said[want+string(plain.Memory[:])] = true
		for _, guard := range []host.Guard{host.ByMeter, host.ByContext} {
			g := bare(t, config, guard, wasm)
			for range 2 {
				if got := g.Says(ctx, doc); got != want || g.Memory != plain.Memory {
					t.Errorf("%s, %s: its output is %.200q and its memory %x; unguarded %.200q and %x", engine, guard, got, g.Memory, want, plain.Memory)
				}
				if guard == host.ByMeter {
					fuel[g.Fuel] = true
				}
			}
		}
	}
	if !deep && (len(fuel) > 1 || len(said) > 1) || fuel[0] {
		t.Errorf("it spent %v and its outputs are %.500q", fuel, slices.Collect(maps.Keys(said)))
	}
}

func TestEveryGuestDoesTheSameMeteredAndUnmetered(t *testing.T) {
	t.Parallel()
	guests := map[string]func(testing.TB) []byte{
		"demo": func(testing.TB) []byte { return demo.Wasm() }, "tight": func(testing.TB) []byte { return tight() },
		"noop": func(t testing.TB) []byte { return read(t, "../bench/noop.wasm") }, "c": buildC,
	}
	if inboxtest.LongRun() {
		guests["rust"], guests["zig"], guests["assemblyscript"] = buildRust, buildZig, buildAssemblyScript
	}
	if large && inboxtest.LongRun() {
		guests["go"] = func(t testing.TB) []byte { return buildGo(t, "inbox/examples/plain-go") }
		guests["go session"] = func(t testing.TB) []byte { return buildGo(t, "inbox/examples/hello-go") }
		guests["dice"] = func(t testing.TB) []byte { return buildGo(t, "inbox/inbox/host/testdata/dice") }
	}
	bounded := regexp.MustCompile(`/(poll_too_many|poll_wraps|buffers_too_many|list_wraps)$`) // bounded by prices, which every guard but Unguarded has
	for _, g := range long(corpus(t)) {
		if !bounded.MatchString(g.Name) && g.Outcome != inbox.Timeout && g.Outcome != inbox.Output && g.Outcome != inboxtest.Refused && len(g.Wasm) < 100_000 {
			guests[g.Name] = func(testing.TB) []byte { return g.Wasm }
		}
	}
	for name, wasm := range guests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sameUnderEveryGuard(t, wasm(t))
		})
	}
}

// numbers returns the numbers from which a program is generated.
func numbers(seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, 40+r.IntN(400))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// checkGenerated runs a generated program as it is, metered, and counting its own instructions. Metered it behaves the same,
// and is charged at least the instructions that it executed.
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
	if want != "|" { // it trapped, and its count is lost
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
	if !large || !inboxtest.LongRun() {
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
	if long < int(n)/20 { // otherwise the test proves little
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

// A randomly changed module behaves the same metered and under the context check, unless a guard ends it or its stack
// overflows, at a depth that differs.
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
			// The error names any one of the missing functions.
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

// compileBare compiles a guest that may be invalid: wazero panics at some invalid modules.
func compileBare(ctx context.Context, guard host.Guard, wasm []byte) (g *host.Bare, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = context.Canceled
		}
	}()
	return host.NewBare(ctx, wazero.NewRuntimeConfigInterpreter(), guard, wasm)
}
