package host_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/host"
	"inbox/inbox/inboxtest"
	"inbox/plugins/demo"
)

// once compiles a guest, runs it once, and returns its whole outcome without the duration.
func once(t *testing.T, h *host.Host, wasm []byte, m *inbox.Manifest, c host.Call) string {
	t.Helper()
	p, err := h.Compile(context.Background(), wasm, m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	out := p.Run(context.Background(), c)
	return fmt.Sprintf("%s (%s) after %s, log %q cut %v, fuel %d", out.Result, out.Reason, out.RetryAfter, out.Log, out.LogCut, out.Fuel)
}

// sameEverywhere runs a guest on each engine of two hosts. Its outcome, log and fuel are the same, except where the stack ends:
// that depends on the engine.
func sameEverywhere(t *testing.T, hosts [2]*host.Host, wasm []byte, m *inbox.Manifest, c host.Call) {
	t.Helper()
	said := map[inbox.Engine]string{}
	for _, engine := range []inbox.Engine{inbox.Compiler, inbox.Interpreter} {
		on := *m
		on.Engine = engine
		said[engine] = once(t, hosts[0], wasm, &on, c)
		if again := once(t, hosts[1], wasm, &on, c); again != said[engine] {
			t.Errorf("%s: first %.500s, then %.500s", engine, said[engine], again)
		}
	}
	compiled, interpreted := said[inbox.Compiler], said[inbox.Interpreter]
	if compiled != interpreted && !strings.Contains(interpreted, "stack overflow") {
		t.Errorf("compiled %.500s, interpreted %.500s", compiled, interpreted)
	}
	if strings.Contains(compiled, "fuel 0") {
		t.Errorf("nothing was spent: %.500s", compiled)
	}
}

func TestEveryGuestHasTheSameOutcomeEveryTimeAndOnEveryEngine(t *testing.T) {
	t.Parallel()
	hosts := [2]*host.Host{newHost(t), newHost(t)}
	for _, g := range long(corpus(t)) {
		if g.On(inbox.Interpreter) == inboxtest.Refused || g.Outcome == inboxtest.Refused || g.Outcome == inbox.Timeout || len(g.Wasm) > 100_000 {
			continue // TestEveryEndlessGuestEndsByItsFuelAtTheSameInstruction covers endless guests
		}
		t.Run(g.Name, func(t *testing.T) { sameEverywhere(t, hosts, g.Wasm, corpusLimits(g, ""), call()) })
	}
}

func TestEveryHonestGuestHasTheSameOutcomeEveryTimeAndOnEveryEngine(t *testing.T) {
	t.Parallel()
	hosts := [2]*host.Host{newHost(t), newHost(t)}
	guests := map[string]func(t *testing.T) []byte{
		"demo": func(*testing.T) []byte { return demo.Wasm() },
		"noop": func(t *testing.T) []byte { return read(t, "../bench/noop.wasm") },
		"c":    func(t *testing.T) []byte { return buildC(t) },
	}
	if inboxtest.LongRun() {
		guests["rust"] = func(t *testing.T) []byte { return buildRust(t) }
	}
	if large && inboxtest.LongRun() {
		guests["go"] = func(t *testing.T) []byte { return buildGo(t, "inbox/examples/plain-go") }
		guests["go session"] = func(t *testing.T) []byte { return buildGo(t, "inbox/examples/hello-go") }
		guests["dice"] = func(t *testing.T) []byte { return buildGo(t, "inbox/inbox/host/testdata/dice") }
	}
	for name, wasm := range guests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := inbox.Manifest{Limits: inbox.Limits{Time: time.Minute}}.WithDefaults(1)
			sameEverywhere(t, hosts, wasm(t), &m, host.Call{Doc: sampleDocument(t), Seed: name + "/7", ReceivedAt: call().ReceivedAt})
		})
	}
}

// Before its first event a guest sees a fixed clock and random numbers of its release. With the event it sees the event's clock
// and the delivery's random numbers. It has one argument, no environment, and no directory.
func TestClockAndRandomNumbersDependOnTheReleaseAndThenOnTheDelivery(t *testing.T) {
	t.Parallel()
	release := fixture(t, "world")
	another := append(slices.Clone(release), 0, 2, 1, 'x') // the same except for a custom section
	one := host.Call{Doc: []byte(`{"v":1}`), Seed: "p/1", ReceivedAt: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	later := host.Call{Doc: []byte(`{"v":1}`), Seed: "p/2", ReceivedAt: one.ReceivedAt.Add(-time.Hour)}
	type view struct {
		random       [8]byte
		real, steady int64
		rest         [20]byte
	}
	look := func(engine inbox.Engine, wasm []byte, c host.Call) (before, with view) {
		t.Helper()
		p, err := newHost(t).Compile(context.Background(), wasm, limitsOn(engine))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close(context.Background())
		out := p.Run(context.Background(), c)
		if out.Result != inbox.OK || len(out.Log) != 2*45 {
			t.Fatalf("%+v", out)
		}
		for i, v := range []*view{&before, &with} {
			b := out.Log[45*i:]
			v.random, v.rest = [8]byte(b), [20]byte(b[24:])
			v.real, v.steady = int64(binary.LittleEndian.Uint64(b[8:])), int64(binary.LittleEndian.Uint64(b[16:]))
		}
		return before, with
	}
	before, with := look(inbox.Compiler, release, one)
	if rest := [20]byte{0: 1, 4: 7, 16: 8}; before.rest != rest || with.rest != rest { // "plugin"; no such descriptor
		t.Errorf("it has %v, and then %v", before.rest, with.rest)
	}
	if start := time.Date(2024, 1, 1, 0, 0, 0, 1000, time.UTC); before.real != start.UnixNano() || with.real != one.ReceivedAt.UnixNano()+1000 {
		t.Errorf("its clock is %s, then %s", time.Unix(0, before.real), time.Unix(0, with.real))
	}
	if before.steady <= 0 || with.steady <= before.steady || with.steady > 1e6 {
		t.Errorf("its monotonic clock is %d, then %d", before.steady, with.steady)
	}
	for _, engine := range []inbox.Engine{inbox.Compiler, inbox.Interpreter} {
		if b, w := look(engine, release, one); b != before || w != with {
			t.Errorf("%s: it saw %v and %v, and before that %v and %v", engine, b, w, before, with)
		}
		if b, w := look(engine, release, later); b != before || w.random == with.random || w.real != later.ReceivedAt.UnixNano()+1000 {
			t.Errorf("%s: with another event it saw %v and %v", engine, b, w)
		}
		if b, w := look(engine, another, one); b.random == before.random || b.real != before.real || w != with {
			t.Errorf("%s: another release saw %v and %v", engine, b, w)
		}
	}
}
