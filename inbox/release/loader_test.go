package release_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/release"
	"inbox/inbox/store"
	"inbox/inbox/wasm"
)

// The shortest compilation goes live first.
func TestShortCompilationsDoNotWaitForLongOnes(t *testing.T) {
	t.Parallel()
	b := &bench{t: t, dir: t.TempDir(), store: inboxtest.Store(t, store.Options{})}
	for _, name := range []string{"nested_blocks", "long_function"} {
		wasm, err := inboxtest.Made(name)
		if err != nil {
			t.Fatal(err)
		}
		b.write("a_"+name+".wasm", string(wasm))
	}
	b.write("b.wasm", guest(t, "ok"))
	b.write("c.wasm", guest(t, "session_ok"))
	b.start(t.TempDir())
	b.until("all of them are live", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.order) == 4
	})
	if order := b.order; order[0] != "b" && order[0] != "c" || order[1] != "b" && order[1] != "c" {
		t.Errorf("they went live as %v", order)
	}
}

func TestANewFileBecomesARelease(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("a.toml", "concurrency = 3\n[config]\nx = 1\n")
	b.write("a.wasm", guest(t, "ok"))
	b.write(".hidden.wasm", "x")
	b.write("b.wasm.part", "x")
	b.poll()
	live := b.live("a")
	if live == nil || live.Manifest.Concurrency != 3 || live.Manifest.Config["x"] != "1" {
		t.Fatalf("live %+v", live)
	}
	if e := b.entry("a"); e.State != inbox.FileLive || e.Live != live.Release.ID || e.Info == nil {
		t.Errorf("entry %+v", e)
	}
	if n := len(b.loader.List()); n != 1 {
		t.Errorf("%d plugins are listed", n)
	}
	record, _, err := b.store.Load(ctx, "a")
	if err != nil || record.Live != live.Release.ID {
		t.Errorf("recorded %+v, %v", record, err)
	}
}

func TestAnInvalidFileDoesNotReplaceTheRunningRelease(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("a.wasm", guest(t, "ok"))
	b.poll()
	first := b.live("a")
	for what, c := range map[string]struct{ name, text, message string }{
		"a truncated module": {"a.wasm", guest(t, "ok")[:20], "cut off"},
		"an unknown import":  {"a.wasm", guest(t, "unknown_import"), "env.secret_door"},
		"a wrong manifest":   {"a.toml", "conurrency = 2\n", `did you mean "concurrency"`},
		"a later key":        {"a.toml", "[http]\nproxy = \"environment\"\n", "not in this version"},
	} {
		b.write("a.wasm", guest(t, "ok"))
		b.write("a.toml", "")
		b.write(c.name, c.text)
		b.poll()
		if e := b.entry("a"); e.State != inbox.FileRefused || !strings.Contains(e.Err, c.message) || e.Live != first.Release.ID {
			t.Errorf("%s: %+v", what, e)
		}
		if b.live("a") != first {
			t.Errorf("%s: another release runs", what)
		}
	}
}

func TestANewFileGoesLiveAndARollbackLastsUntilTheNextFile(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("a.wasm", guest(t, "ok"))
	b.poll()
	first := b.running("a")
	b.write("a.wasm", guest(t, "session_ok"))
	b.poll()
	second := b.running("a")
	if first == second {
		t.Fatal("the same release runs")
	}
	if err := b.store.SetPin(ctx, inbox.Actor{Name: "test"}, "a", first, second); err != nil {
		t.Fatal(err)
	}
	b.loader.Reload("a")
	b.until("it is rolled back", func() bool { return b.entry("a").State == inbox.FilePinned && b.running("a") == first })
	b.poll()
	if e := b.entry("a"); e.State != inbox.FilePinned || e.Live != first || e.File != second {
		t.Errorf("after another poll: %+v", e)
	}
	b.write("a.wasm", guest(t, "exit_75"))
	b.poll()
	if e := b.entry("a"); e.State != inbox.FileLive || e.Live == first || e.Live == second {
		t.Errorf("after a new file: %+v", e)
	}
	if err := os.Remove(filepath.Join(b.dir, "a.wasm")); err != nil {
		t.Fatal(err)
	}
	b.poll()
	if e := b.entry("a"); e.State != inbox.FileAbsent || b.live("a") != nil {
		t.Errorf("after its file is gone: %+v", e)
	}
}

func TestAStartWithAnInvalidFileRunsTheLastRelease(t *testing.T) {
	t.Parallel()
	b := &bench{t: t, dir: t.TempDir(), store: inboxtest.Store(t, store.Options{})}
	kept := t.TempDir()
	stop := b.start(kept)
	b.write("a.wasm", guest(t, "ok"))
	b.poll()
	first := b.running("a")
	stop()
	b.write("a.wasm", "garbage")
	b.start(kept)
	b.until("the last release runs", func() bool { return b.live("a") != nil })
	if e := b.entry("a"); e.State != inbox.FileRefused || e.Live != first {
		t.Errorf("%+v", e)
	}
}

