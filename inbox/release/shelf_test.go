package release_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/host"
	"inbox/inbox/inboxtest"
	"inbox/inbox/release"
	"inbox/inbox/store"
)

var ctx = context.Background()

// bench is a shelf on a real folder and a real store, whose looks the test makes.
type bench struct {
	t     *testing.T
	dir   string
	store *store.Store
	shelf *release.Shelf
	tick  chan time.Time
	mu    sync.Mutex
	last  map[string]*release.Live
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), store: inboxtest.Store(t, store.Options{})}
	b.start(t.TempDir())
	return b
}

// start runs a shelf whose releases are kept in a folder, until the test ends or the returned function is called.
func (b *bench) start(kept string) (stop func()) {
	b.t.Helper()
	h, err := host.New(ctx, host.Options{})
	if err != nil {
		b.t.Fatal(err)
	}
	b.tick, b.last = make(chan time.Time), map[string]*release.Live{}
	b.shelf = release.New(release.Options{
		Dir: b.dir, Kept: kept, Host: h, Keep: b.store, Log: slog.New(slog.DiscardHandler), Parallel: 2, Tick: b.tick, Unpin: b.store.Unpin,
		OnChange: func(c release.Change) { b.mu.Lock(); defer b.mu.Unlock(); b.last[c.Plugin] = c.Live },
	})
	run, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- b.shelf.Run(run) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Error(err)
		}
		if err := h.Close(ctx); err != nil {
			b.t.Error(err)
		}
	})
	b.t.Cleanup(stop)
	return stop
}

// look has the shelf look at the folder twice: a file that is the same in both looks is read.
func (b *bench) look() {
	for range 3 { // a third look begins only when what the second found was dealt with
		b.tick <- time.Now()
	}
}

