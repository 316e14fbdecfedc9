package release_test

import (
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
)

// A release went live, settled no event, and fails to start after a restart. Then the release before it runs.
func TestTheReleaseBeforeRunsWhenAnUnprovenReleaseFailsToStart(t *testing.T) {
	t.Parallel()
	for name, proven := range map[string]bool{"it settled no event": false, "it settled an event": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &bench{t: t, dir: t.TempDir(), store: inboxtest.Store(t, store.Options{})}
			kept := t.TempDir()
			stop := b.start(kept)
			b.write("a.wasm", guest(t, "ok"))
			b.poll()
			first := b.running("a")
			stop()
			bad := guest(t, "session_never_asks")
			b.write("a.wasm", bad)
			id := release.Describe("a", []byte(bad), nil).ID
			if err := b.store.SetLive(ctx, "a", id); err != nil {
				t.Fatal(err)
			}
			if proven {
				done := make(chan error, 1)
				if err := b.store.Settle(ctx, &inbox.Settlement{Plugin: "a", Term: b.store.Term(), Release: inbox.ReleaseChange{Proven: id}}, func(err error) { done <- err }); err != nil {
					t.Fatal(err)
				}
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			b.start(kept)
			b.poll()
			if !proven {
				b.until("the release before runs", func() bool { return b.live("a") != nil })
			}
			e := b.entry("a")
			if want := map[bool]string{false: first, true: ""}[proven]; e.State != inbox.FileRefused || e.Live != want {
				t.Errorf("%+v, want %q to run", e, want)
			}
		})
	}
}

// A release that crashes while it starts is in the crash loop too. Without a fallback its plugin has no running release.
func TestAModuleThatCrashesTheCompilerIsDisabledUntilItChanges(t *testing.T) {
	t.Parallel()
	b := &bench{t: t, dir: t.TempDir(), store: inboxtest.Store(t, store.Options{})}
	id := release.Describe("a", []byte(guest(t, "ok")), nil).ID
	for n := range inbox.CrashLoopAfter + 1 {
		if err := b.store.RecordStart(ctx, "a", id); err != nil { // then the program crashes
			t.Fatal(err)
		}
		list, err := b.store.CountCrashes(ctx)
		if err != nil || len(list) != 1 || list[0].Ends != min(n+1, inbox.CrashLoopAfter) || list[0].DisabledAt.IsZero() != (n < inbox.CrashLoopAfter) {
			t.Fatalf("after end %d: %+v, %v", n+1, list, err)
		}
	}
	b.write("a.wasm", guest(t, "ok"))
	b.start(t.TempDir())
	b.poll()
	if e := b.entry("a"); e.State != inbox.FileDisabled || b.live("a") != nil || !strings.Contains(e.Err, "no fallback") || !strings.Contains(e.Hint, "inbox plugin resume a") {
		t.Errorf("%+v", e)
	}
	b.write("a.wasm", "garbage")
	b.poll()
	if e := b.entry("a"); e.State != inbox.FileRefused || b.live("a") != nil {
		t.Errorf("garbage in its place: %+v", e)
	}
	b.write("a.wasm", guest(t, "session_ok"))
	b.poll()
	if e := b.entry("a"); e.State != inbox.FileLive || b.live("a") == nil {
		t.Errorf("another file: %+v", e)
	}
	if list, err := b.store.CrashRecords(ctx); err != nil || len(list) > 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

// crashUntilDisabled records crashes of a release until it is disabled.
func (b *bench) crashUntilDisabled(plugin, release string) {
	b.t.Helper()
	for range inbox.CrashLoopAfter + 1 {
		if err := b.store.RecordStart(ctx, plugin, release); err != nil {
			b.t.Fatal(err)
		}
		if _, err := b.store.CountCrashes(ctx); err != nil {
			b.t.Fatal(err)
		}
	}
	if !b.isDisabled(plugin, release) {
		b.t.Fatalf("%s is not disabled", release)
	}
}

func (b *bench) isDisabled(plugin, release string) bool {
	b.t.Helper()
	list, err := b.store.CrashRecords(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	return slices.ContainsFunc(list, func(s inbox.CrashRecord) bool {
		return s.Plugin == plugin && s.Release == release && !s.DisabledAt.IsZero()
	})
}

// A fallback may crash the program too. It must stay disabled until another release has replaced it, whatever happens to the
// file. Otherwise the program crashes again and again.
func TestAFallbackThatCrashesTheProgramStaysDisabled(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]string{"the file is disabled too": guest(t, "session_ok"), "the file is refused": "garbage", "the file does not start": guest(t, "session_never_asks")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &bench{t: t, dir: t.TempDir(), store: inboxtest.Store(t, store.Options{})}
			kept := t.TempDir()
			stop := b.start(kept)
			b.write("a.wasm", guest(t, "ok"))
			b.poll()
			first := b.running("a")
			b.write("a.wasm", second)
			b.poll()
			stop()
			if file := release.Describe("a", []byte(second), nil).ID; name == "the file is disabled too" {
				b.crashUntilDisabled("a", file)
				stop = b.start(kept)
				b.poll()
				if got := b.running("a"); got != first {
					t.Fatalf("%s runs, want %s", got, first)
				}
				stop()
			}
			b.crashUntilDisabled("a", first)
			for range 2 {
				stop = b.start(kept)
				b.poll()
				if live := b.live("a"); live != nil || !b.isDisabled("a", first) {
					t.Errorf("it runs again, or is no longer disabled: %+v", b.entry("a"))
				}
				stop()
			}
		})
	}
}

