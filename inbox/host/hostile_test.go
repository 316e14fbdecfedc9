package host_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/host"
)

// limits of the hostile guests: small, so that they run into them at once.
func limits() *inbox.Manifest {
	m := inbox.Manifest{
		Concurrency: 1,
		Limits:      inbox.Limits{Time: 300 * time.Millisecond, Memory: 16 << 20, Output: 64 << 10, Log: 64 << 10},
	}.WithDefaults(1)
	return &m
}

// limitsOn are those, for an engine.
func limitsOn(engine inbox.Engine) *inbox.Manifest {
	m := limits()
	m.Engine = engine
	return m
}

// onEachEngine runs a test on both. What is not said to differ is the same on both.
func onEachEngine(t *testing.T, test func(*testing.T, inbox.Engine)) {
	t.Helper()
	for _, engine := range []inbox.Engine{inbox.Compiler, inbox.Interpreter} {
		t.Run(string(engine), func(t *testing.T) { test(t, engine) })
	}
}

func newHost(t testing.TB) *host.Host {
	t.Helper()
	h, err := host.New(context.Background(), host.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return h
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("testdata", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

func call() host.Call {
	return host.Call{Doc: []byte(`{"v":1}`), Seed: "p/1", ReceivedAt: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
}

func TestEveryHostileGuestYieldsItsOwnOutcome(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for name, want := range map[string]struct {
		result inbox.Result
		says   string // part of the reason
	}{
		"ok":                  {inbox.OK, ""},
		"trap":                {inbox.Trap, "unreachable"},
		"loop":                {inbox.Timeout, "300ms"},
		"call_tree":           {inbox.Timeout, "300ms"},
		"recursion":           {inbox.Trap, "stack overflow"},
		"memory_bomb":         {inbox.Memory, "16777216 bytes"},
		"table_bomb":          {inbox.Trap, "unreachable"}, // its growth is refused, and it notices
		"exit_1":              {inbox.Exit, "exit code 1"},
		"exit_65":             {inbox.Reject, ""},
		"exit_75":             {inbox.Retry, ""},
		"exit_255":            {inbox.Exit, "exit code 255"},
		"exit_forged":         {inbox.Exit, "exit code 4026531839"}, // wazero's own code for a deadline
		"output_flood":        {inbox.Output, "65536 bytes"},
		"log_flood":           {inbox.OK, ""},
		"says_text":           {inbox.BadResult, "log belongs on standard error"},
		"says_retry":          {inbox.Retry, ""},
		"says_unknown":        {inbox.BadResult, `"fine"`},
		"says_emit":           {inbox.BadResult, `"emit"`},
		"abort":               {inbox.Trap, "abort"},
		"session_ok":          {inbox.OK, ""},
		"session_trap":        {inbox.Trap, "unreachable"},
		"session_leaves":      {inbox.BadResult, "without giving a result"},
		"session_loops":       {inbox.Timeout, "300ms"},
		"session_skips_done":  {inbox.BadResult, "without giving a result"},
		"session_bad_pointer": {inbox.OK, ""}, // every bad pointer is answered, none is followed
		"session_done_first":  {inbox.OK, ""},
		"session_big_result":  {inbox.Output, "65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			m := limits()
			if want.result != inbox.Timeout {
				m.Limits.Time = 20 * time.Second // so that only what runs for ever runs into it
			}
			p, err := h.Compile(context.Background(), fixture(t, name), m)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close(context.Background())
			for range 2 { // a second event must meet the same
				got := p.Run(context.Background(), call())
				if got.Result != want.result || !strings.Contains(got.Reason, want.says) || got.Interrupted {
					t.Errorf("got %s (%s), want %s (…%s…)", got.Result, got.Reason, want.result, want.says)
				}
				if name == "log_flood" && (!got.LogCut || len(got.Log) != 64<<10) {
					t.Errorf("log of %d bytes, cut %v", len(got.Log), got.LogCut)
				}
			}
		})
	}
}

func TestModulesThatCannotRunAreRefusedByName(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	ok := fixture(t, "ok")
	big := append(bytes.Clone(ok), 0)
	for name, c := range map[string]struct {
		wasm []byte
		says string
	}{
		"an empty file":                {nil, "empty"},
		"text":                         {[]byte("package main"), "not a WebAssembly module"},
		"a component":                  {append([]byte("\x00asm\x0d\x00\x01\x00"), ok[8:]...), "component"},
		"another version":              {append([]byte("\x00asm\x02\x00\x00\x00"), ok[8:]...), "version 2"},
		"a truncated module":           {ok[:len(ok)-3], "cut off"},
		"a section cut in its header":  {big, "cut off"},
		"an unknown import":            {fixture(t, "unknown_import"), "env.secret_door"},
		"an import of a later version": {fixture(t, "later_import"), "inbox_v1.kv_get"},
		"a module without _start":      {fixture(t, "no_start"), "_start"},
		"a greedy one":                 {fixture(t, "greedy"), "131072000 bytes"},
		"a session that never asks":    {fixture(t, "session_never_asks"), "before it asked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := h.Compile(context.Background(), c.wasm, limits())
			if err == nil {
				p.Close(context.Background())
				t.Fatal("it was taken")
			}
			if !strings.Contains(err.Error(), c.says) || inbox.KindOf(err) != inbox.Invalid {
				t.Errorf("refused as %s: %v; want …%s…", inbox.KindOf(err), err, c.says)
			}
		})
	}
}

// A guest that does not come to a loop must still let the collector stop the world, or nothing in the process runs: no
// webhook would be answered again.
func TestACallTreeWithoutLoopsDoesNotFreezeTheProcess(t *testing.T) {
	onEachEngine(t, testACallTreeWithoutLoopsDoesNotFreezeTheProcess)
}

func testACallTreeWithoutLoopsDoesNotFreezeTheProcess(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	m := limitsOn(engine)
	m.Limits.Time = time.Second
	p, err := h.Compile(context.Background(), fixture(t, "call_tree"), m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer web.Close()
	over := make(chan inbox.Outcome, 1)
	go func() { over <- p.Run(context.Background(), call()) }()
	answered := 0
	for {
		select {
		case out := <-over:
			if out.Result != inbox.Timeout {
				t.Errorf("outcome %s: %s", out.Result, out.Reason)
			}
			if out.Duration > 3*time.Second {
				t.Errorf("stopped after %s", out.Duration)
			}
			if answered < 2 {
				t.Errorf("only %d requests were answered beside it", answered)
			}
			return
		default:
			stopTheWorld()
			resp, err := http.Get(web.URL)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			answered++
		}
	}
}

func TestAStoppingProgramInterruptsItsGuests(t *testing.T) {
	onEachEngine(t, testAStoppingProgramInterruptsItsGuests)
}

func testAStoppingProgramInterruptsItsGuests(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	for _, name := range []string{"loop", "session_loops"} {
		m := limitsOn(engine)
		m.Limits.Time = time.Minute
		p, err := h.Compile(context.Background(), fixture(t, name), m)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(50*time.Millisecond, cancel)
		if out := p.Run(ctx, call()); !out.Interrupted {
			t.Errorf("%s: %+v", name, out)
		}
		p.Close(context.Background())
		if out := p.Run(context.Background(), call()); !out.Interrupted {
			t.Errorf("%s ran after it was closed", name)
		}
	}
}

func TestTenThousandTrapsLeaveNoGoroutineBehind(t *testing.T) {
	onEachEngine(t, testTenThousandTrapsLeaveNoGoroutineBehind)
}

func testTenThousandTrapsLeaveNoGoroutineBehind(t *testing.T, engine inbox.Engine) {
	h := newHost(t)
	for _, name := range []string{"trap", "session_trap"} {
		p, err := h.Compile(context.Background(), fixture(t, name), limitsOn(engine))
		if err != nil {
			t.Fatal(err)
		}
		p.Run(context.Background(), call())
		before := runtime.NumGoroutine()
		n := 10000
		if testing.Short() {
			n = 500
		}
		for range n / 2 {
			if out := p.Run(context.Background(), call()); out.Result != inbox.Trap {
				t.Fatalf("%s: %+v", name, out)
			}
		}
		p.Close(context.Background())
		deadline := time.Now().Add(5 * time.Second)
		for runtime.NumGoroutine() > before+3 && time.Now().Before(deadline) {
			runtime.Gosched()
		}
		if now := runtime.NumGoroutine(); now > before+3 {
			t.Errorf("%s: %d goroutines became %d", name, before, now)
		}
	}
}

func TestFixturesAreWhatTheirSourcesSay(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("wat2wasm")
	if err != nil {
		if os.Getenv("INBOX_NO_SKIP") != "" {
			t.Fatal("wat2wasm is not installed")
		}
		t.Skip("wat2wasm is not installed (Debian: wabt): the fixtures were not built again")
	}
	sources, err := filepath.Glob("testdata/*.wat")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no sources: %v", err)
	}
	for _, src := range sources {
		out := filepath.Join(t.TempDir(), "out.wasm")
		if text, err := exec.Command(tool, src, "-o", out).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", src, err, text)
			continue
		}
		built, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if kept, _ := os.ReadFile(strings.TrimSuffix(src, "wat") + "wasm"); !bytes.Equal(built, kept) {
			t.Errorf("%s is not what its .wasm was built from", src)
		}
	}
}
