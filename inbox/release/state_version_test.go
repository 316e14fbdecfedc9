package release_test

import (
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/storetest"
)

// keep commits a state document of a version for the plugin a.
func (b *bench) keep(version int) {
	b.t.Helper()
	e := inboxtest.Accept(b.t, b.store, inboxtest.Body(version, 0))
	a := storetest.Attempt(e.Seq, 1, inbox.OK, inbox.Done)
	a.Plugin = "a"
	lane := inbox.LaneID{Mode: inbox.Live, Key: "k"}
	err := storetest.Settle(b.store, &inbox.Settlement{Plugin: "a", Attempt: a, Effects: &inbox.Effects{
		Lane: lane, State: &inbox.StateChange{State: inbox.State{Document: []byte(`{}`), Version: version}},
	}})
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestAReleaseWithALowerStateVersionThanTheStoredDocumentsDoesNotGoLive(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("a.toml", "state_version = 2\n")
	b.write("a.wasm", guest(t, "ok"))
	b.poll()
	second := b.running("a")
	b.keep(2)
	for name, c := range map[string]struct{ manifest, message string }{
		"a lower version": {"state_version = 1\n", "it declares state_version 1, and the plugin has state documents of version 2"},
		"no version":      {"# none\n", "it declares no state_version, and the plugin has state documents of version 2"},
	} {
		b.write("a.toml", c.manifest)
		b.poll()
		e := b.entry("a")
		if e.State != inbox.FileRefused || e.Err != c.message || !strings.Contains(e.Hint, "state_version = 2 or more in a.toml") || e.Live != second {
			t.Errorf("%s: %+v", name, e)
		}
	}
	for _, same := range []string{"state_version = 2\nconcurrency = 2\n", "state_version = 3\n"} {
		b.write("a.toml", same)
		b.poll()
		if e := b.entry("a"); e.State != inbox.FileLive || b.running("a") == second {
			t.Errorf("%s: %+v", same, e)
		}
	}
}

func TestARollbackToALowerStateVersionDoesNotGoLive(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("a.toml", "state_version = 1\n")
	b.write("a.wasm", guest(t, "ok"))
	b.poll()
	first := b.running("a")
	b.write("a.toml", "state_version = 2\n")
	b.poll()
	second := b.running("a")
	b.keep(2)
	if err := b.store.SetPin(ctx, inbox.Actor{Name: "op"}, "a", first, second); err != nil {
		t.Fatal(err)
	}
	b.loader.Reload("a")
	b.until("the rollback is refused", func() bool { return b.entry("a").State == inbox.FileRefused })
	e := b.entry("a")
	if !strings.Contains(e.Err, "release "+first+": it declares state_version 1") || e.Live != second {
		t.Errorf("%+v", e)
	}
}

func TestAReleaseWithALowerStateVersionRunsWhileThereIsNoDocument(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("a.toml", "state_version = 2\n")
	b.write("a.wasm", guest(t, "ok"))
	b.poll()
	b.write("a.toml", "state_version = 1\n")
	b.poll()
	if e := b.entry("a"); e.State != inbox.FileLive {
		t.Errorf("%+v", e)
	}
}
