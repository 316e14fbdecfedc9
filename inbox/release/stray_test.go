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

// strays returns the listed files that belong to no plugin.
func (b *bench) strays() (list []release.Entry) {
	for _, e := range b.loader.List() {
		if e.State == inbox.FileStray {
			list = append(list, e)
		}
	}
	return list
}

func TestAManifestWithoutAModuleIsListedWithTheMostSimilarPlugin(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("crm.toml", "")
	b.write("crm.wasm", guest(t, "ok"))
	b.poll()
	if list := b.strays(); len(list) != 0 {
		t.Errorf("a plugin's own manifest is listed as a stray: %+v", list)
	}
	b.write("crrm.toml", "[data]\nfields = ['/data/id']\n")
	b.write(".crm.toml.tmp", "")
	b.write("README.md", "")
	b.write("crm.toml~", "")
	b.until("it is listed", func() bool { return len(b.strays()) == 1 })
	if e := b.strays()[0]; e.Plugin != "crrm.toml" || !strings.Contains(e.Err, "without a module") || !strings.Contains(e.Hint, "did you mean crm.toml") {
		t.Errorf("%+v", e)
	}
	b.write("crrm.wasm", guest(t, "ok"))
	b.until("it is the manifest of a plugin", func() bool { return len(b.strays()) == 0 && b.live("crrm") != nil })
	if got := b.live("crrm").Manifest.Data.Fields; !slices.Equal(got, []string{"/data/id"}) {
		t.Errorf("it sees %v", got)
	}
}

// A misspelt manifest has no effect, so its plugin must not run with the defaults.
func TestAPluginWhoseManifestIsMisspeltDoesNotRunWithoutIt(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"crm.TOML", "CRM.toml", "crm.toml.txt", " crm.toml", "crm.wasm.toml", "Crm.Toml", "crm.toml ", "crm .toml"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.write(name, "[data]\nfields = ['/data/id']\n")
			b.write("crm.wasm", guest(t, "ok"))
			b.poll()
			b.until("it is refused", func() bool { return b.entry("crm").State == inbox.FileRefused })
			if e := b.entry("crm"); b.live("crm") != nil || !strings.Contains(e.Err, "its manifest seems to be") || !strings.Contains(e.Hint, "crm.toml") {
				t.Errorf("%+v", e)
			}
			b.until("the file is listed", func() bool { return len(b.strays()) == 1 })
			if err := os.Rename(filepath.Join(b.dir, name), filepath.Join(b.dir, "crm.toml")); err != nil {
				t.Fatal(err)
			}
			b.until("it runs with its manifest", func() bool { return b.live("crm") != nil })
			if got := b.live("crm").Manifest.Data.Fields; !slices.Equal(got, []string{"/data/id"}) {
				t.Errorf("it sees %v", got)
			}
		})
	}
}

// A plugin that already runs without a manifest is not affected. A new plugin waits until the file is renamed or removed.
func TestANewPluginDoesNotRunBesideAManifestThatMayBeMeantForIt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("billing.wasm", guest(t, "ok"))
	b.poll()
	b.write("biling.toml", "")
	b.write("crrm.toml", "[data]\nfields = ['/data/id']\n")
	b.write("crm.wasm", guest(t, "ok"))
	b.poll()
	b.until("it is refused", func() bool { return b.entry("crm").State == inbox.FileRefused })
	if e := b.entry("crm"); !strings.Contains(e.Err, `"crrm.toml", which has no module, may be meant for it`) || b.live("crm") != nil {
		t.Errorf("%+v", e)
	}
	b.poll()
	if e := b.entry("billing"); e.State != inbox.FileLive {
		t.Errorf("the running plugin: %+v", e)
	}
	if err := os.Rename(filepath.Join(b.dir, "crrm.toml"), filepath.Join(b.dir, "crm.toml")); err != nil {
		t.Fatal(err)
	}
	b.until("it runs", func() bool { return b.live("crm") != nil })
	if got := b.live("crm").Manifest.Data.Fields; !slices.Equal(got, []string{"/data/id"}) {
		t.Errorf("it sees %v", got)
	}
}

func TestAModuleWithAMisspeltExtensionIsListed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, name := range []string{"a.WASM", "b.wasm.txt", "c.wasm "} {
		b.write(name, guest(t, "ok"))
	}
	b.until("they are listed", func() bool { return len(b.strays()) == 3 })
	for _, e := range b.strays() {
		if !strings.Contains(e.Err, "is not read as a module") || !strings.Contains(e.Hint, ".wasm") {
			t.Errorf("%+v", e)
		}
	}
}

