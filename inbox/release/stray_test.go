package release_test

import (
	"bytes"
	"fmt"
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

// strays are the files that are said to belong to no plugin.
func (b *bench) strays() (list []release.Entry) {
	for _, e := range b.loader.List() {
		if e.State == inbox.FileStray {
			list = append(list, e)
		}
	}
	return list
}

func TestAManifestWithoutAModuleIsNamedWithThePluginItIsMostLike(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("crm.toml", "")
	b.write("crm.wasm", guest(t, "ok"))
	b.look()
	if list := b.strays(); len(list) != 0 {
		t.Errorf("a plugin's own manifest is named: %+v", list)
	}
	b.write("crrm.toml", "[data]\nfields = ['/data/id']\n")
	b.write(".crm.toml.tmp", "")
	b.write("README.md", "")
	b.write("crm.toml~", "")
	b.until("it is named", func() bool { return len(b.strays()) == 1 })
	if e := b.strays()[0]; e.Plugin != "crrm.toml" || !strings.Contains(e.Err, "without a module") || !strings.Contains(e.Hint, "did you mean crm.toml") {
		t.Errorf("%+v", e)
	}
	b.write("crrm.wasm", guest(t, "ok"))
	b.until("it is a plugin's", func() bool { return len(b.strays()) == 0 && b.live("crrm") != nil })
	if got := b.live("crrm").Manifest.Data.Fields; !slices.Equal(got, []string{"/data/id"}) {
		t.Errorf("it is shown %v", got)
	}
}

// What is put down under another spelling of its name is not in force, and the plugin must not run as if nobody had meant it.
func TestAPluginWhoseManifestIsMisspeltDoesNotRunWithoutIt(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"crm.TOML", "CRM.toml", "crm.toml.txt", " crm.toml", "crm.wasm.toml", "Crm.Toml", "crm.toml ", "crm .toml"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.write(name, "[data]\nfields = ['/data/id']\n")
			b.write("crm.wasm", guest(t, "ok"))
			b.look()
			b.until("it is refused", func() bool { return b.entry("crm").State == inbox.FileRefused })
			if e := b.entry("crm"); b.live("crm") != nil || !strings.Contains(e.Err, "its manifest seems to be") || !strings.Contains(e.Hint, "crm.toml") {
				t.Errorf("%+v", e)
			}
			b.until("the file is named", func() bool { return len(b.strays()) == 1 })
			if err := os.Rename(filepath.Join(b.dir, name), filepath.Join(b.dir, "crm.toml")); err != nil {
				t.Fatal(err)
			}
			b.until("it runs with its manifest", func() bool { return b.live("crm") != nil })
			if got := b.live("crm").Manifest.Data.Fields; !slices.Equal(got, []string{"/data/id"}) {
				t.Errorf("it is shown %v", got)
			}
		})
	}
}

// One that runs without a manifest is let alone by a stranger's; one that is new waits until it is clear whose it is.
func TestANewPluginDoesNotBeginBesideAManifestThatMayBeMeantForIt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("billing.wasm", guest(t, "ok"))
	b.look()
	b.write("biling.toml", "")
	b.write("crrm.toml", "[data]\nfields = ['/data/id']\n")
	b.write("crm.wasm", guest(t, "ok"))
	b.look()
	b.until("it is refused", func() bool { return b.entry("crm").State == inbox.FileRefused })
	if e := b.entry("crm"); !strings.Contains(e.Err, `"crrm.toml", which has no module, may be meant for it`) || b.live("crm") != nil {
		t.Errorf("%+v", e)
	}
	b.look()
	if e := b.entry("billing"); e.State != inbox.FileLive {
		t.Errorf("one that runs: %+v", e)
	}
	if err := os.Rename(filepath.Join(b.dir, "crrm.toml"), filepath.Join(b.dir, "crm.toml")); err != nil {
		t.Fatal(err)
	}
	b.until("it runs", func() bool { return b.live("crm") != nil })
	if got := b.live("crm").Manifest.Data.Fields; !slices.Equal(got, []string{"/data/id"}) {
		t.Errorf("it is shown %v", got)
	}
}

