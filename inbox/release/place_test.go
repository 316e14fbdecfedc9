package release_test

import (
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// newBenchWithEvents returns a bench whose store has events. No loader runs.
func newBenchWithEvents(t *testing.T, events int) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), store: inboxtest.Store(t, store.Options{})}
	b.head = b.store.Head
	b.accept(events)
	return b
}

func (b *bench) accept(events int) {
	b.t.Helper()
	for range events {
		inboxtest.Accept(b.t, b.store, inboxtest.Body(1, int(b.store.Head())))
	}
}

// began returns the seq after which a plugin began, once it is live.
func (b *bench) began(name string) int64 {
	b.t.Helper()
	b.until(name+" is live", func() bool { return b.live(name) != nil })
	record, _, err := b.store.Load(ctx, name)
	if err != nil {
		b.t.Fatal(err)
	}
	return record.StartedAt
}

func TestAPluginThatExistsAtTheStartGetsTheEventsThatArriveDuringItsCompilation(t *testing.T) {
	t.Parallel()
	b := newBenchWithEvents(t, 2)
	b.write("slow.wasm", slow())
	b.write("quick.wasm", guest(t, "ok"))
	b.start(t.TempDir())
	b.accept(3)
	for _, name := range []string{"slow", "quick"} {
		if got := b.began(name); got != 2 {
			t.Errorf("%s began after %d of 5 events, 2 of which were there before the start", name, got)
		}
	}
}

func TestANewPluginBeginsAtTheSeqOfTheFirstPollThatFindsIt(t *testing.T) {
	t.Parallel()
	b := newBenchWithEvents(t, 1)
	b.start(t.TempDir())
	b.accept(1)
	b.write("slow.wasm", slow())
	b.write("past.toml", "start_from = 'start'")
	b.write("past.wasm", guest(t, "ok"))
	b.tick <- time.Now()
	b.tick <- time.Now() // the first poll that finds it is over
	b.accept(4)
	if got := b.began("slow"); got != 2 {
		t.Errorf("it began after %d, want 2, the seq when it was found", got)
	}
	if got := b.began("past"); got != 0 {
		t.Errorf("it began after %d, want 0, the start", got)
	}
}

// The plugin must not get the events of the days when its file was refused.
func TestAPluginWithACorrectedFileBeginsAtTheCorrection(t *testing.T) {
	t.Parallel()
	b := newBenchWithEvents(t, 1)
	b.write("a.toml", "evnts = []")
	b.write("a.wasm", guest(t, "ok"))
	b.start(t.TempDir())
	b.until("it is refused", func() bool { return b.entry("a").State == inbox.FileRefused })
	b.accept(3)
	b.write("a.toml", "")
	if got := b.began("a"); got != 4 {
		t.Errorf("it began after %d of 4", got)
	}
}
