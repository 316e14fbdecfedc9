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
	"inbox/inbox/inboxtest"
)

// limits are the limits of the hostile guests. They are small, so that guests reach them at once. The time limit is long: only
// endless guests reach it, however busy the machine is.
func limits() *inbox.Manifest {
	m := inbox.Manifest{
		Concurrency: 1,
		Limits:      inbox.Limits{Time: time.Minute, Memory: 16 << 20, Output: 64 << 10, Log: 64 << 10},
	}.WithDefaults(1)
	return &m
}

// limitsOn returns those limits for an engine.
func limitsOn(engine inbox.Engine) *inbox.Manifest {
	m := limits()
	m.Engine = engine
	return m
}

// onEachEngine runs a test on both engines. Results are the same on both, unless a test says otherwise.
func onEachEngine(t *testing.T, test func(*testing.T, inbox.Engine)) {
	t.Helper()
	for _, engine := range []inbox.Engine{inbox.Compiler, inbox.Interpreter} {
		t.Run(string(engine), func(t *testing.T) { test(t, engine) })
	}
}

func newHost(t testing.TB) *host.Host {
	t.Helper()
	h, err := host.New(context.Background(), host.Options{Client: clientOf, CacheDir: inboxtest.CompileCache()})
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

// A guest that never reaches a loop must still let the collector stop the world. Otherwise nothing in the process runs, and no
// webhook is answered.
func TestACallTreeWithoutLoopsDoesNotFreezeTheProcess(t *testing.T) {
	onEachEngine(t, testACallTreeWithoutLoopsDoesNotFreezeTheProcess)
}

func testACallTreeWithoutLoopsDoesNotFreezeTheProcess(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	m := limitsOn(engine)
	p, err := h.Compile(context.Background(), fixture(t, "call_tree"), m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer web.Close()
	over := make(chan inbox.Outcome, 1)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { over <- p.Run(ctx, call()) }()
	for range 20 { // while it runs; afterwards it could not be interrupted
		stopTheWorld()
		resp, err := http.Get(web.URL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	stop()
	if out := <-over; !out.Interrupted {
		t.Errorf("outcome %s: %s", out.Result, out.Reason)
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

func TestThousandsOfTrapsLeakNoGoroutine(t *testing.T) {
	onEachEngine(t, testThousandsOfTrapsLeakNoGoroutine)
}

func testThousandsOfTrapsLeakNoGoroutine(t *testing.T, engine inbox.Engine) {
	h := newHost(t)
	for _, name := range []string{"trap", "session_trap"} {
		p, err := h.Compile(context.Background(), fixture(t, name), limitsOn(engine))
		if err != nil {
			t.Fatal(err)
		}
		p.Run(context.Background(), call())
		before := runtime.NumGoroutine()
		n := 1000
		if inboxtest.LongRun() {
			n = 10000
		}
		for range n / 2 {
			if out := p.Run(context.Background(), call()); out.Result != inbox.Trap {
				t.Fatalf("%s: %+v", name, out)
			}
		}
		p.Close(context.Background())
		deadline := time.Now().Add(time.Minute)
		for runtime.NumGoroutine() > before+3 && time.Now().Before(deadline) {
			runtime.Gosched()
		}
		if now := runtime.NumGoroutine(); now > before+3 {
			t.Errorf("%s: %d goroutines became %d", name, before, now)
		}
	}
}

// glob returns the files of a pattern, of which there must be at least one.
func glob(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %v", pattern, err)
	}
	return paths
}

func TestFixturesMatchTheirSources(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("wat2wasm")
	if err != nil {
		if os.Getenv("INBOX_NO_SKIP") != "" {
			t.Fatal("wat2wasm is not installed")
		}
		t.Skip("wat2wasm is not installed (Debian: wabt): the fixtures were not built again")
	}
	sources := append(glob(t, "testdata/*.wat"), glob(t, "testdata/hostile/*.wat")...)
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
			t.Errorf("%s differs from the source of its .wasm", src)
		}
	}
}
