package release_test

import (
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/release"
	"inbox/inbox/store"
)

// A release that went live, has not done anything yet, and then does not start any more: the one before it runs.
func TestWhatDoesNotStartAnyMoreAndHasDoneNothingGivesWay(t *testing.T) {
	t.Parallel()
	for name, proven := range map[string]bool{"it has done nothing": false, "it has": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &bench{t: t, dir: t.TempDir(), store: inboxtest.Store(t, store.Options{})}
			kept := t.TempDir()
			stop := b.start(kept)
			b.write("a.wasm", guest(t, "ok"))
			b.look()
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
				if err := b.store.Settle(ctx, &inbox.Settlement{Plugin: "a", Proven: id}, func(err error) { done <- err }); err != nil {
					t.Fatal(err)
				}
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			b.start(kept)
			b.look()
			if !proven {
				b.until("another runs", func() bool { return b.live("a") != nil })
			}
			e := b.entry("a")
			if want := map[bool]string{false: first, true: ""}[proven]; e.State != release.StateRefused || e.Live != want {
				t.Errorf("%+v, want %q to run", e, want)
			}
		})
	}
}

// A release that could not even be started is a suspect too, and one without any before it leaves its plugin without one.
func TestWhatEndsTheProgramWhileItIsCompiledIsSetAsideUntilItChanges(t *testing.T) {
	t.Parallel()
	b := &bench{t: t, dir: t.TempDir(), store: inboxtest.Store(t, store.Options{})}
	id := release.Describe("a", []byte(guest(t, "ok")), nil).ID
	for n := range inbox.SuspectAfter + 1 {
		if err := b.store.Watch(ctx, "a", id); err != nil { // and there the program ends
			t.Fatal(err)
		}
		list, err := b.store.Reckon(ctx)
		if err != nil || len(list) != 1 || list[0].Ends != min(n+1, inbox.SuspectAfter) || list[0].AsideAt.IsZero() != (n < inbox.SuspectAfter) {
			t.Fatalf("after end %d: %+v, %v", n+1, list, err)
		}
	}
	b.write("a.wasm", guest(t, "ok"))
	b.start(t.TempDir())
	b.look()
	if e := b.entry("a"); e.State != release.StateAside || b.live("a") != nil || !strings.Contains(e.Err, "none before it") || !strings.Contains(e.Hint, "inbox plugin resume a") {
		t.Errorf("%+v", e)
	}
	b.write("a.wasm", "garbage")
	b.look()
	if e := b.entry("a"); e.State != release.StateRefused || b.live("a") != nil {
		t.Errorf("garbage in its place: %+v", e)
	}
	b.write("a.wasm", guest(t, "session_ok"))
	b.look()
	if e := b.entry("a"); e.State != release.StateLive || b.live("a") == nil {
		t.Errorf("another file: %+v", e)
	}
	if list, err := b.store.Suspects(ctx); err != nil || len(list) > 0 {
		t.Errorf("%+v, %v", list, err)
	}
}
