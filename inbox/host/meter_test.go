package host_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/host"
	"inbox/inbox/inboxtest"
)

// stopTheWorld stops the world as the collector does, and returns how long that took. It waits for guests that do not let it.
func stopTheWorld() time.Duration {
	var stats runtime.MemStats
	began := time.Now()
	runtime.ReadMemStats(&stats)
	return time.Since(began)
}

func TestEveryEndlessGuestEndsByItsTimeAndLetsTheProcessGoOn(t *testing.T) {
	inboxtest.Long(t)
	onEachEngine(t, testEveryEndlessGuestEndsByItsTimeAndLetsTheProcessGoOn)
}

func testEveryEndlessGuestEndsByItsTimeAndLetsTheProcessGoOn(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	host.SetStartBudget(h, 100*time.Millisecond)
	guests := append(endless(t), inboxtest.Guest{Name: "start_loops", Outcome: inbox.Timeout, Wasm: fixture(t, "hostile/start_loops")})
	for _, g := range guests {
		t.Run(g.Name, func(t *testing.T) {
			over := make(chan string, 1)
			go func() {
				p, err := h.Compile(context.Background(), g.Wasm, corpusLimits(g, engine))
				if err != nil { // an endless start function fails the release
					over <- err.Error()
					return
				}
				out := p.Run(context.Background(), call())
				p.Close(context.Background())
				over <- fmt.Sprint(out.Result, ": ", out.Reason)
			}()
			var longest time.Duration
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case says := <-over:
					if !strings.Contains(says, "timeout: it used up its time of 100ms") {
						t.Errorf("%s", says)
					}
					if longest > 4*time.Second { // some tens of milliseconds on an idle machine
						t.Errorf("the world took %s to stop", longest)
					}
					return
				case <-tick.C:
					longest = max(longest, stopTheWorld())
				}
			}
		})
	}
}

func TestEveryEndlessGuestEndsByItsFuelAtTheSameInstruction(t *testing.T) {
	t.Parallel()
	spent := map[string]int64{}
	for _, engine := range []inbox.Engine{inbox.Compiler, inbox.Compiler, inbox.Interpreter} { // three hosts
		h := newHost(t)
		for _, g := range endless(t) {
			m, name := corpusLimits(g, engine), g.Name
			m.Limits.Time, m.Limits.Fuel = time.Minute, 1_200_000 // more than a slice
			p, err := h.Compile(context.Background(), g.Wasm, m)
			if err != nil {
				t.Fatal(name, err)
			}
			for range 2 {
				out := p.Run(context.Background(), call())
				if out.Result != inbox.Fuel || out.Reason != "it used up its fuel of 1200000" || out.Fuel <= m.Limits.Fuel {
					t.Errorf("%s: %s (%s), spent %d", name, out.Result, out.Reason, out.Fuel)
				}
				if first := spent[name]; first != 0 && first != out.Fuel {
					t.Errorf("%s: it spent %d, and then %d", name, first, out.Fuel)
				}
				spent[name] = out.Fuel
			}
			p.Close(context.Background())
		}
	}
}

// All prices are fixed: an operator's limit must not change its meaning with an update.
func TestFuelIsCountedByTheInstructionAndTheByte(t *testing.T) {
	onEachEngine(t, testFuelIsCountedByTheInstructionAndTheByte)
}

