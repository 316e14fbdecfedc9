package host_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/host"
	"inbox/inbox/inboxtest"
	"inbox/inbox/wasm"
)

// corpus returns the broken and hostile guests.
func corpus(t testing.TB) []inboxtest.Guest { return inboxtest.Corpus(t, "testdata") }

// long returns the guests in a long run, else nil: an ordinary run covers each once, in
// [TestEveryHostileGuestYieldsItsOwnOutcome].
func long(guests []inboxtest.Guest) []inboxtest.Guest {
	if inboxtest.LongRun() {
		return guests
	}
	return nil
}

// endless returns the guests that never end by themselves.
func endless(t testing.TB) []inboxtest.Guest {
	return slices.DeleteFunc(corpus(t), func(g inboxtest.Guest) bool { return g.Outcome != inbox.Timeout })
}

// corpusLimits returns the limits that outcomes.txt names.
func corpusLimits(g inboxtest.Guest, engine inbox.Engine) *inbox.Manifest {
	m := limitsOn(engine)
	m.Limits.Time, m.HTTP.Private = g.Time(), []string{inboxtest.Nowhere}
	return m
}

// In an ordinary run, the interpreter runs only guests whose outcome differs there.
func TestEveryHostileGuestYieldsItsOwnOutcome(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine inbox.Engine) {
		t.Parallel()
		h, hasty := newHost(t), newHost(t)
		host.SetStartBudget(hasty, 200*time.Millisecond)
		for _, g := range corpus(t) {
			if engine == inbox.Interpreter && g.On(engine) == g.Outcome && !inboxtest.LongRun() {
				continue
			}
			t.Run(g.Name, func(t *testing.T) {
				if g.Outcome == inboxtest.Refused && strings.Contains(g.Says, "time") { // the others must not fail on a busy machine
					yields(t, hasty, g, engine)
					return
				}
				yields(t, h, g, engine)
			})
		}
	})
}

// yields checks the outcome of a guest.
func yields(t *testing.T, h *host.Host, g inboxtest.Guest, engine inbox.Engine) {
	want, m := g.On(engine), corpusLimits(g, engine)
	p, err := h.Compile(context.Background(), g.Wasm, m)
	if err != nil {
		if want != inboxtest.Refused || !strings.Contains(err.Error(), g.Says) || inbox.KindOf(err) != inbox.Invalid {
			t.Errorf("refused as %s: %v; want %s (…%s…)", inbox.KindOf(err), err, want, g.Says)
		}
		return
	}
	defer p.Close(context.Background())
	if info := p.Info(); info.Engine != string(engine) || !info.Metered {
		t.Errorf("it runs by the %s, metered: %v", info.Engine, info.Metered)
	}
	twice := 2 // a second event must have the same outcome
	if want == inbox.Timeout {
		twice = 1
	}
	for range twice {
		got := p.Run(context.Background(), call())
		if got.Result != want || got.Interrupted || (want == g.Outcome && !strings.Contains(got.Reason, g.Says)) {
			t.Errorf("got %s (%s), want %s (…%s…)", got.Result, got.Reason, want, g.Says)
		}
		if len(got.Log) > 64<<10 || got.LogCut != strings.Contains(g.Name, "log_") {
			t.Errorf("log of %d bytes, cut %v", len(got.Log), got.LogCut)
		}
		if len(got.Reason) > 2000 || strings.Contains(got.Reason, "\n") {
			t.Errorf("a reason of %d bytes: %q", len(got.Reason), got.Reason)
		}
	}
}

// A module that is cut off anywhere, or has any one bit flipped, is refused or behaves differently; it does not break the host.
func TestADamagedModuleIsRefusedOrBehaves(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine inbox.Engine) {
		t.Parallel()
		h := newHost(t)
		host.SetStartBudget(h, 30*time.Millisecond)
		m := limitsOn(engine)
		m.Limits.Time = 30 * time.Millisecond
		for _, name := range []string{"ok", "session_ok", "says_retry", "table_bomb"} {
			whole := fixture(t, name)
			for n := range whole {
				behaves(t, h, m, fmt.Sprintf("%s, the first %d bytes", name, n), whole[:n]) // the cut may leave out whole sections
			}
			for at := range whole {
				for bit := range 8 {
					damaged := bytes.Clone(whole)
					damaged[at] ^= 1 << bit
					behaves(t, h, m, fmt.Sprintf("%s, bit %d of byte %d", name, bit, at), damaged)
				}
			}
		}
	})
}

// behaves compiles a module that may be damaged, and runs it if that succeeds.
func behaves(t *testing.T, h *host.Host, m *inbox.Manifest, what string, wasm []byte) {
	p, err := h.Compile(context.Background(), wasm, m)
	if err != nil {
		if inbox.KindOf(err) != inbox.Invalid {
			t.Errorf("%s: refused as %s: %v", what, inbox.KindOf(err), err)
		}
		return
	}
	defer p.Close(context.Background())
	if out := p.Run(context.Background(), call()); out.Interrupted || out.Result == inbox.HostError {
		t.Errorf("%s: %+v", what, out)
	}
}

func TestAModuleThatTakesLongToCompileIsCompiledBesideTheOthers(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	free := sync.OnceFunc(host.BlockLong(h))
	t.Cleanup(free)
	for name, c := range map[string]struct {
		wasm []byte
		long bool
	}{"ok": {fixture(t, "ok"), false}, "garbage": {[]byte("x"), false}, "bombs": {muchMemory(), true}} {
		if d, isLong := wasm.Effort(c.wasm); isLong != c.long {
			t.Errorf("%s: it takes %s, which is long: %v", name, d, isLong)
		}
	}
	over := make(chan error, 1)
	go func() {
		p, err := h.Compile(context.Background(), muchMemory(), limits())
		if err == nil {
			p.Close(context.Background())
		}
		over <- err
	}()
	for _, name := range []string{"ok", "session_ok", "trap"} {
		p, err := h.Compile(context.Background(), fixture(t, name), limits())
		if err != nil {
			t.Fatal(err)
		}
		p.Close(context.Background())
	}
	select {
	case err := <-over:
		t.Errorf("it did not wait: %v", err)
	default:
	}
	free()
	if err := <-over; err != nil {
		t.Error(err)
	}
}

// Where wazero cannot compile, plugins that ask for the compiler are interpreted, and Info says so.
func TestWithoutACompilerEverythingIsInterpreted(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	host.WithoutCompiler(h)
	p, err := h.Compile(context.Background(), fixture(t, "hostile/recursion_ten_thousand"), limitsOn(inbox.Compiler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	if out := p.Run(context.Background(), call()); p.Info().Engine != string(inbox.Interpreter) || out.Result != inbox.Trap {
		t.Errorf("it is run by the %s, and its outcome is %s", p.Info().Engine, out.Result)
	}
}