// When a manifest that limited the data is missing or misnamed, the release before goes on, also after a restart.
func TestAMissingManifestDoesNotShowAPluginMoreData(t *testing.T) {
	t.Parallel()
	b := &bench{t: t, dir: t.TempDir(), store: inboxtest.Store(t, store.Options{})}
	kept := t.TempDir()
	stop := b.start(kept)
	b.write("crm.toml", "[data]\nfields = ['/data/id']\n")
	b.write("crm.wasm", guest(t, "ok"))
	b.poll()
	first := b.running("crm")
	if err := os.Rename(filepath.Join(b.dir, "crm.toml"), filepath.Join(b.dir, "crrm.toml")); err != nil {
		t.Fatal(err)
	}
	narrow := func(when string) {
		t.Helper()
		b.until("it is refused", func() bool { return b.entry("crm").State == inbox.FileRefused && b.live("crm") != nil })
		e := b.entry("crm")
		if !strings.Contains(e.Err, "its crm.toml is missing or empty") || !strings.Contains(e.Err, "data.fields") || e.Live != first || b.running("crm") != first {
			t.Errorf("%s: %+v", when, e)
		}
	}
	narrow("while it runs")
	stop()
	b.start(kept)
	narrow("after a start")
	b.write("crm.wasm", guest(t, "session_ok"))
	b.poll()
	narrow("with another module")
	b.write("crm.toml", "\n")
	b.poll()
	narrow("with an empty file, as a full disk leaves it")
	b.write("crm.toml", "\ufeff \r\n")
	b.poll()
	narrow("with nothing but a byte order mark, as an editor leaves it")
	b.write("crm.toml", "# the defaults\n")
	b.until("a file with a comment is accepted", func() bool { return b.entry("crm").State == inbox.FileLive })
	if m := b.live("crm").Manifest; m.Data.Fields != nil {
		t.Errorf("%+v", m)
	}
	if err := os.Remove(filepath.Join(b.dir, "crm.toml")); err != nil {
		t.Fatal(err)
	}
	b.poll()
	if e := b.entry("crm"); e.State != inbox.FileLive {
		t.Errorf("without a manifest that limited no data: %+v", e)
	}
}

// The plugin never runs without it.
func TestAManifestAddedDuringTheCompilationAppliesFromTheFirstEvent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var first *release.Live
	b.write("slow.wasm", slow())
	for range 3 {
		b.tick <- time.Now()
	}
	b.write("slow.toml", "[data]\nfields = ['/data/id']\n")
	b.until("it is live", func() bool { first = b.live("slow"); return first != nil })
	if !slices.Equal(first.Manifest.Data.Fields, []string{"/data/id"}) || b.liveCount("slow") != 1 {
		t.Errorf("it sees %v; %d releases went live", first.Manifest.Data.Fields, b.liveCount("slow"))
	}
}

func TestAChangeWithTheSameSizeAndTimeIsNoticed(t *testing.T) {
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
	b.poll()
	first := b.running("a")
	b.until("the narrower grant takes effect", func() bool {
		put("[data]\nfields = ['/data/id'] \n")
		b.poll()
		return b.running("a") != first
	})
	if got := b.live("a").Manifest.Data.Fields; !slices.Equal(got, []string{"/data/id"}) {
		t.Errorf("it sees %v", got)
	}
}

// A retry or a pause checks a plugin's files again, but does not read them.
func TestFilesThatDidNotChangeAreNotReadAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	path := b.write("a.wasm", guest(t, "ok"))
	b.poll()
	first := b.running("a")
	before := release.Reads(b.loader)
	for range 20 {
		b.loader.Reload("a")
		b.poll()
	}
	if n := release.Reads(b.loader) - before; n != 0 {
		t.Errorf("its files were read %d times", n)
	}
	if err := os.WriteFile(path, []byte(guest(t, "session_ok")), 0o600); err != nil {
		t.Fatal(err)
	}
	b.until("a change is noticed", func() bool { return b.running("a") != first })
}

func TestFileNamesWithControlCharactersAreShownSafely(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	b := &bench{t: t, dir: t.TempDir(), store: inboxtest.Store(t, store.Options{}), log: slog.New(slog.NewTextHandler(&log, nil))}
	stop := b.start(t.TempDir())
	evil := "a\x1b[2J\u202eb\nfake=1"
	b.write(evil+".wasm", guest(t, "ok"))
	b.write(evil+".toml.txt", "")
	b.write(strings.Repeat("x", 240)+".wasm", "")
	b.poll()
	b.until("all are refused", func() bool {
		return !slices.ContainsFunc(b.loader.List(), func(e release.Entry) bool { return e.State == inbox.FileCompiling })
	})
	for range 6 {
		b.poll()
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

func TestOnlyTheFirst50StrayFilesAreListed(t *testing.T) {
	t.Parallel()
	b := &bench{t: t, dir: t.TempDir()}
	for i := range 60 {
		b.write(fmt.Sprintf("lost%02d.toml", i), "")
	}
	var listed []string
	if err := release.Scan(b.dir, 1, func(f release.Found) { listed = append(listed, f.Err.Error()) }); err != nil {
		t.Fatal(err)
	}
	if len(listed) != 51 || listed[50] != "10 more files belong to no plugin" {
		t.Errorf("%d: %q", len(listed), listed)
	}
}

func TestAReleaseRecordDescribesItsModule(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("a.wasm", asking(t, "session_ok", "reuse = 7"))
	b.poll()
	list, err := b.store.Releases(ctx, "a")
	if err != nil || len(list) != 1 || string(list[0].Asks) != "reuse = 7" || !strings.Contains(string(list[0].Module), `"kind":"session"`) {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestScanReportsStraysAndOversizedFiles(t *testing.T) {
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
	errs := map[string]string{}
	if err := release.Scan(b.dir, 1, func(f release.Found) { errs[f.Plugin] = f.Err.Error() }); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"good": "good.toml has 65537 bytes", "lost.toml": "without a module", "big": "33554433 bytes"} {
		if !strings.Contains(errs[name], want) {
			t.Errorf("%s: %q", name, errs[name])
		}
	}
}