func testFuelIsCountedByTheInstructionAndTheByte(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	random := imported("wasi_snapshot_preview1", "random_get", 0, 2)
	for name, c := range map[string]struct {
		g    guest
		want int64
	}{
		"nothing":            {guest{}, 2 + 1}, // the function and its end
		"some":               {guest{code: []byte{0x01, 0x01, 0x01}}, 3 + 3},
		"unreachable code":   {guest{code: []byte{0x0f, 0x01, 0x01}}, 3 + 3},
		"variables":          {guest{locals: []byte{1, 40, 0x7f}}, 3 + 40/4},
		"an if":              {guest{code: slices.Concat(i32(0), []byte{0x04, 0x40, 0x01, 0x05, 0x01, 0x0b})}, 3 + 6},
		"a loop, ten times":  {guest{locals: []byte{1, 1, 0x7f}, code: spin(10)}, 10 * (6 + 1 + 6)}, // each turn, its variable, and the function's code with it
		"a call":             {guest{code: []byte{0x10, 1}, more: [][]byte{{0x01}}}, 3 + 4 + 3 + 1},
		"a call with values": {guest{code: slices.Concat(i32(0), []byte{0x10, 1}), more: [][]byte{{}}, typeOfMore: 1}, 3 + 1 + 4 + 1 + 3},
		"a call by a table":  {guest{tables: [][]byte{table(1)}, elements: [][]byte{slices.Concat([]byte{0}, i32(0), []byte{0x0b, 1, 1})}, code: slices.Concat(i32(0), []byte{0x11, 0, 0}), more: [][]byte{{0x01}}}, 3 + 1 + 6 + 64 + 3 + 1},
		"a square root":      {guest{code: []byte{0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x9f, 0x1a}}, 3 + 1 + 8 + 1},
		"a load":             {guest{code: slices.Concat(i32(0), []byte{0x28, 2, 0, 0x1a})}, 3 + 2 + 8},
		"a division":         {guest{code: slices.Concat(i32(1, 1), []byte{0x6e, 0x1a})}, 3 + 3 + 3},
		"paths that meet": { // one path sets four variables
			guest{locals: []byte{1, 4, 0x7f}, code: slices.Concat([]byte{0x02, 0x40}, i32(0), []byte{0x0d, 0},
				i32(1), []byte{0x21, 0}, i32(1), []byte{0x21, 1}, i32(1), []byte{0x21, 2}, i32(1), []byte{0x21, 3}, []byte{0x0b})}, 3 + 1 + 12 + 2,
		},
		"a fill":             {guest{code: slices.Concat(i32(0, 0, 1000), []byte{0xfc, 11, 0})}, 3 + 3 + 100 + 1000},
		"a copy":             {guest{code: slices.Concat(i32(0, 0, 1000), []byte{0xfc, 10, 0, 0})}, 3 + 3 + 100 + 1000},
		"a growth":           {guest{code: slices.Concat(i32(0), []byte{0x40, 0, 0x1a})}, 3 + 2 + 100},
		"a reference":        {guest{code: []byte{0xd2, 0, 0x1a}}, 3 + 1 + 100},
		"a call of the host": {guest{imports: [][]byte{random}, code: slices.Concat(i32(0, 1000), []byte{0x10, 0, 0x1a})}, 3 + 3 + 4 + 3 + 100 + 1000},
	} {
		p, err := h.Compile(context.Background(), c.g.wasm(), limitsOn(engine))
		if err != nil {
			t.Fatal(name, err)
		}
		out := p.Run(context.Background(), call())
		if out.Result != inbox.OK || out.Fuel != c.want {
			t.Errorf("%s: %s, spent %d, not %d", name, out.Result, out.Fuel, c.want)
		}
		p.Close(context.Background())
	}
}

// The fuel that a session spends before its event, and after its result, is not the event's.
func TestASessionIsChargedForItsEventOnly(t *testing.T) {
	onEachEngine(t, testASessionIsChargedForItsEventOnly)
}

func testASessionIsChargedForItsEventOnly(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	during := int64(5000)
	fuel := func(before, after int64, reuse int) (all []int64) {
		g := session(spin(before), spin(during), spin(after))
		m := limitsOn(engine)
		m.Limits.Fuel, m.Limits.Time, m.Reuse = 200_000, time.Minute, reuse
		p, err := h.Compile(context.Background(), g, m)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close(context.Background())
		for range 3 {
			out := p.Run(context.Background(), call())
			if out.Result != inbox.OK {
				t.Errorf("%s: %s", out.Result, out.Reason)
			}
			all = append(all, out.Fuel)
		}
		return all
	}
	want := fuel(1, 1, 1)
	if want[0] < 7*during || want[0] > 7*during+1000 || want[1] != want[0] || want[2] != want[0] {
		t.Errorf("three events spent %v", want)
	}
	if got := fuel(1_000_000, 1_000_000, 1); !slices.Equal(got, want) {
		t.Errorf("with much around them, the events spent %v, not %v", got, want)
	}
}

func TestAReusedSessionSpendsTheSameOnEveryEvent(t *testing.T) {
	onEachEngine(t, testAReusedSessionSpendsTheSameOnEveryEvent)
}