// A file with a temporary read error is not a changed file.
func TestADisabledReleaseStaysDisabledWhileItsFileCannotBeRead(t *testing.T) {
	t.Parallel()
	b := &bench{t: t, dir: t.TempDir(), store: inboxtest.Store(t, store.Options{})}
	kept := t.TempDir()
	stop := b.start(kept)
	b.write("a.wasm", guest(t, "ok"))
	b.poll()
	first := b.running("a")
	b.write("a.wasm", guest(t, "session_ok"))
	b.poll()
	second := b.running("a")
	stop()
	b.crashUntilDisabled("a", second)
	b.write("a.toml", "events = [")
	stop = b.start(kept)
	b.until("the release before runs", func() bool { return b.live("a") != nil })
	if e := b.entry("a"); e.State != inbox.FileRefused || e.Live != first {
		t.Errorf("%+v", e)
	}
	stop()
	if err := os.Remove(filepath.Join(b.dir, "a.toml")); err != nil {
		t.Fatal(err)
	}
	b.start(kept)
	b.poll()
	b.until("the release before runs", func() bool { return b.live("a") != nil })
	if e := b.entry("a"); e.State != inbox.FileDisabled || e.Live != first {
		t.Errorf("%+v", e)
	}
}

func TestADisabledReleaseIsNotTheFallbackOfTheNextRelease(t *testing.T) {
	t.Parallel()
	b := &bench{t: t, dir: t.TempDir(), store: inboxtest.Store(t, store.Options{})}
	kept := t.TempDir()
	stop := b.start(kept)
	b.write("a.wasm", guest(t, "ok"))
	b.poll()
	first := b.running("a")
	stop()
	b.crashUntilDisabled("a", first)
	b.start(kept)
	b.write("a.wasm", guest(t, "session_ok"))
	b.poll()
	second := b.running("a")
	record, _, err := b.store.Load(ctx, "a")
	if err != nil || record.Live != second || record.Previous != "" || b.isDisabled("a", first) {
		t.Errorf("%+v, %v", record, err)
	}
}

// The attempt that crashes the program may take long, while thousands of other attempts of the same plugin end.
func TestAReleaseHasNotSurvivedBeforeItsFirstAttemptsHaveEnded(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("a.wasm", guest(t, "ok"))
	b.poll()
	live := b.live("a")
	if err := b.store.RecordStart(ctx, "a", live.Release.ID); err != nil {
		t.Fatal(err)
	}
	hasRecord := func() bool {
		list, err := b.store.CrashRecords(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return len(list) > 0
	}
	end := live.Attempts.Begin(time.Now())
	for range 2000 {
		live.Attempts.Begin(time.Now())()
	}
	b.poll()
	if !hasRecord() {
		t.Error("its record is deleted while its first attempt runs")
	}
	end()
	b.until("its record is deleted", func() bool { return !hasRecord() })
}
