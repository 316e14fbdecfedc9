package host_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/document"
	"inbox/inbox/host"
)

// buildGo builds a Go plugin with the toolchain that runs the test.
func buildGo(t testing.TB, pkg string) []byte {
	t.Helper()
	return cachedBuild(pkg, func() []byte { return buildGoOnce(t, pkg) })
}

func buildGoOnce(t testing.TB, pkg string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "plugin.wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v: %s", pkg, err, text)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// event returns a stored event with a verdict, and its payload.
func event(verdict inbox.Verdict, body string) (*inbox.Event, inbox.Payload) {
	e := &inbox.Event{
		Seq: 5, ID: "evt_0000000500000000", Source: "qoreid", Mode: inbox.Live, Origin: inbox.FromWebhook,
		View:       inbox.View{Event: "address", EventType: "verification_completed", Key: "qoreid/address/1", Verdict: verdict},
		ReceivedAt: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC),
	}
	return e, inbox.Payload{Headers: []inbox.Header{{Name: "content-type", Value: "application/json"}}, Body: []byte(body)}
}

func TestAGoPluginRunsAsASessionWithAndWithoutReuse(t *testing.T) {
	onEachEngine(t, testAGoPluginRunsAsASessionWithAndWithoutReuse)
}

func testAGoPluginRunsAsASessionWithAndWithoutReuse(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h, err := host.New(context.Background(), host.Options{CacheDir: t.TempDir()}) // it is compiled twice
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close(context.Background())
	wasm := buildGo(t, "inbox/examples/hello-go")
	for _, reuse := range []int{1, 3} {
		m := inbox.Manifest{Engine: engine, Reuse: reuse, Concurrency: 2, Limits: inbox.Limits{Time: 20 * time.Second}}.WithDefaults(2)
		p, err := h.Compile(context.Background(), wasm, &m)
		if err != nil {
			t.Fatal(err)
		}
		if p.Info().Kind != host.Session {
			t.Fatalf("it is a %s", p.Info().Kind)
		}
		for i := range 8 {
			verdict, want := inbox.Passed, inbox.OK
			if i%2 == 1 {
				verdict, want = inbox.Failed, inbox.Skip
			}
			e, payload := event(verdict, `{"event":"address","data":{"id":1}}`)
			doc, err := document.New(&inbox.Work{Event: e, Payload: payload, Delivery: inbox.Delivery{Plugin: "hello", Seq: 5, Attempt: 1}, Now: time.Now()}, &m)
			if err != nil {
				t.Fatal(err)
			}
			out := p.Run(context.Background(), host.Call{Doc: doc, Seed: "hello/evt_5", ReceivedAt: e.ReceivedAt})
			if out.Result != want || (want == inbox.OK && !strings.Contains(string(out.Log), "hello, qoreid/address/1 passed")) {
				t.Errorf("reuse %d, event %d: %s (%s), log %q", reuse, i, out.Result, out.Reason, out.Log)
			}
		}
		p.Close(context.Background())
	}
}

func TestTheSameDocumentGivesTheSameResultTwice(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	m := limits()
	m.Limits.Time = 20 * time.Second
	p, err := h.Compile(context.Background(), buildGo(t, "inbox/inbox/host/testdata/dice"), m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	var fuel []int64
	roll := func(seed string) string {
		c := call()
		c.Seed = seed
		out := p.Run(context.Background(), c)
		if out.Result != inbox.OK {
			t.Fatalf("%s: %s", out.Result, out.Reason)
		}
		fuel = append(fuel, out.Fuel)
		return string(out.Log)
	}
	one, again, other := roll("p/1"), roll("p/1"), roll("p/2")
	if one != again {
		t.Errorf("the same delivery saw\n%s and\n%s", one, again)
	}
	if fuel[0] != fuel[1] || fuel[0] == 0 {
		t.Errorf("the same delivery spent %d and then %d", fuel[0], fuel[1])
	}
	if one == other {
		t.Error("two deliveries got the same random numbers")
	}
	if !strings.Contains(one, "2026-11-24T12:00:") || !strings.Contains(one, "files: false") || !strings.Contains(one, "environment: 0") {
		t.Errorf("it saw %s", one)
	}
}

func FuzzCompile(f *testing.F) {
	for _, name := range []string{"ok", "loop", "table_bomb", "session_ok", "output_flood"} {
		f.Add(fixture(f, name))
	}
	h, err := host.New(context.Background(), host.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		m := limits()
		m.Limits.Time = 100 * time.Millisecond
		p, err := h.Compile(context.Background(), wasm, m)
		if err != nil {
			if inbox.KindOf(err) != inbox.Invalid {
				t.Errorf("refused as %s: %v", inbox.KindOf(err), err)
			}
			return
		}
		p.Run(context.Background(), call())
		p.Close(context.Background())
	})
}