func testAReusedSessionSpendsTheSameOnEveryEvent(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	m := limitsOn(engine)
	m.Limits.Fuel, m.Limits.Time, m.Reuse = 10_000, time.Minute, 1000
	p, err := h.Compile(context.Background(), read(t, "../bench/noop.wasm"), m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	first := p.Run(context.Background(), call())
	for range 200 {
		if out := p.Run(context.Background(), call()); out.Result != inbox.OK || out.Fuel != first.Fuel || out.Fuel == 0 {
			t.Fatalf("%s (%s), spent %d, and before %d", out.Result, out.Reason, out.Fuel, first.Fuel)
		}
	}
}

func TestAGuestReachesNeitherTheMeterNorItsCounter(t *testing.T) {
	onEachEngine(t, testAGuestReachesNeitherTheMeterNorItsCounter)
}

func testAGuestReachesNeitherTheMeterNorItsCounter(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	left := "inbox_meter.left"
	for name, c := range map[string]struct {
		g    guest
		says string
	}{
		"the meter as an import": {guest{imports: [][]byte{imported("inbox_meter", "charge", 0, 0)}}, "inbox_meter.charge"},
		"its name as an export":  {guest{exports: [][]byte{exported("_start", 0, 0), exported(left, 2, 0)}}, left},
		"the counter":            {guest{code: []byte{0x42, 0, 0x24, 0}}, "the global 0 and has 0"},
		"the counter, read":      {guest{code: []byte{0x23, 0, 0x1a}}, "the global 0 and has 0"},
		"the counter, exported":  {guest{exports: [][]byte{exported("_start", 0, 0), exported("g", 3, 0)}}, "the global 0 and has 0"},
		"the meter's function":   {guest{code: []byte{0x10, 1}}, "the function 1 and has 1"},
		"its reference":          {guest{code: []byte{0xd2, 1, 0x1a}}, "the function 1 and has 1"},
		"it in a table":          {guest{tables: [][]byte{table(1)}, elements: [][]byte{slices.Concat([]byte{0}, i32(0), []byte{0x0b, 1, 1})}}, "the function 1 and has 1"},
		"it as an expression":    {guest{tables: [][]byte{table(1)}, elements: [][]byte{slices.Concat([]byte{4}, i32(0), []byte{0x0b, 1, 0xd2, 1, 0x0b})}}, "the function 1 and has 1"},
		"it as a global":         {guest{globals: [][]byte{{0x70, 0, 0xd2, 1, 0x0b}}}, "the function 1 and has 1"},
		"it as an export":        {guest{exports: [][]byte{exported("_start", 0, 1)}}, "the function 1 and has 1"},
		"its type":               {guest{code: []byte{0x42, 0, 0x02, 3, 0x0b, 0x1a}}, "the type 3 and has 3"},
		"its type, indirectly":   {guest{tables: [][]byte{table(1)}, code: []byte{0x42, 0, 0x41, 0, 0x11, 3, 0, 0x1a}}, "the type 3 and has 3"},
		"its type as a function": {guest{typ: 3}, "the type 3 and has 3"},
		"a variable of its":      {guest{code: []byte{0x20, 0, 0x1a}}, "the local variable 0 and has 0"},
		"two sections of a kind": {guest{twice: true}, "cut off or damaged"},
	} {
		_, err := h.Compile(context.Background(), c.g.wasm(), limitsOn(engine))
		if err == nil || inbox.KindOf(err) != inbox.Invalid || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want …%s…", name, err, c.says)
		}
	}
}

// complexGuest is a guest that the compiler accepts paused, but not metered.
func complexGuest(code []byte) guest {
	return guest{code: slices.Concat(bytes.Repeat([]byte{0x03, 0x40, 0x0b}, 9_000), code)}
}

func TestAModuleThatCannotBeMeteredRunsUnderTheContextCheckAndIsLogged(t *testing.T) {
	onEachEngine(t, testAModuleThatCannotBeMeteredRunsUnderTheContextCheckAndIsLogged)
}

func testAModuleThatCannotBeMeteredRunsUnderTheContextCheckAndIsLogged(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	var said bytes.Buffer
	h, err := host.New(context.Background(), host.Options{Log: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close(context.Background())
	soon := limitsOn(engine)
	soon.Limits.Time = 300 * time.Millisecond
	apart, err := h.Compile(context.Background(), complexGuest(forEver).wasm(), soon)
	if err != nil {
		t.Fatal(err)
	}
	defer apart.Close(context.Background())
	if apart.Info().Metered || !strings.Contains(said.String(), "instructions cannot be counted") {
		t.Errorf("metered: %v; log: %s", apart.Info().Metered, said.String())
	}
	if out := apart.Run(context.Background(), call()); out.Result != inbox.Timeout || out.Fuel != 0 {
		t.Errorf("%s: %s, spent %d", out.Result, out.Reason, out.Fuel)
	}
	m := limitsOn(engine)
	m.Limits.Fuel = 1000
	if _, err := h.Compile(context.Background(), complexGuest(nil).wasm(), m); inbox.KindOf(err) != inbox.Invalid || !strings.Contains(err.Error(), "limits.fuel cannot hold") {
		t.Errorf("with a limit on its fuel: %v", err)
	}
	p, err := h.Compile(context.Background(), guest{}.wasm(), m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	if !p.Info().Metered {
		t.Error("another module is not metered either")
	}
}