func TestAModuleUnderAnotherSpellingIsNamed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, name := range []string{"a.WASM", "b.wasm.txt", "c.wasm "} {
		b.write(name, guest(t, "ok"))
	}
	b.until("they are named", func() bool { return len(b.strays()) == 3 })
	for _, e := range b.strays() {
		if !strings.Contains(e.Err, "is not taken for a module") || !strings.Contains(e.Hint, ".wasm") {
			t.Errorf("%+v", e)
		}
	}
}

// A manifest that narrowed what a plugin is shown, and is gone or misnamed, does not widen it in silence, also not after a
// start: what ran before goes on.
func TestAManifestThatIsGoneDoesNotWidenWhatAPluginIsShown(t *testing.T) {
	t.Parallel()
	b := &bench{t: t, dir: t.TempDir(), store: inboxtest.Store(t, store.Options{})}
	kept := t.TempDir()
	stop := b.start(kept)
	b.write("crm.toml", "[data]\nfields = ['/data/id']\n")
	b.write("crm.wasm", guest(t, "ok"))
	b.look()
	first := b.running("crm")
	if err := os.Rename(filepath.Join(b.dir, "crm.toml"), filepath.Join(b.dir, "crrm.toml")); err != nil {
		t.Fatal(err)
	}
	narrow := func(when string) {
		t.Helper()
		b.until("it is refused", func() bool { return b.entry("crm").State == inbox.FileRefused && b.live("crm") != nil })
		e := b.entry("crm")
		if !strings.Contains(e.Err, "its crm.toml is gone or empty") || !strings.Contains(e.Err, "data.fields") || e.Live != first || b.running("crm") != first {
			t.Errorf("%s: %+v", when, e)
		}
	}
	narrow("while it runs")
	stop()
	b.start(kept)
	narrow("after a start")
	b.write("crm.wasm", guest(t, "session_ok"))
	b.look()
	narrow("with another module")
	b.write("crm.toml", "\n")
	b.look()
	narrow("with an empty file, as a full disk leaves it")
	b.write("crm.toml", "\ufeff \r\n")
	b.look()
	narrow("with nothing but a byte order mark, as an editor leaves it")
	b.write("crm.toml", "# the defaults\n")
	b.until("a comment says that it is meant", func() bool { return b.entry("crm").State == inbox.FileLive })
	if m := b.live("crm").Manifest; m.Data.Fields != nil {
		t.Errorf("%+v", m)
	}
	if err := os.Remove(filepath.Join(b.dir, "crm.toml")); err != nil {
		t.Fatal(err)
	}
	b.look()
	if e := b.entry("crm"); e.State != inbox.FileLive {
		t.Errorf("without what narrowed nothing: %+v", e)
	}
}

// A manifest may come while its module is compiled: the plugin never runs without it.
func TestAManifestThatComesWhileItsModuleIsCompiledIsInForceFromTheFirstEvent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var first *release.Live
	b.write("slow.wasm", slow())
	for range 3 {
		b.tick <- time.Now()
	}
	b.write("slow.toml", "[data]\nfields = ['/data/id']\n")
	b.until("it is live", func() bool { first = b.live("slow"); return first != nil })
	if !slices.Equal(first.Manifest.Data.Fields, []string{"/data/id"}) || b.ran("slow") != 1 {
		t.Errorf("it is shown %v; %d releases ran", first.Manifest.Data.Fields, b.ran("slow"))
	}
}

