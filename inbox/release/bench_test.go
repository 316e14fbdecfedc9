package release_test

import (
	"context"
	"encoding/binary"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
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

// bench is a loader on a real folder and a real store, whose polls the test triggers.
type bench struct {
	t      *testing.T
	dir    string
	store  *store.Store
	loader *release.Loader
	tick   chan time.Time
	mu     sync.Mutex
	last   map[string]*release.Live
	all    map[string][]*release.Live // the releases that went live, in order
	log    *slog.Logger               // nil: none
	head   func() int64
	order  []string // the plugins of all changes, in order
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), store: inboxtest.Store(t, store.Options{})}
	b.start(t.TempDir())
	return b
}

// start runs a loader that keeps its modules in the folder kept. The end of the test or the returned function stops it.
func (b *bench) start(kept string) (stop func()) {
	b.t.Helper()
	h, err := host.New(ctx, host.Options{})
	if err != nil {
		b.t.Fatal(err)
	}
	b.tick, b.last, b.all = make(chan time.Time), map[string]*release.Live{}, map[string][]*release.Live{}
	log := b.log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	b.loader = release.New(release.Options{
		Dir: b.dir, Kept: release.ModuleDir(kept), Host: h, Keep: b.store, Crashes: b.store, Log: log, Parallel: 2, Head: b.head, Tick: b.tick, Unpin: b.store.Unpin,
		OnChange: func(c release.Change) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.last[c.Plugin] = c.Live
			b.all[c.Plugin] = append(b.all[c.Plugin], c.Live)
			b.order = append(b.order, c.Plugin)
		},
	})
	run, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- b.loader.Run(run) }()
	b.tick <- time.Now() // the first poll, which reads files at once, is over
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

// poll polls the folder until the files that were the same in two polls are live or refused.
func (b *bench) poll() {
	b.t.Helper()
	for range 3 { // the third begins when the second has read the files
		b.tick <- time.Now()
	}
	b.until("nothing is being compiled", func() bool {
		return !slices.ContainsFunc(b.loader.List(), func(e release.Entry) bool { return e.State == inbox.FileCompiling })
	})
}

// until polls the folder until ok returns true.
func (b *bench) until(what string, ok func() bool) {
	b.t.Helper()
	inboxtest.Eventually(b.t, what, func() bool {
		b.tick <- time.Now()
		return ok()
	})
}

func (b *bench) write(name, text string) (path string) {
	b.t.Helper()
	path = filepath.Join(b.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
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
	for _, e := range b.loader.List() {
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

// liveCount returns the number of releases of a plugin that went live.
func (b *bench) liveCount(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.all[name])
}

// slow returns a module whose only function has 12,000 branches.
func slow() string {
	body := "\x00" + strings.Repeat("\x02\x40\x41\x00\x0d\x00\x0b", 6_000) + "\x0b"
	size := func(n int) string { return string(binary.AppendUvarint(nil, uint64(n))) }
	code := "\x01" + size(len(body)) + body
	return "\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x07\x0a\x01\x06_start\x00\x00\x0a" + size(len(code)) + code
}

// running returns the id of the running release. The test fails without one.
func (b *bench) running(name string) string {
	b.t.Helper()
	live := b.live(name)
	if live == nil {
		b.t.Fatalf("nothing runs: %+v", b.entry(name))
	}
	return live.Release.ID
}