func (b *bench) write(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func guest(t *testing.T, name string) string {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("..", "host", "testdata", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return string(wasm)
}

func (b *bench) entry(name string) release.Entry {
	b.t.Helper()
	for _, e := range b.shelf.List() {
		if e.Plugin == name {
			return e
		}
	}
	b.t.Fatalf("%s is not listed", name)
	return release.Entry{}
}

func (b *bench) live(name string) *release.Live {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last[name]
}

func TestAFileThatIsDroppedInBecomesARelease(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("a.toml", "concurrency = 3\n[config]\nx = 1\n")
	b.write("a.wasm", guest(t, "ok"))
	b.write(".hidden.wasm", "x")
	b.write("b.wasm.part", "x")
	b.look()
	live := b.live("a")
	if live == nil || live.Manifest.Concurrency != 3 || live.Manifest.Config["x"] != "1" {
		t.Fatalf("live %+v", live)
	}
	if e := b.entry("a"); e.State != release.StateLive || e.Live != live.Release.ID || e.Info == nil {
		t.Errorf("entry %+v", e)
	}
	if n := len(b.shelf.List()); n != 1 {
		t.Errorf("%d plugins are listed", n)
	}
	record, _, err := b.store.Load(ctx, "a")
	if err != nil || record.Live != live.Release.ID {
		t.Errorf("recorded %+v, %v", record, err)
	}
}

func TestABrokenFileNeverDisturbsTheReleaseThatRuns(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("a.wasm", guest(t, "ok"))
	b.look()
	first := b.live("a")
	for what, c := range map[string]struct{ name, text, says string }{
		"a truncated module": {"a.wasm", guest(t, "ok")[:20], "cut off"},
		"an unknown import":  {"a.wasm", guest(t, "unknown_import"), "env.secret_door"},
		"a wrong manifest":   {"a.toml", "conurrency = 2\n", `did you mean "concurrency"`},
		"a later key":        {"a.toml", "[http]\nallow = []\n", "not in this version"},
	} {
		b.write("a.wasm", guest(t, "ok"))
		b.write("a.toml", "")
		b.write(c.name, c.text)
		b.look()
		if e := b.entry("a"); e.State != release.StateRefused || !strings.Contains(e.Err, c.says) || e.Live != first.Release.ID {
			t.Errorf("%s: %+v", what, e)
		}
		if b.live("a") != first {
			t.Errorf("%s: another release runs", what)
		}
	}
}

func TestAReplacedFileIsSwappedInAndARollbackHoldsUntilTheNext(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("a.wasm", guest(t, "ok"))
	b.look()
	first := b.live("a").Release.ID
	b.write("a.wasm", guest(t, "session_ok"))
	b.look()
	second := b.live("a").Release.ID
	if first == second {
		t.Fatal("the same release runs")
	}
	if err := b.store.SetPin(ctx, store.Actor{Name: "test"}, "a", first, second); err != nil {
		t.Fatal(err)
	}
	b.shelf.Reload("a")
	b.look()
	if e := b.entry("a"); e.State != release.StatePinned || b.live("a").Release.ID != first {
		t.Errorf("rolled back: %+v", e)
	}
	b.write("a.wasm", guest(t, "exit_75"))
	b.look()
	if e := b.entry("a"); e.State != release.StateLive || e.Live == first || e.Live == second {
		t.Errorf("after a new file: %+v", e)
	}
	if err := os.Remove(filepath.Join(b.dir, "a.wasm")); err != nil {
		t.Fatal(err)
	}
	b.look()
	if e := b.entry("a"); e.State != release.StateAbsent || b.live("a") != nil {
		t.Errorf("after its file is gone: %+v", e)
	}
}

func TestAStartWithABrokenFileRunsWhatRanLast(t *testing.T) {
	t.Parallel()
	b := &bench{t: t, dir: t.TempDir(), store: inboxtest.Store(t, store.Options{})}
	kept := t.TempDir()
	stop := b.start(kept)
	b.write("a.wasm", guest(t, "ok"))
	b.look()
	first := b.live("a").Release.ID
	stop()
	b.write("a.wasm", "garbage")
	b.start(kept)
	b.look()
	if e := b.entry("a"); e.State != release.StateRefused || e.Live != first || b.live("a") == nil {
		t.Errorf("%+v", e)
	}
}

func TestManifestsAreReadStrictly(t *testing.T) {
	t.Parallel()
	m, err := release.ParseManifest([]byte(`
events = ["workflow", "address"]
event_types = ["verification_*"]
modes = ["live"]
key_by = "/data/user"
order = "key"
on_failure = "continue"
start_from = "start"
reuse = 10
[where]
"/data/status/status" = ["VERIFIED", 7, true]
[retry]
max_attempts = 3
base = "5s"
max = "1m"
[limits]
time = "2s"
memory = "32 MiB"
output = 1000
[config]
url = "https://example.com"
n = 5
`))
	if err != nil {
		t.Fatal(err)
	}
	if m.KeyBy != "/data/user" || m.Policy.OnFailure != inbox.Continue || !m.StartFrom.Start || m.Limits.Memory != 32<<20 ||
		m.Limits.Time != 2*time.Second || len(m.Where) != 1 || m.Where[0].Values[1] != "7" || m.Config["n"] != "5" || m.Policy.MaxAttempts != 3 {
		t.Errorf("%+v", m)
	}
	for text, says := range map[string]string{
		"evnts = []":                                 `line 1: unknown key "evnts"; did you mean "events"?`,
		"\n\nkey_by = \"id\"":                        "key_by",
		"order = \"random\"":                         "order",
		"[limits]\nmemory = \"lots\"":                "limits.memory",
		"[limits]\nfuel = 5":                         "not in this version",
		"emit = [\"x\"]":                             "not in this version",
		"[retry]\nbase = \"2h\"\nmax = \"1h\"":       "longer than retry.max",
		"concurrency = 100\nreuse = -1":              "concurrency is 100, not between 1 and 64; reuse is -1",
		"start_from = \"yesterday\"":                 "start_from",
		"[where]\nstatus = \"x\"":                    "JSON pointer",
		"events = [":                                 "line 1",
		"events = 5":                                 "line 1",
		"[config]\nx = [1]":                          "config.x",
		"[limits]\ntime = \"1h\"\nlog = 99999999999": "limits.log",
		"modes = [\"production\"]":                   "modes",
	} {
		if _, err := release.ParseManifest([]byte(text)); inbox.KindOf(err) != inbox.Invalid || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v; want …%s…", text, err, says)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte("events = [\"a\"]\n[limits]\nmemory = \"1 GiB\"\n"))
	f.Add([]byte("[where]\n\"/a\" = [1, 2.5, true]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := release.ParseManifest(text)
		if err != nil && inbox.KindOf(err) != inbox.Invalid {
			t.Errorf("%v", err)
		}
		if d := m.WithDefaults(1); err == nil && (d.Concurrency < 1 || d.Limits.Memory < 1 || d.Policy.MaxAttempts < 1) {
			t.Errorf("%+v", d)
		}
	})
}