func TestAFileOfTheSameSizeAndTimeIsSeen(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	put := func(text string) {
		t.Helper()
		path := b.write("a.toml", text)
		if err := os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	put("[data]\nfields = ['/data']    \n")
	b.write("a.wasm", guest(t, "ok"))
	b.look()
	first := b.running("a")
	b.until("the narrower grant is in force", func() bool {
		put("[data]\nfields = ['/data/id'] \n")
		b.look()
		return b.running("a") != first
	})
	if got := b.live("a").Manifest.Data.Fields; !slices.Equal(got, []string{"/data/id"}) {
		t.Errorf("it is shown %v", got)
	}
}

// A retry or a pause has a plugin's files looked at again; they are not read again for it.
func TestFilesThatDidNotChangeAreNotReadAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	path := b.write("a.wasm", guest(t, "ok"))
	b.look()
	first := b.running("a")
	before := release.Reads(b.loader)
	for range 20 {
		b.loader.Reload("a")
		b.look()
	}
	if n := release.Reads(b.loader) - before; n != 0 {
		t.Errorf("its files were read %d times", n)
	}
	if err := os.WriteFile(path, []byte(guest(t, "session_ok")), 0o600); err != nil {
		t.Fatal(err)
	}
	b.until("a change is seen", func() bool { return b.running("a") != first })
}

func TestANameThatIsNoPluginsIsShownSafely(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	b := &bench{t: t, dir: t.TempDir(), store: inboxtest.Store(t, store.Options{}), log: slog.New(slog.NewTextHandler(&log, nil))}
	stop := b.start(t.TempDir())
	evil := "a\x1b[2J\u202eb\nfake=1"
	b.write(evil+".wasm", guest(t, "ok"))
	b.write(evil+".toml.txt", "")
	b.write(strings.Repeat("x", 240)+".wasm", "")
	b.look()
	b.until("all are refused", func() bool {
		return !slices.ContainsFunc(b.loader.List(), func(e release.Entry) bool { return e.State == inbox.FileCompiling })
	})
	for range 6 {
		b.look()
	}
	for _, e := range b.loader.List() {
		if text := e.Plugin + e.Err + e.Hint; strings.ContainsFunc(text, inbox.Unprintable) || len([]rune(e.Plugin)) > 80 {
			t.Errorf("%q", text)
		}
	}
	stop()
	if text := log.String(); strings.ContainsAny(text, "\x1b\u202e") || strings.Contains(text, "\nfake=1") {
		t.Errorf("the log: %q", text)
	}
}

func TestManyFilesThatBelongToNoPluginAreCountedAfterTheFirst(t *testing.T) {
	t.Parallel()
	b := &bench{t: t, dir: t.TempDir()}
	for i := range 60 {
		b.write(fmt.Sprintf("lost%02d.toml", i), "")
	}
	var said []string
	if err := release.Scan(b.dir, 1, func(f release.Found) { said = append(said, f.Err.Error()) }); err != nil {
		t.Fatal(err)
	}
	if len(said) != 51 || said[50] != "10 more files belong to no plugin" {
		t.Errorf("%d: %q", len(said), said)
	}
}

func TestAKeptReleaseKnowsItsModuleWithoutBeingCompiledAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("a.wasm", asking(t, "session_ok", "reuse = 7"))
	b.look()
	list, err := b.store.Releases(ctx, "a")
	if err != nil || len(list) != 1 || string(list[0].Asks) != "reuse = 7" || !strings.Contains(string(list[0].Module), `"kind":"session"`) {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestAFolderOfStraysAndRefusedFilesIsScannedWithinBounds(t *testing.T) {
	t.Parallel()
	b := &bench{t: t, dir: t.TempDir()}
	b.write("good.wasm", guest(t, "ok"))
	b.write("lost.toml", "")
	if err := os.Truncate(b.write("big.wasm", "x"), wasm.MaxModule+1); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(b.write("good.toml", ""), release.MaxManifest+1); err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	if err := release.Scan(b.dir, 1, func(f release.Found) { said[f.Plugin] = f.Err.Error() }); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"good": "good.toml has 65537 bytes", "lost.toml": "without a module", "big": "33554433 bytes"} {
		if !strings.Contains(said[name], want) {
			t.Errorf("%s: %q", name, said[name])
		}
	}
}