// A kept module runs as native code, so a module that has changed must not run.
func TestADamagedKeptReleaseIsNotRun(t *testing.T) {
	t.Parallel()
	b := &bench{t: t, dir: t.TempDir(), store: inboxtest.Store(t, store.Options{})}
	kept := t.TempDir()
	b.start(kept)
	b.write("a.wasm", guest(t, "ok"))
	b.poll()
	first := b.running("a")
	b.write("a.wasm", guest(t, "session_ok"))
	b.poll()
	second := b.running("a")
	if err := os.WriteFile(filepath.Join(kept, first+".wasm"), []byte(guest(t, "trap")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.store.SetPin(ctx, inbox.Actor{Name: "test"}, "a", first, second); err != nil {
		t.Fatal(err)
	}
	b.loader.Reload("a")
	b.until("it is refused", func() bool { return strings.Contains(b.entry("a").Err, "damaged") })
	if b.running("a") != second {
		t.Errorf("%s runs", b.running("a"))
	}
}

func TestAFileThatIsStillBeingWrittenIsNotRead(t *testing.T) {
	t.Parallel()
	b := &bench{t: t, dir: t.TempDir()}
	b.loader = release.New(release.Options{Dir: b.dir, Log: slog.New(slog.DiscardHandler)}) // a read of the files would fail without a store
	whole := guest(t, "ok")
	for n := 10; n < len(whole); n += 10 {
		b.write("a.wasm", whole[:n])
		b.loader.Poll()
		if e := b.entry("a"); e.State != inbox.FileCompiling {
			t.Errorf("of %d bytes: %+v", n, e)
		}
	}
}

func TestFilesThatExistAtTheStartGoLiveAtTheFirstPoll(t *testing.T) {
	t.Parallel()
	b := &bench{t: t, dir: t.TempDir(), store: inboxtest.Store(t, store.Options{})}
	b.write("a.wasm", guest(t, "ok"))
	b.start(t.TempDir())
	inboxtest.Eventually(t, "it is live without another poll", func() bool { return b.live("a") != nil })
}

// A compilation cannot be stopped. Neither other plugins nor the end of the program wait for a long one.
func TestALoaderDoesNotWaitForACompilation(t *testing.T) {
	t.Parallel()
	b := &bench{t: t, dir: t.TempDir(), store: inboxtest.Store(t, store.Options{})}
	stop := b.start(t.TempDir())
	b.write("slow.wasm", slow())
	for range 3 {
		b.tick <- time.Now()
	}
	b.write("bad.toml", "evnts = []")
	b.write("bad.wasm", guest(t, "ok"))
	b.until("the other file is refused", func() bool {
		return slices.ContainsFunc(b.loader.List(), func(e release.Entry) bool { return e.State == inbox.FileRefused })
	})
	if e := b.entry("slow"); e.State != inbox.FileCompiling {
		t.Errorf("the compilation was too short: %+v", e)
	}
	stop()
	if b.live("slow") != nil {
		t.Error("it went live after the end")
	}
}

func TestAFileThatIsNoModuleIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if err := os.Mkdir(filepath.Join(b.dir, "dir.wasm"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(b.write("big.wasm", "x"), wasm.MaxModule+1); err != nil {
		t.Fatal(err)
	}
	b.write("Bad Name.wasm", guest(t, "ok"))
	b.poll()
	for name, message := range map[string]string{"dir": "not a file", "big": "33554433 bytes", "Bad Name": "not a name"} {
		if e := b.entry(name); e.State != inbox.FileRefused || !strings.Contains(e.Err, message) {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// An error such as a full disk is temporary, so the loader reads the unchanged file again.
func TestATemporaryErrorIsRetried(t *testing.T) {
	t.Parallel()
	b := &bench{t: t, dir: t.TempDir(), store: inboxtest.Store(t, store.Options{})}
	kept := filepath.Join(t.TempDir(), "releases")
	if err := os.WriteFile(kept, []byte("a file in place of the folder"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.start(kept)
	b.write("a.wasm", guest(t, "ok"))
	b.poll()
	if e := b.entry("a"); e.State != inbox.FileRefused || b.live("a") != nil {
		t.Fatalf("%+v", e)
	}
	if _, _, err := b.store.Load(ctx, "a"); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("a plugin that never ran has a record: %v", err)
	}
	if err := os.Remove(kept); err != nil {
		t.Fatal(err)
	}
	b.until("it is live", func() bool { return b.live("a") != nil })
}

func TestAFolderThatCannotBeReadStopsNoPlugin(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("a.wasm", guest(t, "ok"))
	b.poll()
	moved := b.dir + ".moved"
	if err := os.Rename(b.dir, moved); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		b.tick <- time.Now()
	}
	if e := b.entry("a"); e.State != inbox.FileLive || b.live("a") == nil {
		t.Errorf("%+v", e)
	}
	if err := os.Rename(moved, b.dir); err != nil {
		t.Fatal(err)
	}
	b.poll()
	if e := b.entry("a"); e.State != inbox.FileLive {
		t.Errorf("%+v", e)
	}
}

func TestAPluginThatReturnsContinuesAtItsPosition(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("a.wasm", guest(t, "ok"))
	b.poll()
	before := b.running("a")
	if err := os.Remove(filepath.Join(b.dir, "a.wasm")); err != nil {
		t.Fatal(err)
	}
	b.poll()
	record, _, err := b.store.Load(ctx, "a")
	if err != nil || b.live("a") != nil {
		t.Fatalf("%v; live %v", err, b.live("a"))
	}
	b.write("a.wasm", guest(t, "ok"))
	b.poll()
	again, _, err := b.store.Load(ctx, "a")
	if err != nil || again.Cursor != record.Cursor || again.Live != before || b.live("a") == nil {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestAChangeOfTheEngineIsANewRelease(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("a.wasm", guest(t, "ok"))
	b.poll()
	first := b.running("a")
	b.write("a.toml", "engine = \"interpreter\"\n")
	b.poll()
	if e := b.entry("a"); e.Live == first || e.Info == nil || e.Info.Engine != "interpreter" {
		t.Errorf("before %s, now %+v", first, e)
	}
}
